//! Opening UDP sockets, receiving from them.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::habit::Habit;
use super::marks::{Mark, Marks};
use super::{Batch, PeerError, errors};
use crate::net::sys::address::RawAddress;
use crate::net::sys::control::ControlBuffer;
use crate::net::sys::{message, option};

/// How many errors of earlier datagrams are passed over before a receive gives up for this turn.
const PENDING_ERRORS: usize = 4;

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
    inner: Arc<Inner>,
    local: SocketAddr,
}

#[derive(Debug)]
struct Inner {
    fd: OwnedFd,
    /// The port of the last datagram with DONT-FRAGMENT that this machine refused: the error queue of IPv4 tells
    /// its address, but not its port.
    refused_port: AtomicU16,
    /// A [`Habit`].
    habit: AtomicU16,
    /// [`Marks`].
    marks: AtomicU64,
}

impl UdpSocket {
    /// A socket that clients send to. On a wildcard address each datagram tells which address it came to.
    ///
    /// ICMP errors are not asked for: a client that has gone is noticed by its silence.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AddrInUse`] when another program has the port.
    pub fn bind_listener(addr: SocketAddr, options: &UdpOptions) -> io::Result<Self> {
        let socket = open(addr, options)?;
        socket.set_reuse_port(options.reuse_port)?;
        if addr.ip().is_unspecified() {
            let v6 = addr.is_ipv6();
            enable(&socket, v6, libc::IP_PKTINFO, libc::IPV6_RECVPKTINFO)?;
        }
        Self::bind(socket, addr, Habit::default())
    }

    /// A relayed address. Its port is never shared, and the error queue is on. `options.reuse_port` is ignored.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AddrInUse`] when the port is taken.
    pub fn bind_relay(addr: SocketAddr, options: &UdpOptions) -> io::Result<Self> {
        let socket = open(addr, options)?;
        enable(&socket, addr.is_ipv6(), libc::IP_RECVERR, libc::IPV6_RECVERR)?;
        Self::bind(socket, addr, Habit::of_relay())
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
        SockRef::from(self).recv_buffer_size()
    }

    /// Bytes of send buffer that the system has granted, likewise.
    ///
    /// # Errors
    /// None in practice.
    pub fn send_buffer(&self) -> io::Result<usize> {
        SockRef::from(self).send_buffer_size()
    }

    /// Whether datagrams come with the time at which the kernel received them, from now on.
    ///
    /// # Errors
    /// None in practice.
    pub fn set_timestamps(&self, on: bool) -> io::Result<()> {
        timestamps(self.as_fd(), on)
    }

    /// Receive what waits, as many datagrams as the batch has slots. Replaces what the batch held; zero when
    /// nothing waits. Errors of datagrams sent earlier are not reported here but by [`UdpSocket::recv_error`].
    ///
    /// # Errors
    /// None that a peer can cause.
    pub fn recv_batch(&self, batch: &mut Batch) -> io::Result<usize> {
        batch.clear();
        self.recv_more(batch, batch.capacity()).map(|range| range.len())
    }

