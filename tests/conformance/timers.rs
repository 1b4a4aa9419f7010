//! Every timer one nanosecond before its end and at it. Those of reservations, connections and remembered answers are
//! tested with what they are for.

use std::time::Duration;

use tern::engine::Event;
use tern::wire::stun::{AttributeType, Method};

use crate::engine::{Caller, Rig, Setup, udp};

const PEER: &str = "9.9.9.9:1000";

fn allocated() -> (Rig, Caller) {
    let mut rig = Rig::new(&Setup::default());
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    caller
        .allocate(&mut rig, |w| {
            w.u32(AttributeType::LIFETIME, 3600);
        })
        .good();
    (rig, caller)
}

/// RFC 8656 section 7.
#[test]
fn an_allocation_ends_to_the_tick() {
    let (mut rig, mut caller) = allocated();
    rig.pass_almost(Duration::from_secs(3600));
    assert_eq!(rig.engine.allocations(), 1);
    rig.pass_tick();
    rig.assert_empty();
    assert_eq!(caller.refresh(&mut rig, 600).code, 437);
}

/// Also if nobody woke the engine: no request reaches what has ended.
#[test]
fn an_allocation_ends_to_the_tick_for_a_late_worker() {
    let (mut rig, mut caller) = allocated();
    rig.oversleep(Duration::from_secs(3600));
    assert_eq!(caller.refresh(&mut rig, 600).code, 437);
    let (mut rig, mut caller) = allocated();
    caller.permit(&mut rig, &[PEER]).good();
    rig.oversleep(Duration::from_secs(3600) - Duration::from_nanos(1));
    caller.refresh(&mut rig, 600).good();
    assert!(!rig.routes.permits(&caller.client.tuple, "9.9.9.9".parse().unwrap()));
    rig.check();
}

/// RFC 8656 section 9: five minutes, from the last refresh, whether by CreatePermission or ChannelBind.
#[test]
fn a_permission_ends_to_the_tick() {
    for by_channel in [false, true] {
        let (mut rig, mut caller) = allocated();
        let mut install = |rig: &mut Rig| {
            if by_channel {
                caller.bind(rig, 0x4000, PEER).good()
            } else {
                caller.permit(rig, &[PEER]).good()
            };
            caller.client.tuple
        };
        let tuple = install(&mut rig);
        let permitted = |rig: &Rig| rig.routes.permits(&tuple, "9.9.9.9".parse().unwrap());
        rig.pass(Duration::from_secs(200));
        install(&mut rig);
        rig.pass_almost(Duration::from_secs(300));
        assert!(permitted(&rig));
        rig.pass_tick();
        assert!(!permitted(&rig));
        rig.check();
    }
}

/// Each has its own end.
#[test]
fn permissions_end_one_by_one() {
    let (mut rig, mut caller) = allocated();
    for n in 0..5 {
        caller.permit(&mut rig, &[&format!("9.9.9.{n}:1")]).good();
        rig.pass(Duration::from_secs(10));
    }
    for n in 0..5 {
        rig.pass_almost(Duration::from_secs(if n == 0 { 250 } else { 10 }));
        assert_eq!(rig.table.flows().count(), 5 - n, "{n}");
        rig.pass_tick();
        assert_eq!(rig.table.flows().count(), 4 - n, "{n}");
    }
}

/// RFC 8656 section 12: ten minutes; a data path that refreshes nothing must not prolong it.
#[test]
fn a_channel_ends_to_the_tick() {
    let (mut rig, mut caller) = allocated();
    caller.bind(&mut rig, 0x4000, PEER).good();
    rig.pass(Duration::from_secs(500));
    caller.bind(&mut rig, 0x4000, PEER).good();
    caller.permit(&mut rig, &[PEER]).good();
    rig.pass_almost(Duration::from_secs(600));
    assert!(rig.routes.channel(&caller.client.tuple, 0x4000).is_some());
    rig.pass_tick();
    assert!(rig.routes.channel(&caller.client.tuple, 0x4000).is_none());
    rig.check();
}

/// RFC 8489 section 9.2.4: whole seconds, since that is what a nonce carries.
#[test]
fn a_nonce_ends_to_the_second() {
    let setup = Setup { nonce_lifetime: Duration::from_secs(60), ..Setup::default() };
    let mut rig = Rig::new(&setup);
    let mut caller = Caller::new(udp("84.1.2.3:5000"), "alice");
    caller.allocate(&mut rig, |_| {}).good();
    rig.pass_almost(Duration::from_secs(60));
    assert_eq!(caller.request_once(&mut rig, Method::REFRESH, |_| {}).code, 0);
    rig.pass_tick();
    assert_eq!(caller.request_once(&mut rig, Method::REFRESH, |_| {}).code, 438);
    assert_eq!(caller.request_once(&mut rig, Method::REFRESH, |_| {}).code, 0);
}

/// The deadline is that of whatever ends first, and there is none when nothing is left.
#[test]
fn the_deadline_is_the_next_end() {
    let (mut rig, mut caller) = allocated();
    let in_seconds = |rig: &Rig| rig.engine.deadline().unwrap().since(rig.now.time).as_secs();
    assert_eq!(in_seconds(&rig), 40, "the remembered answer");
    rig.pass(Duration::from_secs(40));
    assert_eq!(in_seconds(&rig), 3560);
    caller.permit(&mut rig, &[PEER]).good();
    assert_eq!(in_seconds(&rig), 300);
    rig.pass(Duration::from_secs(100));
    caller.bind(&mut rig, 0x4000, "9.9.9.10:1").good();
    assert_eq!(in_seconds(&rig), 200);
    caller.refresh(&mut rig, 0).good();
    assert_eq!(in_seconds(&rig), 40);
    rig.pass(Duration::from_secs(40));
    rig.assert_empty();
    assert!(rig.events.iter().any(|event| matches!(event, Event::Released { .. })));
}
