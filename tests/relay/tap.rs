//! What the relay hears of media: each packet once, over every transport, whichever way it takes through the worker.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tern::control::{RecordSink, Recorder};
use tern::metrics::{EndedSession, Exposition, LiveSession};
use tern::quality::{Direction, Leg, Record, RttSource};
use tern::route::Transport;
use tern::server::Server;
use tern::time::UnixTime;

use crate::client::{Client, Frame, peer, receive};
use crate::relay::{Relay, Setup};
use crate::shortcut::{BACK, End, THERE, setup};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CHANNEL: u16 = 0x4000;
const ALL: [Transport; 4] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Dtls];
const SENT: u16 = 20;

/// A packet of voice.
pub(crate) fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 111];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 960).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([7; 100]);
    packet
}

fn check(kind: u8, number: u8) -> Vec<u8> {
    let mut bytes = vec![kind, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    bytes.extend([number; 12]);
    bytes
}

/// Packets expected, received and lost in a direction, of all streams.
fn counts(record: &Record, direction: Direction) -> (u64, u64, u64) {
    let totals = record.directions[direction].totals();
    (totals.expected, totals.received, totals.lost)
}

/// The only session, once it has heard so much both ways.
pub(crate) fn session_with(server: &Server, heard: [u64; 2]) -> LiveSession {
    for _ in 0..1_000 {
        for session in server.sessions() {
            let received = Direction::ALL.map(|way| counts(&session.view.record, way).1);
            if received == heard {
                return session;
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no session has heard {heard:?}: {:#?}", server.sessions());
}

fn record(records: &mut tokio::sync::mpsc::Receiver<Box<EndedSession>>) -> EndedSession {
    for _ in 0..1_000 {
        if let Ok(record) = records.try_recv() {
            return *record;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no record");
}

struct Call {
    end: End,
    peer: UdpSocket,
    relayed: SocketAddr,
}

impl Call {
    fn new(relay: &Relay, transport: Transport) -> Self {
        let mut end = End::new(relay, transport, false);
        let peer = peer(V4);
        let relayed = end.client.allocate();
        end.client.bind(CHANNEL, peer.local_addr().unwrap());
        Self { end, peer, relayed }
    }

    fn send(&mut self, payload: &[u8]) {
        self.end.client.send_channel(CHANNEL, payload);
        assert_eq!(receive(&self.peer).0, payload);
    }

    fn answer(&mut self, payload: &[u8]) {
        self.peer.send_to(payload, self.relayed).unwrap();
        self.end.client.expect_channel(CHANNEL, payload);
    }

    /// Voice both ways; of the client's one packet does not come.
    fn talk(&mut self) {
        for sequence in 0..SENT {
            if sequence != 9 {
                self.send(&rtp(1, sequence));
            }
            self.answer(&rtp(2, sequence));
        }
    }
}

/// What the call was is in the metrics now.
fn assert_exported(server: &Server) {
    let page = Exposition::new(server.metrics(), UnixTime(0)).unwrap().text().unwrap();
    let labels = |direction: &str| format!("{{direction=\"{direction}\",media=\"audio\",codec=\"opus\"}}");
    let (there, back) = (labels("client_to_peer"), labels("peer_to_client"));
    for line in [
        "tern_media_sessions 0".to_owned(),
        "tern_media_sessions_total 1".to_owned(),
        format!("tern_rtp_packets_total{there} {}", SENT - 1),
        format!("tern_rtp_lost_packets_total{there} 1"),
        format!("tern_rtp_packets_total{back} {SENT}"),
        format!("tern_rtp_lost_packets_total{back} 0"),
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
}

#[test]
fn every_packet_is_heard_once_over_every_transport() {
    for transport in ALL {
        let mut relay = setup(true).start();
        let mut records = relay.server.take_records().unwrap();
        assert!(relay.server.take_records().is_none());
        let mut call = Call::new(&relay, transport);
        call.end.send.set((0xb8, 64));
        call.talk();
        let sent = u64::from(SENT);
        let LiveSession { info, view } = session_with(&relay.server, [sent - 1, sent]);
        assert_eq!((info.transport, info.relayed), (transport, call.relayed));
        assert_eq!(counts(&view.record, Direction::ClientToPeer), (sent, sent - 1, 1), "{transport:?}");
        assert_eq!(counts(&view.record, Direction::PeerToClient), (sent, sent, 0), "{transport:?}");
        let told = relay.server.session(info.id).unwrap();
        assert_eq!(told.live.info, info);
        let marked = &view.record.directions.client_to_peer.streams[0].dscp;
        assert_eq!(*marked, (transport == Transport::Udp).then_some(46), "{transport:?}");
        let source = view.record.rtt[Leg::Client].first().map(|trip| trip.source);
        let expected = if transport.is_stream() { RttSource::TcpInfo } else { RttSource::Challenge };
        assert_eq!(source, Some(expected), "{transport:?}");

        call.end.client.refresh(0);
        let EndedSession { info: ended, record, .. } = record(&mut records);
        assert_eq!(ended, info);
        assert_eq!(counts(&record, Direction::ClientToPeer), (sent, sent - 1, 1));
        assert_exported(&relay.server);
        assert!(relay.server.sessions().is_empty() && relay.server.session(info.id).is_none());
    }
}

#[test]
fn checks_time_both_legs() {
    let relay = Relay::with(&[Transport::Udp]);
    let mut call = Call::new(&relay, Transport::Udp);
    call.talk();
    let wait = Duration::from_millis(50);
    call.send(&check(0, 1));
    std::thread::sleep(wait);
    call.answer(&check(1, 1));
    call.answer(&check(0, 2));
    std::thread::sleep(wait);
    call.send(&check(1, 2));
    let view = session_with(&relay.server, [u64::from(SENT) - 1, u64::from(SENT)]).view;
    for leg in Leg::ALL {
        let best = view.record.rtt[leg].first().unwrap();
        assert!(best.source == RttSource::Check && best.last >= wait, "{leg:?}: {best:?}");
    }
}

#[test]
fn what_is_no_media_has_no_session() {
    let mut relay = Relay::with(&[Transport::Udp]);
    let mut records = relay.server.take_records().unwrap();
    let mut call = Call::new(&relay, Transport::Udp);
    for payload in [&[22, 254, 253][..], &check(0, 1), &[0x80], b"anything"] {
        call.send(payload);
        call.answer(payload);
    }
    assert!(relay.server.sessions().is_empty());
    call.end.client.refresh(0);
    relay.wait_for("the end", |relay| relay.server.counters().value("allocations", "") == 0);
    assert!(records.try_recv().is_err());
}

#[test]
fn nobody_listens_where_that_is_turned_off() {
    let mut setup = Setup::new(&[Transport::Udp]);
    let listening = setup.settings();
    setup.worker.quality = None;
    let mut relay = setup.start();
    let mut records = relay.server.take_records().unwrap();
    let mut call = Call::new(&relay, Transport::Udp);
    call.talk();
    assert!(relay.server.sessions().is_empty());
    // From a reload on they do, and until the next.
    relay.server.reload(listening);
    call.talk();
    session_with(&relay.server, [u64::from(SENT) - 1, u64::from(SENT)]);
    relay.server.reload(setup.settings());
    assert_eq!(counts(&record(&mut records).record, Direction::PeerToClient).1, u64::from(SENT));
    assert!(relay.server.sessions().is_empty());
}

#[test]
fn a_record_becomes_a_line_of_a_file() {
    let mut relay = Relay::with(&[Transport::Udp]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.json");
    let recorder =
        Recorder::start(relay.server.take_records().unwrap(), RecordSink::file(&path).unwrap()).unwrap();
    let mut call = Call::new(&relay, Transport::Udp);
    call.talk();
    let info = session_with(&relay.server, [u64::from(SENT) - 1, u64::from(SENT)]).info;
    let live = serde_json::to_value(relay.server.session(info.id).unwrap()).unwrap();
    relay.server.stop();
    recorder.finish();
    let record: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    for key in ["schema", "session", "user", "transport", "relayed", "began"] {
        assert_eq!(record[key], live[key], "{key}");
    }
    assert_eq!(record["session"], info.id.to_string());
    assert_eq!(
        [&record["client_to_peer"]["total"]["lost"], &live["client"]],
        [&serde_json::Value::from(1), &serde_json::Value::from(info.client.to_string())]
    );
    assert_eq!(record["client"], serde_json::Value::Null);
}

#[test]
fn a_relay_that_stops_leaves_records() {
    let mut relay = Relay::with(&[Transport::Udp]);
    let mut records = relay.server.take_records().unwrap();
    let mut call = Call::new(&relay, Transport::Udp);
    call.talk();
    relay.server.stop();
    assert_eq!(counts(&record(&mut records).record, Direction::PeerToClient).1, u64::from(SENT));
    // Nobody writes any more.
    assert_eq!(records.try_recv().unwrap_err(), tokio::sync::mpsc::error::TryRecvError::Disconnected);
}

#[test]
fn on_the_short_cut_both_sessions_hear_it() {
    for transports in [[Transport::Udp; 2], [Transport::Tcp, Transport::Dtls]] {
        let relay = setup(true).start();
        let [mut one, mut two] = transports.map(|transport| End::new(&relay, transport, false));
        let (at_one, at_two) = (one.client.allocate(), two.client.allocate());
        one.client.bind(THERE, at_two);
        two.client.bind(BACK, at_one);
        converse(&mut one.client, &mut two.client);
        assert!(relay.server.counters().value("shortcuts", "") >= 2 * u64::from(SENT));
        both_have_heard(&relay.server, [at_one, at_two]);
    }
}

/// Voice both ways.
pub(crate) fn converse(one: &mut Client, two: &mut Client) {
    for sequence in 0..SENT {
        one.send_channel(THERE, &rtp(1, sequence));
        assert_eq!(two.receive(), Frame::Channel(BACK, rtp(1, sequence)));
        two.send_channel(BACK, &rtp(2, sequence));
        assert_eq!(one.receive(), Frame::Channel(THERE, rtp(2, sequence)));
    }
}

/// All of it, at both relayed addresses.
pub(crate) fn both_have_heard(server: &Server, relayed: [SocketAddr; 2]) {
    let all = u64::from(SENT);
    let heard = |at: SocketAddr| {
        let sessions = server.sessions();
        let session = sessions.into_iter().find(|session| session.info.relayed == at)?;
        Some(Direction::ALL.map(|way| counts(&session.view.record, way)))
    };
    let mut last = None;
    for _ in 0..1_000 {
        last = Some(relayed.map(heard));
        if last == Some([Some([(all, all, 0); 2]); 2]) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{last:?}");
}

#[test]
fn figures_are_taken_every_ten_seconds() {
    let relay = Relay::with(&[Transport::Udp]);
    let mut call = Call::new(&relay, Transport::Udp);
    call.talk();
    let id = session_with(&relay.server, [u64::from(SENT) - 1, u64::from(SENT)]).info.id;
    std::thread::sleep(Duration::from_secs(10));
    relay.wait_for("an interval", |relay| !relay.server.session(id).unwrap().history.is_empty());
    let history = relay.server.session(id).unwrap().history;
    assert_eq!(history[0].directions.peer_to_client.expected, u32::from(SENT));
    assert!(history[0].duration >= Duration::from_secs(10));
}
