//! What a worker is told to do: plain values, checked by whoever read the configuration.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::dscp::{DscpPolicy, ECN};
pub use crate::engine::peer::Prefix;
use crate::quality;
use crate::route::{ListenerId, Transport};

/// One address to listen on. Its position in the list is its [`crate::route::ListenerId`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Where; a wildcard address answers from whichever address the client sent to.
    pub address: SocketAddr,
    /// What is spoken there, at least one. UDP and DTLS share a socket and are told apart by their first
    /// byte (RFC 7983), and so are TCP and TLS.
    pub transports: Vec<Transport>,
    /// For TLS and DTLS.
    pub certificate: Option<Certificate>,
    /// Sources whose connections must begin with a PROXY protocol header (version 1 or 2). From everyone else
    /// no such header is understood.
    pub proxy_sources: Vec<Prefix>,
    /// In place of [`MediaSettings::dscp`], for media of its clients, either way.
    pub dscp: Option<DscpPolicy>,
    /// In place of [`MediaSettings::stream_dscp`].
    pub stream_dscp: Option<DscpPolicy>,
}

impl ListenerSettings {
    /// A listener without certificate and without proxies before it.
    #[must_use]
    pub fn new(address: SocketAddr, transports: &[Transport]) -> Self {
        Self {
            address,
            transports: transports.to_vec(),
            certificate: None,
            proxy_sources: Vec::new(),
            dscp: None,
            stream_dscp: None,
        }
    }

    /// Whether `transport` is spoken here.
    #[must_use]
    pub fn speaks(&self, transport: Transport) -> bool {
        self.transports.contains(&transport)
    }

    /// Whether a connection from `source` has to introduce itself with a PROXY header.
    #[must_use]
    pub fn expects_proxy_header(&self, source: IpAddr) -> bool {
        self.proxy_sources.iter().any(|prefix| prefix.contains(source))
    }
}

/// A certificate chain, the server's own certificate first, and its private key, in PEM.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Certificate {
    /// Read again when they change.
    Files {
        /// The chain.
        chain: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// Made on the spot.
    Memory {
        /// The chain.
        chain: Arc<[u8]>,
        /// The key.
        key: Arc<[u8]>,
    },
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files { chain, key } => {
                f.debug_struct("Files").field("chain", chain).field("key", key).finish()
            }
            Self::Memory { .. } => f.write_str("Memory"),
        }
    }
}

/// Which ECN field a packet that came over UDP leaves with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EcnPolicy {
    /// The one it came with.
    Copy,
    /// Not-ECT, for networks that mistreat the field.
    Clear,
}

/// How the IP header of relayed packets is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaSettings {
    /// From UDP to UDP, either way.
    pub dscp: DscpPolicy,
    /// From UDP to UDP, either way.
    pub ecn: EcnPolicy,
    /// From a stream to UDP, and of the connection toward its client: as the client marked its connection, or fixed. ECN
    /// is Not-ECT there.
    pub stream_dscp: DscpPolicy,
    /// The hop limit of packets that came over a stream.
    pub hop_limit: u8,
    /// Whether media between two clients of this relay stays within the process.
    pub shortcut: bool,
}

impl Default for MediaSettings {
    fn default() -> Self {
        Self {
            dscp: DscpPolicy::Copy,
            ecn: EcnPolicy::Copy,
            stream_dscp: DscpPolicy::Copy,
            hop_limit: 64,
            shortcut: true,
        }
    }
}

/// What a stream client may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// From accepting a connection to its first whole message, handshakes included.
    pub first_message: Duration,
    /// Without a byte from the client, when it has no allocation.
    pub idle: Duration,
    /// Connections per worker.
    pub connections: usize,
    /// Connections and DTLS sessions of one source address (IPv6: of one /64) that have no allocation, per worker.
    pub per_source: u32,
    /// Bytes that may wait for one slow reader.
    pub queue_bytes: usize,
    /// Media that waited this long is dropped: nobody would play it any more.
    pub media_deadline: Duration,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            first_message: Duration::from_secs(10),
            idle: Duration::from_mins(5),
            connections: 50_000,
            per_source: 128,
            queue_bytes: 256 * 1024,
            media_deadline: Duration::from_millis(500),
        }
    }
}

