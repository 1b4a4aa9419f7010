//! TCP: listeners for clients, relayed addresses (RFC 6062), connections of both.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::Socket;

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
        let _ = (addr, options);
        unimplemented!()
    }

    /// A relayed address (RFC 6062): its port is nobody else's, but outgoing connections may leave from it
    /// while it listens, see [`TcpStream::connect_from`].
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AddrInUse`] when the port is taken.
    pub fn bind_relay(addr: SocketAddr, options: &TcpOptions) -> io::Result<Self> {
        let _ = (addr, options);
        unimplemented!()
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
        let _ = (&self.socket, self.options);
        unimplemented!()
    }
}

impl TcpStream {
    /// Begin to connect to `peer` from `local`, the address and port of a relay that listens
    /// ([`TcpListener::bind_relay`]). Wait until the stream is writable, then ask [`TcpStream::connected`].
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AddrNotAvailable`] when this connection exists already.
    pub fn connect_from(local: SocketAddr, peer: SocketAddr, options: &TcpOptions) -> io::Result<Self> {
        let _ = (local, peer, options);
        unimplemented!()
    }

    /// How the attempt went: true when the connection stands, false when it is still under way.
    ///
    /// # Errors
    /// Why it failed.
    pub fn connected(&self) -> io::Result<bool> {
        let _ = &self.socket;
        unimplemented!()
    }

    /// Read what is there. `Ok(0)` is the end of the stream; [`io::ErrorKind::WouldBlock`] that nothing is there.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let _ = buffer;
        unimplemented!()
    }

    /// Write what the system takes now.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::WouldBlock`] when it takes nothing.
    pub fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let _ = slices;
        unimplemented!()
    }

    /// Tell the other end that nothing more comes.
    ///
    /// # Errors
    /// The system's, if the connection is gone.
    pub fn shutdown_write(&self) -> io::Result<()> {
        unimplemented!()
    }

    /// Close with a reset instead of waiting for unsent data: for connections that broke a limit.
    pub fn abort(self) {
        unimplemented!()
    }

    /// DSCP and ECN with which the other end's packets came when the connection was accepted, if the system
    /// can tell. See the module's documentation.
    #[must_use]
    pub fn received_tos(&self) -> Option<u8> {
        unimplemented!()
    }

    /// Set the DSCP of what this end sends, 0 to 63.
    ///
    /// # Errors
    /// The system's.
    pub fn set_dscp(&self, dscp: u8) -> io::Result<()> {
        let _ = dscp;
        unimplemented!()
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
