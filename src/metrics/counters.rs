//! What a worker counts. Each number has one writer, its worker, and is read by whoever asks: a relaxed load
//! and store, no locked instruction on a packet's way.

use std::sync::atomic::{AtomicU64, Ordering};

mod names;
mod totals;

pub use names::{Loss, Path, Traffic};
pub use totals::Totals;

use super::QualityCounters;
use crate::engine::auth::{AuthMethod, AuthResult};
use crate::engine::{DropReason, Event, ReleaseCause, Who};
use crate::route::{FiveTuple, Transport};

/// A number that one thread counts up and others read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `n` more. Only the owning worker may call this: two writers would lose counts.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Sets a level, such as the number of open connections. Only the owning worker may call this.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// One less, of a level.
    fn take_one(&self) {
        self.set(self.value().saturating_sub(1));
    }

    /// What was counted so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

const ALLOCATE: u16 = 3;

/// STUN methods that are counted by name; everything else is "other".
const METHODS: [(u16, &str); 9] = [
    (1, "binding"),
    (ALLOCATE, "allocate"),
    (4, "refresh"),
    (6, "send"),
    (8, "create_permission"),
    (9, "channel_bind"),
    (10, "connect"),
    (11, "connection_bind"),
    (u16::MAX, "other"),
];

/// The name of a STUN method.
pub(super) fn method_name(method: u16) -> &'static str {
    METHODS.get(position(&METHODS, method)).map_or("other", |(_, name)| name)
}

