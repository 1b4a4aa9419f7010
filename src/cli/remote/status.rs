//! `tern status`.

use std::fmt::Write as _;

use clap::Args;

use super::ReadArgs;
use super::alerts;
use super::words::{bits, figure, percent, scaled};
use crate::cli::exit::Failure;
use crate::cli::table::{age, table};
use crate::control::admin::{Capacity, LegQuality, Resource, Room, Status};

/// Say at one glance whether the relay takes calls, how many it has, how good they are, and what is wrong.
#[derive(Debug, Args)]
pub(in crate::cli) struct StatusArgs {
    #[command(flatten)]
    read: ReadArgs,
}

pub(in crate::cli) fn run(args: &StatusArgs) -> Result<(), Failure> {
    args.read.show("/v1/status", |answer| Ok(describe(&answer.read()?)))
}

/// All of it.
pub(super) fn describe(status: &Status) -> String {
    let mut text = headline(status);
    text.push('\n');
    text.push_str(&load(status));
    text.push('\n');
    text.push_str(&rooms(&status.capacity));
    text.push('\n');
    text.push_str(&quality(status));
    text.push('\n');
    text.push_str(&alerts::describe(&status.alerts));
    text
}

/// Whether it takes calls.
pub(super) fn headline(status: &Status) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{}  {} since {}, up {}, Tern {}",
        status.name,
        status.state,
        status.since,
        age(status.uptime_seconds),
        status.version
    );
    let takes = if status.ready { "yes".to_owned() } else { format!("NO: {}", status.not_ready.join("; ")) };
    let _ = writeln!(text, "takes calls   {takes}");
    if let Some(drain) = &status.draining {
        let until =
            drain.deadline.as_ref().map_or_else(String::new, |deadline| format!(", until {deadline}"));
        let done = if drain.done { "empty" } else { "not empty yet" };
        let _ = writeln!(
            text,
            "draining      since {}{until}: {} sessions left, {} may be ({done})",
            drain.since, drain.sessions_left, drain.min_sessions
        );
    }
    let announced =
        if status.announced.is_empty() { "nothing".to_owned() } else { status.announced.join(", ") };
    let _ = writeln!(text, "announces     {announced}");
    text
}

fn load(status: &Status) -> String {
    let (sessions, rates) = (&status.sessions, &status.rates);
    let busy: Vec<_> = rates.worker_busy.iter().map(|share| percent(*share)).collect();
    format!(
        "sessions      {} (UDP {}, TCP {}, TLS {}, DTLS {}; IPv4 {}, IPv6 {})\n\
         media         {}, {}packets/s, {}packets/s dropped\n\
         allocations   {:.1}/s, {:.1}/s refused\n\
         workers busy  {}\n",
        sessions.total,
        sessions.udp,
        sessions.tcp,
        sessions.tls,
        sessions.dtls,
        sessions.ipv4,
        sessions.ipv6,
        bits(rates.bits_per_second),
        scaled(rates.packets_per_second),
        scaled(rates.dropped_per_second),
        rates.allocations_per_second,
        rates.refused_per_second,
        busy.join(", ")
    )
}

fn rooms(capacity: &Capacity) -> String {
    let row = |resource: Resource| {
        let Room { used, limit, free_share, basis } = *capacity.room(resource);
        let basis = match (limit, basis) {
            (None, _) => "not known",
            (Some(_), crate::control::admin::Basis::Measured) => "by load",
            (Some(_), _) => "",
        };
        let first = if capacity.binds == Some(resource) { "<- runs out first" } else { "" };
        let note = [basis, first].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
        vec![
            resource.name().to_owned(),
            scaled(used).trim_end().to_owned(),
            limit.map_or_else(|| "-".to_owned(), |limit| scaled(limit).trim_end().to_owned()),
            free_share.map_or_else(|| "-".to_owned(), percent),
            note,
        ]
    };
    table(&["Room", "Used", "Limit", "Free", ""], &Resource::ALL.map(row))
}

fn quality(status: &Status) -> String {
    let row = |name: &str, leg: &LegQuality| {
        vec![
            name.to_owned(),
            figure(leg.mos_p50, 2, ""),
            leg.poor_share.map_or_else(|| "-".to_owned(), percent),
            figure(leg.loss_percent, 2, " %"),
            figure(leg.jitter_ms, 1, " ms"),
            figure(leg.rtt_ms, 1, " ms"),
        ]
    };
    let rows = [row("clients", &status.quality.client), row("peers", &status.quality.peer)];
    table(&["Quality", "MOS", "Poor", "Loss", "Jitter", "Round trip"], &rows)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::control::admin::{Basis, Drain, SessionsByTransport};

    pub(in crate::cli::remote) fn sample() -> Status {
        let mut status = Status {
            name: "edge-1".to_owned(),
            version: "0.1.0".to_owned(),
            uptime_seconds: 90_000,
            state: "healthy".to_owned(),
            since: "2026-07-01T12:30:00Z".to_owned(),
            ready: true,
            announced: vec!["192.0.2.0/24".to_owned()],
            sessions: SessionsByTransport { total: 3, udp: 2, tls: 1, ipv4: 3, ..Default::default() },
            ..Status::default()
        };
        status.rates.bits_per_second = 2_500_000.0;
        status.rates.worker_busy = vec![0.12, 0.5];
        status.capacity.ports =
            Room { used: 3.0, limit: Some(16_384.0), free_share: Some(0.99), basis: Basis::Configured };
        status.capacity.binds = Some(Resource::Ports);
        status.quality.client.mos_p50 = Some(4.31);
        status
    }

    #[test]
    fn one_glance_says_whether_it_takes_calls_and_what_runs_out_first() {
        let text = describe(&sample());
        for part in [
            "edge-1  healthy since 2026-07-01T12:30:00Z, up 1d 1h, Tern 0.1.0\n",
            "takes calls   yes\n",
            "announces     192.0.2.0/24\n",
            "sessions      3 (UDP 2, TCP 0, TLS 1, DTLS 0; IPv4 3, IPv6 0)\n",
            "media         2.5 Mbit/s",
            "workers busy  12 %, 50 %\n",
            "clients  4.31",
            "nothing is wrong\n",
        ] {
            assert!(text.contains(part), "{part:?} is missing:\n{text}");
        }
        let ports = text.lines().find(|line| line.starts_with("ports")).unwrap();
        assert!(ports.contains("16.4 k") && ports.ends_with("<- runs out first"), "{ports}");
    }

    #[test]
    fn a_relay_that_takes_none_says_why_and_how_far_it_is_empty() {
        let mut status = sample();
        status.ready = false;
        status.not_ready = vec!["it is being emptied".to_owned()];
        status.draining = Some(Drain { sessions_left: 3, min_sessions: 0, ..Drain::default() });
        status.announced.clear();
        let text = headline(&status);
        assert!(text.contains("takes calls   NO: it is being emptied\n"), "{text}");
        assert!(text.contains("3 sessions left, 0 may be (not empty yet)"), "{text}");
        assert!(text.contains("announces     nothing\n"), "{text}");
    }
}
