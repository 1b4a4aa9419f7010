//! One thing that was looked at.

use std::fmt::Write as _;

use serde::Serialize;

/// How much it matters, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    /// Cannot be told from here.
    Unknown,
    /// Works, and not as well as it could.
    Warning,
    /// Calls will fail.
    Bad,
}

/// What was found, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at: a short name that stays.
    pub(super) check: &'static str,
    pub(super) level: Level,
    pub(super) what: String,
    /// Commands or settings, where something is to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) remedy: String,
}

impl Finding {
    pub(super) fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, what: what.into(), remedy: String::new() }
    }

    pub(super) fn unknown(check: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, level: Level::Unknown, what: what.into(), remedy: remedy.into() }
    }

    pub(super) fn warning(check: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, level: Level::Warning, what: what.into(), remedy: remedy.into() }
    }

    pub(super) fn bad(check: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, level: Level::Bad, what: what.into(), remedy: remedy.into() }
    }
}

/// For people.
pub(super) fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    for finding in findings {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Unknown => "?",
            Level::Warning => "WARNING",
            Level::Bad => "BAD",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{level:<7}  {:<width$}  {}", finding.check, finding.what);
        if !finding.remedy.is_empty() {
            let _ = writeln!(text, "{:<7}  {:<width$}  -> {}", "", "", finding.remedy);
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let _ = writeln!(
        text,
        "\n{} ok, {} to be told elsewhere, {} warnings, {} bad",
        count(Level::Ok),
        count(Level::Unknown),
        count(Level::Warning),
        count(Level::Bad)
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_the_remedy_below_what_was_found() {
        let findings = [Finding::ok("clock", "synchronised"), Finding::bad("ports", "taken", "ss -lunp")];
        assert_eq!(
            text(&findings),
            "ok       clock  synchronised\nBAD      ports  taken\n                -> ss -lunp\n\n\
             1 ok, 0 to be told elsewhere, 0 warnings, 1 bad\n"
        );
    }

    #[test]
    fn what_cannot_be_told_is_less_than_a_warning() {
        assert!(Level::Ok < Level::Unknown && Level::Unknown < Level::Warning && Level::Warning < Level::Bad);
    }
}
