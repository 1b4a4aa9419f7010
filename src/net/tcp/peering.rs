//! Sockets towards routers: signed, bound to one of our addresses, with a hop limit of their own.
//!
//! A key belongs to an address and has to be known before the first segment, so listeners have those of all neighbours.
//! What keeps strangers away by hop limit (GTSM, RFC 5082) belongs to a connection and is set as soon as there is one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::{SockRef, Socket};

use super::{TcpListener, TcpOptions, TcpStream, open};
use crate::net::sys::{option, signature};

/// Connections that may wait: neighbours are few, and strangers are turned away.
const BACKLOG: i32 = 32;
/// What routers send with that check it, and what they send to those who do (RFC 5082).
const FARTHEST: u8 = 255;

/// How a connection with a router is set up.
#[derive(Clone, Copy, Debug)]
pub struct Peering<'a> {
    /// Our end, if it matters.
    pub local: Option<IpAddr>,
    /// The key of TCP MD5, up to 80 bytes.
    pub key: Option<&'a [u8]>,
    /// The hop limit of what we send.
    pub ttl: u8,
    /// So many hops away the other end may be at most; 255 is sent then.
    pub gtsm: Option<u8>,
    /// For how long what we sent may stay without an acknowledgment.
    pub user_timeout: Duration,
}

impl TcpListener {
    /// Waits for routers to connect.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::PermissionDenied`] for port 179 without the privilege.
    pub fn bind_peering(addr: SocketAddr) -> io::Result<Self> {
        let socket = open(addr)?;
        socket.set_reuse_address(true)?;
        // The answer to a SYN has to reach whoever demands 255; what follows is set for each neighbour.
        set_hop_limit(&socket, addr.is_ipv6(), FARTHEST)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        let local = socket.local_addr()?.as_socket().unwrap_or(addr);
        Ok(Self { socket, local, options: TcpOptions::default() })
    }

    /// Only segments signed with `key` come in from `peer` from now on; without, only unsigned ones. Connections that stand
    /// keep what they have.
    ///
    /// # Errors
    /// The system's; there is no key to be taken away, or the kernel has no TCP MD5.
    pub fn set_key(&self, peer: IpAddr, key: Option<&[u8]>) -> io::Result<()> {
        signature::set_key(self.as_fd(), peer, key)
    }
}

impl TcpStream {
    /// Begins to connect to a router. Wait until the stream is writable, then ask [`TcpStream::connected`].
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AddrNotAvailable`] when `local` is no address of this machine.
    pub fn connect_peering(peer: SocketAddr, peering: &Peering<'_>) -> io::Result<Self> {
        let socket = open(peer)?;
        if let Some(local) = peering.local {
            socket.bind(&SocketAddr::new(local, 0).into())?;
        }
        if let Some(key) = peering.key {
            signature::set_key(socket.as_fd(), peer.ip(), Some(key))?;
        }
        let stream = Self { socket };
        stream.apply(peering)?;
        match stream.socket.connect(&peer.into()) {
            Ok(()) => Ok(stream),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(stream),
            Err(error) => Err(error),
        }
    }

    /// Our end's address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()?.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))
    }

    /// The other end's address.
    ///
    /// # Errors
    /// The system's; there is no other end yet.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()?.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))
    }

    /// Hop limits and patience, for a connection that was accepted.
    ///
    /// # Errors
    /// The system's.
    pub fn apply(&self, peering: &Peering<'_>) -> io::Result<()> {
        self.socket.set_tcp_nodelay(true)?;
        self.socket.set_tcp_user_timeout(Some(peering.user_timeout))?;
        // The protocol has keepalives of its own.
        SockRef::from(&self.socket).set_keepalive(false)?;
        let is_v6 = is_v6(self.as_fd())?;
        set_hop_limit(&self.socket, is_v6, if peering.gtsm.is_some() { FARTHEST } else { peering.ttl })?;
        if let Some(hops) = peering.gtsm {
            let least = i32::from(FARTHEST) + 1 - i32::from(hops.max(1));
            let (level, name) = if is_v6 {
                (libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT)
            } else {
                (libc::IPPROTO_IP, libc::IP_MINTTL)
            };
            option::set(self.as_fd(), level, name, least)?;
        }
        Ok(())
    }
}

fn is_v6(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(option::get(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)? == libc::AF_INET6)
}

fn set_hop_limit(socket: &Socket, is_v6: bool, limit: u8) -> io::Result<()> {
    if is_v6 { socket.set_unicast_hops_v6(limit.into()) } else { socket.set_ttl_v4(limit.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const PLAIN: Peering<'_> =
        Peering { local: None, key: None, ttl: 64, gtsm: None, user_timeout: Duration::from_secs(20) };

    fn listener() -> TcpListener {
        TcpListener::bind_peering((Ipv4Addr::LOCALHOST, 0).into()).unwrap()
    }

    /// None if it is still under way after a while.
    fn connect(to: SocketAddr, peering: &Peering<'_>, patience: u32) -> Option<TcpStream> {
        let stream = TcpStream::connect_peering(to, peering).unwrap();
        for _ in 0..patience {
            if stream.connected().unwrap() {
                return Some(stream);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        None
    }

    fn option_of(stream: &TcpStream, name: i32) -> i32 {
        option::get(stream.as_fd(), libc::IPPROTO_IP, name).unwrap()
    }

    #[test]
    fn a_key_has_to_be_the_same_at_both_ends() {
        let listener = listener();
        let at = listener.local_addr();
        listener.set_key(at.ip(), Some(b"secret")).unwrap();
        let right = Peering { key: Some(b"secret"), ..PLAIN };
        let wrong = Peering { key: Some(b"Secret"), ..PLAIN };
        assert!(connect(at, &right, 5_000).is_some());
        assert!(connect(at, &wrong, 100).is_none());
        assert!(connect(at, &PLAIN, 100).is_none());
        listener.set_key(at.ip(), None).unwrap();
        assert!(connect(at, &PLAIN, 5_000).is_some());
    }

    #[test]
    fn hop_limits_are_those_of_the_neighbour() {
        let listener = listener();
        let at = listener.local_addr();
        let far = connect(at, &Peering { ttl: 3, ..PLAIN }, 5_000).unwrap();
        assert_eq!((option_of(&far, libc::IP_TTL), option_of(&far, libc::IP_MINTTL)), (3, 0));
        let near = connect(at, &Peering { ttl: 3, gtsm: Some(1), ..PLAIN }, 5_000).unwrap();
        assert_eq!((option_of(&near, libc::IP_TTL), option_of(&near, libc::IP_MINTTL)), (255, 255));
        let accepted = listener.accept().unwrap().unwrap();
        accepted.stream.apply(&Peering { gtsm: Some(4), ..PLAIN }).unwrap();
        assert_eq!(option_of(&accepted.stream, libc::IP_MINTTL), 252);
    }

    #[test]
    fn our_end_has_the_address_that_was_asked_for() {
        let listener = listener();
        let local = "127.0.0.9".parse().unwrap();
        let stream = connect(listener.local_addr(), &Peering { local: Some(local), ..PLAIN }, 5_000).unwrap();
        assert_eq!(stream.local_addr().unwrap().ip(), local);
        let foreign = Some("203.0.113.9".parse().unwrap());
        let error = TcpStream::connect_peering(listener.local_addr(), &Peering { local: foreign, ..PLAIN });
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }
}
