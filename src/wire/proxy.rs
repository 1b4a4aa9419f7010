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

#[cfg(test)]
mod tests {
    use super::*;

    fn header(source: &str, dest: &str, length: usize) -> Proxy {
        Proxy::Header { source: Some(source.parse().unwrap()), dest: Some(dest.parse().unwrap()), length }
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&V2_SIGNATURE[..], &[command, family], &length, body].concat()
    }

    const V4_BODY: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0xDC, 0x04, 0x01, 0xBB];

    #[test]
    fn version_1_names_both_ends() {
        let line = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nclient bytes";
        assert_eq!(parse(line), header("192.0.2.1:56324", "198.51.100.1:443", 45));
        let line = b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n";
        assert_eq!(parse(line), header("[2001:db8::1]:56324", "[2001:db8::2]:443", 46));
        let none = Proxy::Header { source: None, dest: None, length: 15 };
        assert_eq!(parse(b"PROXY UNKNOWN\r\n"), none);
        let longest = b"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
        assert_eq!(longest.len(), V1_MAX);
        assert_eq!(parse(longest), Proxy::Header { source: None, dest: None, length: V1_MAX });
    }

    #[test]
    fn wrong_lines_are_refused() {
        for line in [
            "PROXY\r\n",
            "PROXY \r\n",
            "PROXYTCP4 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY TCP4\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1 65536\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 -1 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1  1 2\r\n",
            "PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n",
            "proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Proxy::Invalid, "{line}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused_at_its_longest() {
        let line = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat();
        assert_eq!(parse(&line[..V1_MAX - 1]), Proxy::Need(V1_MAX));
        assert_eq!(parse(&line[..V1_MAX]), Proxy::Invalid);
    }

    #[test]
    fn version_2_names_both_ends_and_skips_extensions() {
        let bytes = v2(0x21, 0x11, &[&V4_BODY[..], &[0x04, 0, 1, 0]].concat());
        assert_eq!(parse(&bytes), header("192.0.2.1:56324", "198.51.100.1:443", 32));
        let mut body = [0; 36];
        body[0] = 0x20;
        body[15] = 1;
        body[16] = 0x20;
        body[31] = 2;
        body[32..].copy_from_slice(&V4_BODY[8..]);
        assert_eq!(parse(&v2(0x21, 0x21, &body)), header("[2000::1]:56324", "[2000::2]:443", 52));
    }

    #[test]
    fn version_2_without_addresses_is_a_header_all_the_same() {
        let none = |length| Proxy::Header { source: None, dest: None, length };
        assert_eq!(parse(&v2(0x20, 0x00, &[])), none(16));
        assert_eq!(parse(&v2(0x20, 0x11, &V4_BODY)), none(28));
        assert_eq!(parse(&v2(0x21, 0x00, &[])), none(16));
        assert_eq!(parse(&v2(0x21, 0x31, &[0; 216])), none(232));
    }

    #[test]
    fn wrong_version_2_headers_are_refused() {
        assert_eq!(parse(&v2(0x11, 0x11, &V4_BODY)), Proxy::Invalid);
        assert_eq!(parse(&v2(0x22, 0x11, &V4_BODY)), Proxy::Invalid);
        assert_eq!(parse(&v2(0x21, 0x41, &V4_BODY)), Proxy::Invalid);
        assert_eq!(parse(&v2(0x21, 0x13, &V4_BODY)), Proxy::Invalid);
        assert_eq!(parse(&v2(0x21, 0x11, &V4_BODY[..11])), Proxy::Invalid);
        assert_eq!(parse(&v2(0x21, 0x21, &V4_BODY)), Proxy::Invalid);
        assert_eq!(parse(&v2(0x20, 0, &[0; HEADER_MAX - V2_FIXED + 1])[..V2_FIXED]), Proxy::Invalid);
    }

    #[test]
    fn a_beginning_asks_for_more_and_a_stranger_is_refused_at_once() {
        assert_eq!(parse(b""), Proxy::Need(1));
        let bytes = v2(0x21, 0x11, &V4_BODY);
        for there in 1..16 {
            assert_eq!(parse(&bytes[..there]), Proxy::Need(16));
        }
        for there in 16..28 {
            assert_eq!(parse(&bytes[..there]), Proxy::Need(28));
        }
        let line = b"PROXY UNKNOWN\r\n";
        for there in 1..line.len() {
            assert_eq!(parse(&line[..there]), Proxy::Need(there + 1));
        }
        assert_eq!(parse(&[0, 1, 0, 0]), Proxy::Invalid);
        assert_eq!(parse(b"PROXX"), Proxy::Invalid);
    }
}
