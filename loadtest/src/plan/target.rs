//! A server: where it is, how to reach it, as whom.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use tern::engine::auth::{Credential, SharedSecret, issue};
use tern::time::UnixTime;

use crate::cli::{ServerArgs, TransportArg};
use crate::clock;
use crate::failure::{Exit, Failure};

/// How long credentials made from a shared secret are good for: longer than any soak.
const CREDENTIAL_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// How clients reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// DTLS over UDP.
    Dtls,
}

impl Transport {
    /// Whether messages come in a stream of bytes.
    #[must_use]
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }

    const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Dtls)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Dtls => "dtls",
        })
    }
}

/// Who the clients are.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
    /// The realm, if it is not to be learned.
    pub realm: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What reports call it.
    pub name: String,
    /// Where it is.
    pub address: SocketAddr,
    /// The name in its certificate.
    pub host: String,
    /// How to reach it.
    pub transport: Transport,
    /// As whom.
    pub credentials: Credentials,
    /// Its process.
    pub pid: Option<u32>,
}

/// All servers of a command line.
pub(super) fn resolve(args: &ServerArgs, several: bool) -> Result<Vec<Target>, Failure> {
    let count = args.server.len();
    if several && count < 2 {
        return Err(Failure::usage("compare needs at least two servers; repeat --server"));
    }
    if !several && count != 1 {
        return Err(Failure::usage("this mode measures one server; only compare takes several"));
    }
    if !args.pid.is_empty() && args.pid.len() != count {
        return Err(Failure::usage(format!(
            "there are {count} servers and {} --pid; give one each",
            args.pid.len()
        )));
    }
    for pid in &args.pid {
        if !std::path::Path::new(&format!("/proc/{pid}")).exists() {
            return Err(Failure::usage(format!("there is no process {pid}; check --pid")));
        }
    }
    let target = |(index, text): (usize, &String)| {
        let place = Place::parse(text, args.transport)?;
        Ok(Target {
            address: place.resolve(args)?,
            credentials: credentials(args, index, count)?,
            pid: args.pid.get(index).copied(),
            name: place.name,
            host: place.host,
            transport: place.transport,
        })
    };
    args.server.iter().enumerate().map(target).collect()
}

/// A server as it was typed.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    name: String,
    host: String,
    port: u16,
    transport: Transport,
}

impl Place {
    fn parse(text: &str, asked: Option<TransportArg>) -> Result<Self, Failure> {
        let wrong = || {
            Failure::usage(format!(
                "`{text}` is no server; write it as relay.example.org, 192.0.2.1:3478, [2001:db8::1]:3478 or \
                 turns:relay.example.org?transport=tcp"
            ))
        };
        // `=` also stands in `?transport=tcp`: a name ends before anything of a URL.
        let (name, url) = match text.split_once('=') {
            Some((name, url)) if !name.contains([':', '?', '.']) => (Some(name), url),
            _ => (None, text),
        };
        let (secure, rest) = match url {
            _ if url.starts_with("turns:") => (true, url.trim_start_matches("turns:")),
            _ => (false, url.trim_start_matches("turn:")),
        };
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let transport = match (asked, secure, query) {
            (Some(TransportArg::Udp), ..) | (None, false, None | Some("transport=udp")) => Transport::Udp,
            (Some(TransportArg::Tcp), ..) | (None, false, Some("transport=tcp")) => Transport::Tcp,
            (Some(TransportArg::Tls), ..) | (None, true, None | Some("transport=tcp")) => Transport::Tls,
            (Some(TransportArg::Dtls), ..) | (None, true, Some("transport=udp")) => Transport::Dtls,
            (None, _, Some(_)) => return Err(wrong()),
        };
        let usual = if transport.is_secure() { 5349 } else { 3478 };
        let (host, port) = split_port(rest, usual).ok_or_else(wrong)?;
        if host.is_empty() || host.contains(['/', '@', ' ']) {
            return Err(wrong());
        }
        let name = name.map_or_else(|| rest.to_owned(), str::to_owned);
        Ok(Self { name, host: host.to_owned(), port, transport })
    }

