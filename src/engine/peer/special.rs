//! Addresses that are not simply somewhere on the Internet (IANA's special-purpose registries, RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is special about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    /// Unspecified (Linux takes it for loopback), "this network", multicast, broadcast.
    NotUnicast,
    /// A metadata service that hands out credentials of the machine.
    Metadata,
    /// This machine.
    Loopback,
    /// This link.
    LinkLocal,
    /// Somebody's own network, or a carrier's.
    Private,
    /// Documentation, benchmarks, protocol assignments, discard, unassigned.
    Reserved,
}

/// Metadata services that lie in ranges an operator may well admit as a whole: AWS (also containers), Azure's
/// host, Alibaba, Oracle, AWS and Google over IPv6. Most other clouds share AWS's first.
const METADATA_V4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xFD20, 0xCE, 0, 0, 0, 0, 0, 0x254),
];

/// None for an address that is simply somewhere on the Internet.
pub(super) fn classify(ip: IpAddr) -> Option<Special> {
    match ip {
        IpAddr::V4(v4) => classify_v4(v4),
        IpAddr::V6(v6) => classify_v6(v6),
    }
}

fn classify_v4(ip: Ipv4Addr) -> Option<Special> {
    if METADATA_V4.contains(&ip) {
        return Some(Special::Metadata);
    }
    Some(match ip.octets() {
        [0, ..] | [224..=239, ..] | [255, 255, 255, 255] => Special::NotUnicast,
        [127, ..] => Special::Loopback,
        [169, 254, ..] => Special::LinkLocal,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Special::Private,
        // Protocol assignments, 6to4 relays, benchmarks, three for documentation, the future.
        [192, 0, 0, _]
        | [192, 88, 99, _]
        | [198, 18..=19, ..]
        | [192, 0, 2, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [240..=255, ..] => Special::Reserved,
        _ => return None,
    })
}

fn classify_v6(ip: Ipv6Addr) -> Option<Special> {
    if METADATA_V6.contains(&ip) {
        return Some(Special::Metadata);
    }
    if ip.is_unspecified() {
        return Some(Special::NotUnicast);
    }
    if ip.is_loopback() {
        return Some(Special::Loopback);
    }
    Some(match ip.segments() {
        [0xFF00..=0xFFFF, ..] => Special::NotUnicast,
        [0xFE80..=0xFEBF, ..] => Special::LinkLocal,
        // Unique local; NAT64 for local use (RFC 8215).
        [0xFC00..=0xFDFF, ..] | [0x64, 0xFF9B, 1, ..] => Special::Private,
        // NAT64 (RFC 6052), Teredo (RFC 4380): as good as the IPv4 address inside.
        [0x64, 0xFF9B, 0, 0, 0, 0, ..] | [0x2001, 0, ..] => return None,
        // Protocol assignments (RFC 2928), documentation (RFC 3849, RFC 9637).
        [0x2001, 0..=0x1FF, ..] | [0x2001, 0xDB8, ..] | [0x3FFF, 0..=0xFFF, ..] => Special::Reserved,
        [0x2000..=0x3FFF, ..] => return None,
        // Nothing else is assigned to hosts: IPv4-compatible, discard (RFC 6666), site-local (RFC 3879), ...
        _ => Special::Reserved,
    })
}
