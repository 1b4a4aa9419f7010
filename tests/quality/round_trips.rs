//! Round trips per leg, against hops that delay each leg by something else and write down when what passed.
//!
//! The hop toward the relay sends within a system call, so a packet came to the relay between two readings of its clock.
//! A round trip of a leg is from the request's coming by the other leg to the response's coming by this one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tern::quality::{Leg, LegRtt, RttSource};
use tern::route::Transport;
use tern::wire::stun::Message;

use crate::client::{Client, Frame, peer, receive};
use crate::hop::{Hop, Passed, Toward, Way};
use crate::relay::{Relay, Setup};
use crate::replay::live;
use crate::schedule::{OPUS, Sender};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CHANNEL: u16 = 0x4001;
const MS: Duration = Duration::from_millis(1);
/// There and back, on each leg.
const CLIENT_LEG: [Duration; 2] = [Duration::from_millis(15), Duration::from_millis(22)];
const PEER_LEG: [Duration; 2] = [Duration::from_millis(31), Duration::from_millis(9)];

/// A call with a hop on each leg.
struct Stage {
    relay: Relay,
    client_hop: Hop,
    peer_hop: Hop,
    client: Client,
    peer: UdpSocket,
    /// Whom the peer answers.
    relayed: SocketAddr,
    allocated: SocketAddr,
    number: u8,
}

impl Stage {
    fn new() -> Self {
        let relay = Setup::new(&[Transport::Udp]).start();
        let (peer, any) = (peer(V4), SocketAddr::new(V4, 0));
        let [there, back] = CLIENT_LEG.map(Way::delayed);
        let client_hop = Hop::start(any, relay.v4(Transport::Udp), there, back, 1);
        let [there, back] = PEER_LEG.map(Way::delayed);
        let peer_hop = Hop::start(any, peer.local_addr().unwrap(), back, there, 2);
        let mut client = Client::udp(client_hop.at);
        let allocated = client.allocate();
        client.bind(CHANNEL, peer_hop.at);
        // A session begins with media.
        for packet in Sender::new(OPUS, 7).talk(2).end() {
            client.send_channel(CHANNEL, &packet.bytes(0));
        }
        let relayed = receive(&peer).1;
        receive(&peer);
        Self { relay, client_hop, peer_hop, client, peer, relayed, allocated, number: 0 }
    }

    /// The peer asks and the client answers: a round trip of the client's leg. `copies` of the request are sent.
    fn ask_client(&mut self, copies: usize) -> [u8; 12] {
        let (id, request, response) = self.transaction();
        for _ in 0..copies {
            self.peer.send_to(&request, self.relayed).unwrap();
        }
        for _ in 0..copies {
            assert_eq!(self.client.receive(), Frame::Channel(CHANNEL, request.clone()));
            self.client.send_channel(CHANNEL, &response);
        }
        for _ in 0..copies {
            assert_eq!(receive(&self.peer).0, response);
        }
        id
    }

    /// The client asks and the peer answers: a round trip of the peer's leg.
    fn ask_peer(&mut self) -> [u8; 12] {
        let (id, request, response) = self.transaction();
        self.client.send_channel(CHANNEL, &request);
        assert_eq!(receive(&self.peer).0, request);
        self.peer.send_to(&response, self.relayed).unwrap();
        self.client.expect_channel(CHANNEL, &response);
        id
    }

    /// Its number, a Binding request and the response.
    fn transaction(&mut self) -> ([u8; 12], Vec<u8>, Vec<u8>) {
        self.number += 1;
        let id = [self.number; 12];
        let message = |kind: [u8; 2]| [&kind[..], &[0, 0, 0x21, 0x12, 0xa4, 0x42], &id].concat();
        (id, message([0, 1]), message([1, 1]))
    }

