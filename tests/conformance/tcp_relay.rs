//! TCP relaying (RFC 6062).

use std::time::Duration;

use tern::engine::{Action, ConnectionId, Input, RelayKind, SessionLimits};
use tern::route::{LinkId, RelayId};
use tern::wire::stun::{AddressFamily, AttributeType, Class, Message, Method};

use crate::engine::{Answer, Caller, Rig, Setup, endpoint, tcp, udp};

const PEER: &str = "9.9.9.9:1000";

struct Call {
    rig: Rig,
    alice: Caller,
    relay: RelayId,
}

fn call() -> Call {
    call_with(&Setup::default())
}

fn call_with(setup: &Setup) -> Call {
    let mut rig = Rig::new(setup);
    let mut alice = Caller::new(tcp("84.1.2.3:5000", 1), "alice");
    let relayed = alice.allocate_tcp(&mut rig).good().relayed()[0];
    let relay = rig.relay_at(relayed).unwrap();
    assert_eq!(rig.sockets[&relay].1, RelayKind::Tcp);
    rig.take_out();
    Call { rig, alice, relay }
}

impl Call {
    /// Connects to the peer; the connection's ID.
    fn connected(&mut self, peer: &str) -> ConnectionId {
        let connection = self.connecting(peer);
        self.rig.tell(Input::PeerConnected { connection });
        let [Action::Reply { bytes, .. }] = &self.rig.take_out()[..] else { panic!() };
        let answer = Answer::new(bytes.clone()).good();
        assert_eq!(answer.connection(), Some(connection.0));
        assert!(answer.is_signed());
        connection
    }

    fn connecting(&mut self, peer: &str) -> ConnectionId {
        self.rig.take_out();
        assert_eq!(self.alice.connect(&mut self.rig, peer), None, "answered too early");
        let [Action::ConnectPeer { relay, connection, peer: to }] = &self.rig.take_out()[..] else {
            panic!()
        };
        assert_eq!((*relay, *to), (self.relay, peer.parse().unwrap()));
        *connection
    }

    fn data(&self, link: u64) -> Caller {
        let port = 6000 + link;
        Caller { client: tcp(&format!("84.1.2.3:{port}"), link), ..self.alice.clone() }
    }
}

/// Section 5.1: over a stream, to a client that wants a stream, without what only datagrams have.
#[test]
fn a_tcp_allocation_needs_a_stream() {
    let mut rig = Rig::new(&Setup::default());
    assert_eq!(Caller::new(udp("84.1.2.3:5000"), "alice").allocate_tcp(&mut rig).code, 400);
    let dtls = crate::engine::client("84.1.2.3:5000", tern::route::Transport::Dtls, Some(LinkId(3)));
    assert_eq!(Caller::new(dtls, "alice").allocate_tcp(&mut rig).code, 400);
    let mut alice = Caller::new(tcp("84.1.2.3:5000", 1), "alice");
    for (kind, value) in [
        (AttributeType::EVEN_PORT, &[0][..]),
        (AttributeType::RESERVATION_TOKEN, &[0; 8]),
        (AttributeType::DONT_FRAGMENT, &[]),
    ] {
        let answer = alice.request(&mut rig, Method::ALLOCATE, |w| {
            w.requested_transport(6);
            w.attribute(kind, value);
        });
        assert_eq!(answer.code, 400, "{kind:?}");
    }
    rig.assert_empty();
    alice.allocate_tcp(&mut rig).good();
}

/// Sections 4.3, 5.2, 5.4: Connect, ConnectionBind, pipe.
#[test]
fn connect_and_bind_make_a_pipe() {
    let mut call = call();
    let connection = call.connected(PEER);
    let answer = call.data(2).bind_connection(&mut call.rig, connection.0).good();
    assert_eq!(answer.connection(), Some(connection.0));
    let out = call.rig.take_out();
    let [.., Action::Reply { .. }, Action::Splice { client, connection: spliced }] = &out[..] else {
        panic!("{out:?}")
    };
    assert_eq!((*client, *spliced), (LinkId(2), connection));
    // The pipe is not timed.
    call.rig.pass(Duration::from_secs(300));
    assert!(call.rig.take_out().is_empty());
    call.rig.check();
}

/// Section 5.2: 447 when the peer cannot be reached, 446 while there is a connection to it.
#[test]
fn connect_fails_with_the_codes_of_the_rfc() {
    let mut call = call();
    let connection = call.connecting(PEER);
    assert_eq!(call.alice.connect(&mut call.rig, PEER).unwrap().code, 446);
    call.rig.take_out();
    call.rig.pipes.remove(&connection);
    call.rig.tell(Input::PeerConnectFailed { connection });
    let [Action::Reply { bytes, .. }] = &call.rig.take_out()[..] else { panic!() };
    let answer = Answer::new(bytes.clone());
    assert_eq!((answer.code, answer.is_signed()), (447, true));
    call.connected(PEER);
    assert_eq!(call.alice.connect(&mut call.rig, PEER).unwrap().code, 446);
    call.connected("9.9.9.9:1001");
    assert_eq!(call.alice.connect(&mut call.rig, "127.0.0.1:80").unwrap().code, 403);
    assert_eq!(call.alice.connect(&mut call.rig, "9.9.9.9:0").unwrap().code, 403);
    assert_eq!(call.alice.connect(&mut call.rig, "[2620:fe::fe]:1").unwrap().code, 443);
    let bytes = call.alice.sign(Method::CONNECT, |_| {});
    assert_eq!(call.alice.exchange(&mut call.rig, &bytes).unwrap().code, 400);
}