/// What DTLS clients may cost, per worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtlsSettings {
    /// Handshakes of clients that have not proven their address; the oldest gives way to a new one.
    pub handshakes: usize,
    /// Sessions, handshakes included.
    pub sessions: usize,
    /// For a handshake.
    pub handshake: Duration,
    /// Without a datagram from the client, when it has no allocation.
    pub idle: Duration,
}

impl Default for DtlsSettings {
    fn default() -> Self {
        Self {
            handshakes: 1_000,
            sessions: 50_000,
            handshake: Duration::from_secs(10),
            idle: Duration::from_mins(5),
        }
    }
}

/// When a worker takes no new calls, so that those it has stay well. Percentages; 0 is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverloadSettings {
    /// Of its time that it is busy.
    pub busy: u8,
    /// Of what arrives that the system drops, since nobody reads it in time.
    pub loss: u8,
}

impl Default for OverloadSettings {
    fn default() -> Self {
        Self { busy: 90, loss: 1 }
    }
}

/// Everything a worker needs besides the engine's own settings. All of it but the listeners can be reloaded.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerSettings {
    /// Where to listen.
    pub listeners: Vec<ListenerSettings>,
    /// IP headers of media.
    pub media: MediaSettings,
    /// TCP and TLS clients.
    pub streams: StreamSettings,
    /// DTLS clients.
    pub dtls: DtlsSettings,
    /// When it is too much.
    pub overload: OverloadSettings,
    /// How media is listened to; none does not.
    pub quality: Option<Arc<quality::Settings>>,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            media: MediaSettings::default(),
            streams: StreamSettings::default(),
            dtls: DtlsSettings::default(),
            overload: OverloadSettings::default(),
            quality: Some(Arc::default()),
        }
    }
}

impl WorkerSettings {
    /// What a datagram of or for a client of `listener` leaves with when its payload came in one (RFC 8656 section 16: DSCP
    /// and ECN are copied unless the operator decides otherwise).
    pub(super) fn datagram_tos(&self, listener: ListenerId, tos: u8) -> u8 {
        let own = self.listeners.get(usize::from(listener.0)).and_then(|listener| listener.dscp.as_ref());
        let dscp = own.unwrap_or(&self.media.dscp).apply(tos);
        match self.media.ecn {
            EcnPolicy::Copy => dscp | (tos & ECN),
            EcnPolicy::Clear => dscp,
        }
    }

    /// What a datagram leaves with when its payload came on a stream that was marked so, and what goes back there.
    pub(super) fn stream_tos(&self, listener: ListenerId, tos: u8) -> u8 {
        let own =
            self.listeners.get(usize::from(listener.0)).and_then(|listener| listener.stream_dscp.as_ref());
        own.unwrap_or(&self.media.stream_dscp).apply(tos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::DscpMap;

    fn with(media: MediaSettings, own: Option<DscpPolicy>) -> WorkerSettings {
        let address = SocketAddr::from(([127, 0, 0, 1], 3478));
        let listener = ListenerSettings { dscp: own, ..ListenerSettings::new(address, &[Transport::Udp]) };
        WorkerSettings { listeners: vec![listener], media, ..WorkerSettings::default() }
    }

    #[test]
    fn dscp_and_ecn_follow_the_policy() {
        let copy = MediaSettings::default();
        let leaving = |media, tos| with(media, None).datagram_tos(ListenerId(0), tos);
        assert_eq!(leaving(copy, 0xb9), 0xb9);
        let fixed = MediaSettings { dscp: DscpPolicy::Fixed(34), ..copy };
        assert_eq!(leaving(fixed, 0xb9), (34 << 2) | 1);
        let clear = MediaSettings { ecn: EcnPolicy::Clear, ..copy };
        assert_eq!(leaving(clear, 0xbb), 0xb8);
    }

    #[test]
    fn a_listener_has_its_own_policy_or_that_of_all() {
        let all = MediaSettings { dscp: DscpPolicy::Fixed(34), ..MediaSettings::default() };
        let own = with(all, Some(DscpPolicy::Map(DscpMap::new(Some(0), [(46, 46)]))));
        assert_eq!(own.datagram_tos(ListenerId(0), 0xb9), 0xb9);
        assert_eq!(own.datagram_tos(ListenerId(0), 0x20), 0);
        assert_eq!(own.datagram_tos(ListenerId(1), 0x20), 34 << 2);
        assert_eq!(own.stream_tos(ListenerId(0), 0xb9), 0xb8);
    }
}
