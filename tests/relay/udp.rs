//! Clients over UDP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::SockRef;
use tern::engine::RelayAddress;
use tern::engine::limits::Rate;
use tern::route::Transport;
use tern::server::{Server, StartError};
use tern::wire::stun::{AddressFamily, AttributeType, Class, Message, Method};
use tern::worker::{DscpMap, DscpPolicy, ListenerSettings};

use crate::client::{Client, Frame, Probe, Wire, exchange, peer, receive, receives_nothing, send_indication};
use crate::relay::{Relay, Setup};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const CHANNEL: u16 = 0x4000;

fn relay() -> Relay {
    Relay::with(&[Transport::Udp])
}

#[test]
fn a_client_is_served_on_ipv4() {
    let relay = relay();
    exchange(&mut Client::udp(relay.v4(Transport::Udp)), V4);
    let counters = relay.server.counters();
    assert_eq!(counters.value("allocated", ""), 1);
    assert_eq!(counters.value("packets", "to_peer"), 10);
    assert_eq!(counters.value("packets", "from_peer"), 10);
}

#[test]
fn a_client_is_served_on_ipv6() {
    exchange(&mut Client::udp(relay().v6(Transport::Udp)), V6);
}

#[test]
fn binding_tells_the_clients_address() {
    let relay = relay();
    for at in [relay.v4(Transport::Udp), relay.v6(Transport::Udp)] {
        let mut client = Client::udp(at);
        let answer = client.request(Method::BINDING, |_| {});
        assert_eq!(answer.mapped(), client.local_addr());
    }
}

#[test]
fn a_wildcard_listener_answers_from_the_address_that_was_asked() {
    let mut setup = Setup::new(&[Transport::Udp]);
    setup.worker.listeners =
        vec![ListenerSettings::new(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), &[Transport::Udp])];
    let relay = setup.start();
    let port = relay.v4(Transport::Udp).port();
    // A connected socket takes answers from the very address it sent to only.
    let mut client = Client::udp(SocketAddr::from(([127, 0, 0, 9], port)));
    exchange(&mut client, V4);
}

#[test]
fn a_dual_allocation_reaches_peers_of_both_families() {
    let relay = relay();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    client.allocate_with(17, |writer| {
        writer.address_family(AttributeType::ADDITIONAL_ADDRESS_FAMILY, AddressFamily::V6);
    });
    for ip in [V4, V6] {
        let peer = peer(ip);
        client.permit(ip);
        client.send_to(peer.local_addr().unwrap(), b"both");
        let (data, from) = receive(&peer);
        assert_eq!((data.as_slice(), from.ip()), (&b"both"[..], ip));
        peer.send_to(b"back", from).unwrap();
        client.expect_data(peer.local_addr().unwrap(), b"back");
    }
}

#[test]
fn nothing_passes_without_a_permission_and_every_loss_is_counted() {
    let relay = relay();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let peer = peer(V4);
    let at = peer.local_addr().unwrap();
    client.send_to(at, b"early");
    relay.wait_for("no allocation", |relay| relay.lost("no_allocation") == 1);
    let relayed = client.allocate();
    client.send_to(at, b"early");
    client.send_channel(CHANNEL, b"early");
    peer.send_to(b"early", relayed).unwrap();
    relay.wait_for("all three", |relay| {
        let lost = ["no_permission", "no_channel", "peer_not_permitted"];
        lost.iter().all(|reason| relay.lost(reason) == 1)
    });
    assert!(receives_nothing(&peer) && client.receives_nothing());
}

#[test]
fn channel_data_is_relayed_without_its_padding() {
    let relay = relay();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let peer = peer(V4);
    client.allocate();
    client.bind(CHANNEL, peer.local_addr().unwrap());
    client.send_bytes(&[0x40, 0, 0, 1, 0xaa, 0, 0, 0]);
    assert_eq!(receive(&peer).0, [0xaa]);
}

#[test]
fn the_end_of_an_allocation_ends_its_flows() {
    let relay = relay();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let peer = peer(V4);
    client.allocate();
    client.bind(CHANNEL, peer.local_addr().unwrap());
    assert_eq!(client.refresh(0).code(), None);
    client.send_channel(CHANNEL, b"late");
    relay.wait_for("the loss", |relay| relay.lost("no_allocation") == 1);
    assert_eq!(relay.server.counters().value("allocations", ""), 0);
}

