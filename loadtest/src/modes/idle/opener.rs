//! Threads that make allocations, each one at a time over a socket that lives as long as that takes, and delete them over
//! sockets on the same ports.
//!
//! Plain blocking sockets: an allocation is made once, and what it costs this program is not measured.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::client::{Client, Event, Fault, Wish};
use crate::clock;
use crate::driver::{Times, netns};
use crate::failure::Failure;
use crate::plan::{Carriage, Plan, Target};
use crate::progress::Progress;

/// Ports for clients: above those of services, below those that servers relay on by default.
const PORTS: std::ops::Range<u16> = 10_240..49_152;
/// Their number.
pub(super) const PER_SOURCE: usize = (PORTS.end - PORTS.start) as usize;
/// Larger than any answer.
const ANSWER: usize = 2_048;

/// What the threads need to know.
pub(super) struct Openers {
    target: Target,
    wish: Arc<Wish>,
    peer: SocketAddr,
    sources: Vec<IpAddr>,
    netns: Option<std::path::PathBuf>,
    /// The next pair of an address and a port that has not been tried.
    next: AtomicUsize,
    seed: u64,
    /// Where the allocations' clients were.
    standing: Mutex<Vec<SocketAddr>>,
}

/// What has been opened.
pub(super) struct Opened {
    pub(super) count: usize,
    pub(super) times: Times,
    pub(super) retransmissions: u64,
    pub(super) software: Option<String>,
}

impl Openers {
    pub(super) fn new(
        plan: &Plan,
        target: &Target,
        sources: Vec<IpAddr>,
        peer: SocketAddr,
    ) -> Result<Self, Failure> {
        let wish = Wish {
            credentials: target.credentials.clone(),
            channel: plan.load.carriage == Carriage::Channel,
            relay_v6: plan.sides.relay_v6,
            reliable: false,
        };
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(|error| Failure::machine("no random numbers", &error))?;
        Ok(Self {
            target: target.clone(),
            wish: Arc::new(wish),
            peer,
            sources,
            netns: plan.sides.client_netns.clone(),
            next: AtomicUsize::new(0),
            seed: u64::from_ne_bytes(seed),
            standing: Mutex::default(),
        })
    }

