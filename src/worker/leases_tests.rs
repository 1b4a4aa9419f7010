use super::*;
use crate::route::{FiveTuple, ListenerId, Transport};
use crate::wire::channel_data::ChannelNumber;
use crate::worker::owners::{Homes, Owners};

const R: RelayId = RelayId(1);

/// A holder, and the stamps of an owner.
struct Rig {
    leases: Leases,
    homes: Homes,
    now: Time,
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Rig {
    fn new() -> Self {
        let mut homes = Homes::new(1);
        homes.add(&Owners::default(), at(0).ip());
        Self { leases: Leases::default(), homes, now: Time::from_secs(1) }
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }

    fn look(&mut self, port: u16) -> Found {
        self.leases.look(R, at(port), self.homes.look(at(port)).unwrap(), self.now)
    }

    fn grant(&self, port: u16) -> Grant {
        let tuple = FiveTuple { client: at(port).into(), server: at(3478).into(), transport: Transport::Udp };
        let client = Client { tuple, listener: ListenerId(0), link: None };
        let header = Header::Channel(ChannelNumber(0x4000));
        let stamp = self.homes.look(at(port)).unwrap();
        Grant { relay: R, to: at(port), granted: Granted { stamp, relay: R, client, header } }
    }
}

const ASK: Found = Found { granted: None, ask: true };
const WAIT: Found = Found { granted: None, ask: false };

#[test]
fn a_question_is_repeated_ever_more_rarely() {
    let mut rig = Rig::new();
    for pause in [1, 2, 4, 8, 16, 32, 32] {
        assert_eq!(rig.look(7), ASK);
        assert_eq!(rig.look(7), WAIT);
        rig.pass(pause - 1);
        rig.now = rig.now + Duration::from_millis(999);
        assert_eq!(rig.look(7), WAIT);
        rig.now = rig.now + Duration::from_millis(1);
    }
}

#[test]
fn a_grant_holds_for_a_minute_and_is_renewed_before() {
    let mut rig = Rig::new();
    assert_eq!(rig.look(7), ASK);
    let grant = rig.grant(7);
    rig.leases.grant(&grant, rig.now);
    let held = Found { granted: Some(grant.granted), ask: false };
    rig.pass(49);
    assert_eq!(rig.look(7), held);
    rig.pass(1);
    assert_eq!(rig.look(7), Found { ask: true, ..held });
    assert_eq!(rig.look(7), held);
    rig.leases.grant(&grant, rig.now);
    rig.pass(49);
    assert_eq!(rig.look(7), held);
    // Nobody answers any more.
    rig.pass(11);
    assert_eq!(rig.look(7), ASK);
    assert_eq!(rig.look(7), WAIT);
}

#[test]
fn a_change_ends_it_at_once_whatever_is_on_the_way() {
    let mut rig = Rig::new();
    rig.homes.enter(at(7), R);
    assert_eq!(rig.look(7), ASK);
    let before = rig.grant(7);
    rig.leases.grant(&before, rig.now);
    assert!(rig.look(7).granted.is_some());
    rig.homes.touch(at(7));
    assert_eq!(rig.look(7), ASK, "and asks at once");
    // The answer to an older question comes late.
    rig.leases.grant(&before, rig.now);
    assert_eq!(rig.look(7), ASK);
    let after = rig.grant(7);
    rig.leases.grant(&after, rig.now);
    assert_eq!(rig.look(7).granted, Some(after.granted));
    rig.homes.leave(at(7));
    assert_eq!(rig.look(7), ASK);
}

#[test]
fn what_was_not_asked_for_is_not_taken() {
    let mut rig = Rig::new();
    let grant = rig.grant(7);
    rig.leases.grant(&grant, rig.now);
    assert_eq!((rig.leases.len(), rig.look(7)), (0, ASK));
    rig.leases.forget(R);
    rig.leases.grant(&grant, rig.now);
    assert_eq!((rig.leases.len(), rig.look(7)), (0, ASK));
    rig.leases.clear();
    rig.leases.grant(&grant, rig.now);
    assert_eq!(rig.leases.len(), 0);
}

#[test]
fn neither_a_relay_nor_a_worker_has_more_than_its_share() {
    let mut rig = Rig::new();
    for port in 1..=32 {
        assert_eq!(rig.look(port), ASK);
    }
    assert_eq!(rig.look(33), Found::default());
    assert_eq!(rig.leases.len(), 32);
    // Those that nobody talks to any more make room.
    rig.pass(61);
    assert_eq!(rig.look(33), ASK);
    assert_eq!(rig.leases.len(), 1);
    let stamp = rig.homes.look(at(1)).unwrap();
    for relay in 0..PER_WORKER as u64 + 10 {
        rig.leases.look(RelayId(relay + 2), at(1), stamp, rig.now);
    }
    assert_eq!(rig.leases.len(), PER_WORKER);
}

#[test]
fn what_nobody_uses_is_forgotten() {
    let mut rig = Rig::new();
    assert_eq!((rig.look(7), rig.look(8)), (ASK, ASK));
    let grant = rig.grant(7);
    rig.leases.grant(&grant, rig.now);
    rig.leases.sweep(rig.now);
    rig.pass(61);
    rig.leases.sweep(rig.now);
    assert_eq!(rig.leases.len(), 1, "one was never granted");
    rig.pass(49);
    rig.leases.sweep(rig.now);
    assert_eq!((rig.leases.len(), rig.leases.relays.capacity()), (0, 0));
}
