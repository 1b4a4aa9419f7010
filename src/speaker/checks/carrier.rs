//! What carries a test call: a socket of the self-test's thread, with TLS or DTLS over it where the listener wants that.
//! Nothing here waits.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::fault::Fault;
use crate::clock::Clock;
use crate::net::dtls::{DtlsConnector, DtlsError, DtlsOutput, DtlsSession};
use crate::net::poll::Interest;
use crate::net::tcp::{TcpOptions, TcpStream};
use crate::net::tls::{TlsClient, TlsConnector, TlsError};
use crate::route::Transport;
use crate::time::Time;
use crate::wire::framing::{Frame, Framer};

/// Longer than any answer to us, and than a DTLS record.
const SCRATCH: usize = 24 * 1024;
/// What introduces a connection that nobody has passed on (PROXY protocol, version 1).
const INTRODUCTION: &[u8] = b"PROXY UNKNOWN\r\n";
/// Longer than any answer to us.
const FRAME_MAX: usize = 4 * 1024;

/// What carriers are made with.
#[derive(Debug)]
pub(super) struct Tools {
    tls: TlsConnector,
    dtls: DtlsConnector,
    scratch: Vec<u8>,
}

impl Tools {
    /// # Errors
    /// The crypto library cannot be used on this system.
    pub(super) fn new() -> io::Result<Self> {
        let tls = TlsConnector::new().map_err(io::Error::other)?;
        let dtls = DtlsConnector::new(Clock::new()).map_err(io::Error::other)?;
        Ok(Self { tls, dtls, scratch: vec![0; SCRATCH] })
    }
}

/// One call's way to the relay.
#[derive(Debug)]
pub(super) enum Carrier {
    Udp(UdpSocket),
    Dtls(Box<Dtls>),
    Stream(Box<Stream>),
}

#[derive(Debug)]
pub(super) struct Dtls {
    socket: UdpSocket,
    session: DtlsSession,
    /// Until the handshake is complete.
    waiting: Option<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct Stream {
    tcp: TcpStream,
    local: SocketAddr,
    connected: bool,
    tls: Option<TlsClient>,
    /// Bytes for the connection.
    output: Vec<u8>,
    /// What has come of the next frame.
    input: Vec<u8>,
}

impl Carrier {
    /// From the relay's own address, and from `port` if one is wanted.
    pub(super) fn open(
        tools: &Tools,
        transport: Transport,
        server: SocketAddr,
        port: u16,
        now: Time,
        patience: Duration,
    ) -> Result<Self, Fault> {
        let local = SocketAddr::new(server.ip(), port);
        let failed = |error: io::Error| Fault::of_socket(server.ip(), &error);
        match transport {
            Transport::Udp => datagrams(local, server).map(Self::Udp).map_err(failed),
            Transport::Dtls => {
                let socket = datagrams(local, server).map_err(failed)?;
                let session = tools.dtls.connect(now, patience).map_err(|error| of_dtls(&error))?;
                let mut dtls = Dtls { socket, session, waiting: None };
                // What it begins with.
                dtls.speak(&mut vec![0; SCRATCH], &mut Vec::new())?;
                Ok(Self::Dtls(Box::new(dtls)))
            }
            Transport::Tcp | Transport::Tls => {
                let tls = (transport == Transport::Tls).then(|| tools.tls.connect(server.ip())).transpose();
                let tls = tls.map_err(|error| of_tls(&error))?;
                let tcp = TcpStream::connect_from(local, server, &TcpOptions::default()).map_err(failed)?;
                let local = tcp.local_addr().map_err(failed)?;
                let (output, input) = (Vec::new(), Vec::new());
                Ok(Self::Stream(Box::new(Stream { tcp, local, connected: false, tls, output, input })))
            }
        }
    }

    /// Says first what a listener wants to hear from proxies.
    pub(super) fn introduce(&mut self) {
        if let Self::Stream(stream) = self {
            stream.output.splice(0..0, INTRODUCTION.iter().copied());
        }
    }

