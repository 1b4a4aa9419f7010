//! Under which names the workers' counters are exported: Prometheus' conventions, base units, every label from a list
//! that no client can lengthen.

use super::Loss;
use super::sums::Family;

/// What [`Counters::each`](super::Counters::each) shows under one name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// What the counters call it.
    pub(super) key: &'static str,
    /// What it is exported as. The labels are those of the counters; where each worker is shown by itself, "worker" is
    /// the only one.
    pub(super) family: Family,
    /// Each worker by itself, or their sum.
    pub(super) per_worker: bool,
    /// What the counters' unit is divided by.
    pub(super) divisor: f64,
}

const fn counter(
    key: &'static str,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Shown {
    Shown { key, family: Family::counter(name, labels, help), per_worker: false, divisor: 1.0 }
}

const fn gauge(key: &'static str, name: &'static str, help: &'static str) -> Shown {
    Shown { key, family: Family::gauge(name, &[], help), per_worker: false, divisor: 1.0 }
}

const fn of_worker(shown: Shown) -> Shown {
    let family = Family { labels: &["worker"], ..shown.family };
    Shown { per_worker: true, family, ..shown }
}

/// The key of those losses that are connections: a rate of packets and one of connections do not add up.
const LOST_CONNECTIONS: &str = "lost_connections";
const NANOSECONDS: f64 = 1e9;

/// All of them.
pub(super) static SHOWN: &[Shown] = &[
    Shown {
        family: Family::gauge(
            "tern_allocations",
            &["transport", "family"],
            "Allocations now, by the transport and address family of their client.",
        ),
        ..gauge("allocations", "tern_allocations", "")
    },
    counter(
        "allocated",
        "tern_allocations_opened_total",
        &["transport", "family"],
        "Allocations that came into being, by the transport and address family of their client.",
    ),
    gauge(
        "self_test_allocations",
        "tern_self_test_allocations",
        "Allocations of the relay's own test calls now; they are no part of tern_allocations.",
    ),
    counter(
        "self_test_allocated",
        "tern_self_test_allocations_opened_total",
        &[],
        "Allocations of the relay's own test calls; they are no part of tern_allocations_opened_total.",
    ),
    counter(
        "authentications",
        "tern_authentications_total",
        &["method", "result"],
        "Signed requests, by the mechanism of their credential and by what came of it; a stale nonce is tried again.",
    ),
    counter(
        "challenges_limited",
        "tern_challenges_limited_total",
        &[],
        "Requests without an answer since their source prefix had proven nothing and had its share of answers.",
    ),
    counter(
        "allocations_refused",
        "tern_allocations_refused_total",
        &["code"],
        "Allocate requests of clients that had proven who they are which were answered with an error, by STUN code.",
    ),
    counter(
        "logins_failed",
        "tern_allocation_logins_failed_total",
        &["result"],
        "Allocate requests whose credential proved nothing, by reason; a stale nonce is tried again.",
    ),
    counter("released", "tern_allocations_released_total", &["cause"], "Allocations that ended, by cause."),
    counter(
        "moved",
        "tern_allocations_moved_total",
        &[],
        "Allocations that moved to another address of their client (RFC 8016).",
    ),
    counter("shed", "tern_allocations_shed_total", &[], "Allocations refused since a worker was overloaded."),
    counter("packets", "tern_packets_total", &["path"], "Packets from and to clients and peers."),
    counter("bytes", "tern_bytes_total", &["path"], "Bytes in packets from and to clients and peers."),
    counter(
        "lost",
        "tern_dropped_packets_total",
        &["reason"],
        "Packets and messages that went nowhere, by reason.",
    ),
    counter(
        LOST_CONNECTIONS,
        "tern_dropped_connections_total",
        &["reason"],
        "Connections and sessions that were refused or closed for a fault, by reason.",
    ),
    counter(
        "served",
        "tern_requests_served_total",
        &["method"],
        "STUN and TURN requests answered with success, by method.",
    ),
    counter(
        "refused",
        "tern_requests_refused_total",
        &["method", "code"],
        "STUN and TURN requests answered with an error, by method and error code; 401 and 438 are the usual way in.",
    ),
    counter(
        "dropped",
        "tern_requests_dropped_total",
        &["reason"],
        "STUN and TURN messages that got no answer, by reason.",
    ),
    counter(
        "calls",
        "tern_datagram_calls_total",
        &["traffic"],
        "System calls that received or sent datagrams; datagrams by calls is how full batches are.",
    ),
    counter("datagrams", "tern_datagrams_total", &["traffic"], "Datagrams received and sent."),
    counter(
        "merged",
        "tern_merged_datagrams_total",
        &["traffic"],
        "Datagrams that the kernel received or sent as parts of longer ones.",
    ),
    counter(
        "shortcuts",
        "tern_shortcut_packets_total",
        &[],
        "Packets between two clients of this relay that did not pass the kernel on their way.",
    ),
    counter("copied_bytes", "tern_copied_bytes_total", &[], "Bytes of media copied in user space."),
    gauge("connections", "tern_stream_connections", "TCP and TLS connections of clients now."),
    gauge("dtls_sessions", "tern_dtls_sessions", "DTLS sessions of clients now, handshakes included."),
    gauge("peer_connections", "tern_peer_connections", "TCP connections to peers now (RFC 6062)."),
    gauge("queued_bytes", "tern_stream_queue_bytes", "Bytes that wait for slow TCP and TLS clients."),
    gauge("piped_bytes", "tern_pipe_bytes", "Bytes that wait in the pipes of TCP allocations."),
    gauge("leases", "tern_leases", "What workers know now of relays of other workers."),
    counter(
        "remarked",
        "tern_remarked_packets_total",
        &["path"],
        "Packets that left with another DSCP than they came with, as the configuration wants it.",
    ),
    counter(
        "records_dropped",
        "tern_dropped_records_total",
        &[],
        "Records of ended calls that were not written: too many ended at once, or the disk was slow.",
    ),
    counter(
        "journal_dropped",
        "tern_dropped_journal_entries_total",
        &[],
        "Events of calls that the journal has no entry for: too many at once.",
    ),
    counter(
        "journal_left_out",
        "tern_left_out_journal_entries_total",
        &[],
        "Failed logins and refused requests that the journal has no entry for: a client makes too many of them.",
    ),
    counter(
        "unheard",
        "tern_unheard_packets_total",
        &[],
        "Packets between two workers that the call's quality figures take for lost: a worker's mailbox was full.",
    ),
    of_worker(gauge("mailbox_messages", "tern_mailbox_messages", "Messages of other workers that wait.")),
    of_worker(gauge("mailbox_bytes", "tern_mailbox_bytes", "Bytes in messages of other workers that wait.")),
    of_worker(counter("turns", "tern_worker_turns_total", &[], "Turns of a worker's loop.")),
    of_worker(Shown {
        divisor: NANOSECONDS,
        ..counter(
            "busy_nanoseconds",
            "tern_worker_busy_seconds_total",
            &[],
            "Time that a worker was not waiting for something to do; its rate is the worker's load, 0 to 1.",
        )
    }),
    of_worker(gauge("overloaded", "tern_worker_overloaded", "1 while a worker takes no new allocations.")),
];

