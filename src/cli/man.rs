//! `tern man`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::exit::{Failure, print};

/// Print the manual page, or write all pages into a folder.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The folder, such as /usr/share/man/man1; made if it is not there.
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &ManArgs, command: clap::Command) -> Result<(), Failure> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).context("cannot write the manual page")?;
        return print(&String::from_utf8_lossy(&page));
    };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    clap_mangen::generate_to(command, dir).with_context(|| format!("cannot write to {}", dir.display()))?;
    Ok(())
}