    fn resolve(&self, args: &ServerArgs) -> Result<SocketAddr, Failure> {
        let found = (self.host.as_str(), self.port).to_socket_addrs().map_err(|error| {
            Failure::new(
                Exit::Unreachable,
                format!("cannot find {}: {error}; check the name in --server", self.host),
            )
        })?;
        let fits =
            |address: &SocketAddr| (!args.ipv4 || address.is_ipv4()) && (!args.ipv6 || address.is_ipv6());
        found.into_iter().find(fits).ok_or_else(|| {
            let family = if args.ipv6 { "IPv6" } else { "IPv4" };
            Failure::new(Exit::Unreachable, format!("{} has no {family} address", self.host))
        })
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`, `v6`.
fn split_port(text: &str, usual: u16) -> Option<(&str, u16)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, port.parse().ok()?)),
            None if rest.is_empty() => Some((host, usual)),
            None => None,
        };
    }
    match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Some((text, usual)),
        Some((host, port)) => Some((host, port.parse().ok().filter(|port| *port != 0)?)),
        None => Some((text, usual)),
    }
}

/// The value for one of several servers: one for all, or one each.
fn pick<'a>(
    what: &str,
    values: &'a [String],
    index: usize,
    count: usize,
) -> Result<Option<&'a str>, Failure> {
    match values.len() {
        0 => Ok(None),
        1 => Ok(values.first().map(String::as_str)),
        given if given == count => Ok(values.get(index).map(String::as_str)),
        given => Err(Failure::usage(format!(
            "there are {count} servers and {given} {what}; give one for all, or one each"
        ))),
    }
}

fn credentials(args: &ServerArgs, index: usize, count: usize) -> Result<Credentials, Failure> {
    let user = pick("--user", &args.user, index, count)?;
    let password = pick("--password", &args.password, index, count)?;
    let secret = pick("--secret", &args.secret, index, count)?;
    let realm = args.realm.clone();
    match (user, password, secret) {
        (user, None, Some(secret)) => {
            let made = from_secret(user.unwrap_or("loadtest"), secret)?;
            Ok(Credentials { user: made.username, password: made.password, realm })
        }
        (Some(user), Some(password), None) => {
            Ok(Credentials { user: user.to_owned(), password: password.to_owned(), realm })
        }
        _ => Err(Failure::usage("give --user and --password, or the server's shared secret with --secret")),
    }
}

fn from_secret(user: &str, secret: &str) -> Result<Credential, Failure> {
    let wrong = |error: &dyn fmt::Display| Failure::usage(format!("--secret cannot be used: {error}"));
    let secret = SharedSecret::new("loadtest", secret.as_bytes()).map_err(|error| wrong(&error))?;
    let expiry = UnixTime(clock::unix_seconds() + CREDENTIAL_LIFETIME.as_secs());
    Ok(issue(&secret, user, expiry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> (String, String, u16, Transport) {
        let place = Place::parse(text, None).unwrap();
        (place.name, place.host, place.port, place.transport)
    }

    fn expected(name: &str, host: &str, port: u16, transport: Transport) -> (String, String, u16, Transport) {
        (name.to_owned(), host.to_owned(), port, transport)
    }

    #[test]
    fn servers_are_hosts_addresses_and_urls() {
        use Transport::{Dtls, Tcp, Tls, Udp};
        assert_eq!(place("192.0.2.1:3478"), expected("192.0.2.1:3478", "192.0.2.1", 3478, Udp));
        assert_eq!(place("relay.example.org"), expected("relay.example.org", "relay.example.org", 3478, Udp));
        assert_eq!(place("2001:db8::1"), expected("2001:db8::1", "2001:db8::1", 3478, Udp));
        assert_eq!(place("[2001:db8::1]:99"), expected("[2001:db8::1]:99", "2001:db8::1", 99, Udp));
        assert_eq!(place("turn:a.example?transport=tcp"), expected("a.example", "a.example", 3478, Tcp));
        assert_eq!(place("turns:a.example"), expected("a.example", "a.example", 5349, Tls));
        assert_eq!(
            place("turns:a.example:443?transport=udp"),
            expected("a.example:443", "a.example", 443, Dtls)
        );
        assert_eq!(place("tern=turn:a.example:1"), expected("tern", "a.example", 1, Udp));
    }

    #[test]
    fn an_asked_for_transport_outdoes_the_url() {
        let place = Place::parse("a.example", Some(TransportArg::Tls)).unwrap();
        assert_eq!((place.port, place.transport), (5349, Transport::Tls));
    }

    #[test]
    fn what_is_no_server_is_refused_with_examples() {
        for text in ["", ":3478", "a:b", "a:0", "[::1", "[::1]x", "turn:a?transport=sctp", "http://a/", "a b"]
        {
            let failure = Place::parse(text, None).unwrap_err();
            assert!(failure.text.contains("is no server"), "{text}: {failure}");
        }
    }
}
