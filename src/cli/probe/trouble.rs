//! What went wrong in a probe, in words that say where and what to do.

use std::io;
use std::net::SocketAddr;

use serde::Serialize;

use crate::client::{Broken, Refusal};
use crate::net::dtls::DtlsError;
use crate::net::tls::TlsError;
use crate::route::Transport;

/// The step that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Trouble {
    pub(super) step: &'static str,
    pub(super) text: String,
    pub(super) remedy: String,
    /// The server's code, if it said no.
    pub(super) code: Option<u16>,
}

impl Trouble {
    pub(super) fn new(step: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { step, text: text.into(), remedy: remedy.into(), code: None }
    }

    /// The way to the server does not carry anything.
    pub(super) fn of_way(step: &'static str, server: SocketAddr, over: Transport, broken: &Broken) -> Self {
        let layer = if over.is_stream() { "TCP" } else { "UDP" };
        let listens = format!(
            "is the server running, and does it listen on {layer} {server}? On its machine: ss -ln{} | grep {}",
            if over.is_stream() { "t" } else { "u" },
            server.port()
        );
        let remedy = match broken {
            Broken::Open(error) if error.kind() == io::ErrorKind::ConnectionRefused => listens,
            Broken::Unreachable => listens,
            Broken::Open(_) | Broken::Datagram(_) => "look at this machine's routes: ip route get".to_owned() + " " + &server.ip().to_string(),
            Broken::Tls(TlsError::Handshake(text)) if text.contains("certificate") => {
                "clients will refuse this certificate as well; to trust another authority give --ca FILE, to look no closer --insecure".to_owned()
            }
            Broken::Tls(TlsError::Handshake(_) | TlsError::Broken(_) | TlsError::Setup(_))
            | Broken::Dtls(DtlsError::Failed(_) | DtlsError::TooLong | DtlsError::Timeout)
            | Broken::NoFrame => {
                format!("does {server} speak TURN over {}? A proxy or another service may have the port", word(over))
            }
            Broken::Stream(_) | Broken::Closed | Broken::SessionClosed => {
                "the server, or a middlebox on the way, has ended it: the server's log may say why".to_owned()
            }
        };
        Self::new(step, broken.to_string(), remedy)
    }

    /// Nothing came.
    pub(super) fn silence(step: &'static str, server: SocketAddr, over: Transport, seconds: u64) -> Self {
        let layer = if over.is_stream() { "TCP" } else { "UDP" };
        let remedy = format!(
            "does every firewall on the way let {layer} {} through in both directions (security group, nftables, the client's network)? \
             Is {} the server's address?",
            server.port(),
            server.ip()
        );
        Self::new(step, format!("no answer from {server} over {} within {seconds} s", word(over)), remedy)
    }

    /// The server said no.
    pub(super) fn refused(step: &'static str, refusal: &Refusal, peer: Option<SocketAddr>) -> Self {
        let Refusal { code, reason, alternate } = refusal;
        let remedy = match (*code, peer) {
            (300, _) => alternate.map_or_else(
                || "it sends clients to another server and does not say which".to_owned(),
                |other| format!("it sends clients to another server: probe turn:{other}"),
            ),
            (401, _) => "it does not accept this user name and password: `tern credentials verify` says why for a shared secret; \
                 is the clock right, is the secret the same on all relays?"
                .to_owned(),
            (403, Some(peer)) => format!("its policy denies the peer {peer}: with Tern see [peers], with coturn allowed-peer-ip and allow-loopback-peers"),
            (403, None) => "its policy does not let this client in".to_owned(),
            (438, _) => "it takes none of its own nonces: do the relays behind this address share a nonce key?".to_owned(),
            (440, _) => "it has no relay address of that family".to_owned(),
            (442, _) => "it does not relay UDP".to_owned(),
            (443, Some(peer)) => format!("its relayed address has another family than {peer}"),
            (486, _) => "the user has as many allocations as the quota admits; probe as another user, or raise the quota".to_owned(),
            (508, _) => "it has no port or room left: with Tern `tern status` says what is short".to_owned(),
            (500, _) => "it failed within; its log may say why".to_owned(),
            _ => "the server's log may say why".to_owned(),
        };
        let text = format!("the server answered {code} {reason}");
        Self { code: Some(*code), ..Self::new(step, text.trim_end(), remedy) }
    }
}

/// How a transport is called.
pub(super) const fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
        Transport::Tls => "TLS",
        Transport::Dtls => "DTLS",
    }
}