    /// The same for at most `count` datagrams, behind those that the batch holds. Where in the batch they are.
    ///
    /// # Errors
    /// None that a peer can cause.
    pub fn recv_more(&self, batch: &mut Batch, count: usize) -> io::Result<Range<usize>> {
        let start = batch.len();
        for _ in 0..PENDING_ERRORS {
            let (slots, spaces) = batch.parts(count);
            match message::receive(self.as_fd(), slots, spaces) {
                Ok(count) => {
                    batch.fill(count, self.local.ip());
                    return Ok(start..start + count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if is_about_an_earlier_datagram(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(start..start)
    }

    /// The same for as many datagrams as this socket usually has: what there is beyond them, the poller reports again.
    /// From a socket that shows runs of one flow they come merged, see [`super::Packet::segments`]. Only one thread may
    /// call this for a socket, and then nothing else that receives.
    ///
    /// # Errors
    /// None that a peer can cause.
    pub fn recv_usual(&self, batch: &mut Batch) -> io::Result<Range<usize>> {
        let mut habit = self.habit();
        let asked = habit.expects().min(batch.free());
        let range = self.recv_more(batch, asked)?;
        habit.learn(asked, range.len());
        if (range.len() > 1 || habit.merging.on) && habit.merging.learn(batch.brought(range.clone())) {
            // Where the kernel knows no such option, nothing is merged, and it is tried more and more rarely.
            drop(self.set_merging(habit.merging.on));
        }
        self.inner.habit.store(habit.bits(), Ordering::Relaxed);
        Ok(range)
    }

    /// Whether the kernel merges datagrams of one flow. What it has merged and holds when this is turned off comes
    /// unmarked afterwards. So only a listener does that: all that is spoken there tells its own length, and more is
    /// not taken for it. What peers send does not, and a relay goes on as it began.
    pub(super) fn set_merging(&self, on: bool) -> io::Result<()> {
        option::set(self.as_fd(), libc::SOL_UDP, libc::UDP_GRO, i32::from(on))
    }

    /// How many datagrams [`UdpSocket::recv_usual`] will ask for, if there is room.
    #[must_use]
    pub fn expects(&self) -> usize {
        self.habit().expects()
    }

    fn habit(&self) -> Habit {
        Habit::from_bits(self.inner.habit.load(Ordering::Relaxed))
    }

    /// Take the next entry from the error queue; none when it is empty. Call it until then when the poller
    /// says [`crate::net::poll::Event::error`]. Of several IPv4 datagrams to different ports of one address that
    /// this machine refused since the last call, all are told with the last one's port.
    ///
    /// # Errors
    /// None that a peer can cause.
    pub fn recv_error(&self) -> io::Result<Option<PeerError>> {
        let mut peer = RawAddress::EMPTY;
        let mut control = ControlBuffer::EMPTY;
        loop {
            match message::receive_error(self.as_fd(), &mut peer, &mut control) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            let found = peer.decode().and_then(|peer| errors::decode(peer, control.used()));
            if let Some(mut found) = found {
                if !found.remote && found.peer.port() == 0 {
                    found.peer.set_port(self.inner.refused_port.load(Ordering::Relaxed));
                }
                return Ok(Some(found));
            }
        }
        // The socket's own error flag outlives its queue; it would keep the poller awake.
        SockRef::from(self).take_error()?;
        Ok(None)
    }

    /// Whether datagrams leave with DF set, and are refused when they are longer than the path is known to take.
    /// Otherwise DF is clear and this machine fragments.
    pub(super) fn set_dont_fragment(&self, on: bool) -> io::Result<()> {
        dont_fragment(self.as_fd(), self.local.is_ipv6(), on)
    }

    /// Datagrams with `mark` are about to be sent. What the socket says without control messages, which may just have
    /// become this.
    pub(super) fn adopt(&self, mark: Mark) -> Marks {
        let mut marks = Marks::from_bits(self.inner.marks.load(Ordering::Relaxed));
        let before = marks;
        if let Some(mark) = marks.learn(mark) {
            // Where this fails, which no live socket shows, control messages go on saying it.
            drop(self.set_marks(&mut marks, mark));
        }
        if marks != before {
            self.inner.marks.store(marks.bits(), Ordering::Relaxed);
        }
        marks
    }

    fn set_marks(&self, marks: &mut Marks, mark: Mark) -> io::Result<()> {
        let (level, tos, ttl) = if self.local.is_ipv6() {
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS, libc::IPV6_UNICAST_HOPS)
        } else {
            (libc::IPPROTO_IP, libc::IP_TOS, libc::IP_TTL)
        };
        if marks.default_ttl.is_none() {
            marks.default_ttl = u8::try_from(option::get(self.as_fd(), level, ttl)?).ok();
        }
        if let Some(limit) = mark.ttl {
            option::set(self.as_fd(), level, ttl, i32::from(limit))?;
            marks.option.ttl = mark.ttl;
        }
        option::set(self.as_fd(), level, tos, i32::from(mark.tos))?;
        marks.option.tos = mark.tos;
        Ok(())
    }

    /// A datagram with DONT-FRAGMENT to `peer` was too long for this machine.
    pub(super) fn note_refused(&self, peer: SocketAddr) {
        self.inner.refused_port.store(peer.port(), Ordering::Relaxed);
    }

    /// Whether the other is a clone of this.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    fn bind(socket: Socket, addr: SocketAddr, habit: Habit) -> io::Result<Self> {
        socket.bind(&addr.into())?;
        let local = socket.local_addr()?.as_socket().unwrap_or(addr);
        let (refused_port, habit) = (AtomicU16::new(0), AtomicU16::new(habit.bits()));
        let inner = Inner { fd: socket.into(), refused_port, habit, marks: AtomicU64::new(0) };
        Ok(Self { inner: Arc::new(inner), local })
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.fd.as_fd()
    }
}

fn open(addr: SocketAddr, options: &UdpOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    let v6 = addr.is_ipv6();
    if v6 {
        socket.set_only_v6(true)?;
    }
    enable(&socket, v6, libc::IP_RECVTOS, libc::IPV6_RECVTCLASS)?;
    enable(&socket, v6, libc::IP_RECVTTL, libc::IPV6_RECVHOPLIMIT)?;
    option::set(socket.as_fd(), libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)?;
    if options.timestamps {
        timestamps(socket.as_fd(), true)?;
    }
    dont_fragment(socket.as_fd(), v6, false)?;
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    Ok(socket)
}

fn enable(socket: &Socket, v6: bool, v4_name: i32, v6_name: i32) -> io::Result<()> {
    let (level, name) = if v6 { (libc::IPPROTO_IPV6, v6_name) } else { (libc::IPPROTO_IP, v4_name) };
    option::set(socket.as_fd(), level, name, 1)
}

/// As long as any socket of the machine wants them, the kernel reads its clock for every packet that comes in.
fn timestamps(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    option::set(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, i32::from(on))
}

fn dont_fragment(fd: BorrowedFd<'_>, v6: bool, on: bool) -> io::Result<()> {
    if v6 {
        let mode = if on { libc::IPV6_PMTUDISC_DO } else { libc::IPV6_PMTUDISC_DONT };
        option::set(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, mode)
    } else {
        let mode = if on { libc::IP_PMTUDISC_DO } else { libc::IP_PMTUDISC_DONT };
        option::set(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, mode)
    }
}

/// With the error queue on, the next call on the socket fails once for each ICMP error that came, whatever the call
/// was about.
fn is_about_an_earlier_datagram(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNREFUSED
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::ENETDOWN
                | libc::ENONET
                | libc::ENOPROTOOPT
                | libc::EPROTO
                | libc::EMSGSIZE
                | libc::EACCES
                | libc::EOPNOTSUPP
                | libc::EPERM
                | libc::EINTR
        )
    )
}
