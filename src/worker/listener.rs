//! One listener of one worker: its sockets and what is spoken on them.

use std::net::{IpAddr, SocketAddr};

use super::settings::ListenerSettings;
use super::watch::Watch;
use crate::net::dtls::DtlsAcceptor;
use crate::net::tcp::TcpListener;
use crate::net::tls::TlsAcceptor;
use crate::net::udp::UdpSocket;
use crate::route::{Client, Endpoint, FiveTuple, LinkId, ListenerId, Transport};

/// Its sockets are shared with the same listener of the other workers by the kernel only (SO_REUSEPORT).
#[derive(Debug)]
pub(crate) struct Listener {
    pub(super) id: ListenerId,
    pub(super) settings: ListenerSettings,
    pub(super) udp: Option<UdpSocket>,
    pub(super) tcp: Option<TcpListener>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) dtls: Option<DtlsAcceptor>,
    pub(super) tcp_watch: Watch,
    /// What the kernel said it has dropped, at the last look.
    overflow: u32,
    /// The same listener's sockets of workers that have died: what the kernel gives to them is served here.
    adopted: Vec<Adopted>,
}

#[derive(Debug)]
struct Adopted {
    udp: UdpSocket,
    overflow: u32,
}

impl Listener {
    /// A listener from what has been bound for it.
    pub(crate) fn new(
        id: ListenerId,
        settings: ListenerSettings,
        udp: Option<UdpSocket>,
        tcp: Option<TcpListener>,
        tls: Option<TlsAcceptor>,
        dtls: Option<DtlsAcceptor>,
    ) -> Self {
        Self {
            id,
            settings,
            udp,
            tcp,
            tls,
            dtls,
            tcp_watch: Watch::default(),
            overflow: 0,
            adopted: Vec::new(),
        }
    }

    /// Its name and what its datagrams come through.
    pub(crate) fn udp(&self) -> Option<(ListenerId, &UdpSocket)> {
        Some((self.id, self.udp.as_ref()?))
    }

    /// One of its sockets: its own is 0, adopted ones follow.
    pub(super) fn socket(&self, number: usize) -> Option<&UdpSocket> {
        match number.checked_sub(1) {
            None => self.udp.as_ref(),
            Some(adopted) => self.adopted.get(adopted).map(|adopted| &adopted.udp),
        }
    }

    /// All of them.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        self.udp.iter().chain(self.adopted.iter().map(|adopted| &adopted.udp))
    }

    /// Its number among them.
    pub(super) fn adopt(&mut self, udp: UdpSocket) -> usize {
        self.adopted.push(Adopted { udp, overflow: 0 });
        self.adopted.len()
    }

    /// How many datagrams the kernel has dropped since the last look, of which it says that they were `total` so far.
    pub(super) fn dropped(&mut self, number: usize, total: u32) -> u32 {
        let known = match number.checked_sub(1) {
            None => Some(&mut self.overflow),
            Some(adopted) => self.adopted.get_mut(adopted).map(|adopted| &mut adopted.overflow),
        };
        known.map_or(0, |known| total.wrapping_sub(std::mem::replace(known, total)))
    }

    /// Who a datagram or connection is from.
    pub(super) fn client(
        &self,
        transport: Transport,
        client: SocketAddr,
        server: SocketAddr,
        link: Option<LinkId>,
    ) -> Client {
        let tuple = FiveTuple { client: Endpoint::from(client), server: Endpoint::from(server), transport };
        Client { tuple, listener: self.id, link }
    }

    /// The port that datagrams to it carry.
    pub(super) fn port(&self) -> u16 {
        self.udp.as_ref().map_or(self.settings.address.port(), |udp| udp.local_addr().port())
    }

    /// From which address to answer: none where the socket has only one.
    pub(super) fn answer_from(&self, server: IpAddr) -> Option<IpAddr> {
        self.settings.address.ip().is_unspecified().then_some(server)
    }

    /// What a connection speaks, by its first byte: a TLS record of a handshake begins with 22.
    pub(super) fn stream_transport(&self, first: u8) -> Option<Transport> {
        match (self.settings.speaks(Transport::Tcp), self.settings.speaks(Transport::Tls)) {
            (true, true) if first == 22 => Some(Transport::Tls),
            (true, _) => Some(Transport::Tcp),
            (false, true) => Some(Transport::Tls),
            (false, false) => None,
        }
    }
}
