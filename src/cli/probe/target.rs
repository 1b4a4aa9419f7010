//! Which server, and how: `turn:` and `turns:` URIs (RFC 7065).

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

use rustls_pki_types::ServerName;

use super::trouble::Trouble;
use crate::route::Transport;

/// Where a URI leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// As it was given.
    pub(super) uri: String,
    host: String,
    port: u16,
    /// How the server is spoken to.
    pub(super) transport: Transport,
}

impl Target {
    /// The server's addresses, of one family if one is wanted (IPv6 if true).
    pub(super) fn resolve(&self, v6: Option<bool>) -> Result<SocketAddr, Trouble> {
        let failed = |text: String| {
            Trouble::new(
                "resolve",
                text,
                "check the name, and what `getent ahosts` says of it on this machine",
            )
        };
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let found: Vec<_> =
            found.map_err(|error| failed(format!("{} is not known: {error}", self.host)))?.collect();
        let wanted = found.iter().find(|address| v6.is_none_or(|v6| address.is_ipv6() == v6));
        wanted.copied().ok_or_else(|| {
            let family = if v6 == Some(true) { "IPv6" } else { "IPv4" };
            failed(format!("{} has no {family} address", self.host))
        })
    }

    /// What its certificate must bear.
    pub(super) fn name(&self, server: IpAddr) -> ServerName<'static> {
        ServerName::try_from(self.host.clone()).unwrap_or_else(|_| ServerName::from(server))
    }
}

/// Reads a URI as a command line has it.
pub(super) fn parse_target(uri: &str) -> Result<Target, String> {
    let (scheme, rest) = uri.split_once(':').ok_or("expected turn:HOST[:PORT][?transport=udp|tcp]")?;
    let secure = match scheme.to_ascii_lowercase().as_str() {
        "turn" => false,
        "turns" => true,
        "stun" | "stuns" => return Err("that is a STUN server: give its turn: URI".to_owned()),
        other => return Err(format!("{other:?} is no scheme of TURN: give turn:HOST or turns:HOST")),
    };
    let (host_port, query) =
        rest.trim_start_matches("//").split_once('?').unwrap_or((rest.trim_start_matches("//"), ""));
    let over = match query {
        "" => None,
        query => Some(query.strip_prefix("transport=").ok_or("expected ?transport=udp or ?transport=tcp")?),
    };
    let transport = match (secure, over) {
        (false, None | Some("udp")) => Transport::Udp,
        (false, Some("tcp")) => Transport::Tcp,
        (true, None | Some("tcp")) => Transport::Tls,
        (true, Some("udp")) => Transport::Dtls,
        (_, Some(other)) => return Err(format!("{other:?} is no transport: udp or tcp")),
    };
    let (host, port) = split_port(host_port)?;
    if host.is_empty() {
        return Err("a host is missing".to_owned());
    }
    let port = port.unwrap_or(if secure { 5349 } else { 3478 });
    Ok(Target { uri: uri.to_owned(), host: host.to_owned(), port, transport })
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or("a ']' is missing")?;
            (host, behind.strip_prefix(':'))
        }
        None => match text.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => {
                return Err("put an IPv6 address in brackets: [::1]".to_owned());
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map(|port| port.parse().map_err(|_| format!("{port:?} is no port")));
    Ok((host, port.transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_name_host_port_and_transport() {
        for (uri, host, port, transport) in [
            ("turn:relay.example", "relay.example", 3478, Transport::Udp),
            ("turn:relay.example:80?transport=udp", "relay.example", 80, Transport::Udp),
            ("turn:[2001:db8::1]:3479?transport=tcp", "2001:db8::1", 3479, Transport::Tcp),
            ("turns:192.0.2.1", "192.0.2.1", 5349, Transport::Tls),
            ("turns:[::1]?transport=udp", "::1", 5349, Transport::Dtls),
            ("TURNS://relay.example:443?transport=tcp", "relay.example", 443, Transport::Tls),
        ] {
            let target = parse_target(uri).unwrap();
            assert_eq!(
                (target.host.as_str(), target.port, target.transport),
                (host, port, transport),
                "{uri}"
            );
        }
    }

    #[test]
    fn what_is_no_uri_of_turn_is_refused_with_a_reason() {
        for (uri, reason) in [
            ("relay.example", "expected turn:HOST"),
            ("stun:relay.example", "STUN server"),
            ("https://relay.example", "no scheme"),
            ("turn:", "a host is missing"),
            ("turn:a:b", "\"b\" is no port"),
            ("turn:2001:db8::1", "in brackets"),
            ("turn:a?transport=sctp", "\"sctp\" is no transport"),
            ("turn:a?via=udp", "expected ?transport="),
        ] {
            let said = parse_target(uri).unwrap_err();
            assert!(said.contains(reason), "{uri}: {said}");
        }
    }

    #[test]
    fn a_family_that_a_host_has_not_is_said() {
        let target = parse_target("turn:127.0.0.1").unwrap();
        assert_eq!(target.resolve(None), Ok("127.0.0.1:3478".parse().unwrap()));
        assert!(target.resolve(Some(true)).unwrap_err().text.contains("no IPv6 address"));
    }
}
