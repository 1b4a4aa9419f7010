//! Why there is no result: each becomes one sentence and an exit code.

use std::process::ExitCode;

/// How the process ends; the same numbers as `tern`'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Measured, and within the thresholds given.
    Ok = 0,
    /// Measured, but beyond a threshold; or this machine said no.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The server does not answer.
    Unreachable = 69,
    /// The server refuses.
    Refused = 77,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// What the process ends with.
    pub exit: Exit,
    /// One sentence that tells the user what to do.
    pub text: String,
}

impl Failure {
    /// A failure with a sentence.
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }

    /// The command line makes no sense.
    pub fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, text)
    }

    /// The user has ended the run before there was anything to report.
    #[must_use]
    pub fn interrupted() -> Self {
        Self::new(Exit::Failed, "interrupted before anything was measured")
    }

    /// This machine said no: a socket, a file, a namespace.
    pub fn machine(what: &str, error: &dyn std::fmt::Display) -> Self {
        Self::new(Exit::Failed, format!("{what}: {error}"))
    }
}
