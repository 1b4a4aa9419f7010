//! What control sees of calls: every allocation, what it passes and drops, its end at a word, and what the journal says of
//! it afterwards.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tern::engine::ReleaseCause;
use tern::metrics::{About, CallRow, CallRows, Exposition, Silence, Story, What};
use tern::quality::Direction;
use tern::route::Transport;
use tern::time::UnixTime;
use tern::wire::stun::{AttributeType, Method};

use crate::client::{Client, peer, receive, send_indication};
use crate::relay::{Relay, Setup, USER};
use crate::shortcut::End;
use crate::tap::{rtp, session_with};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CHANNEL: u16 = 0x4000;
const UDP: u8 = 17;

fn only(relay: &Relay) -> CallRow {
    let CallRows { rows, is_complete } = relay.server.calls().rows();
    assert!(rows.len() == 1 && is_complete, "{rows:#?}");
    rows.into_iter().next().unwrap()
}

fn kinds(story: &Story) -> Vec<&'static str> {
    story.entries.iter().map(|entry| entry.kind()).collect()
}

/// What is known of the only user here.
fn story(relay: &Relay) -> Story {
    let calls = relay.server.calls();
    calls.explain(&About::Owners(calls.owners(USER)))
}

#[test]
fn a_call_is_seen_before_and_while_it_carries_media() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Dtls] {
        let relay = Relay::with(&[Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Dtls]);
        let calls = relay.server.calls();
        assert!(calls.rows().rows.is_empty());
        let mut end = End::new(&relay, transport, false);
        let relayed = end.client.allocate();
        let row = only(&relay);
        assert_eq!((row.info.transport, row.info.relayed), (transport, relayed));
        assert_eq!(row.info.client, end.client.local_addr());
        assert_eq!((row.permissions, row.channels, row.media.is_some()), (0, 0, false));
        assert!(row.expires_in > Duration::from_secs(500) && !row.is_self_test && !row.is_tcp);
        assert_eq!(calls.owners(USER).iter().filter(|owner| **owner == row.info.owner).count(), 1);
        let outside = peer(V4);
        end.client.bind(CHANNEL, outside.local_addr().unwrap());
        for number in 0..20 {
            end.client.send_channel(CHANNEL, &rtp(1, number));
            assert_eq!(receive(&outside).0, rtp(1, number));
            if number < 10 {
                outside.send_to(&rtp(2, number), relayed).unwrap();
                end.client.expect_channel(CHANNEL, &rtp(2, number));
            }
        }
        session_with(&relay.server, [20, 10]);
        let row = only(&relay);
        let bytes = rtp(1, 0).len() as u64;
        let passed = |direction| (row.traffic[direction].packets, row.traffic[direction].bytes);
        assert_eq!(passed(Direction::ClientToPeer), (20, 20 * bytes), "{transport:?}");
        assert_eq!(passed(Direction::PeerToClient), (10, 10 * bytes));
        assert_eq!((row.permissions, row.channels), (1, 1));
        let media = row.media.as_ref().unwrap();
        assert_eq!((media.session, media.dscp.peer_to_client.came), (row.info.id, Some(0)));
        let detail = calls.detail(row.info.id).unwrap().unwrap();
        assert!(detail.session.is_some() && detail.drops.is_empty());
        assert_eq!(detail.row.info, row.info);
    }
}

#[test]
fn an_operator_ends_a_call_and_its_connection() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Dtls] {
        let relay = Relay::with(&[Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Dtls]);
        let calls = relay.server.calls();
        let mut end = End::new(&relay, transport, false);
        end.client.allocate();
        let id = only(&relay).info.id;
        assert_eq!((calls.end(id), calls.end(id)), (Ok(true), Ok(false)), "once");
        assert!(calls.rows().rows.is_empty() && calls.detail(id).unwrap().is_none());
        assert_eq!(relay.server.counters().value("released", "operator"), 1);
        relay.wait_for("the connection's end", |relay| {
            let counters = relay.server.counters();
            counters.value("connections", "") + counters.value("dtls_sessions", "") == 0
        });
        let told = story(&relay);
        assert_eq!(kinds(&told), ["allocated", "released"], "{transport:?}");
        let What::Released(ending) = &told.entries[1].what else { panic!("{told:?}") };
        assert_eq!(ending.cause, ReleaseCause::Operator);
        assert!(told.entries[1].is_about(id));
    }
}

#[test]
fn a_worker_that_is_too_slow_to_answer_has_not_said_that_there_is_nothing() {
    let relay = Relay::with(&[Transport::Udp]);
    let calls = relay.server.calls();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    client.allocate();
    let id = only(&relay).info.id;
    // Longer than anybody waits for it, and shorter than the relay's end does.
    assert!(relay.server.hang()(0, Duration::from_secs(9)));
    assert_eq!(calls.rows(), CallRows { rows: Vec::new(), is_complete: false });
    assert_eq!(calls.detail(id).map(|found| found.is_some()), Err(Silence));
    assert_eq!(calls.end(id), Err(Silence));
    relay.wait_for("its end, since it was asked for it", |_| {
        let CallRows { rows, is_complete } = calls.rows();
        is_complete && rows.is_empty()
    });
}

#[test]
fn both_relayed_addresses_are_one_call() {
    let relay = Relay::with(&[Transport::Udp]);
    let calls = relay.server.calls();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    let answer = client.allocate_with(UDP, |writer| {
        writer.attribute(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0]);
    });
    assert_eq!(answer.code(), None);
    let row = only(&relay);
    let second = row.second.unwrap();
    assert!(row.info.relayed.is_ipv4() && second.relayed.is_ipv6());
    assert!(row.is_called(second.id) && row.is_called(row.info.id));
    assert_eq!(calls.detail(second.id).unwrap().unwrap().row.info.id, row.info.id);
    assert_eq!(calls.end(second.id), Ok(true));
    assert_eq!(relay.server.counters().value("allocations", ""), 0);
    assert_eq!(kinds(&calls.explain(&About::Session(second.id))), ["allocated", "released"]);
}