    /// How long the leg behind `answered` took, between these bounds: from the request's coming to the relay through
    /// `asked`, to the response's through `answered`.
    fn truth(
        asked: &Hop,
        toward_asked: Toward,
        answered: &Hop,
        toward_answered: Toward,
        id: [u8; 12],
    ) -> [Duration; 2] {
        let find = |hop: &Hop, toward: Toward, kind: u8| {
            let is_wanted = |datagram: &Passed| {
                datagram.toward == toward
                    && datagram.bytes.windows(20).any(|part| part[..2] == [kind, 1] && part[8..] == id)
            };
            hop.passed().into_iter().find(is_wanted).expect("it passed").left[0]
        };
        let (request, response) = (find(asked, toward_asked, 0), find(answered, toward_answered, 1));
        [response.0.since(request.1), response.1.since(request.0)]
    }

    /// Of the client's leg.
    fn client_leg(&self, id: [u8; 12]) -> [Duration; 2] {
        Self::truth(&self.peer_hop, Toward::Source, &self.client_hop, Toward::Target, id)
    }

    fn peer_leg(&self, id: [u8; 12]) -> [Duration; 2] {
        Self::truth(&self.client_hop, Toward::Target, &self.peer_hop, Toward::Source, id)
    }

    fn seen(&self, leg: Leg, source: RttSource) -> LegRtt {
        let record = live(&self.relay, self.allocated);
        let found = record.rtt[leg].iter().find(|rtt| rtt.source == source).copied();
        found.unwrap_or_else(|| panic!("{}: {:?}", source.name(), record.rtt))
    }
}

fn assert_is(what: &str, seen: Duration, [least, most]: [Duration; 2]) {
    println!("{what}: {seen:?}, measured {least:?} to {most:?}");
    assert!(seen + MS >= least && seen <= most + MS, "{what}: {seen:?}, measured {least:?} to {most:?}");
}

#[test]
fn checks_time_each_leg_by_itself() {
    let mut stage = Stage::new();
    let (mut client, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let id = stage.ask_client(1);
        client.push(stage.client_leg(id));
        let id = stage.ask_peer();
        peer.push(stage.peer_leg(id));
    }
    for (leg, truth, imposed) in [(Leg::Client, client, CLIENT_LEG), (Leg::Peer, peer, PEER_LEG)] {
        let seen = stage.seen(leg, RttSource::Check);
        assert_is("last", seen.last, truth[4]);
        let least = truth.iter().copied().min_by_key(|bounds| bounds[1]).unwrap();
        assert_is("least", seen.least, least);
        let smooth = |bound: usize| {
            let mut values = truth.iter().map(|bounds| bounds[bound].as_secs_f64());
            let first = values.next().unwrap();
            Duration::from_secs_f64(values.fold(first, |mean, value| mean + (value - mean) / 8.0))
        };
        assert_is("smoothed", seen.smoothed, [smooth(0), smooth(1)]);
        // What was measured is what was imposed, and what the machine took.
        assert!(least[0] + MS >= imposed[0] + imposed[1], "{least:?}");
    }
}

#[test]
fn a_check_that_was_sent_twice_times_nothing() {
    let mut stage = Stage::new();
    let id = stage.ask_client(1);
    let before = stage.seen(Leg::Client, RttSource::Check);
    assert_is("before", before.last, stage.client_leg(id));
    stage.ask_client(2);
    assert_eq!(stage.seen(Leg::Client, RttSource::Check), before);
}

#[test]
fn without_checks_a_challenge_times_the_clients_leg() {
    let stage = Stage::new();
    let seen = stage.seen(Leg::Client, RttSource::Challenge);
    let passed = stage.client_hop.passed();
    let is_challenge = |datagram: &&Passed| {
        let message = Message::parse(&datagram.bytes).ok();
        datagram.toward == Toward::Source && message.is_some_and(|message| message.nonce().is_some())
    };
    let challenge = passed.iter().find(is_challenge).expect("the challenge passed");
    let is_retry = |datagram: &&Passed| {
        let message = Message::parse(&datagram.bytes).ok();
        datagram.toward == Toward::Target && message.is_some_and(|message| message.nonce().is_some())
    };
    let retry = passed.iter().find(is_retry).expect("the retry passed").left[0];
    // The relay has sent the challenge a moment before the hop got it.
    assert_is("challenge", seen.last, [retry.0.since(challenge.arrived), retry.1.since(challenge.arrived)]);
}
