//! A TURN client, as small as it can be, and a peer.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tern::net::udp::{Batch, PacketMeta, UdpOptions};
use tern::wire::stun::{
    AttributeType, Class, Message, Method, TransactionId, Writer, long_term_key_md5, padding,
};

use crate::relay::{PASSWORD, REALM, USER};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Something that a client has received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Stun(Vec<u8>),
    Channel(u16, Vec<u8>),
}

/// What carries the client's bytes.
pub(crate) enum Wire {
    Udp(UdpSocket),
    Stream(Box<dyn Stream>),
    Datagrams(Box<dyn Datagrams>),
}

/// DTLS.
pub(crate) trait Datagrams {
    fn local_addr(&self) -> SocketAddr;
    fn send(&mut self, bytes: &[u8]);
    fn receive(&mut self, patience: Duration) -> Option<Vec<u8>>;
    fn close(&mut self);
}

/// TCP, or TLS over it.
pub(crate) trait Stream: Read + Write + Send {
    fn tcp(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

/// A client with one five-tuple.
pub(crate) struct Client {
    pub(crate) wire: Wire,
    input: Vec<u8>,
    early: VecDeque<Frame>,
    nonce: Option<Vec<u8>>,
}

impl Client {
    pub(crate) fn udp(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::over(Wire::Udp(socket))
    }

    pub(crate) fn tcp(server: SocketAddr) -> Self {
        Self::stream(connect(server))
    }

    pub(crate) fn stream(stream: impl Stream + 'static) -> Self {
        Self::over(Wire::Stream(Box::new(stream)))
    }

    pub(crate) fn datagrams(session: impl Datagrams + 'static) -> Self {
        Self::over(Wire::Datagrams(Box::new(session)))
    }

    /// Says goodbye where the protocol has a word for it.
    pub(crate) fn close(&mut self) {
        match &mut self.wire {
            Wire::Udp(_) | Wire::Stream(_) => {}
            Wire::Datagrams(session) => session.close(),
        }
    }

    fn over(wire: Wire) -> Self {
        Self { wire, input: Vec::new(), early: VecDeque::new(), nonce: None }
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        match &self.wire {
            Wire::Udp(socket) => socket.local_addr().unwrap(),
            Wire::Stream(stream) => stream.tcp().local_addr().unwrap(),
            Wire::Datagrams(session) => session.local_addr(),
        }
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        match &mut self.wire {
            Wire::Udp(socket) => drop(socket.send(bytes).unwrap()),
            Wire::Stream(stream) => {
                stream.write_all(bytes).unwrap();
                stream.flush().unwrap();
            }
            Wire::Datagrams(session) => session.send(bytes),
        }
    }

    /// The next frame; none if the connection has ended, or nothing comes within `patience`.
    pub(crate) fn receive_within(&mut self, patience: Duration) -> Option<Frame> {
        if let Some(frame) = self.early.pop_front() {
            return Some(frame);
        }
        match &mut self.wire {
            Wire::Udp(socket) => {
                socket.set_read_timeout(Some(patience)).unwrap();
                let mut buffer = vec![0; 65_536];
                let count = socket.recv(&mut buffer).ok()?;
                buffer.truncate(count);
                Some(split_frame(&buffer, false).unwrap().0)
            }
            Wire::Datagrams(session) => {
                let bytes = session.receive(patience)?;
                Some(split_frame(&bytes, false).unwrap().0)
            }
            Wire::Stream(stream) => loop {
                if let Some((frame, length)) = split_frame(&self.input, true) {
                    self.input.drain(..length);
                    return Some(frame);
                }
                stream.tcp().set_read_timeout(Some(patience)).unwrap();
                let mut buffer = vec![0; 65_536];
                match stream.read(&mut buffer) {
                    Ok(0) => return None,
                    Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => return None,
                }
            },
        }
    }

    pub(crate) fn receive(&mut self) -> Frame {
        self.receive_within(PATIENCE).expect("a frame")
    }

    pub(crate) fn receives_nothing(&mut self) -> bool {
        self.receive_within(Duration::from_millis(150)).is_none()
    }

    /// Sends a signed request and waits for its answer; a challenge is met on the way.
    pub(crate) fn request(&mut self, method: Method, fill: impl Fn(&mut Writer<'_>)) -> Answer {
        let mut answer = self.request_once(method, &fill);
        if matches!(answer.code(), Some(401 | 438)) {
            self.nonce = Some(answer.message().nonce().unwrap().to_vec());
            answer = self.request_once(method, &fill);
        }
        answer
    }

    pub(crate) fn request_once(&mut self, method: Method, fill: &impl Fn(&mut Writer<'_>)) -> Answer {
        let (id, bytes) = self.signed(method, fill);
        self.send_bytes(&bytes);
        let mut others = VecDeque::new();
        let answer = loop {
            match self.receive() {
                Frame::Stun(bytes) if Message::parse(&bytes).unwrap().transaction_id() == id => {
                    break Answer(bytes);
                }
                other @ (Frame::Stun(_) | Frame::Channel(..)) => others.push_back(other),
            }
        };
        self.early = others;
        answer
    }

    /// A request, signed as soon as there was a challenge.
    pub(crate) fn signed(&self, method: Method, fill: &impl Fn(&mut Writer<'_>)) -> (TransactionId, Vec<u8>) {
        let id = transaction();
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, Class::Request, method, id);
        fill(&mut writer);
        if let Some(nonce) = &self.nonce {
            writer.attribute(AttributeType::USERNAME, USER.as_bytes());
            writer.attribute(AttributeType::REALM, REALM.as_bytes());
            writer.attribute(AttributeType::NONCE, nonce);
            writer.integrity(&long_term_key_md5(USER.as_bytes(), REALM.as_bytes(), PASSWORD.as_bytes()));
        }
        writer.finish().unwrap();
        (id, bytes)
    }

    /// A UDP relay; its address.
    pub(crate) fn allocate(&mut self) -> SocketAddr {
        self.allocate_with(17, |_| {}).relayed()
    }

    pub(crate) fn allocate_with(&mut self, protocol: u8, fill: impl Fn(&mut Writer<'_>)) -> Answer {
        let answer = self.request(Method::ALLOCATE, |writer| {
            writer.requested_transport(protocol);
            fill(writer);
        });
        assert_eq!(answer.code(), None, "allocate");
        answer
    }

    pub(crate) fn permit(&mut self, peer: IpAddr) {
        let answer = self.request(Method::CREATE_PERMISSION, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, SocketAddr::new(peer, 0));
        });
        assert_eq!(answer.code(), None, "permission");
    }

    pub(crate) fn bind(&mut self, channel: u16, peer: SocketAddr) {
        let answer = self.request(Method::CHANNEL_BIND, |writer| {
            writer.channel_number(channel);
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        });
        assert_eq!(answer.code(), None, "channel");
    }

    pub(crate) fn refresh(&mut self, lifetime: u32) -> Answer {
        self.request(Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, lifetime);
        })
    }

    pub(crate) fn send_channel(&mut self, channel: u16, data: &[u8]) {
        let mut bytes = channel.to_be_bytes().to_vec();
        bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(data);
        if matches!(self.wire, Wire::Stream(_)) {
            bytes.resize(bytes.len() + padding(data.len()), 0);
        }
        self.send_bytes(&bytes);
    }

    pub(crate) fn send_to(&mut self, peer: SocketAddr, data: &[u8]) {
        self.send_bytes(&send_indication(peer, data));
    }

    pub(crate) fn expect_channel(&mut self, channel: u16, data: &[u8]) {
        assert_eq!(self.receive(), Frame::Channel(channel, data.to_vec()));
    }

    pub(crate) fn expect_data(&mut self, peer: SocketAddr, data: &[u8]) {
        let Frame::Stun(bytes) = self.receive() else { panic!("channel data") };
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
        assert_eq!(message.xor_peer_address().unwrap(), Some(peer));
        assert_eq!(message.data(), Some(data));
    }
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Answer(pub(crate) Vec<u8>);

impl Answer {
    pub(crate) fn message(&self) -> Message<'_> {
        Message::parse(&self.0).unwrap()
    }

    /// The error code; none for success.
    pub(crate) fn code(&self) -> Option<u16> {
        self.message().error_code().unwrap().map(|error| error.code)
    }

    pub(crate) fn relayed(&self) -> SocketAddr {
        self.message().xor_address(AttributeType::XOR_RELAYED_ADDRESS).unwrap().unwrap()
    }

    pub(crate) fn mapped(&self) -> SocketAddr {
        self.message().xor_address(AttributeType::XOR_MAPPED_ADDRESS).unwrap().unwrap()
    }
}

/// A channel that [`exchange`] binds.
const CHANNEL: u16 = 0x4ffe;

/// An allocation and media both ways, as indications and on a channel, in every length of padding and in as large pieces as
/// the client's transport takes on any machine.
pub(crate) fn exchange(client: &mut Client, ip: IpAddr) {
    let peer = peer(ip);
    let at = peer.local_addr().unwrap();
    let relayed = client.allocate();
    client.permit(ip);
    client.send_to(at, b"hello");
    assert_eq!(receive(&peer), (b"hello".to_vec(), relayed));
    peer.send_to(b"hi", relayed).unwrap();
    client.expect_data(at, b"hi");
    client.bind(CHANNEL, at);
    // A DTLS record has at most 16 KiB.
    let longest = if matches!(client.wire, Wire::Stream(_)) { 60_000 } else { 8000 };
    for size in [0, 1, 2, 3, 4, 160, 1200, 2000, longest] {
        let data = vec![7; size];
        peer.send_to(&data, relayed).unwrap();
        client.expect_channel(CHANNEL, &data);
        client.send_channel(CHANNEL, &data);
        assert_eq!(receive(&peer).0, data);
    }
}

pub(crate) fn send_indication(peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, Class::Indication, Method::SEND, transaction());
    writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
    writer.attribute(AttributeType::DATA, data);
    writer.finish().unwrap();
    bytes
}

