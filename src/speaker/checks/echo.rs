//! The peers of test calls: sockets of this process beside the relayed addresses. They answer what carries the process's
//! token and nothing else, in other words than they were asked in, so that no two of them can be set on each other.
//!
//! Opened before the server starts, since its policy must admit them; read by the self-test's thread.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use socket2::{Domain, Protocol, Socket, Type};
use subtle::ConstantTimeEq;

use crate::engine::RelayAddress;
use crate::engine::auth::{SecretFault, SharedSecret};

const TOKEN_LEN: usize = 16;
/// What a payload begins with, on its way to the peer and back. Neither begins STUN, RTP or a DTLS record.
const ASKED: u8 = b'?';
const ANSWERED: u8 = b'!';
/// Datagrams that one turn answers per peer.
const PER_TURN: usize = 64;
/// Longer than any payload of ours.
const LONGEST: usize = 64;

/// All of them, and the secrets that go with them. The process has one of these, whatever is reloaded.
pub struct EchoPeers {
    secret: SharedSecret,
    token: [u8; TOKEN_LEN],
    peers: Mutex<Vec<Arc<Peer>>>,
}

/// One peer.
#[derive(Debug)]
pub(super) struct Peer {
    relay: RelayAddress,
    pub(super) socket: UdpSocket,
    address: SocketAddr,
}

/// Peers that wait to take the place of those that there are.
#[derive(Debug)]
pub struct NextPeers(Vec<Arc<Peer>>);

impl NextPeers {
    /// Where they are.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|peer| peer.address).collect()
    }
}

impl EchoPeers {
    /// One beside each relayed address.
    ///
    /// # Errors
    /// The system gives no randomness, or no socket.
    pub fn open(relays: &[RelayAddress]) -> io::Result<Self> {
        let mut random = [0; 32 + TOKEN_LEN];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let (secret, rest) = random.split_at(32);
        let mut token = [0; TOKEN_LEN];
        token.copy_from_slice(rest);
        let secret = SharedSecret::new("self-test", secret);
        let secret = secret.map_err(|fault: SecretFault| io::Error::other(fault.to_string()))?;
        let peers = Self { secret, token, peers: Mutex::default() };
        peers.follow(peers.prepare(relays)?);
        Ok(peers)
    }

    /// What there would be beside these relayed addresses. Peers of those that stay, stay. Nothing changes yet.
    ///
    /// # Errors
    /// The system gives no socket.
    pub fn prepare(&self, relays: &[RelayAddress]) -> io::Result<NextPeers> {
        let peers = self.lock();
        let mut next: Vec<Arc<Peer>> = Vec::new();
        for relay in relays {
            let known = peers.iter().chain(&next).find(|peer| peer.relay.bind == relay.bind);
            let socket = known.map_or_else(|| open(relay.bind), |peer| peer.socket.try_clone())?;
            let address = socket.local_addr()?;
            next.push(Arc::new(Peer { relay: *relay, socket, address }));
        }
        Ok(NextPeers(next))
    }

    /// These are the peers from now on.
    pub fn follow(&self, next: NextPeers) {
        *self.lock() = next.0;
    }

    /// What test calls are made with, for [`crate::engine::auth::Credentials::probe`].
    #[must_use]
    pub fn secret(&self) -> SharedSecret {
        self.secret.clone()
    }

    /// Where they are, for [`crate::engine::peer::PeerSettings::probes`].
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.lock().iter().map(|peer| peer.address).collect()
    }

    /// The relay that clients see as `external`, and the peer beside it.
    pub(super) fn beside(&self, external: IpAddr) -> Option<(IpAddr, SocketAddr)> {
        let peers = self.lock();
        let peer = peers.iter().find(|peer| peer.relay.external == external)?;
        Some((peer.relay.bind, peer.address))
    }

    pub(super) fn all(&self) -> Vec<Arc<Peer>> {
        self.lock().clone()
    }

    /// What call number `number` sends, and what it is to get back.
    pub(super) fn payload(&self, number: u64) -> (Vec<u8>, Vec<u8>) {
        let with = |first: u8| [&[first], self.token.as_slice(), &number.to_be_bytes()].concat();
        (with(ASKED), with(ANSWERED))
    }

    /// Answers what has come for `peer`. Never waits.
    pub(super) fn answer(&self, peer: &Peer) {
        let mut buffer = [0; LONGEST];
        for _ in 0..PER_TURN {
            let (length, from) = match peer.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error of an earlier answer.
                Err(_) => continue,
            };
            let Some(([first, rest @ ..], _)) = buffer.split_at_mut_checked(length) else { continue };
            let ours = rest.get(..TOKEN_LEN).is_some_and(|token| token.ct_eq(&self.token).into());
            if *first == ASKED && ours {
                *first = ANSWERED;
                // Whoever gets no answer asks again.
                drop(peer.socket.send_to(buffer.get(..length).unwrap_or_default(), from));
            }
        }
    }

    /// It is whole between any two statements.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Peer>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows no secret.
impl std::fmt::Debug for EchoPeers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EchoPeers").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}

/// Also on an address that this machine has not got yet: it may come later, as one that moves between machines does.
fn open(ip: IpAddr) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(ip, 0);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if ip.is_ipv4() {
        socket.set_freebind_v4(true)?;
    } else {
        socket.set_only_v6(true)?;
        socket.set_freebind_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn relay(bind: &str, external: &str) -> RelayAddress {
        RelayAddress { bind: bind.parse().unwrap(), external: external.parse().unwrap() }
    }

    #[test]
    fn only_the_token_is_answered_and_an_answer_never() {
        let peers = EchoPeers::open(&[relay("127.0.0.1", "203.0.113.1")]).unwrap();
        let (bind, at) = peers.beside("203.0.113.1".parse().unwrap()).unwrap();
        assert_eq!((bind.to_string().as_str(), vec![at]), ("127.0.0.1", peers.addresses()));
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(at).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let (asked, answered) = peers.payload(7);
        let mut wrong = asked.clone();
        wrong[TOKEN_LEN] ^= 1;
        for bytes in [b"".as_slice(), b"?", &wrong, &answered, &[b'?'; 2_000], &asked] {
            client.send(bytes).unwrap();
        }
        let peer = &peers.all()[0];
        let mut buffer = [0; 100];
        client.set_nonblocking(true).unwrap();
        let mut got = Vec::new();
        for _ in 0..1_000 {
            peers.answer(peer);
            while let Ok(length) = client.recv(&mut buffer) {
                got.push(buffer[..length].to_vec());
            }
            if !got.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(got, [answered]);
    }

    #[test]
    fn a_reload_keeps_the_peers_that_stay() {
        let peers = EchoPeers::open(&[relay("127.0.0.1", "127.0.0.1"), relay("::1", "::1")]).unwrap();
        let before = peers.addresses();
        let next = peers.prepare(&[relay("::1", "2001:db8::9"), relay("192.0.2.77", "192.0.2.77")]).unwrap();
        assert_eq!(peers.addresses(), before, "not before it is told");
        assert_eq!(next.addresses()[0], before[1]);
        peers.follow(next);
        let after = peers.addresses();
        assert_eq!(after[0], before[1]);
        assert_eq!(after[1].ip().to_string(), "192.0.2.77", "not yet an address of this machine");
        assert_eq!(peers.beside("127.0.0.1".parse().unwrap()), None);
        assert!(peers.beside("2001:db8::9".parse().unwrap()).is_some());
    }
}