#[test]
fn a_udp_allocation_connects_to_nobody() {
    let mut rig = Rig::new(&Setup::default());
    let mut alice = Caller::new(tcp("84.1.2.3:5000", 1), "alice");
    alice.allocate(&mut rig, |_| {}).good();
    assert_eq!(alice.connect(&mut rig, PEER).unwrap().code, 437);
}

#[test]
fn a_tcp_allocation_has_no_channels() {
    let mut call = call();
    assert_eq!(call.alice.bind(&mut call.rig, 0x4000, PEER).code, 400);
    call.alice.permit(&mut call.rig, &[PEER]).good();
}

#[test]
fn connections_are_bounded() {
    let session = SessionLimits { connections: 2, ..SessionLimits::default() };
    let mut call = call_with(&Setup { session, ..Setup::default() });
    let first = call.connected("9.9.9.9:1");
    call.connecting("9.9.9.9:2");
    assert_eq!(call.alice.connect(&mut call.rig, "9.9.9.9:3").unwrap().code, 508);
    call.rig.pipes.remove(&first);
    call.rig.tell(Input::PeerClosed { connection: first });
    call.connected("9.9.9.9:3");
}

/// Section 5.4: 400 for a connection that is not there, not theirs, not waiting, or not asked for over a stream.
#[test]
fn connection_bind_is_refused_where_it_must_be() {
    let mut call = call();
    let connection = call.connected(PEER);
    let mut data = call.data(2);
    for wrong in [0, connection.0 ^ 1, connection.0 ^ 0x0080_0000] {
        assert_eq!(data.bind_connection(&mut call.rig, wrong).code, 400);
    }
    for value in [&[][..], &[0, 0, 0], &[0; 5]] {
        let answer = data.request(&mut call.rig, Method::CONNECTION_BIND, |w| {
            w.attribute(AttributeType::CONNECTION_ID, value);
        });
        assert_eq!(answer.code, 400);
    }
    assert_eq!(data.request(&mut call.rig, Method::CONNECTION_BIND, |_| {}).code, 400);
    let mut bob = Caller::new(tcp("85.1.2.3:6000", 5), "bob");
    assert_eq!(bob.bind_connection(&mut call.rig, connection.0).code, 400);
    let mut datagrams = Caller::new(udp("84.1.2.3:6001"), "alice");
    assert_eq!(datagrams.bind_connection(&mut call.rig, connection.0).code, 400);
    assert_eq!(call.alice.bind_connection(&mut call.rig, connection.0).code, 400, "the control connection");
    // None of that spoilt it; once it is a pipe, it is no other's.
    data.bind_connection(&mut call.rig, connection.0).good();
    assert_eq!(call.data(3).bind_connection(&mut call.rig, connection.0).code, 400);
    let connecting = call.connecting("9.9.9.9:2");
    assert_eq!(call.data(4).bind_connection(&mut call.rig, connecting.0).code, 400);
}

/// Section 5.3: thirty seconds, to the tick.
#[test]
fn an_unbound_connection_is_closed_after_thirty_seconds() {
    let mut call = call();
    let connection = call.connected(PEER);
    call.rig.pass_almost(Duration::from_secs(30));
    assert!(call.rig.pipes.contains(&connection));
    call.rig.pass_tick();
    assert!(!call.rig.pipes.contains(&connection));
    assert_eq!(call.data(2).bind_connection(&mut call.rig, connection.0).code, 400);
    call.connected(PEER);

    let last = call.connected("9.9.9.9:2");
    call.rig.pass_almost(Duration::from_secs(30));
    call.data(2).bind_connection(&mut call.rig, last.0).good();
}

/// Section 5.3: whoever connects without a permission is turned away, and the client hears nothing.
#[test]
fn peers_may_connect_only_with_a_permission() {
    let mut call = call();
    call.rig.accept(call.relay, PEER.parse().unwrap(), LinkId(50));
    let out = call.rig.take_out();
    assert!(matches!(&out[..], [Action::NamePeer { .. }, Action::ClosePeer { .. }]), "{out:?}");

    call.alice.permit(&mut call.rig, &["9.9.9.9:1"]).good();
    call.rig.take_out();
    call.rig.accept(call.relay, PEER.parse().unwrap(), LinkId(51));
    let out = call.rig.take_out();
    let [Action::NamePeer { link, connection }, Action::Reply { client, bytes }] = &out[..] else {
        panic!("{out:?}")
    };
    assert_eq!((*link, *client), (LinkId(51), call.alice.client));
    let message = Message::parse(bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::CONNECTION_ATTEMPT));
    assert_eq!(message.xor_peer_address(), Ok(Some(PEER.parse().unwrap())));
    assert_eq!(message.connection_id(), Ok(Some(connection.0)));
    call.data(2).bind_connection(&mut call.rig, connection.0).good();

    // The permission has gone by; so have those who come now.
    call.rig.pass(Duration::from_secs(300));
    call.rig.take_out();
    call.rig.accept(call.relay, "9.9.9.9:1001".parse().unwrap(), LinkId(52));
    assert!(matches!(&call.rig.take_out()[..], [Action::NamePeer { .. }, Action::ClosePeer { .. }]));
}

