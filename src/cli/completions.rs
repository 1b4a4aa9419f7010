//! `tern completions`.

use clap::Args;
use clap_complete::Shell;

use super::exit::{Failure, print};

/// Print a completion script for a shell.
///
/// For bash: tern completions bash > /usr/share/bash-completion/completions/tern
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, command: &mut clap::Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "tern", &mut script);
    print(&String::from_utf8_lossy(&script))
}