/// Error codes that are counted by number; everything else is "other".
const CODES: [(u16, &str); 18] = [
    (300, "300"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (405, "405"),
    (420, "420"),
    (437, "437"),
    (438, "438"),
    (440, "440"),
    (441, "441"),
    (442, "442"),
    (443, "443"),
    (446, "446"),
    (447, "447"),
    (486, "486"),
    (500, "500"),
    (508, "508"),
    (u16::MAX, "other"),
];

/// The reasons of [`DropReason`], by position.
const ENGINE_DROPS: [&str; 7] =
    ["malformed", "fingerprint", "unexpected", "unknown_method", "answer_rate", "source", "internal"];

/// The causes of [`ReleaseCause`], by position.
const RELEASES: [&str; 4] = ["client", "expired", "disconnected", "operator"];

/// Counters in a row.
#[derive(Debug)]
struct Row<const N: usize>([Counter; N]);

impl<const N: usize> Default for Row<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl<const N: usize> Row<N> {
    fn add(&self, index: usize, n: u64) {
        if let Some(counter) = self.0.get(index) {
            counter.add(n);
        }
    }
}

/// The transports of clients, and the names that they are exported under.
const TRANSPORTS: [(Transport, &str); 4] =
    [(Transport::Udp, "udp"), (Transport::Tcp, "tcp"), (Transport::Tls, "tls"), (Transport::Dtls, "dtls")];
/// The families of clients' addresses.
const FAMILIES: [&str; 2] = ["ipv4", "ipv6"];

/// Counters by the client's transport and address family.
#[derive(Debug, Default)]
struct ByFlow([[Counter; FAMILIES.len()]; TRANSPORTS.len()]);

impl ByFlow {
    fn of(&self, tuple: &FiveTuple) -> &Counter {
        let [[udp4, udp6], [tcp4, tcp6], [tls4, tls6], [dtls4, dtls6]] = &self.0;
        let (v4, v6) = match tuple.transport {
            Transport::Udp => (udp4, udp6),
            Transport::Tcp => (tcp4, tcp6),
            Transport::Tls => (tls4, tls6),
            Transport::Dtls => (dtls4, dtls6),
        };
        if tuple.client.ip().is_ipv4() { v4 } else { v6 }
    }

    fn each(&self, mut show: impl FnMut(&'static str, &'static str, u64)) {
        for ((_, transport), row) in TRANSPORTS.iter().zip(&self.0) {
            for (family, counter) in FAMILIES.iter().zip(row) {
                show(transport, family, counter.value());
            }
        }
    }
}

/// Everything one worker counts.
#[derive(Debug, Default)]
pub struct Counters {
    losses: Row<{ Loss::ALL.len() }>,
    packets: Row<{ Path::ALL.len() }>,
    bytes: Row<{ Path::ALL.len() }>,
    served: Row<{ METHODS.len() }>,
    refused: [Row<{ CODES.len() }>; METHODS.len()],
    dropped: Row<{ ENGINE_DROPS.len() }>,
    released: Row<{ RELEASES.len() }>,
    allocated: ByFlow,
    allocations: ByFlow,
    test_allocated: Counter,
    test_allocations: Counter,
    /// Of clients that had proven who they are.
    allocations_refused: Row<{ CODES.len() }>,
    /// Of clients that wanted an allocation.
    logins_failed: Row<{ AuthResult::ALL.len() }>,
    authentications: [Row<{ AuthResult::ALL.len() }>; AuthMethod::ALL.len()],
    moved: Counter,
    shed: Counter,
    calls: Row<{ Traffic::ALL.len() }>,
    datagrams: Row<{ Traffic::ALL.len() }>,
    merged: Row<{ Traffic::ALL.len() }>,
    remarked: Row<{ Path::ALL.len() }>,
    /// Stream connections now.
    pub connections: Counter,
    /// DTLS sessions now.
    pub dtls_sessions: Counter,
    /// TCP connections to peers now.
    pub peer_connections: Counter,
    /// Packets from one client of this relay to another that took the short cut.
    pub shortcuts: Counter,
    /// Bytes of media that were copied in user space: between UDP sockets none are.
    pub copied: Counter,
    /// Messages of other workers that waited at the last look.
    pub mailbox_messages: Counter,
    /// And what they hold.
    pub mailbox_bytes: Counter,
    /// What waits for slow stream clients, looked at every few seconds.
    pub queued_bytes: Counter,
    /// What waits in the pipes of TCP allocations, likewise.
    pub piped_bytes: Counter,
    /// What it knows of other workers' relays now.
    pub leases: Counter,
    /// Records of ended sessions that nobody took in time.
    pub records_dropped: Counter,
    /// What the journal was to be told and had no room for.
    pub journal_dropped: Counter,
    /// What the journal was not told since its client does too much of it.
    pub journal_left_out: Counter,
    /// Packets on the short cut that a session of another worker did not hear of.
    pub unheard: Counter,
    /// Turns of the worker's loop.
    pub turns: Counter,
    /// Nanoseconds that it was not waiting for something to do.
    pub busy: Counter,
    /// 1 while it takes no new calls.
    pub overloaded: Counter,
    /// What its sessions sound like.
    pub quality: QualityCounters,
}

impl Counters {
    /// Counts one lost packet or connection.
    pub fn lose(&self, loss: Loss) {
        self.lose_many(loss, 1);
    }

    /// Counts several.
    pub fn lose_many(&self, loss: Loss, n: u64) {
        self.losses.add(loss as usize, n);
    }

    /// Counts a packet that left by `path` with another DSCP than it came with.
    pub fn remark(&self, path: Path) {
        self.remarked.add(path as usize, 1);
    }

    /// Counts a packet of `len` bytes that took `path`.
    pub fn pass(&self, path: Path, len: usize) {
        self.packets.add(path as usize, 1);
        self.bytes.add(path as usize, u64::try_from(len).unwrap_or(u64::MAX));
    }

    /// Counts system calls that carried so many datagrams, of which so many came or went as parts of longer messages
    /// (UDP_GRO, UDP_SEGMENT). Datagrams by calls is how full batches are.
    pub fn batch(&self, traffic: Traffic, calls: u64, datagrams: u64, merged: u64) {
        self.calls.add(traffic as usize, calls);
        self.datagrams.add(traffic as usize, datagrams);
        if merged > 0 {
            self.merged.add(traffic as usize, merged);
        }
    }

    /// Counts what the engine reports.
    pub fn event(&self, event: &Event) {
        match *event {
            Event::Dropped(reason) => self.dropped.add(drop_index(reason), 1),
            Event::Refused { method, code, who, fault, is_probe, .. } => {
                if let Some(row) = self.refused.get(position(&METHODS, method)) {
                    row.add(position(&CODES, code), 1);
                }
                match (who, fault) {
                    _ if method != ALLOCATE || is_probe => {}
                    (_, Some(result)) => self.logins_failed.add(result as usize, 1),
                    (Who::Is(_), None) => self.allocations_refused.add(position(&CODES, code), 1),
                    // Strangers, who have shown nothing.
                    (Who::Claims(_) | Who::Unknown, None) => {}
                }
            }
            Event::Served { method } => self.served.add(position(&METHODS, method), 1),
            Event::Authenticated { method, result } => {
                if let Some(row) = self.authentications.get(method as usize) {
                    row.add(result as usize, 1);
                }
            }
            Event::Allocated { is_probe: true, .. } => {
                self.test_allocated.add(1);
                self.test_allocations.add(1);
            }
            Event::Released { is_probe: true, .. } => self.test_allocations.take_one(),
            Event::Allocated { tuple, .. } => {
                self.allocated.of(&tuple).add(1);
                self.allocations.of(&tuple).add(1);
            }
            Event::Released { cause, tuple, .. } => {
                self.released.add(release_index(cause), 1);
                self.allocations.of(&tuple).take_one();
            }
            Event::Moved { is_probe: true, .. } => {}
            Event::Moved { from, to, .. } => {
                self.moved.add(1);
                self.allocations.of(&from).take_one();
                self.allocations.of(&to).add(1);
            }
            Event::Shed => self.shed.add(1),
            Event::Challenged { .. } | Event::RefreshedLate { .. } => {}
        }
    }

    /// Its worker has died: nothing that there was is there any more. To be called on its thread.
    pub fn clear_levels(&self) {
        for level in self.levels() {
            level.set(0);
        }
        self.quality.clear_levels();
    }

    /// What goes up and down.
    pub(super) fn levels(&self) -> impl Iterator<Item = &Counter> {
        let own = [
            &self.test_allocations,
            &self.connections,
            &self.dtls_sessions,
            &self.peer_connections,
            &self.mailbox_messages,
            &self.mailbox_bytes,
            &self.queued_bytes,
            &self.piped_bytes,
            &self.leases,
            &self.overloaded,
        ];
        self.allocations.0.iter().flatten().chain(own)
    }

    /// What was lost for this reason.
    #[must_use]
    pub fn lost(&self, loss: Loss) -> u64 {
        self.losses.0.get(loss as usize).map_or(0, Counter::value)
    }

    /// How many packets took this path.
    #[must_use]
    pub fn passed(&self, path: Path) -> u64 {
        self.packets.0.get(path as usize).map_or(0, Counter::value)
    }

    /// Shows every number with its family and label.
    pub fn each(&self, mut show: impl FnMut(&'static str, &'static str, &'static str, u64)) {
        for (loss, counter) in Loss::ALL.iter().zip(&self.losses.0) {
            show("lost", loss.name(), "", counter.value());
        }
        for ((path, packets), bytes) in Path::ALL.iter().zip(&self.packets.0).zip(&self.bytes.0) {
            show("packets", path.name(), "", packets.value());
            show("bytes", path.name(), "", bytes.value());
        }
        for (traffic, counter) in Traffic::ALL.iter().zip(&self.calls.0) {
            show("calls", traffic.name(), "", counter.value());
        }
        for (traffic, counter) in Traffic::ALL.iter().zip(&self.datagrams.0) {
            show("datagrams", traffic.name(), "", counter.value());
        }
        for (traffic, counter) in Traffic::ALL.iter().zip(&self.merged.0) {
            show("merged", traffic.name(), "", counter.value());
        }
        for ((_, method), counter) in METHODS.iter().zip(&self.served.0) {
            show("served", method, "", counter.value());
        }
        for ((_, method), row) in METHODS.iter().zip(&self.refused) {
            for ((_, code), counter) in CODES.iter().zip(&row.0) {
                show("refused", method, code, counter.value());
            }
        }
        for (reason, counter) in ENGINE_DROPS.iter().zip(&self.dropped.0) {
            show("dropped", reason, "", counter.value());
        }
        for (cause, counter) in RELEASES.iter().zip(&self.released.0) {
            show("released", cause, "", counter.value());
        }
        self.allocated.each(|transport, family, value| show("allocated", transport, family, value));
        self.allocations.each(|transport, family, value| show("allocations", transport, family, value));
        show("self_test_allocated", "", "", self.test_allocated.value());
        show("self_test_allocations", "", "", self.test_allocations.value());
        for ((_, code), counter) in CODES.iter().zip(&self.allocations_refused.0) {
            show("allocations_refused", code, "", counter.value());
        }
        for (result, counter) in AuthResult::ALL.iter().zip(&self.logins_failed.0) {
            show("logins_failed", result.name(), "", counter.value());
        }
        show("moved", "", "", self.moved.value());
        for (method, row) in AuthMethod::ALL.iter().zip(&self.authentications) {
            for (result, counter) in AuthResult::ALL.iter().zip(&row.0) {
                show("authentications", method.name(), result.name(), counter.value());
            }
        }
        let limited = self.dropped.0.get(drop_index(DropReason::AnswerRate));
        show("challenges_limited", "", "", limited.map_or(0, Counter::value));
        show("connections", "", "", self.connections.value());
        show("dtls_sessions", "", "", self.dtls_sessions.value());
        show("peer_connections", "", "", self.peer_connections.value());
        show("shortcuts", "", "", self.shortcuts.value());
        show("copied_bytes", "", "", self.copied.value());
        show("mailbox_messages", "", "", self.mailbox_messages.value());
        show("mailbox_bytes", "", "", self.mailbox_bytes.value());
        show("queued_bytes", "", "", self.queued_bytes.value());
        show("piped_bytes", "", "", self.piped_bytes.value());
        show("leases", "", "", self.leases.value());
        for path in [Path::ToClient, Path::ToPeer] {
            let remarked = self.remarked.0.get(path as usize);
            show("remarked", path.name(), "", remarked.map_or(0, Counter::value));
        }
        show("records_dropped", "", "", self.records_dropped.value());
        show("journal_dropped", "", "", self.journal_dropped.value());
        show("journal_left_out", "", "", self.journal_left_out.value());
        show("unheard", "", "", self.unheard.value());
        show("turns", "", "", self.turns.value());
        show("busy_nanoseconds", "", "", self.busy.value());
        show("overloaded", "", "", self.overloaded.value());
        show("shed", "", "", self.shed.value());
    }
}

/// The last entry stands for all that is not listed.
fn position<const N: usize>(names: &[(u16, &str); N], number: u16) -> usize {
    names.iter().position(|(known, _)| *known == number).unwrap_or(N.saturating_sub(1))
}

const fn drop_index(reason: DropReason) -> usize {
    match reason {
        DropReason::Malformed => 0,
        DropReason::Fingerprint => 1,
        DropReason::Unexpected => 2,
        DropReason::UnknownMethod => 3,
        DropReason::AnswerRate => 4,
        DropReason::Source => 5,
        DropReason::Internal => 6,
    }
}

const fn release_index(cause: ReleaseCause) -> usize {
    match cause {
        ReleaseCause::Client => 0,
        ReleaseCause::Expired => 1,
        ReleaseCause::Disconnected => 2,
        ReleaseCause::Operator => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{OwnerId, Who};
    use crate::route::RelayId;
    use crate::time::UnixTime;

    fn tuple(client: &str, transport: Transport) -> FiveTuple {
        let end = |text: &str| text.parse::<std::net::SocketAddr>().unwrap().into();
        FiveTuple { client: end(client), server: end("192.0.2.1:3478"), transport }
    }

    fn refused(method: u16, code: u16) -> Event {
        let client = tuple("192.0.2.9:1", Transport::Udp);
        Event::Refused {
            method,
            code,
            client,
            who: Who::Unknown,
            relay: None,
            fault: None,
            peer: None,
            is_probe: false,
        }
    }

    #[test]
    fn a_call_that_moves_is_counted_where_it_is() {
        let (v4, v6) = (tuple("192.0.2.9:1", Transport::Udp), tuple("[2001:db8::9]:1", Transport::Tls));
        let (relay, owner) = (RelayId(1), OwnerId(2));
        let counters = Counters::default();
        let live = |transport, family| {
            let mut totals = Totals::default();
            totals.add(&counters);
            (totals.value_of("allocations", transport, family), totals.value("allocations", ""))
        };
        counters.event(&Event::Allocated { relay, tuple: v4, owner, is_probe: false });
        counters.event(&Event::Allocated { relay, tuple: v4, owner, is_probe: false });
        assert_eq!((live("udp", "ipv4"), live("tls", "ipv6")), ((2, 2), (0, 2)));
        counters.event(&Event::Moved { relay, owner, from: v4, to: v6, is_probe: false });
        assert_eq!((live("udp", "ipv4"), live("tls", "ipv6")), ((1, 2), (1, 2)));
        counters.event(&Event::Released {
            relay,
            second: None,
            tuple: v6,
            owner,
            began: UnixTime(0),
            cause: ReleaseCause::Client,
            is_probe: false,
        });
        assert_eq!((live("udp", "ipv4"), live("tls", "ipv6")), ((1, 1), (0, 1)));
        let mut totals = Totals::default();
        totals.add(&counters);
        assert_eq!(totals.value_of("allocated", "udp", "ipv4"), 2);
    }

    #[test]
    fn strangers_are_refused_no_allocation_and_wrong_passwords_are_failed_logins() {
        let client = tuple("192.0.2.9:1", Transport::Udp);
        let counters = Counters::default();
        let refuse = |method, code, who, fault, is_probe| {
            counters.event(&Event::Refused {
                method,
                code,
                client,
                who,
                relay: None,
                fault,
                peer: None,
                is_probe,
            });
        };
        let (known, claimed) = (Who::Is(OwnerId(1)), Who::Claims(OwnerId(1)));
        refuse(ALLOCATE, 508, known, None, false);
        refuse(ALLOCATE, 508, known, None, true);
        refuse(ALLOCATE, 400, Who::Unknown, None, false);
        refuse(ALLOCATE, 401, Who::Unknown, None, false);
        refuse(ALLOCATE, 401, claimed, Some(AuthResult::Expired), false);
        refuse(ALLOCATE, 438, claimed, Some(AuthResult::StaleNonce), false);
        refuse(4, 437, known, None, false);
        refuse(4, 401, claimed, Some(AuthResult::Expired), false);
        let mut totals = Totals::default();
        totals.add(&counters);
        let seen = |family, label| totals.value(family, label);
        assert_eq!((seen("allocations_refused", ""), seen("allocations_refused", "508")), (1, 1));
        assert_eq!((seen("logins_failed", ""), seen("logins_failed", "expired")), (2, 1));
        assert_eq!(seen("refused", ""), 8, "each answer is counted all the same");
    }

    #[test]
    fn the_relay_s_own_test_calls_are_no_calls() {
        let tuple = tuple("192.0.2.9:1", Transport::Udp);
        let (relay, owner, is_probe) = (RelayId(1), OwnerId(2), true);
        let counters = Counters::default();
        let values = |families: [&str; 5]| {
            let mut totals = Totals::default();
            totals.add(&counters);
            families.map(|family| totals.value(family, ""))
        };
        let families =
            ["allocated", "allocations", "released", "self_test_allocated", "self_test_allocations"];
        counters.event(&Event::Allocated { relay, tuple, owner, is_probe });
        counters.event(&Event::Allocated { relay, tuple, owner, is_probe });
        let (began, cause) = (UnixTime(0), ReleaseCause::Client);
        counters.event(&Event::Released { relay, second: None, tuple, owner, began, cause, is_probe });
        assert_eq!(values(families), [0, 0, 0, 2, 1]);
    }

    #[test]
    fn every_attempt_to_log_in_is_counted_by_method_and_result() {
        let counters = Counters::default();
        for method in AuthMethod::ALL {
            for result in AuthResult::ALL {
                counters.event(&Event::Authenticated { method, result });
            }
        }
        let (mut seen, mut names) = (0, std::collections::BTreeSet::new());
        counters.each(|family, method, result, value| {
            if family == "authentications" {
                assert_eq!(value, 1, "{method} {result}");
                seen += 1;
                names.insert((method, result));
            }
        });
        assert_eq!((seen, names.len()), (44, 44));
    }

    #[test]
    fn counts_are_found_by_name() {
        let counters = Counters::default();
        counters.lose(Loss::SlowReader);
        counters.lose_many(Loss::AcceptFailed, 3);
        counters.pass(Path::ToPeer, 160);
        counters.event(&refused(3, 401));
        counters.event(&refused(0xfff, 699));
        let mut totals = Totals::default();
        totals.add(&counters);
        totals.add(&counters);
        assert_eq!(totals.value("lost", "slow_reader"), 2);
        assert_eq!(totals.value("lost", "accept_failed"), 6);
        assert_eq!(totals.value("bytes", "to_peer"), 320);
        assert_eq!(totals.refused("allocate", "401"), 2);
        assert_eq!(totals.refused("other", "other"), 2);
    }
}
