//! The other end: one UDP socket that is every session's peer.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdSocket};

use tern::net::udp::{Batch, Payload, SendBatch, SendHeader, UdpOptions, UdpSocket};

use super::link::grow;
use crate::failure::Failure;
use crate::plan::{Sides, Target};

/// All sessions' packets wait in this one buffer.
const RECEIVE_BUFFER: usize = 32 * 1024 * 1024;

/// Datagrams per system call.
const BATCH: usize = 64;

/// The peer of all sessions of a thread.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) socket: UdpSocket,
    pub(super) received: Batch,
    out: SendBatch,
    empty: Batch,
}

impl Peer {
    pub(super) fn open(address: IpAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind_relay(SocketAddr::new(address, 0), &UdpOptions::default())?;
        grow(&socket, RECEIVE_BUFFER);
        Ok(Self { socket, received: Batch::new(BATCH), out: SendBatch::new(BATCH), empty: Batch::new(1) })
    }

    /// Takes what has come, as many datagrams as are usual; those of one flow may be merged.
    pub(super) fn receive(&mut self) -> io::Result<usize> {
        self.received.clear();
        let count = self.socket.recv_usual(&mut self.received)?.len();
        if count == 0 {
            // A relay that refuses packets is met as loss; its errors must not keep the poller awake.
            while self.socket.recv_error()?.is_some() {}
        }
        Ok(count)
    }

    /// Queues a packet. Returns how many earlier ones the kernel did not take, if room had to be made for it.
    pub(super) fn send(&mut self, to: SocketAddr, packet: &[u8]) -> u64 {
        let refused = if self.out.is_full() { self.flush() } else { 0 };
        self.out.push(&self.socket, SendHeader::to(to), Payload::Copy(packet));
        refused
    }

    /// Hands what is queued to the kernel; how many packets it did not take.
    pub(super) fn flush(&mut self) -> u64 {
        if self.out.is_empty() {
            return 0;
        }
        let stats = self.out.flush(&self.empty);
        stats.full + stats.too_long + stats.unreachable + stats.refused
    }
}

/// Where the peer can be reached by the server: what the user says, or the address that this machine uses towards it.
pub(super) fn address(sides: &Sides, target: &Target) -> Result<IpAddr, Failure> {
    if let Some(address) = sides.peer {
        return Ok(address);
    }
    let server = target.address;
    let any: IpAddr = if server.is_ipv6() { "::".parse() } else { "0.0.0.0".parse() }
        .map_err(|error| Failure::machine("address", &error))?;
    let own = StdSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(server)?;
        Ok(socket.local_addr()?.ip())
    });
    let own = own.map_err(|error| {
        Failure::machine(&format!("no way from the peer to {}; give --peer-address", server.ip()), &error)
    })?;
    match sides.relay_v6 {
        Some(v6) if v6 != own.is_ipv6() => Err(Failure::usage(
            "the relayed addresses are to be of another family than the server's; give a --peer-address of theirs",
        )),
        _ => Ok(own),
    }
}
