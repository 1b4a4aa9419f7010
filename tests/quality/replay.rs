//! Sends a schedule through a relay, both ways at once, and measures when its packets came there.
//!
//! A datagram reaches the relay's socket within the system call that sends it, where the loopback interface hands it
//! over: so it came between two readings of the clock around that call. What a stream client sends came when the worker
//! read it: after the call began, and before the far end got it, which the kernel dates.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use tern::clock::Clock;
use tern::net::poll::{Events, Interest, Poller};
use tern::net::udp::{Batch, Payload, SendBatch, SendHeader, UdpOptions, UdpSocket};
use tern::quality::Record;
use tern::route::Transport;
use tern::time::Time;

use crate::client::{Client, Datagrams, Wire};
use crate::relay::Relay;
use crate::schedule::{HEADER, Packet, serial_of};
use crate::truth::{Arrived, Span};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CHANNEL: u16 = 0x4001;
/// What a channel puts before each packet.
const FRAMING: usize = 4;
/// For the next packet through a relay that is busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client over UDP that says what is in its packets' IP headers.
struct Marking {
    socket: UdpSocket,
    server: SocketAddr,
}

impl Datagrams for Marking {
    fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    fn send(&mut self, bytes: &[u8]) {
        send_marked(&self.socket, self.server, bytes, 0);
    }

    fn receive(&mut self, patience: Duration) -> Option<Vec<u8>> {
        let mut batch = Batch::new(1);
        for _ in 0..patience.as_millis() {
            if self.socket.recv_batch(&mut batch).unwrap() == 1 {
                let packet = batch.packet(0).unwrap();
                return Some(packet.buffer[packet.payload].to_vec());
            }
            sleep(Duration::from_millis(1));
        }
        None
    }

    fn close(&mut self) {}
}

fn send_marked(socket: &UdpSocket, to: SocketAddr, bytes: &[u8], tos: u8) {
    let mut out = SendBatch::new(1);
    out.push(socket, SendHeader { tos, ..SendHeader::to(to) }, Payload::Copy(bytes));
    assert_eq!(out.flush(&Batch::new(1)).sent, 1, "the system takes a datagram");
}

fn socket() -> UdpSocket {
    let options = UdpOptions { timestamps: true, receive_buffer: Some(1 << 21), ..UdpOptions::default() };
    UdpSocket::bind_listener(SocketAddr::new(V4, 0), &options).unwrap()
}

/// A client of a relay and its peer.
pub(crate) struct Call {
    client: Client,
    /// The client's socket, if it has one of its own.
    datagrams: Option<UdpSocket>,
    server: SocketAddr,
    peer: UdpSocket,
    /// The relayed address.
    pub(crate) relayed: SocketAddr,
}

impl Call {
    /// One over UDP or TCP, with a channel.
    pub(crate) fn new(relay: &Relay, transport: Transport) -> Self {
        let (server, peer) = (relay.v4(transport), socket());
        let (mut client, datagrams) = match transport {
            Transport::Udp => {
                let socket = socket();
                (Client::datagrams(Marking { socket: socket.clone(), server }), Some(socket))
            }
            Transport::Tcp => (Client::tcp(server), None),
            Transport::Tls | Transport::Dtls => panic!("not of interest here"),
        };
        let relayed = client.allocate();
        client.bind(CHANNEL, peer.local_addr());
        Self { client, datagrams, server, peer, relayed }
    }

    /// Sends one payload on the channel.
    pub(crate) fn send_to_peer(&mut self, payload: &[u8], tos: u8) {
        match &self.datagrams {
            Some(socket) => {
                let mut bytes = CHANNEL.to_be_bytes().to_vec();
                bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
                bytes.extend(payload);
                send_marked(socket, self.server, &bytes, tos);
            }
            None => self.client.send_channel(CHANNEL, payload),
        }
    }

    /// Has the peer send one.
    pub(crate) fn send_to_client(&self, payload: &[u8], tos: u8) {
        send_marked(&self.peer, self.relayed, payload, tos);
    }

    /// Reads at both ends whatever comes of a schedule.
    fn listen(&self, packets: &[Packet]) -> [Listening; 2] {
        let bytes = |framing: usize, unit: usize| {
            packets.iter().map(|packet| (framing + HEADER + packet.size).next_multiple_of(unit)).sum()
        };
        let client = match &self.datagrams {
            Some(socket) => Listening::datagrams(socket.clone(), FRAMING, bytes(FRAMING, 1)),
            None => Listening::stream(&self.client, bytes(FRAMING, 4)),
        };
        [Listening::datagrams(self.peer.clone(), 0, bytes(0, 1)), client]
    }
}

/// When packets have come somewhere, by serial.
type Arrivals = HashMap<u32, Time>;

/// Reads a socket to which media comes until so many bytes have come.
struct Listening(JoinHandle<Arrivals>);

impl Listening {
    fn datagrams(socket: UdpSocket, framing: usize, bytes: usize) -> Self {
        Self(spawn(move || {
            let (poller, mut events, mut batch) =
                (Poller::new().unwrap(), Events::with_capacity(1), Batch::new(32));
            poller.add(&socket, 0, Interest::READ).unwrap();
            let (mut arrivals, mut seen) = (Arrivals::new(), 0);
            while seen < bytes {
                let events = poller.wait(&mut events, Some(PATIENCE)).unwrap();
                assert!(events > 0, "{seen} bytes of {bytes} came");
                let count = socket.recv_batch(&mut batch).unwrap();
                let reading = Clock::new().read();
                for index in 0..count {
                    let packet = batch.packet(index).unwrap();
                    let time = reading.arrival(packet.meta.timestamp.expect("timestamps are on"));
                    seen += packet.payload.len();
                    arrivals.insert(serial_of(&packet.buffer[packet.payload][framing..]), time);
                }
            }
            arrivals
        }))
    }

