//! How a command ends.

use std::io::Write;
use std::process::ExitCode;

use crate::config::Problems;

/// The exit codes, as `tern --help` and the README list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It worked.
    Ok = 0,
    /// The machine, the network or a file said no.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The relay to talk to is not running.
    Unreachable = 69,
    /// Busy: try again.
    Retry = 75,
    /// The configuration is wrong.
    Configuration = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// What the process ends with.
    pub exit: Exit,
    /// What the user reads; nothing if it was printed already.
    pub text: String,
}

impl Failure {
    /// A failure with a message.
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }

    /// A failure of which the user has read already.
    #[must_use]
    pub const fn silent(exit: Exit) -> Self {
        Self { exit, text: String::new() }
    }

    /// Writes the message to standard error.
    pub(super) fn print(&self) {
        if !self.text.is_empty() {
            // With standard error closed nobody is left to tell.
            let _ = writeln!(std::io::stderr(), "{}", self.text);
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::new(Exit::Configuration, problems.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Failed, format!("tern: {error:#}"))
    }
}

/// Writes to standard output. A reader that went away (`tern … | head`) is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Failed, format!("tern: cannot write to standard output: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