    /// The port that it leaves from.
    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Udp(socket) => port_of(socket),
            Self::Dtls(dtls) => port_of(&dtls.socket),
            Self::Stream(stream) => stream.local.port(),
        }
    }

    pub(super) const fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> Interest {
        match self {
            Self::Udp(_) | Self::Dtls(_) => Interest::READ,
            Self::Stream(stream) => {
                Interest { read: true, write: !stream.connected || !stream.output.is_empty() }
            }
        }
    }

    /// When [`Carrier::expire`] is due.
    pub(super) fn deadline(&self) -> Option<Time> {
        match self {
            Self::Dtls(dtls) => dtls.session.deadline(),
            Self::Udp(_) | Self::Stream(_) => None,
        }
    }

    /// Sends a frame, as soon as that can be.
    pub(super) fn send(&mut self, tools: &mut Tools, now: Time, frame: &[u8]) -> Result<(), Fault> {
        match self {
            Self::Udp(socket) => judge_sent(socket.send(frame)),
            Self::Dtls(dtls) if !dtls.session.is_established() => {
                dtls.waiting = Some(frame.to_vec());
                Ok(())
            }
            Self::Dtls(dtls) => {
                dtls.session.send(now, frame).map_err(|error| of_dtls(&error))?;
                dtls.speak(&mut tools.scratch, &mut Vec::new())
            }
            Self::Stream(stream) => {
                match &mut stream.tls {
                    Some(tls) => tls.send(frame).map_err(|error| of_tls(&error))?,
                    None => stream.output.extend_from_slice(frame),
                }
                stream.flush()
            }
        }
    }

    /// The frames that have come.
    pub(super) fn receive(
        &mut self,
        tools: &mut Tools,
        now: Time,
        frames: &mut Vec<Vec<u8>>,
    ) -> Result<(), Fault> {
        match self {
            Self::Udp(socket) => {
                while let Some(length) = read(socket, &mut tools.scratch)? {
                    frames.push(tools.scratch.get(..length).unwrap_or_default().to_vec());
                }
                Ok(())
            }
            Self::Dtls(dtls) => dtls.receive(&mut tools.scratch, now, frames),
            Self::Stream(stream) => stream.receive(&mut tools.scratch, frames),
        }
    }

    /// The deadline has come.
    pub(super) fn expire(&mut self, tools: &mut Tools, now: Time) -> Result<(), Fault> {
        match self {
            Self::Dtls(dtls) => {
                dtls.session.expire(now).map_err(|error| of_dtls(&error))?;
                dtls.speak(&mut tools.scratch, &mut Vec::new())
            }
            Self::Udp(_) | Self::Stream(_) => Ok(()),
        }
    }

    /// Streams end with a reset: their port can be used for the next call at once.
    pub(super) fn close(self, tools: &mut Tools, now: Time) {
        match self {
            Self::Udp(_) => {}
            Self::Dtls(mut dtls) => {
                dtls.session.close(now);
                // The next handshake from this port ends the session as well.
                drop(dtls.speak(&mut tools.scratch, &mut Vec::new()));
            }
            Self::Stream(stream) => stream.tcp.abort(),
        }
    }
}

impl AsFd for Carrier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Udp(socket) => socket.as_fd(),
            Self::Dtls(dtls) => dtls.socket.as_fd(),
            Self::Stream(stream) => stream.tcp.as_fd(),
        }
    }
}

impl Dtls {
    fn receive(&mut self, scratch: &mut [u8], now: Time, frames: &mut Vec<Vec<u8>>) -> Result<(), Fault> {
        while let Some(length) = read(&self.socket, scratch)? {
            let datagram = scratch.get(..length).unwrap_or_default().to_vec();
            let heard = self.session.receive(now, &datagram);
            self.speak(scratch, frames)?;
            heard.map_err(|error| of_dtls(&error))?;
        }
        if self.session.is_established()
            && let Some(frame) = self.waiting.take()
        {
            self.session.send(now, &frame).map_err(|error| of_dtls(&error))?;
            self.speak(scratch, frames)?;
        }
        Ok(())
    }

