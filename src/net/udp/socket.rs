//! Opening UDP sockets, receiving from them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::{Batch, PeerError};

/// How a UDP socket is set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpOptions {
    /// Share address and port with the other workers' sockets; the kernel spreads clients over them.
    pub reuse_port: bool,
    /// Bytes of receive buffer; none leaves the system's default. The system's maximum cuts it, see
    /// [`UdpSocket::receive_buffer`].
    pub receive_buffer: Option<usize>,
    /// Bytes of send buffer, likewise.
    pub send_buffer: Option<usize>,
    /// Ask for kernel receive timestamps.
    pub timestamps: bool,
}

/// An open UDP socket: non-blocking, close-on-exec. Clones share it; it closes with the last of them.
#[derive(Clone, Debug)]
pub struct UdpSocket {
    fd: Arc<OwnedFd>,
    local: SocketAddr,
}

impl UdpSocket {
    /// A socket that clients send to. On a wildcard address each datagram tells which address it came to.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AddrInUse`] when another program has the port.
    pub fn bind_listener(addr: SocketAddr, options: &UdpOptions) -> io::Result<Self> {
        let _ = (addr, options);
        unimplemented!()
    }

    /// A relayed address. Its port is never shared, and the error queue is on. `options.reuse_port` is ignored.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AddrInUse`] when the port is taken.
    pub fn bind_relay(addr: SocketAddr, options: &UdpOptions) -> io::Result<Self> {
        let _ = (addr, options);
        unimplemented!()
    }

    /// Where it is bound, the port as the system has chosen it.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Bytes of receive buffer that the system has granted (Linux counts its own overhead in).
    ///
    /// # Errors
    /// None in practice.
    pub fn receive_buffer(&self) -> io::Result<usize> {
        unimplemented!()
    }

    /// Receive what waits, as many datagrams as the batch has slots. Replaces what the batch held; zero when
    /// nothing waits. Errors of datagrams sent earlier are not reported here but by [`UdpSocket::recv_error`].
    ///
    /// # Errors
    /// None that a peer can cause.
    pub fn recv_batch(&self, batch: &mut Batch) -> io::Result<usize> {
        let _ = batch;
        unimplemented!()
    }

    /// Take the next entry from the error queue; none when it is empty. Call it until then when the poller
    /// says [`super::super::poll::Event::error`].
    ///
    /// # Errors
    /// None that a peer can cause.
    pub fn recv_error(&self) -> io::Result<Option<PeerError>> {
        unimplemented!()
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
