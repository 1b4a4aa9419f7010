//! How many descriptors this process may have open: every relayed address is one, and every connection.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::server::ServerSettings;

/// Besides sockets: standard streams, the log, the control runtime, files that are being read.
const OTHERS: u64 = 64;
/// Of each worker: its poller and its waker.
const PER_WORKER: u64 = 2;
/// Of each listener and worker: UDP and TCP.
const PER_LISTENER: u64 = 2;

/// Raises the limit as far as this process may, and says what it is then. The limit that a shell or systemd gives is
/// 1,024 for the sake of programs that use select(2), which this one does not.
pub(super) fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    // Nothing forbids this; should it fail all the same, the old limit is what the warning goes by.
    let limit = if raised.is_ok() { maximum } else { current };
    limit.unwrap_or(u64::MAX)
}

/// Descriptors of a relay that is as full as its settings allow with clients over UDP. Each connection takes one more.
pub(super) fn needed(settings: &ServerSettings) -> u64 {
    let relay = &settings.engine.relay;
    let ports = u64::try_from(relay.ports.len()).unwrap_or(u64::MAX);
    let addresses = relay.addresses.len() as u64;
    let is_dual = relay.addresses.iter().any(|address| address.bind.is_ipv4())
        && relay.addresses.iter().any(|address| address.bind.is_ipv6());
    // One allocation may have an address of each family.
    let per_allocation = if is_dual { 2 } else { 1 };
    let quota = settings.engine.limits.quotas.total.map_or(u64::MAX, u64::from);
    let relayed = ports.saturating_mul(addresses).min(quota.saturating_mul(per_allocation));
    let listeners = settings.worker.listeners.len() as u64;
    let workers = u64::from(settings.workers).saturating_mul(listeners * PER_LISTENER + PER_WORKER);
    relayed.saturating_add(workers).saturating_add(OTHERS)
}

/// Tells the operator if calls would be refused for want of descriptors while ports are free.
pub(super) fn warn_if_short(limit: u64, needed: u64) {
    if limit < needed {
        tracing::warn!(
            limit,
            needed,
            "the limit of open files is too low for the relay's ports and quota, and calls will be refused; raise it \
             (LimitNOFILE= in a systemd unit, --ulimit nofile= in a container, ulimit -Hn in a shell) or \
             lower limits.max_allocations"
        );
    }
}
