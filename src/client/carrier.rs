//! What carries a call: a socket, with TLS or DTLS over it where the listener wants that. Nothing here waits.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustls_pki_types::ServerName;

use super::broken::Broken;
use crate::clock::Clock;
use crate::net::dtls::{DtlsConnector, DtlsOutput, DtlsSession};
use crate::net::poll::Interest;
use crate::net::tcp::{TcpOptions, TcpStream};
use crate::net::tls::{TlsClient, TlsConnector};
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
pub struct Tools {
    tls: TlsConnector,
    dtls: DtlsConnector,
    scratch: Vec<u8>,
}

impl Tools {
    /// TLS is spoken as `tls` has it; DTLS takes whatever certificate it is shown.
    ///
    /// # Errors
    /// The crypto library cannot be used on this system.
    pub fn new(tls: TlsConnector) -> io::Result<Self> {
        let dtls = DtlsConnector::new(Clock::new()).map_err(io::Error::other)?;
        Ok(Self { tls, dtls, scratch: vec![0; SCRATCH] })
    }
}

/// One call's way to the relay.
#[derive(Debug)]
pub struct Carrier(Way);

#[derive(Debug)]
enum Way {
    Udp(UdpSocket),
    Dtls(Box<Dtls>),
    Stream(Box<Stream>),
}

/// From where to where.
#[derive(Clone, Debug)]
pub struct Route {
    /// How.
    pub transport: Transport,
    /// From this address, from any port if that is 0.
    pub local: SocketAddr,
    /// To this one.
    pub server: SocketAddr,
    /// The name that the server's certificate is to bear, if anybody asks it for one.
    pub name: ServerName<'static>,
}

#[derive(Debug)]
struct Dtls {
    socket: UdpSocket,
    session: DtlsSession,
    /// Until the handshake is complete.
    waiting: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Stream {
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
    /// Begins to connect. `patience` is for a handshake of DTLS.
    ///
    /// # Errors
    /// What the socket or the crypto library says.
    pub fn open(tools: &Tools, route: Route, now: Time, patience: Duration) -> Result<Self, Broken> {
        let Route { transport, local, server, name } = route;
        let way = match transport {
            Transport::Udp => Way::Udp(datagrams(local, server).map_err(Broken::Open)?),
            Transport::Dtls => {
                let socket = datagrams(local, server).map_err(Broken::Open)?;
                let session = tools.dtls.connect(now, patience)?;
                let mut dtls = Dtls { socket, session, waiting: None };
                // What it begins with.
                dtls.speak(&mut vec![0; SCRATCH], &mut Vec::new())?;
                Way::Dtls(Box::new(dtls))
            }
            Transport::Tcp | Transport::Tls => {
                let tls = (transport == Transport::Tls).then(|| tools.tls.connect(name)).transpose()?;
                let options = TcpOptions::default();
                let tcp = TcpStream::connect_from(local, server, &options).map_err(Broken::Open)?;
                let local = tcp.local_addr().map_err(Broken::Open)?;
                let (output, input) = (Vec::new(), Vec::new());
                Way::Stream(Box::new(Stream { tcp, local, connected: false, tls, output, input }))
            }
        };
        Ok(Self(way))
    }

    /// Says first what a listener wants to hear from proxies.
    pub fn introduce(&mut self) {
        if let Way::Stream(stream) = &mut self.0 {
            stream.output.splice(0..0, INTRODUCTION.iter().copied());
        }
    }

    /// The port that it leaves from.
    pub fn port(&self) -> u16 {
        match &self.0 {
            Way::Udp(socket) => port_of(socket),
            Way::Dtls(dtls) => port_of(&dtls.socket),
            Way::Stream(stream) => stream.local.port(),
        }
    }

    /// Whether nothing that is sent gets lost.
    #[must_use]
    pub const fn is_stream(&self) -> bool {
        matches!(self.0, Way::Stream(_))
    }

    /// Whether what is sent goes out at once: connected, the handshake complete.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match &self.0 {
            Way::Udp(_) => true,
            Way::Dtls(dtls) => dtls.session.is_established(),
            Way::Stream(stream) => {
                stream.connected && stream.tls.as_ref().is_none_or(TlsClient::is_established)
            }
        }
    }

    /// What to wait for.
    pub fn interest(&self) -> Interest {
        match &self.0 {
            Way::Udp(_) | Way::Dtls(_) => Interest::READ,
            Way::Stream(stream) => {
                Interest { read: true, write: !stream.connected || !stream.output.is_empty() }
            }
        }
    }

    /// When [`Carrier::expire`] is due.
    pub fn deadline(&self) -> Option<Time> {
        match &self.0 {
            Way::Dtls(dtls) => dtls.session.deadline(),
            Way::Udp(_) | Way::Stream(_) => None,
        }
    }

    /// Sends a frame, as soon as that can be.
    pub fn send(&mut self, tools: &mut Tools, now: Time, frame: &[u8]) -> Result<(), Broken> {
        match &mut self.0 {
            Way::Udp(socket) => judge_sent(socket.send(frame)),
            Way::Dtls(dtls) if !dtls.session.is_established() => {
                dtls.waiting = Some(frame.to_vec());
                Ok(())
            }
            Way::Dtls(dtls) => {
                dtls.session.send(now, frame).map_err(Broken::Dtls)?;
                dtls.speak(&mut tools.scratch, &mut Vec::new())
            }
            Way::Stream(stream) => {
                match &mut stream.tls {
                    Some(tls) => tls.send(frame).map_err(Broken::Tls)?,
                    None => stream.output.extend_from_slice(frame),
                }
                stream.flush()
            }
        }
    }

    /// The frames that have come.
    pub fn receive(&mut self, tools: &mut Tools, now: Time, frames: &mut Vec<Vec<u8>>) -> Result<(), Broken> {
        match &mut self.0 {
            Way::Udp(socket) => {
                while let Some(length) = read(socket, &mut tools.scratch)? {
                    frames.push(tools.scratch.get(..length).unwrap_or_default().to_vec());
                }
                Ok(())
            }
            Way::Dtls(dtls) => dtls.receive(&mut tools.scratch, now, frames),
            Way::Stream(stream) => stream.receive(&mut tools.scratch, frames),
        }
    }

    /// The deadline has come.
    pub fn expire(&mut self, tools: &mut Tools, now: Time) -> Result<(), Broken> {
        match &mut self.0 {
            Way::Dtls(dtls) => {
                dtls.session.expire(now).map_err(Broken::Dtls)?;
                dtls.speak(&mut tools.scratch, &mut Vec::new())
            }
            Way::Udp(_) | Way::Stream(_) => Ok(()),
        }
    }

    /// Streams end with a reset: their port can be used for the next call at once.
    pub fn close(self, tools: &mut Tools, now: Time) {
        match self.0 {
            Way::Udp(_) => {}
            Way::Dtls(mut dtls) => {
                dtls.session.close(now);
                // The next handshake from this port ends the session as well.
                drop(dtls.speak(&mut tools.scratch, &mut Vec::new()));
            }
            Way::Stream(stream) => stream.tcp.abort(),
        }
    }
}