    /// Only so that the relay need not wait for a reader.
    fn stream(client: &Client, bytes: usize) -> Self {
        let Wire::Stream(stream) = &client.wire else { panic!("a client over datagrams") };
        let mut stream = stream.tcp().try_clone().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(spawn(move || {
            stream.read_exact(&mut vec![0; bytes]).expect("everything comes");
            Arrivals::new()
        }))
    }

    fn end(self) -> Arrivals {
        self.0.join().expect("everything comes")
    }
}

/// When each packet of the schedule came to the relay, one way.
pub(crate) struct Measured(Vec<Span>);

impl Measured {
    pub(crate) fn from_spans(spans: Vec<Span>) -> Self {
        Self(spans)
    }

    /// The packets of one stream with their arrivals, in order.
    pub(crate) fn of<'a>(&self, ssrc: u32, packets: &'a [Packet]) -> Vec<Arrived<'a>> {
        let of_stream = packets.iter().zip(&self.0).filter(|(packet, _)| packet.ssrc == ssrc);
        of_stream.map(|(packet, span)| (packet, *span)).collect()
    }

    /// All, in order.
    pub(crate) fn spans(&self) -> &[Span] {
        &self.0
    }
}

/// Both ways of one call.
pub(crate) struct Replayed {
    pub(crate) to_peer: Measured,
    pub(crate) to_client: Measured,
}

/// Plays each call's schedule, all at once and both ways, and waits until the last packet has passed.
pub(crate) fn replay(calls: &mut [(Call, Vec<Packet>)]) -> Vec<Replayed> {
    let listening: Vec<[Listening; 2]> = calls.iter().map(|(call, packets)| call.listen(packets)).collect();
    let sent = send_all(calls);
    let mut replayed = Vec::new();
    for (((call, _), sent), listening) in calls.iter().zip(sent).zip(listening) {
        let [at_peer, _] = listening.map(Listening::end);
        let [to_peer, to_client] = sent;
        let to_peer = match call.datagrams {
            Some(_) => measure(&to_peer, |_, after| after),
            None => measure(&to_peer, |serial, _| at_peer[&serial]),
        };
        replayed.push(Replayed { to_peer, to_client: measure(&to_client, |_, after| after) });
    }
    replayed
}

fn measure(sent: &[(Time, Time)], latest: impl Fn(u32, Time) -> Time) -> Measured {
    let seconds = |time: Time| time.as_nanos() as f64 / 1e9;
    let span = |(serial, (before, after)): (u32, &(Time, Time))| Span {
        from: seconds(*before),
        to: seconds(latest(serial, *after)),
    };
    Measured((0..).zip(sent).map(span).collect())
}

/// The readings of the clock around the sending of each packet of a call, to the peer and to the client.
type Sent = [Vec<(Time, Time)>; 2];

fn send_all(calls: &mut [(Call, Vec<Packet>)]) -> Vec<Sent> {
    let clock = Clock::new();
    let mut sent = vec![Sent::default(); calls.len()];
    let serials = |(call, (_, packets)): (usize, &(Call, Vec<Packet>))| {
        (0..packets.len()).map(move |serial| (call, serial)).collect::<Vec<_>>()
    };
    let mut timetable: Vec<(usize, usize)> = calls.iter().enumerate().flat_map(serials).collect();
    timetable.sort_by_key(|(call, serial)| calls[*call].1[*serial].at);
    let start = clock.now().time + Duration::from_millis(50);
    for (index, serial) in timetable {
        let (call, packets) = &mut calls[index];
        let packet = &packets[serial];
        let bytes = packet.bytes(serial as u32);
        sleep((start + packet.at).since(clock.now().time));
        let before = clock.now().time;
        call.send_to_peer(&bytes, packet.tos);
        let between = clock.now().time;
        call.send_to_client(&bytes, packet.tos);
        let [to_peer, to_client] = &mut sent[index];
        to_peer.push((before, between));
        to_client.push((between, clock.now().time));
    }
    sent
}

/// What the relay says of a call as it runs.
pub(crate) fn live(relay: &Relay, relayed: SocketAddr) -> Record {
    let find = || relay.server.sessions().into_iter().find(|session| session.info.relayed == relayed);
    relay.wait_for("a session", |_| find().is_some());
    find().expect("it lasts").view.record
}

/// Ends the calls; what the relay has recorded of each.
pub(crate) fn end(relay: &mut Relay, calls: &mut [(Call, Vec<Packet>)]) -> Vec<Record> {
    let records = relay.server.take_records().expect("nobody else asks");
    let records = RefCell::new(records);
    for (call, _) in calls.iter_mut() {
        assert_eq!(call.client.refresh(0).code(), None, "goodbye");
    }
    let ended = RefCell::new(Vec::new());
    relay.wait_for("the records", |_| {
        ended.borrow_mut().extend(records.borrow_mut().try_recv());
        ended.borrow().len() == calls.len()
    });
    let ended = ended.into_inner();
    let of = |call: &Call| ended.iter().find(|ended| ended.info.relayed == call.relayed);
    calls.iter().map(|(call, _)| of(call).expect("its record").record.clone()).collect()
}