    /// Makes `count` allocations, `in_flight` at a time. The first that fails ends all.
    pub(super) fn open(
        &self,
        count: usize,
        in_flight: usize,
        progress: &Progress,
    ) -> Result<Opened, Failure> {
        let left = AtomicUsize::new(count);
        let (is_over, fault) = (AtomicBool::new(false), Mutex::new(None));
        let opened =
            Mutex::new(Opened { count: 0, times: Times::new(3), retransmissions: 0, software: None });
        let work = || {
            while !is_over.load(Ordering::Relaxed) && !progress.is_cancelled() && take(&left) {
                let began = clock::now();
                match self.open_one() {
                    Ok((client, address)) => {
                        let mut opened = lock(&opened);
                        opened.count += 1;
                        opened.times.record(clock::now().since(began));
                        opened.retransmissions += u64::from(client.retransmissions);
                        if opened.software.is_none() {
                            opened.software = client.software.as_deref().map(str::to_owned);
                        }
                        lock(&self.standing).push(address);
                        progress.sessions_ready.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(found) => {
                        is_over.store(true, Ordering::Relaxed);
                        lock(&fault).get_or_insert(found);
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..in_flight.min(count) {
                scope.spawn(work);
            }
        });
        let opened = opened.into_inner().unwrap_or_else(PoisonError::into_inner);
        match fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(fault) => {
                self.delete(in_flight, progress);
                Err(fault.failure(&self.target, u64::try_from(opened.count).unwrap_or(0)))
            }
            None => Ok(opened),
        }
    }

    /// Deletes everything that stands, and returns how many allocations did not let themselves be.
    pub(super) fn delete(&self, in_flight: usize, progress: &Progress) -> usize {
        let standing = std::mem::take(&mut *lock(&self.standing));
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || {
            while let Some(address) = standing.get(next.fetch_add(1, Ordering::Relaxed)) {
                if progress.is_cancelled() {
                    return;
                }
                if self.delete_one(*address).is_ok() {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..in_flight.min(standing.len()) {
                scope.spawn(work);
            }
        });
        standing.len() - done.load(Ordering::Relaxed)
    }

    fn open_one(&self) -> Result<(Client, SocketAddr), Fault> {
        let (socket, address) = self.bind_next()?;
        let mut client = self.client(address);
        let mut out = Vec::with_capacity(ANSWER);
        client.allocate(clock::now(), &mut out);
        match drive(&socket, &mut client, &mut out, self.peer) {
            Ok(()) => Ok((client, address)),
            Err(fault) => {
                self.give_back(&socket, &mut client, &fault);
                Err(fault)
            }
        }
    }

    /// Deletes the allocation of a client that has failed; a server that has become silent is asked only once.
    fn give_back(&self, socket: &UdpSocket, client: &mut Client, fault: &Fault) {
        let mut out = Vec::with_capacity(ANSWER);
        if !client.release(clock::now(), &mut out) || out.is_empty() {
            return;
        }
        if fault.is_answer() {
            // What it says about that is not what has failed.
            drop(drive(socket, client, &mut out, self.peer));
        } else {
            let _ = socket.send(&out);
        }
    }

    fn delete_one(&self, address: SocketAddr) -> Result<(), Fault> {
        let socket = self.bind(address)?.map_err(machine)?;
        socket.connect(self.target.address).map_err(machine)?;
        let mut client = self.client(address);
        let mut out = Vec::with_capacity(ANSWER);
        client.delete(clock::now(), &mut out);
        drive(&socket, &mut client, &mut out, self.peer)
    }

    /// No two clients have a seed in common, nor the same client making and deleting.
    fn client(&self, address: SocketAddr) -> Client {
        let salt = clock::now().0 ^ (u64::from(address.port()) << 48);
        Client::new(Arc::clone(&self.wish), self.seed.wrapping_add(salt))
    }

    /// A socket in the clients' namespace.
    fn bind(&self, address: SocketAddr) -> Result<std::io::Result<UdpSocket>, Fault> {
        netns::within(self.netns.as_deref(), || Ok(UdpSocket::bind(address)))
            .map_err(|failure| Fault::Machine(failure.text))
    }

    /// A socket on the next port that nobody else has.
    fn bind_next(&self) -> Result<(UdpSocket, SocketAddr), Fault> {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(address) = place(&self.sources, index) else {
                return Err(Fault::Machine("no port is left of those for clients".to_owned()));
            };
            match self.bind(address)? {
                Ok(socket) => {
                    socket.connect(self.target.address).map_err(machine)?;
                    return Ok((socket, address));
                }
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(machine(error)),
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn machine(error: std::io::Error) -> Fault {
    Fault::Machine(error.to_string())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes one of what is left.
fn take(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// The address and port with a number.
fn place(sources: &[IpAddr], index: usize) -> Option<SocketAddr> {
    let source = sources.get(index / PER_SOURCE)?;
    let port = u16::try_from(index % PER_SOURCE).ok()?.checked_add(PORTS.start)?;
    Some(SocketAddr::new(*source, port))
}

/// Sends what the client wants sent until it is ready, or its allocation is no more.
fn drive(socket: &UdpSocket, client: &mut Client, out: &mut Vec<u8>, peer: SocketAddr) -> Result<(), Fault> {
    let mut answer = [0; ANSWER];
    loop {
        if !out.is_empty() {
            // What does not go out now goes out again.
            let _ = socket.send(out);
        }
        let wait = client.deadline().since(clock::now());
        let event = if wait == 0 {
            client.tick(clock::now(), out)
        } else {
            socket.set_read_timeout(Some(Duration::from_nanos(wait))).map_err(machine)?;
            match socket.recv(&mut answer) {
                Ok(length) => client.receive(answer.get(..length).unwrap_or_default(), clock::now(), out),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    return Err(Fault::Disconnected("nobody listens there".to_owned()));
                }
                Err(_) => client.tick(clock::now(), out),
            }
        };
        match event {
            Event::Nothing => {}
            Event::Allocated(_) => client.connect(peer, clock::now(), out),
            Event::Ready | Event::Deleted => return Ok(()),
            Event::Failed(fault) => return Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_a_port_of_its_own() {
        let sources = ["127.0.0.1", "127.0.0.2"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let all: std::collections::HashSet<_> =
            (0..2 * PER_SOURCE).map(|index| place(&sources, index).unwrap()).collect();
        assert_eq!(all.len(), 2 * PER_SOURCE);
        assert!(all.iter().all(|address| PORTS.contains(&address.port())));
        assert_eq!(place(&sources, 2 * PER_SOURCE), None);
    }

    #[test]
    fn no_more_is_taken_than_there_is() {
        let left = AtomicUsize::new(2);
        assert_eq!([take(&left), take(&left), take(&left)], [true, true, false]);
    }
}