pub(crate) fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A UDP socket that answers nothing by itself.
pub(crate) fn peer(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::new(ip, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// What a peer receives, and from where.
pub(crate) fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    let (count, from) = socket.recv_from(&mut buffer).expect("a datagram");
    buffer.truncate(count);
    (buffer, from)
}

pub(crate) fn receives_nothing(socket: &UdpSocket) -> bool {
    socket.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
    let nothing = socket.recv_from(&mut [0; 64]).is_err();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    nothing
}

/// A peer that sees the IP header.
pub(crate) struct Probe(tern::net::udp::UdpSocket);

impl Probe {
    pub(crate) fn new(ip: IpAddr) -> Self {
        Self(
            tern::net::udp::UdpSocket::bind_listener(SocketAddr::new(ip, 0), &UdpOptions::default()).unwrap(),
        )
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.0.local_addr()
    }

    /// What the header of the next datagram says.
    pub(crate) fn receive(&self) -> PacketMeta {
        let mut batch = Batch::new(1);
        for _ in 0..2_000 {
            if self.0.recv_batch(&mut batch).unwrap() == 1 {
                return batch.packet(0).unwrap().meta;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("no datagram");
    }
}

fn split_frame(bytes: &[u8], is_stream: bool) -> Option<(Frame, usize)> {
    let header: [u8; 4] = *bytes.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] & 0xc0 == 0x40 {
        let padded = 4 + length + if is_stream { padding(length) } else { 0 };
        if !is_stream {
            assert_eq!(bytes.len(), padded, "ChannelData over datagrams is not padded");
        }
        let channel = u16::from_be_bytes([header[0], header[1]]);
        return Some((
            Frame::Channel(channel, bytes.get(4..4 + length)?.to_vec()),
            bytes.get(..padded)?.len(),
        ));
    }
    Some((Frame::Stun(bytes.get(..20 + length)?.to_vec()), 20 + length))
}

fn transaction() -> TransactionId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut id = [0x5a; 12];
    id[4..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    TransactionId(id)
}