/// What the counters show under `key` with `label`.
pub(super) fn find(key: &str, label: &str) -> Option<&'static Shown> {
    let is_connection = key == "lost" && connection_losses().any(|loss| loss.name() == label);
    let key = if is_connection { LOST_CONNECTIONS } else { key };
    SHOWN.iter().find(|shown| shown.key == key)
}

fn connection_losses() -> impl Iterator<Item = Loss> {
    Loss::ALL.iter().copied().filter(|loss| loss.is_of_connection())
}

#[cfg(test)]
mod tests {
    use super::super::sums::Kind;
    use super::super::{Counters, Path};
    use super::*;

    #[test]
    fn everything_that_is_counted_has_a_name() {
        Counters::default().each(|key, label, second, _| {
            let shown = find(key, label).unwrap_or_else(|| panic!("{key} {label} is not exported"));
            let labels = [label, second].iter().filter(|label| !label.is_empty()).count();
            assert_eq!(if shown.per_worker { 0 } else { shown.family.labels.len() }, labels, "{key}");
        });
    }

    #[test]
    fn a_dead_worker_leaves_its_counts_and_no_levels() {
        let counters = Counters::default();
        let is_gauge = |key, label| find(key, label).unwrap().family.kind == Kind::Gauge;
        counters.levels().for_each(|level| level.set(1));
        counters.each(|key, label, _, value| assert_eq!(value == 1, is_gauge(key, label), "{key}"));
        counters.quality.open();
        counters.pass(Path::ToPeer, 160);
        counters.clear_levels();
        counters.each(|key, label, _, value| assert!(value == 0 || !is_gauge(key, label), "{key}"));
        assert_eq!((counters.passed(Path::ToPeer), counters.quality.sessions()), (1, 0));
    }

    #[test]
    fn every_name_stands_for_something_that_is_counted() {
        let mut seen = Vec::new();
        Counters::default().each(|key, label, _, _| seen.extend(find(key, label).map(|shown| shown.key)));
        for shown in SHOWN {
            assert!(seen.contains(&shown.key), "{}", shown.family.name);
        }
    }
}
