//! TCP: listeners for clients, relayed addresses (RFC 6062), connections of both, and ([`peering`]) of routers.
//!
//! # DSCP of a TCP connection
//!
//! From TCP to UDP the relay copies the DSCP of the connection (RFC 8656 section 15). A stream has no IP header per
//! message, and `IP_TOS` tells what this end sends, not what it receives. What Linux does keep is the octet of
//! the segment that completed the handshake; [`TcpStream::received_tos`] reads that. A client that marks its
//! connection later cannot be seen. Outgoing connections tell nothing.
//!
//! # A relayed address that listens and connects
//!
//! RFC 6062 wants connections to peers to leave from the relayed address, which listens at the same time. So the
//! listener is bound alone first, which fails if anyone has the port, and shares it afterwards
//! (SO_REUSEPORT) with the connections of the same user that ask for it.

pub mod peering;

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use super::sys::control::{self, ControlBuffer};
use super::sys::option;

/// Between two of the system's questions whether the other end is still there.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Connections that may wait at a relayed address.
const RELAY_BACKLOG: u32 = 16;

/// `IPV6_2292PKTOPTIONS` of the kernel's headers: the IPv6 sibling of `IP_PKTOPTIONS`.
const IPV6_PACKET_OPTIONS: i32 = 6;

/// `IP_PKTOPTIONS` of the kernel's headers.
const IP_PACKET_OPTIONS: i32 = 9;

/// Bytes of those options.
const PACKET_OPTIONS: usize = 256;

/// How many connections that broke before they were accepted are passed over in one call.
const BROKEN_CONNECTIONS: usize = 16;

/// How connections of a listener are set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOptions {
    /// Share address and port with the other workers' listeners.
    pub reuse_port: bool,
    /// Connections that may wait to be accepted.
    pub backlog: u32,
    /// A connection whose peer acknowledges nothing for this long is closed by the system (TCP_USER_TIMEOUT).
    pub user_timeout: Duration,
    /// Silence after which the system asks whether the other end is still there.
    pub keepalive: Duration,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            reuse_port: false,
            backlog: 1024,
            user_timeout: Duration::from_secs(30),
            keepalive: Duration::from_secs(60),
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub struct TcpListener {
    socket: Socket,
    local: SocketAddr,
    options: TcpOptions,
}

/// A connection: non-blocking, close-on-exec, without Nagle's delay.
#[derive(Debug)]
pub struct TcpStream {
    socket: Socket,
}

/// A connection that has just been accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: TcpStream,
    /// Who connected.
    pub peer: SocketAddr,
    /// The address it connected to: on a wildcard listener the concrete one.
    pub local: SocketAddr,
}

impl TcpListener {
    /// Listen for clients.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AddrInUse`] when another program has the port.
    pub fn bind(addr: SocketAddr, options: &TcpOptions) -> io::Result<Self> {
        let socket = open(addr)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(options.reuse_port)?;
        Self::listen(socket, addr, options, options.backlog)
    }