    fn speak(&mut self, scratch: &mut [u8], frames: &mut Vec<Vec<u8>>) -> Result<(), Fault> {
        while let Some(output) = self.session.poll(scratch) {
            match output {
                DtlsOutput::Send(datagram) => judge_sent(self.socket.send(datagram))?,
                DtlsOutput::Data(data) => frames.push(data.to_vec()),
                DtlsOutput::Established => {}
                DtlsOutput::Closed => return Err(Fault::bad("the relay has closed the DTLS session")),
            }
        }
        Ok(())
    }
}

impl Stream {
    fn receive(&mut self, scratch: &mut [u8], frames: &mut Vec<Vec<u8>>) -> Result<(), Fault> {
        if !self.connected {
            let connected = self.tcp.connected();
            self.connected = connected.map_err(|error| Fault::of_socket(self.local.ip(), &error))?;
            if !self.connected {
                return Ok(());
            }
            self.flush()?;
        }
        loop {
            match self.tcp.read(scratch) {
                Ok(0) => return Err(Fault::bad("the relay has closed the connection")),
                Ok(length) => self.take(scratch.get(..length).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(Fault::bad(format!("the connection broke: {error}"))),
            }
        }
        self.cut(frames)?;
        self.flush()
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        match &mut self.tls {
            Some(tls) => tls.receive(bytes, &mut self.input).map_err(|error| of_tls(&error)),
            None => {
                self.input.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn cut(&mut self, frames: &mut Vec<Vec<u8>>) -> Result<(), Fault> {
        loop {
            let (length, whole) = match Framer::new(FRAME_MAX).next_frame(&self.input) {
                Frame::Need(_) => return Ok(()),
                Frame::Stun(length) => (length, length),
                Frame::ChannelData { len, padded } => (len, padded),
                Frame::Invalid => return Err(Fault::bad("the relay has sent what is no frame")),
            };
            frames.push(self.input.get(..length).unwrap_or_default().to_vec());
            self.input.drain(..whole.min(self.input.len()));
        }
    }

    fn flush(&mut self) -> Result<(), Fault> {
        if let Some(tls) = &mut self.tls {
            tls.take_output(&mut self.output).map_err(|error| of_tls(&error))?;
        }
        while self.connected && !self.output.is_empty() {
            match self.tcp.write(&[IoSlice::new(&self.output)]) {
                Ok(count) => drop(self.output.drain(..count.min(self.output.len()))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(Fault::bad(format!("the connection broke: {error}"))),
            }
        }
        Ok(())
    }
}

fn datagrams(local: SocketAddr, server: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(local)?;
    socket.set_nonblocking(true)?;
    socket.connect(server)?;
    Ok(socket)
}

fn port_of(socket: &UdpSocket) -> u16 {
    socket.local_addr().map_or(0, |at| at.port())
}

/// None if nothing is there.
fn read(socket: &UdpSocket, scratch: &mut [u8]) -> Result<Option<usize>, Fault> {
    match socket.recv(scratch) {
        Ok(length) => Ok(Some(length)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(of_datagram(&error)),
    }
}

/// What the system has no room for is sent again.
fn judge_sent(sent: io::Result<usize>) -> Result<(), Fault> {
    match sent {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(of_datagram(&error)),
    }
}

fn of_datagram(error: &io::Error) -> Fault {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return Fault::bad("port unreachable: nobody listens there");
    }
    Fault::bad(format!("the socket failed: {error}"))
}

fn of_tls(error: &TlsError) -> Fault {
    Fault::bad(format!("TLS: {error}"))
}

fn of_dtls(error: &DtlsError) -> Fault {
    Fault::bad(format!("DTLS: {error}"))
}
