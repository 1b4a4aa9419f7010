//! `idle`: many allocations with a channel each that carry nothing, and the memory that they cost.
//!
//! A client's socket is closed once its allocation stands, so that neither this program's descriptors nor the kernel's
//! memory for its sockets are in the way; for the end, a socket on the same port asks to delete it.

mod opener;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use self::opener::Openers;
use crate::clock;
use crate::driver::netns;
use crate::failure::Failure;
use crate::memory;
use crate::outcome::{Idle, Memory, Setup};
use crate::plan::{Plan, Target, Transport};
use crate::progress::Progress;

/// What is freed or filled late has come to rest.
const SETTLE: Duration = Duration::from_secs(1);

pub(super) fn run(plan: &Plan, progress: &Arc<Progress>, notes: &mut Vec<String>) -> Result<Idle, Failure> {
    let target = plan.target()?;
    if target.transport != Transport::Udp {
        return Err(Failure::usage(
            "idle closes its sockets, which only UDP allocations outlive; leave out --transport",
        ));
    }
    let Some(pid) = target.pid else {
        return Err(Failure::usage(
            "idle reads the memory of the server's process on this machine; name it with --pid",
        ));
    };
    if memory::process(pid).is_none() {
        return Err(Failure::usage(format!(
            "the memory of process {pid} cannot be read; run as its user, or as root"
        )));
    }
    let wanted = plan.load.sessions;
    let sources = sources(plan, target)?;
    let peer =
        SocketAddr::new(plan.sides.peer.or(sources.first().copied()).unwrap_or(target.address.ip()), 9);
    let openers = Openers::new(plan, target, sources, peer)?;

    // The first finds out whether it goes at all, and lets the server do what it does once.
    progress.begin("trying the server", Duration::ZERO);
    openers.open(1, 1, progress)?;
    std::thread::sleep(SETTLE);
    let before = memory::read(Some(pid));
    progress.begin(format!("making {wanted} allocations"), Duration::ZERO);
    progress.sessions_wanted.store(u64::try_from(wanted).unwrap_or(0), Ordering::Relaxed);
    progress.sessions_ready.store(0, Ordering::Relaxed);
    let began = clock::now();
    let opened = openers.open(wanted, plan.load.in_flight, progress)?;
    let seconds = clock::now().since(began) as f64 / 1e9;
    std::thread::sleep(SETTLE);
    let after = memory::read(Some(pid));
    progress.begin(format!("deleting {wanted} allocations"), Duration::ZERO);
    let left = openers.delete(plan.load.in_flight, progress);
    if left > 0 {
        notes.push(format!(
            "{left} allocations were not deleted; they end by themselves, by default within ten minutes"
        ));
    }
    let setup = Setup {
        sessions: opened.count,
        seconds,
        latency: opened.times.latency(),
        retransmissions: opened.retransmissions,
        software: opened.software,
    };
    let idle = Idle { setup, allocations: opened.count, before, after, ..Idle::default() };
    Ok(per_allocation(idle))
}

/// The addresses that clients use; without any given, the one that packets to the server leave from.
fn sources(plan: &Plan, target: &Target) -> Result<Vec<IpAddr>, Failure> {
    let sources = if plan.sides.sources.is_empty() {
        vec![netns::within(plan.sides.client_netns.as_deref(), || source_toward(target.address))?]
    } else {
        plan.sides.sources.clone()
    };
    let room = sources.len().saturating_mul(opener::PER_SOURCE);
    // One for the first try.
    if plan.load.sessions >= room {
        let needed = plan.load.sessions / opener::PER_SOURCE + 1;
        return Err(Failure::usage(format!(
            "each allocation needs a port of its own, and an address has {} for that: {} allocations need {needed} addresses; repeat --source",
            opener::PER_SOURCE,
            plan.load.sessions
        )));
    }
    Ok(sources)
}

fn source_toward(server: SocketAddr) -> Result<IpAddr, Failure> {
    let any = if server.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    let address = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(server)?;
        socket.local_addr()
    });
    Ok(address.map_err(|error| Failure::machine(&format!("there is no way to {server}"), &error))?.ip())
}

fn per_allocation(mut idle: Idle) -> Idle {
    let count = idle.allocations as f64;
    if idle.allocations == 0 {
        return idle;
    }
    let each = |before: u64, after: u64| (after as f64 - before as f64) / count;
    let proportional = |memory: &Memory| memory.process.map(|process| process.proportional);
    idle.process_bytes =
        proportional(&idle.before).zip(proportional(&idle.after)).map(|(before, after)| each(before, after));
    let kernel = each(idle.before.kernel.held(), idle.after.kernel.held());
    idle.kernel_bytes = Some(kernel);
    idle.total_bytes = idle.process_bytes.map(|process| process + kernel);
    idle.available_bytes = Some(each(idle.after.kernel.available, idle.before.kernel.available));
    idle
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{KernelMemory, ProcessMemory};

    fn memory(proportional: u64, slab: u64, available: u64) -> Memory {
        let kernel = KernelMemory { slab, available, ..KernelMemory::default() };
        Memory { process: Some(ProcessMemory { proportional, ..ProcessMemory::default() }), kernel }
    }

    #[test]
    fn memory_is_divided_by_the_allocations() {
        let idle = per_allocation(Idle {
            allocations: 1_000,
            before: memory(1_000_000, 5_000_000, 90_000_000),
            after: memory(1_700_000, 8_800_000, 85_000_000),
            ..Idle::default()
        });
        assert_eq!((idle.process_bytes, idle.kernel_bytes), (Some(700.0), Some(3_800.0)));
        assert_eq!((idle.total_bytes, idle.available_bytes), (Some(4_500.0), Some(5_000.0)));
    }

    #[test]
    fn memory_that_went_is_negative_and_not_huge() {
        let idle = per_allocation(Idle {
            allocations: 10,
            before: memory(500, 100, 0),
            after: memory(400, 100, 0),
            ..Idle::default()
        });
        assert_eq!(idle.process_bytes, Some(-10.0));
    }

    #[test]
    fn of_nothing_nothing_is_said() {
        assert_eq!(per_allocation(Idle::default()).total_bytes, None);
    }
}
