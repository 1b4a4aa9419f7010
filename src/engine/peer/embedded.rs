//! IPv4 addresses inside IPv6 addresses: where a translator or a tunnel would send the packet in the end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The local-use translation prefix takes any of the layouts below it.
const MOST: usize = 6;

/// Every IPv4 address that some mechanism reads out of `ip`. The mapped form is not among them: it is no tunnel but
/// another notation, and gone already.
pub(super) fn addresses(ip: IpAddr) -> impl Iterator<Item = Ipv4Addr> {
    let mut found = Found::default();
    if let IpAddr::V6(v6) = ip {
        collect(v6, &mut found);
    }
    found.addresses.into_iter().flatten()
}

#[derive(Default)]
struct Found {
    addresses: [Option<Ipv4Addr>; MOST],
}

impl Found {
    fn add(&mut self, bits: u32) {
        if let Some(vacant) = self.addresses.iter_mut().find(|entry| entry.is_none()) {
            *vacant = Some(Ipv4Addr::from_bits(bits));
        }
    }
}

fn collect(v6: Ipv6Addr, found: &mut Found) {
    let bits = v6.to_bits();
    let [s0, s1, s2, s3, s4, s5, _, _] = v6.segments();
    match [s0, s1, s2] {
        // 6to4 (RFC 3056 section 2).
        [0x2002, _, _] => found.add(field(bits, 16)),
        // Teredo (RFC 4380 section 4): its server, and its client with all bits inverted.
        [0x2001, 0, _] => {
            found.add(field(bits, 32));
            found.add(!field(bits, 96));
        }
        // NAT64's local-use prefix (RFC 8215), which a network may cut as it likes.
        [0x64, 0xFF9B, 1] => collect_local_nat64(bits, found),
        _ => {}
    }
    if v6.is_unspecified() || v6.is_loopback() {
        return;
    }
    let low = matches!(
        [s0, s1, s2, s3, s4, s5],
        // IPv4-compatible (RFC 4291 section 2.5.5.1).
        [0, 0, 0, 0, 0, 0]
        // IPv4-translated (RFC 2765 section 2.1).
        | [0, 0, 0, 0, 0xFFFF, 0]
        // NAT64's well-known prefix (RFC 6052 section 2.1).
        | [0x64, 0xFF9B, 0, 0, 0, 0]
        // ISATAP in any network (RFC 5214 section 6.1).
        | [_, _, _, _, 0 | 0x200, 0x5EFE]
    );
    if low {
        found.add(field(bits, 96));
    }
}

/// RFC 6052 section 2.2: the address lies behind a prefix of 48, 56 or 64 bits, leaps over bits 64 to 71 and is
/// followed by zeros, or it is the last 32 bits. Where several layouts fit, each counts, but for those that read
/// an address of 0.0.0.0/8, where nobody is.
fn collect_local_nat64(bits: u128, found: &mut Found) {
    let upper = bits >> 64 << 64;
    let leapt = upper | (bits << 72 >> 64);
    let mut fits = false;
    for start in [48, 56, 64] {
        let behind = leapt << (start + 32);
        if bits >> 56 & 0xFF == 0 && behind == 0 && is_somewhere(field(leapt, start)) {
            found.add(field(leapt, start));
            fits = true;
        }
    }
    if is_somewhere(field(bits, 96)) || !fits {
        found.add(field(bits, 96));
    }
}

const fn is_somewhere(v4: u32) -> bool {
    v4 >> 24 != 0
}

/// The 32 bits that begin at `start`, counted from the left.
#[expect(clippy::cast_possible_truncation, reason = "the upper bits are what is cut off")]
const fn field(bits: u128, start: u32) -> u32 {
    (bits >> (96 - start)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ip: &str) -> Vec<String> {
        addresses(ip.parse().unwrap()).map(|inner| inner.to_string()).collect()
    }

    #[test]
    fn every_form_is_laid_open() {
        for (outer, inner) in [
            ("::127.0.0.1", &["127.0.0.1"][..]),
            ("::ffff:0:127.0.0.1", &["127.0.0.1"]),
            ("2002:7f00:1::", &["127.0.0.1"]),
            ("2002:a9fe:a9fe:1234::5", &["169.254.169.254"]),
            ("64:ff9b::10.1.2.3", &["10.1.2.3"]),
            ("2001:0:c000:204:8000:63bf:3fff:fdd2", &["192.0.2.4", "192.0.2.45"]),
            ("2001:db8::5efe:10.0.0.1", &["10.0.0.1"]),
            ("fe80::200:5efe:10.0.0.1", &["10.0.0.1"]),
            ("2002:808:808::5efe:7f00:1", &["8.8.8.8", "127.0.0.1"]),
            ("64:ff9b:1::192.168.0.1", &["192.168.0.1"]),
            // RFC 6052 section 2.2, 192.0.2.33 behind /48, /56, /64.
            ("64:ff9b:1:c000:2:2100::", &["192.0.2.33", "2.33.0.0"]),
            ("64:ff9b:1:c0:0:221::", &["192.0.2.33"]),
            ("64:ff9b:1:0:c0:2:2100::", &["192.0.2.33", "33.0.0.0"]),
            ("64:ff9b:1::", &["0.0.0.0"]),
        ] {
            assert_eq!(found(outer), inner, "{outer}");
        }
    }

    #[test]
    fn other_addresses_hold_nothing() {
        for ip in [
            "127.0.0.1",
            "::",
            "::1",
            "2001:db8::7f00:1",
            "fe80::1",
            "2600::1",
            "64:ff9b:2::7f00:1",
            "2003:7f00:1::",
        ] {
            assert_eq!(found(ip), Vec::<String>::new(), "{ip}");
        }
    }
}