#[test]
fn what_a_call_was_refused_and_what_it_lost_is_told() {
    let mut setup = Setup::new(&[Transport::Udp]);
    setup.deny = vec!["127.0.0.2/32".parse().unwrap()];
    let relay = setup.start();
    let calls = relay.server.calls();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    client.allocate();
    let id = only(&relay).info.id;
    let denied: SocketAddr = "127.0.0.2:9999".parse().unwrap();
    let refused = client.request(Method::CREATE_PERMISSION, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, denied);
    });
    assert_eq!(refused.code(), Some(403));
    // Nobody has permitted this one.
    for _ in 0..3 {
        client.send_bytes(&send_indication("127.0.0.1:9999".parse().unwrap(), b"lost"));
    }
    client.send_channel(CHANNEL, b"lost");
    relay.wait_for("the drops", |relay| relay.lost("no_permission") + relay.lost("no_channel") == 4);
    let mut drops: Vec<_> = calls
        .detail(id)
        .unwrap()
        .unwrap()
        .drops
        .iter()
        .map(|(loss, packets)| (loss.name(), *packets))
        .collect();
    drops.sort_unstable();
    assert_eq!(drops, [("no_channel", 1), ("no_permission", 3)]);
    client.refresh(0);
    relay.wait_for("the end", |relay| relay.server.counters().value("allocations", "") == 0);
    let told = calls.explain(&About::Session(id));
    assert_eq!(kinds(&told), ["allocated", "peer_refused", "released"]);
    assert_eq!(
        told.entries[1].text(),
        "create_permission answered 403 (forbidden by the peer policy): the peer 127.0.0.2:9999"
    );
    assert!(told.entries[2].text().contains("dropped 3 no_permission, 1 no_channel"), "{told:?}");
}

#[test]
fn who_fails_to_log_in_is_found_by_the_name_that_was_tried() {
    let relay = Relay::with(&[Transport::Udp]);
    let calls = relay.server.calls();
    let mut client = Client::udp(relay.v4(Transport::Udp));
    client.allocate();
    let (_, mut bytes) = client.signed(Method::REFRESH, &|_| {});
    // The last byte of the signature.
    *bytes.last_mut().unwrap() ^= 1;
    client.send_bytes(&bytes);
    relay.wait_for("the failure", |relay| {
        relay.server.counters().value_of("authentications", "long_term", "wrong_password") == 1
    });
    let told = story(&relay);
    assert_eq!(kinds(&told), ["allocated", "rejected"]);
    let failure = &told.entries[1];
    assert_eq!((failure.text().as_str(), failure.is_proven), ("refresh answered 401: wrong password", false));
    // It is nobody's call: whoever has sent it has proven nothing.
    assert_eq!(failure.session, None);
    assert!(calls.explain(&About::Owners(calls.owners("bob"))).entries.is_empty());
    assert_eq!(calls.explain(&About::Client(V4)).entries.len(), 2);
    assert!(relay.server.counters().value_of("authentications", "long_term", "accepted") >= 1);
}

#[test]
fn a_call_with_media_is_remembered_with_its_figures() {
    let relay = Relay::with(&[Transport::Udp]);
    let mut end = End::new(&relay, Transport::Udp, false);
    let outside = peer(V4);
    end.client.allocate();
    end.client.bind(CHANNEL, outside.local_addr().unwrap());
    for number in (0..40).filter(|number| number % 10 != 5) {
        end.client.send_channel(CHANNEL, &rtp(1, number));
        receive(&outside);
    }
    let id = only(&relay).info.id;
    end.client.refresh(0);
    relay.wait_for("the end", |relay| relay.server.counters().value("allocations", "") == 0);
    let told = relay.server.calls().explain(&About::Session(id));
    assert_eq!(told.ended.len(), 1);
    let leg = told.ended[0].legs.client;
    assert!(leg.loss_percent.is_some_and(|loss| (loss - 10.0).abs() < 0.01), "{leg:?}");
    assert_eq!((told.ended[0].info.id, told.ended[0].past.moments().count()), (id, 1));
}

#[test]
fn free_ports_are_counted_when_they_are_asked_for() {
    let mut setup = Setup::new(&[Transport::Udp]);
    let mut relay = setup.start();
    let more = vec![relay.server.ports()];
    let page = Exposition::with(relay.server.metrics(), UnixTime(0), more).unwrap();
    let lines = |family: &str| -> Vec<String> {
        let text = page.text().unwrap();
        let ports = text.lines().filter(|line| line.starts_with("tern_ports"));
        ports.filter(|line| line.contains(family)).map(str::to_owned).collect()
    };
    let expect = |all: u32, free: u32| {
        [format!("tern_ports{{family=\"ipv4\"}} {all}"), format!("tern_ports_free{{family=\"ipv4\"}} {free}")]
    };
    assert_eq!(lines("ipv4"), expect(40_001, 40_001));
    let mut client = Client::udp(relay.v4(Transport::Udp));
    client.allocate();
    assert_eq!(lines("ipv4"), expect(40_001, 40_000));
    assert_eq!(lines("ipv6")[1], "tern_ports_free{family=\"ipv6\"} 40001");
    // The settings of a reload hold at once.
    setup.addresses.retain(|address| address.bind.is_ipv6());
    relay.server.reload(setup.settings());
    assert_eq!(lines("ipv4"), expect(0, 0));
    client.refresh(0);
}