#[test]
fn an_accepted_connection_waits_thirty_seconds() {
    let mut call = call();
    call.alice.permit(&mut call.rig, &[PEER]).good();
    call.rig.accept(call.relay, PEER.parse().unwrap(), LinkId(51));
    call.rig.pass_almost(Duration::from_secs(30));
    assert_eq!(call.rig.pipes.len(), 1);
    call.rig.pass_tick();
    assert_eq!(call.rig.pipes.len(), 0);
    // Nobody is accepted at a relay that is no more, or is not TCP.
    call.rig.take_out();
    call.rig.accept(RelayId(12345), PEER.parse().unwrap(), LinkId(53));
    assert!(matches!(&call.rig.take_out()[..], [Action::NamePeer { .. }, Action::ClosePeer { .. }]));
}

/// Section 5.5: one end closes, the other follows.
#[test]
fn a_pipe_ends_at_both_ends() {
    let mut call = call();
    let connection = call.connected(PEER);
    call.data(2).bind_connection(&mut call.rig, connection.0).good();
    call.rig.take_out();
    call.rig.pipes.remove(&connection);
    call.rig.tell(Input::PeerClosed { connection });
    assert!(matches!(&call.rig.take_out()[..], [Action::CloseClient { link: LinkId(2) }]));
    call.rig.tell(Input::PeerClosed { connection });
    assert!(call.rig.take_out().is_empty());
}

/// Section 5.6: pipes, waiting and connecting connections end with their allocation, however that ends.
#[test]
fn the_end_of_the_allocation_closes_everything() {
    for how in 0..4 {
        let mut call = call();
        let bound = call.connected("9.9.9.9:1");
        call.data(2).bind_connection(&mut call.rig, bound.0).good();
        call.connected("9.9.9.9:2");
        let connecting = call.connecting("9.9.9.9:3");
        match how {
            0 => drop(call.alice.refresh(&mut call.rig, 0).good()),
            1 => call.rig.tell(Input::ClientClosed { link: LinkId(1) }),
            2 => call.rig.close(),
            _ => call.rig.pass(Duration::from_secs(600)),
        }
        let out = call.rig.take_out();
        let closed =
            |link| out.iter().any(|a| matches!(a, Action::CloseClient { link: l } if *l == LinkId(link)));
        assert!(closed(2), "{how}: {out:?}");
        call.rig.assert_empty();
        // Its connection comes too late.
        call.rig.pipes.insert(connecting);
        call.rig.tell(Input::PeerConnected { connection: connecting });
        call.rig.assert_empty();
    }
}

/// Reports that say the same twice, or name nobody, break nothing.
#[test]
fn reports_may_come_twice() {
    let mut call = call();
    let connection = call.connected(PEER);
    call.rig.tell(Input::PeerConnected { connection });
    call.data(2).bind_connection(&mut call.rig, connection.0).good();
    call.rig.take_out();
    call.rig.tell(Input::PeerConnected { connection });
    assert!(call.rig.take_out().is_empty());
    call.rig.pass(Duration::from_secs(100));
    assert!(call.rig.pipes.contains(&connection), "the pipe was timed again");
    call.rig.tell(Input::PeerConnectFailed { connection });
    assert!(call.rig.pipes.contains(&connection));
    call.rig.tell(Input::PeerClosed { connection: ConnectionId(1) });
    call.rig.tell(Input::PeerConnectFailed { connection: ConnectionId(1) });
    call.rig.close();
    assert!(call.rig.take_out().iter().any(|action| matches!(action, Action::CloseClient { .. })));
    call.rig.assert_empty();
}

#[test]
fn tcp_works_over_ipv6() {
    let mut rig = Rig::new(&Setup::default());
    let mut alice = Caller::new(tcp("84.1.2.3:5000", 1), "alice");
    let answer = alice.request(&mut rig, Method::ALLOCATE, |w| {
        w.requested_transport(6);
        w.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, AddressFamily::V6);
    });
    let relay = rig.relay_at(answer.good().relayed()[0]).unwrap();
    rig.take_out();
    assert_eq!(alice.connect(&mut rig, "[2620:fe::fe]:9"), None);
    assert!(matches!(&rig.take_out()[..], [Action::ConnectPeer { relay: r, .. }] if *r == relay));
    assert_eq!(endpoint("[2620:fe::fe]:9").port(), 9);
}
