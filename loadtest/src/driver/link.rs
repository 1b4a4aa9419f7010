//! What carries one client's messages to the server: a UDP socket, a stream with or without TLS, or DTLS.

mod dtls;
mod secure;
mod stream;

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use dtls::DtlsLink;
pub(super) use secure::Security;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use stream::Stream;
use tern::net::udp::{Batch, Payload, SendBatch, SendHeader, UdpOptions, UdpSocket as Batched};

use super::poller::Poller;
use crate::clock::Nanos;
use crate::plan::{Target, Transport};

/// Receive buffer of one client's socket.
const RECEIVE_BUFFER: usize = 1024 * 1024;

/// One client's socket, with what is around it.
#[derive(Debug)]
pub(super) struct Link {
    way: Way,
    /// Whether the poller tells of room to write.
    watched: bool,
}

#[derive(Debug)]
enum Way {
    Udp(UdpSocket),
    /// For bursts, which leave and come as trains.
    Trains {
        socket: Batched,
        server: SocketAddr,
    },
    Stream(Box<Stream>),
    Dtls(Box<DtlsLink>),
}

/// What became of a message that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The kernel has it, or will have it as soon as there is a connection.
    Yes,
    /// Too much waits already: dropped.
    Full,
}

impl Link {
    /// Opens a socket towards the server; handshakes go on while the link is used.
    pub(super) fn open(
        target: &Target,
        security: Option<&Security>,
        source: Option<IpAddr>,
        bursts: bool,
    ) -> io::Result<Self> {
        let way = match target.transport {
            Transport::Udp if bursts => trains(target.address, source)?,
            Transport::Udp => Way::Udp(udp(target.address, source)?),
            Transport::Tcp => Way::Stream(Box::new(Stream::connect(target.address, source, None)?)),
            Transport::Tls => {
                let session = security.ok_or(ErrorKind::Unsupported)?.tls(&target.host)?;
                Way::Stream(Box::new(Stream::connect(target.address, source, Some(session))?))
            }
            Transport::Dtls => {
                let security = security.ok_or(ErrorKind::Unsupported)?;
                Way::Dtls(Box::new(DtlsLink::open(udp(target.address, source)?, security, &target.host)?))
            }
        };
        Ok(Self { way, watched: false })
    }

    /// Has the poller watch it from now on.
    pub(super) fn register(&mut self, poller: &Poller, token: u64) -> io::Result<()> {
        self.watched = self.wants_write();
        poller.add(self, token, self.watched)
    }

    /// Has the poller tell of room to write if that is waited for, and only then.
    pub(super) fn watch(&mut self, poller: &Poller, token: u64) -> io::Result<()> {
        let wanted = self.wants_write();
        if wanted != self.watched {
            self.watched = wanted;
            poller.modify(self, token, wanted)?;
        }
        Ok(())
    }

    /// Sends one message.
    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<Sent> {
        match &mut self.way {
            Way::Udp(socket) => send_datagram(socket, message),
            Way::Trains { socket, .. } => send_datagram(socket, message),
            Way::Stream(stream) => stream.send(message),
            Way::Dtls(session) => session.send(message),
        }
    }

    /// Adds a message to a train that leaves when `out` is flushed; false when this link has no trains.
    pub(super) fn couple(&self, message: &[u8], out: &mut SendBatch) -> bool {
        let Way::Trains { socket, server } = &self.way else { return false };
        out.push(socket, SendHeader::to(*server), Payload::Copy(message))
    }

    /// Receives into `batch` what waits, as many datagrams as are usual; none when this link has no trains.
    pub(super) fn receive_trains(&self, batch: &mut Batch) -> Option<io::Result<usize>> {
        let Way::Trains { socket, .. } = &self.way else { return None };
        Some(receive_trains(socket, batch))
    }

    /// The next message that has come, put at the beginning of `space`; none when nothing waits.
    pub(super) fn receive(&mut self, space: &mut [u8]) -> io::Result<Option<usize>> {
        match &mut self.way {
            Way::Udp(socket) => receive_datagram(socket, space),
            // Only with `receive_trains`: the kernel may have merged what comes.
            Way::Trains { .. } => Ok(None),
            Way::Stream(stream) => stream.receive(space),
            Way::Dtls(session) => session.receive(space),
        }
    }

    /// There is room to write.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match &mut self.way {
            Way::Stream(stream) => stream.flush(),
            Way::Udp(_) | Way::Trains { .. } | Way::Dtls(_) => Ok(()),
        }
    }

    /// When [`Link::tick`] must be called; handshakes over datagrams are sent again.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        match &self.way {
            Way::Dtls(session) => session.deadline(),
            Way::Udp(_) | Way::Trains { .. } | Way::Stream(_) => None,
        }
    }

    /// The deadline has come.
    pub(super) fn tick(&mut self) -> io::Result<()> {
        match &mut self.way {
            Way::Dtls(session) => session.tick(),
            Way::Udp(_) | Way::Trains { .. } | Way::Stream(_) => Ok(()),
        }
    }

    fn wants_write(&self) -> bool {
        match &self.way {
            Way::Stream(stream) => stream.wants_write(),
            Way::Udp(_) | Way::Trains { .. } | Way::Dtls(_) => false,
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.way {
            Way::Udp(socket) => socket.as_fd(),
            Way::Trains { socket, .. } => socket.as_fd(),
            Way::Stream(stream) => stream.as_fd(),
            Way::Dtls(session) => session.as_fd(),
        }
    }
}

fn send_datagram(socket: &impl AsFd, datagram: &[u8]) -> io::Result<Sent> {
    match SockRef::from(socket).send(datagram) {
        Ok(_) => Ok(Sent::Yes),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Sent::Full),
        Err(error) if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::NOBUFS) => {
            Ok(Sent::Full)
        }
        Err(error) => Err(error),
    }
}

fn receive_datagram(socket: &UdpSocket, space: &mut [u8]) -> io::Result<Option<usize>> {
    match socket.recv(space) {
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

fn udp(server: SocketAddr, source: Option<IpAddr>) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(server), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    grow(&socket, RECEIVE_BUFFER);
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    socket.connect(&server.into())?;
    Ok(socket.into())
}

/// A socket like a relay's: what comes together may be merged for good.
fn trains(server: SocketAddr, source: Option<IpAddr>) -> io::Result<Way> {
    let any = if server.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let local = SocketAddr::new(source.unwrap_or(any), 0);
    let socket = Batched::bind_relay(local, &UdpOptions::default())?;
    grow(&socket, RECEIVE_BUFFER);
    SockRef::from(&socket).connect(&server.into())?;
    Ok(Way::Trains { socket, server })
}

fn receive_trains(socket: &Batched, batch: &mut Batch) -> io::Result<usize> {
    batch.clear();
    let count = socket.recv_usual(batch)?.len();
    // What the server's machine refuses waits in a queue of its own, and keeps the poller awake.
    if count == 0
        && let Some(error) = socket.recv_error()?
    {
        return Err(io::Error::new(ErrorKind::ConnectionRefused, format!("{:?}", error.icmp)));
    }
    Ok(count)
}

/// As large a receive buffer as this process may have: what is lost in it looks like the server's loss.
pub(super) fn grow(socket: &impl AsFd, bytes: usize) {
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(socket.as_fd(), bytes).is_err() {
        // Not root: the system's maximum cuts it.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(socket.as_fd(), bytes);
    }
}
