//! `tern alerts`.

use std::fmt::Write as _;

use clap::Args;

use super::ReadArgs;
use crate::cli::exit::Failure;
use crate::control::admin::{Alert, AlertList, AlertSeverity};

/// List what somebody should look at now, the worst first, each with what to do.
#[derive(Debug, Args)]
pub(in crate::cli) struct AlertsArgs {
    #[command(flatten)]
    read: ReadArgs,
}

pub(in crate::cli) fn run(args: &AlertsArgs) -> Result<(), Failure> {
    args.read.show("/v1/alerts", |answer| {
        let AlertList { alerts } = answer.read()?;
        Ok(describe(&alerts))
    })
}

/// Each in two lines.
pub(super) fn describe(alerts: &[Alert]) -> String {
    if alerts.is_empty() {
        return "nothing is wrong\n".to_owned();
    }
    let mut text = String::new();
    for alert in alerts {
        let level = match alert.severity {
            AlertSeverity::Critical => "CRITICAL",
            AlertSeverity::Warning => "warning",
        };
        let subject = alert.subject.as_ref().map_or_else(String::new, |subject| format!(" {subject}"));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{level:<8}  {}{subject} since {}: {}", alert.name, alert.since, alert.text);
        let _ = writeln!(text, "          -> {}", alert.remedy);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_says_what_is_wrong_and_below_it_what_to_do() {
        let alert = Alert {
            name: "bgp".to_owned(),
            subject: Some("router-a".to_owned()),
            severity: AlertSeverity::Critical,
            since: "2026-07-01T12:30:00Z".to_owned(),
            text: "down for 40 s".to_owned(),
            remedy: "tern bgp show".to_owned(),
            ..Alert::default()
        };
        assert_eq!(
            describe(&[alert]),
            "CRITICAL  bgp router-a since 2026-07-01T12:30:00Z: down for 40 s\n          -> tern bgp show\n"
        );
        assert_eq!(describe(&[]), "nothing is wrong\n");
    }
}
