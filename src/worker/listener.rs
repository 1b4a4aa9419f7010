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
    pub(super) overflow: u32,
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
        Self { id, settings, udp, tcp, tls, dtls, tcp_watch: Watch::default(), overflow: 0 }
    }

    /// What its datagrams come through.
    pub(crate) const fn udp(&self) -> Option<&UdpSocket> {
        self.udp.as_ref()
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
