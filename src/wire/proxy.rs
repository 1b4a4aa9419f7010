//! The PROXY protocol, versions 1 and 2: who really connected, told by a load balancer in front of a stream listener
//! before the client's own bytes. Version 2's extensions (TLVs) are skipped, its checksum with them.

use std::net::{IpAddr, SocketAddr};
use std::str;

/// The longest version 1 header, line end included.
const V1_MAX: usize = 107;
/// How every version 1 header begins.
const V1_PREFIX: &[u8] = b"PROXY";
/// How every version 2 header begins.
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const V2_FIXED: usize = 16;
/// The longest version 2 header that is taken: addresses, and more extensions than any balancer is known to send.
pub const HEADER_MAX: usize = 4096;

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// Not enough to tell: ask again when there are this many bytes in all.
    Need(usize),
    /// A whole header.
    Header {
        /// The client; `None` for the balancer's own health checks and for clients without an IP address.
        source: Option<SocketAddr>,
        /// The address the client connected to; there whenever `source` is.
        dest: Option<SocketAddr>,
        /// What to take off the stream.
        length: usize,
    },
    /// No PROXY header: close the connection.
    Invalid,
}

/// Tells what `bytes`, all that came on a connection so far, begins with.
#[must_use]
pub fn parse(bytes: &[u8]) -> Proxy {
    if bytes.is_empty() {
        Proxy::Need(1)
    } else if begins(bytes, V2_SIGNATURE) {
        parse_v2(bytes)
    } else if begins(bytes, V1_PREFIX) {
        parse_v1(bytes)
    } else {
        Proxy::Invalid
    }
}

/// Whether `bytes` is the beginning of `prefix`, or the reverse.
fn begins(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.iter().zip(prefix).all(|(given, expected)| given == expected)
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n`
fn parse_v1(bytes: &[u8]) -> Proxy {
    let line = bytes.get(..V1_MAX).unwrap_or(bytes);
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < V1_MAX { Proxy::Need(bytes.len() + 1) } else { Proxy::Invalid };
    };
    let length = end + 2;
    let Some(addresses) = line.get(..end).and_then(|line| str::from_utf8(line).ok()).and_then(v1_addresses)
    else {
        return Proxy::Invalid;
    };
    let (source, dest) = addresses.unzip();
    Proxy::Header { source, dest, length }
}

/// `None` for a wrong line, `Some(None)` for one without addresses.
fn v1_addresses(line: &str) -> Option<Option<(SocketAddr, SocketAddr)>> {
    let mut words = line.split(' ');
    let (_proxy, family) = (words.next().filter(|word| *word == "PROXY")?, words.next()?);
    if family == "UNKNOWN" {
        return Some(None);
    }
    let (source, dest) = (ip(family, words.next()?)?, ip(family, words.next()?)?);
    let (source_port, dest_port) = (port(words.next()?)?, port(words.next()?)?);
    match words.next() {
        Some(_) => None,
        None => Some(Some((SocketAddr::new(source, source_port), SocketAddr::new(dest, dest_port)))),
    }
}

fn ip(family: &str, word: &str) -> Option<IpAddr> {
    match family {
        "TCP4" => word.parse().ok().map(IpAddr::V4),
        "TCP6" => word.parse().ok().map(IpAddr::V6),
        _ => None,
    }
}

fn port(word: &str) -> Option<u16> {
    // `parse` would take a sign.
    word.parse().ok().filter(|_| word.bytes().all(|byte| byte.is_ascii_digit()))
}

fn parse_v2(bytes: &[u8]) -> Proxy {
    let Some(&[.., command, family, l0, l1]) = bytes.first_chunk::<V2_FIXED>() else {
        return Proxy::Need(V2_FIXED);
    };
    let length = V2_FIXED + usize::from(u16::from_be_bytes([l0, l1]));
    if length > HEADER_MAX {
        return Proxy::Invalid;
    }
    let Some(body) = bytes.get(V2_FIXED..length) else { return Proxy::Need(length) };
    let addresses = match command {
        // LOCAL: the balancer speaks for itself, whatever the rest says.
        0x20 => Some(None),
        0x21 => v2_addresses(family, body),
        _ => None,
    };
    match addresses {
        Some(addresses) => {
            let (source, dest) = addresses.unzip();
            Proxy::Header { source, dest, length }
        }
        None => Proxy::Invalid,
    }
}

/// `None` for a wrong header, `Some(None)` for one without IP addresses (unspecified, UNIX).
fn v2_addresses(family: u8, body: &[u8]) -> Option<Option<(SocketAddr, SocketAddr)>> {
    if family & 0x0F > 2 {
        return None;
    }
    match family >> 4 {
        0 | 3 => Some(None),
        1 => {
            let (&[a, b, c, d, e, f, g, h, p0, p1, q0, q1], _) = body.split_first_chunk::<12>()?;
            Some(Some(pair([a, b, c, d], [e, f, g, h], [p0, p1], [q0, q1])))
        }
        2 => {
            let (source, rest) = body.split_first_chunk::<16>()?;
            let (dest, rest) = rest.split_first_chunk::<16>()?;
            let (&[p0, p1, q0, q1], _) = rest.split_first_chunk::<4>()?;
            Some(Some(pair(*source, *dest, [p0, p1], [q0, q1])))
        }
        _ => None,
    }
}

fn pair<I: Into<IpAddr>>(
    source: I,
    dest: I,
    source_port: [u8; 2],
    dest_port: [u8; 2],
) -> (SocketAddr, SocketAddr) {
    (
        SocketAddr::new(source.into(), u16::from_be_bytes(source_port)),
        SocketAddr::new(dest.into(), u16::from_be_bytes(dest_port)),
    )
}