#[test]
fn dscp_ecn_and_hop_limit_are_carried_over() {
    let relay = relay();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let peer = Probe::new(V4);
    client.allocate();
    client.bind(CHANNEL, peer.local_addr());
    let Wire::Udp(socket) = &client.wire else { panic!("a stream") };
    SockRef::from(socket).set_tos_v4(0xb9).unwrap();
    socket.set_ttl(9).unwrap();
    client.send_channel(CHANNEL, b"marked");
    let meta = peer.receive();
    assert_eq!((meta.tos, meta.ttl), (0xb9, 8));
}

#[test]
fn the_octet_is_copied_between_families() {
    let relay = relay();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let peer = Probe::new(V6);
    client.allocate_with(17, |writer| {
        writer.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, AddressFamily::V6);
    });
    client.bind(CHANNEL, peer.local_addr());
    let Wire::Udp(socket) = &client.wire else { panic!("a stream") };
    SockRef::from(socket).set_tos_v4(0x8a).unwrap();
    socket.set_ttl(9).unwrap();
    client.send_channel(CHANNEL, b"marked");
    let meta = peer.receive();
    assert_eq!((meta.tos, meta.ttl), (0x8a, 8));
}

#[test]
fn a_fixed_dscp_leaves_ecn_alone() {
    let mut setup = Setup::new(&[Transport::Udp]);
    setup.worker.media.dscp = DscpPolicy::Fixed(10);
    let relay = setup.start();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let peer = Probe::new(V4);
    client.allocate();
    client.bind(CHANNEL, peer.local_addr());
    let Wire::Udp(socket) = &client.wire else { panic!("a stream") };
    SockRef::from(socket).set_tos_v4(0xb9).unwrap();
    client.send_channel(CHANNEL, b"marked");
    assert_eq!(peer.receive().tos, (10 << 2) | 1);
}

#[test]
fn a_listeners_own_policy_wins_and_maps_value_by_value() {
    let mut setup = Setup::new(&[Transport::Udp]);
    setup.worker.media.dscp = DscpPolicy::Fixed(10);
    let map = DscpMap::new(Some(0), [(46, 34), (10, 10)]);
    setup.worker.listeners[0].dscp = Some(DscpPolicy::Map(map));
    let relay = setup.start();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let peer = Probe::new(V4);
    client.allocate();
    client.bind(CHANNEL, peer.local_addr());
    for (sent, leaves) in [(0xb9, (34 << 2) | 1), (0x28, 0x28), (0x88, 0)] {
        let Wire::Udp(socket) = &client.wire else { panic!("a stream") };
        SockRef::from(socket).set_tos_v4(sent).unwrap();
        client.send_channel(CHANNEL, b"marked");
        assert_eq!(peer.receive().tos, leaves, "{sent:#x}");
    }
}

#[test]
fn a_packet_without_a_hop_left_goes_no_further() {
    let relay = relay();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let peer = peer(V4);
    let relayed = client.allocate();
    client.bind(CHANNEL, peer.local_addr().unwrap());
    peer.set_ttl(1).unwrap();
    peer.send_to(b"tired", relayed).unwrap();
    relay.wait_for("the loss", |relay| relay.lost("hop_limit") == 1);
    peer.set_ttl(2).unwrap();
    peer.send_to(b"fresh", relayed).unwrap();
    client.expect_channel(CHANNEL, b"fresh");
}

#[test]
fn an_unreachable_peer_is_reported_with_its_icmp_error() {
    let relay = relay();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    client.allocate();
    client.permit(V4);
    let gone = peer(V4).local_addr().unwrap();
    client.send_to(gone, b"anybody?");
    let Frame::Stun(bytes) = client.receive() else { panic!("channel data") };
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
    assert_eq!(message.xor_peer_address().unwrap(), Some(gone));
    let icmp = message.icmp().unwrap().unwrap();
    assert_eq!((icmp.kind, icmp.code), (3, 3));
    assert_eq!(message.data(), None);
}

#[test]
fn a_session_keeps_to_its_rate() {
    let mut setup = Setup::new(&[Transport::Udp]);
    setup.session_rate = Some(Rate::new(1, 0));
    let relay = setup.start();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let peer = peer(V4);
    client.allocate();
    client.bind(CHANNEL, peer.local_addr().unwrap());
    // The burst is the largest packet there can be: sixty packets of a kilobyte pass, no hundred.
    for _ in 0..100 {
        client.send_channel(CHANNEL, &[0; 1000]);
        std::thread::sleep(Duration::from_micros(200));
    }
    relay.wait_for("losses", |relay| relay.lost("session_rate") > 0);
    relay.wait_for("the rest", |relay| {
        relay.lost("session_rate") + relay.server.counters().value("packets", "to_peer") == 100
    });
}