impl AsFd for Carrier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Way::Udp(socket) => socket.as_fd(),
            Way::Dtls(dtls) => dtls.socket.as_fd(),
            Way::Stream(stream) => stream.tcp.as_fd(),
        }
    }
}

impl Dtls {
    fn receive(&mut self, scratch: &mut [u8], now: Time, frames: &mut Vec<Vec<u8>>) -> Result<(), Broken> {
        while let Some(length) = read(&self.socket, scratch)? {
            let datagram = scratch.get(..length).unwrap_or_default().to_vec();
            let heard = self.session.receive(now, &datagram);
            self.speak(scratch, frames)?;
            heard.map_err(Broken::Dtls)?;
        }
        if self.session.is_established()
            && let Some(frame) = self.waiting.take()
        {
            self.session.send(now, &frame).map_err(Broken::Dtls)?;
            self.speak(scratch, frames)?;
        }
        Ok(())
    }

    fn speak(&mut self, scratch: &mut [u8], frames: &mut Vec<Vec<u8>>) -> Result<(), Broken> {
        while let Some(output) = self.session.poll(scratch) {
            match output {
                DtlsOutput::Send(datagram) => judge_sent(self.socket.send(datagram))?,
                DtlsOutput::Data(data) => frames.push(data.to_vec()),
                DtlsOutput::Established => {}
                DtlsOutput::Closed => return Err(Broken::SessionClosed),
            }
        }
        Ok(())
    }
}

impl Stream {
    fn receive(&mut self, scratch: &mut [u8], frames: &mut Vec<Vec<u8>>) -> Result<(), Broken> {
        if !self.connected {
            let connected = self.tcp.connected();
            self.connected = connected.map_err(Broken::Open)?;
            if !self.connected {
                return Ok(());
            }
            self.flush()?;
        }
        loop {
            match self.tcp.read(scratch) {
                Ok(0) => return Err(Broken::Closed),
                Ok(length) => self.take(scratch.get(..length).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(Broken::Stream(error)),
            }
        }
        self.cut(frames)?;
        self.flush()
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        match &mut self.tls {
            Some(tls) => tls.receive(bytes, &mut self.input).map_err(Broken::Tls),
            None => {
                self.input.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn cut(&mut self, frames: &mut Vec<Vec<u8>>) -> Result<(), Broken> {
        loop {
            let (length, whole) = match Framer::new(FRAME_MAX).next_frame(&self.input) {
                Frame::Need(_) => return Ok(()),
                Frame::Stun(length) => (length, length),
                Frame::ChannelData { len, padded } => (len, padded),
                Frame::Invalid => return Err(Broken::NoFrame),
            };
            frames.push(self.input.get(..length).unwrap_or_default().to_vec());
            self.input.drain(..whole.min(self.input.len()));
        }
    }

    fn flush(&mut self) -> Result<(), Broken> {
        if let Some(tls) = &mut self.tls {
            tls.take_output(&mut self.output).map_err(Broken::Tls)?;
        }
        while self.connected && !self.output.is_empty() {
            match self.tcp.write(&[IoSlice::new(&self.output)]) {
                Ok(count) => drop(self.output.drain(..count.min(self.output.len()))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(Broken::Stream(error)),
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
fn read(socket: &UdpSocket, scratch: &mut [u8]) -> Result<Option<usize>, Broken> {
    match socket.recv(scratch) {
        Ok(length) => Ok(Some(length)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(of_datagram(error)),
    }
}

/// What the system has no room for is sent again.
fn judge_sent(sent: io::Result<usize>) -> Result<(), Broken> {
    match sent {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(of_datagram(error)),
    }
}

fn of_datagram(error: io::Error) -> Broken {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return Broken::Unreachable;
    }
    Broken::Datagram(error)
}