    /// A relayed address (RFC 6062): its port is nobody else's, but outgoing connections may leave from it
    /// while it listens, see [`TcpStream::connect_from`].
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AddrInUse`] when the port is taken.
    pub fn bind_relay(addr: SocketAddr, options: &TcpOptions) -> io::Result<Self> {
        let socket = open(addr)?;
        // Past connections of this port that linger in TIME_WAIT do not matter; another listener does.
        socket.set_reuse_address(true)?;
        let listener = Self::listen(socket, addr, options, RELAY_BACKLOG)?;
        listener.socket.set_reuse_port(true)?;
        Ok(listener)
    }

    /// Where it is bound, the port as the system has chosen it.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Take the next connection; none when nobody waits. A connection that broke before it was accepted is
    /// passed over.
    ///
    /// # Errors
    /// When the process or the system has no descriptor or memory left: close something, or stop watching the
    /// listener for a while; it stays readable.
    pub fn accept(&self) -> io::Result<Option<Accepted>> {
        for _ in 0..BROKEN_CONNECTIONS {
            match self.socket.accept4(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) {
                Ok((socket, peer)) => match self.prepare(socket, peer) {
                    Some(accepted) => return Ok(Some(accepted)),
                    None => continue,
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if is_shortage(&error) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    fn listen(socket: Socket, addr: SocketAddr, options: &TcpOptions, backlog: u32) -> io::Result<Self> {
        // Inherited by the connections, and needed before the first of them comes.
        let (level, name) = if addr.is_ipv6() {
            (libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS)
        } else {
            (libc::IPPROTO_IP, libc::IP_RECVTOS)
        };
        option::set(socket.as_fd(), level, name, 1)?;
        socket.bind(&addr.into())?;
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        let local = socket.local_addr()?.as_socket().unwrap_or(addr);
        Ok(Self { socket, local, options: *options })
    }

    /// None when the connection is gone already.
    fn prepare(&self, socket: Socket, peer: SockAddr) -> Option<Accepted> {
        configure(&socket, &self.options).ok()?;
        let peer = without_flow_label(peer.as_socket()?);
        let local = without_flow_label(socket.local_addr().ok()?.as_socket()?);
        Some(Accepted { stream: TcpStream { socket }, peer, local })
    }
}

impl TcpStream {
    /// Begin to connect to `peer` from `local`, the address and port of a relay that listens
    /// ([`TcpListener::bind_relay`]). Wait until the stream is writable, then ask [`TcpStream::connected`].
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AddrNotAvailable`] when this connection exists already.
    pub fn connect_from(local: SocketAddr, peer: SocketAddr, options: &TcpOptions) -> io::Result<Self> {
        let socket = open(local)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&local.into())?;
        configure(&socket, options)?;
        match socket.connect(&peer.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        Ok(Self { socket })
    }

    /// How the attempt went: true when the connection stands, false when it is still under way.
    ///
    /// # Errors
    /// Why it failed.
    pub fn connected(&self) -> io::Result<bool> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        match self.socket.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Read what is there. `Ok(0)` is the end of the stream; [`io::ErrorKind::WouldBlock`] that nothing is there.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        retry(|| (&self.socket).read(buffer))
    }

    /// Write what the system takes now.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::WouldBlock`] when it takes nothing.
    pub fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        retry(|| (&self.socket).write_vectored(slices))
    }

    /// Tell the other end that nothing more comes.
    ///
    /// # Errors
    /// The system's, if the connection is gone.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.socket.shutdown(std::net::Shutdown::Write)
    }

    /// Close with a reset instead of waiting for unsent data: for connections that broke a limit.
    pub fn abort(self) {
        // If this fails the connection closes in the ordinary way with the drop that follows.
        drop(self.socket.set_linger(Some(Duration::ZERO)));
    }

    /// DSCP and ECN of the segment with which the other end completed the handshake of a connection that was
    /// accepted; none if the system cannot tell.
    #[must_use]
    pub fn received_tos(&self) -> Option<u8> {
        let v6 = matches!(self.socket.local_addr().ok()?.as_socket()?, SocketAddr::V6(_));
        let (level, name) = if v6 {
            (libc::IPPROTO_IPV6, IPV6_PACKET_OPTIONS)
        } else {
            (libc::IPPROTO_IP, IP_PACKET_OPTIONS)
        };
        let mut buffer = ControlBuffer::<PACKET_OPTIONS>::EMPTY;
        option::packet_options(self.socket.as_fd(), level, name, &mut buffer).ok()?;
        control::iterate(buffer.used()).find_map(|control| control.tos())
    }

    /// How long the other end takes to acknowledge what is sent to it, smoothed by the system; none before it has
    /// acknowledged anything. An acknowledgment that waits for company (up to 40 ms with Linux) is in it where little is
    /// sent.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        let micros = option::tcp_round_trip(self.socket.as_fd()).ok()?;
        (micros > 0).then(|| Duration::from_micros(micros.into()))
    }

    /// Set the DSCP of what this end sends, 0 to 63.
    ///
    /// # Errors
    /// The system's.
    pub fn set_dscp(&self, dscp: u8) -> io::Result<()> {
        let tos = u32::from(dscp & 0x3f) << 2;
        match self.socket.local_addr()?.as_socket() {
            Some(SocketAddr::V6(_)) => self.socket.set_tclass_v6(tos),
            _ => self.socket.set_tos_v4(tos),
        }
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn open(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

fn configure(socket: &Socket, options: &TcpOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(options.user_timeout))?;
    let keepalive = TcpKeepalive::new().with_time(options.keepalive).with_interval(KEEPALIVE_INTERVAL);
    SockRef::from(socket).set_tcp_keepalive(&keepalive)
}

/// The process, the system or its memory for sockets is exhausted: no fault of this connection.
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

fn without_flow_label(mut addr: SocketAddr) -> SocketAddr {
    if let SocketAddr::V6(v6) = &mut addr {
        v6.set_flowinfo(0);
    }
    addr
}

fn retry(mut operation: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
mod tests;