#[test]
fn a_user_keeps_to_its_rate() {
    let mut setup = Setup::new(&[Transport::Udp]);
    setup.user_rate = Some(Rate::new(1, 0));
    let relay = setup.start();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let peer = peer(V4);
    client.allocate();
    client.bind(CHANNEL, peer.local_addr().unwrap());
    for _ in 0..20 {
        client.send_channel(CHANNEL, &[0; 1000]);
    }
    relay.wait_for("losses", |relay| relay.lost("owner_rate") > 0);
}

#[test]
fn two_clients_reach_each_other_on_the_outside_address() {
    let outside: IpAddr = "203.0.113.77".parse().unwrap();
    let mut setup = Setup::new(&[Transport::Udp]);
    setup.addresses = vec![RelayAddress { bind: V4, external: outside }];
    let relay = setup.start();
    let (mut one, mut two) = (Client::udp(relay.v4(Transport::Udp)), Client::udp(relay.v4(Transport::Udp)));
    let (at_one, at_two) = (one.allocate(), two.allocate());
    assert_eq!((at_one.ip(), at_two.ip()), (outside, outside));
    one.permit(outside);
    two.bind(CHANNEL, at_one);
    one.send_to(at_two, b"ping");
    two.expect_channel(CHANNEL, b"ping");
    two.send_channel(CHANNEL, b"pong");
    one.expect_data(at_two, b"pong");
}

#[test]
fn a_send_indication_over_a_forbidden_port_of_this_host_is_dropped() {
    let relay = relay();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    client.allocate();
    client.permit(V4);
    client.send_bytes(&send_indication(SocketAddr::new(V4, 0), b"x"));
    relay.wait_for("the loss", |relay| relay.lost("peer_denied") == 1);
}

#[test]
fn a_second_relay_on_the_same_port_is_refused() {
    let relay = relay();
    let mut setup = Setup::new(&[Transport::Udp]);
    setup.worker.listeners = vec![ListenerSettings::new(relay.v4(Transport::Udp), &[Transport::Udp])];
    let error = Server::start(setup.settings()).unwrap_err();
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
    assert!(error.to_string().contains("another program has it") && !error.is_configuration());
}

#[test]
fn an_address_of_another_machine_is_a_configuration_error() {
    let mut setup = Setup::new(&[Transport::Udp]);
    setup.worker.listeners =
        vec![ListenerSettings::new("192.0.2.1:3478".parse().unwrap(), &[Transport::Udp])];
    let error = Server::start(setup.settings()).unwrap_err();
    assert!(error.to_string().contains("no such address") && error.is_configuration());
}

#[test]
fn a_reload_changes_what_it_can_and_names_the_rest() {
    let setup = Setup::new(&[Transport::Udp]);
    let mut relay = setup.start();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let peer = peer(V4);
    client.allocate();
    client.bind(CHANNEL, peer.local_addr().unwrap());
    let mut changed = Setup::new(&[Transport::Udp]);
    changed.worker.listeners = setup.worker.listeners.clone();
    changed.worker.media.dscp = DscpPolicy::Fixed(7);
    let report = relay.server.reload(changed.settings());
    assert_eq!(report.needs_restart, Vec::<String>::new());
    client.send_channel(CHANNEL, b"still here");
    assert_eq!(receive(&peer).0, b"still here");
    changed.workers = 2;
    let report = relay.server.reload(changed.settings());
    assert_eq!((report.needs_restart, report.applied), (vec!["workers".to_owned()], Vec::new()));
    changed.worker.listeners.pop();
    let report = relay.server.reload(changed.settings());
    assert_eq!(report.needs_restart, ["workers", "listeners"]);
    assert!(report.applied.is_empty());
}

#[test]
fn a_stopped_server_has_closed_its_sockets() {
    let mut relay = relay();
    let at = relay.v4(Transport::Udp);
    assert!(relay.server.is_healthy());
    relay.server.stop();
    assert!(!relay.server.is_healthy());
    drop(std::net::UdpSocket::bind(at).unwrap());
}
