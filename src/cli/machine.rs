//! What the development mode finds out about the machine: its addresses and its free ports. No packet is
//! sent, so it works without any network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

/// Destinations for asking which address packets would leave from (RFC 5737, RFC 3849): nobody is there, and
/// nothing is sent.
const ELSEWHERE: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9),
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 9),
];

/// The machine's own addresses, IPv4 first, at most one of each family; loopback where there is no other.
pub(super) fn addresses() -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = ELSEWHERE.iter().filter_map(|elsewhere| source_toward(*elsewhere)).collect();
    // Without a default route, an interface may have an address nevertheless.
    for is_family in [IpAddr::is_ipv4, IpAddr::is_ipv6] {
        if !found.iter().any(is_family) {
            found.extend(all_addresses().into_iter().find(|ip| is_family(ip) && is_usable(*ip)));
        }
    }
    if found.is_empty() {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        found.extend(loopback.into_iter().filter(|ip| UdpSocket::bind((*ip, 0)).is_ok()));
    }
    found.sort_by_key(IpAddr::is_ipv6);
    found
}

/// The address that packets to `destination` would leave from.
fn source_toward(destination: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr =
        if destination.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(destination).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| is_usable(*ip))
}

fn is_usable(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || link_local)
}

/// Every address of this machine that the kernel's tables name.
pub(super) fn all_addresses() -> Vec<IpAddr> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut all = local_ipv4(&read("/proc/net/fib_trie"));
    all.extend(local_ipv6(&read("/proc/net/if_inet6")));
    all.sort_unstable();
    all.dedup();
    all
}

/// The table names each local address in a line, followed by one that says so.
fn local_ipv4(table: &str) -> Vec<IpAddr> {
    let lines: Vec<&str> = table.lines().map(str::trim).collect();
    let locals =
        lines.windows(2).filter(|pair| pair.last().is_some_and(|line| line.starts_with("/32 host LOCAL")));
    locals.filter_map(|pair| pair.first()?.trim_start_matches("|-- ").parse().ok()).map(IpAddr::V4).collect()
}

/// 32 hexadecimal digits begin each line.
fn local_ipv6(table: &str) -> Vec<IpAddr> {
    let addresses = table.lines().filter_map(|line| u128::from_str_radix(line.get(..32)?, 16).ok());
    addresses.map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))).collect()
}

/// Whether sockets of IPv6 can be had at all.
pub(super) fn has_ipv6() -> bool {
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// The first port from `first` on that is free for UDP and TCP on every address.
pub(super) fn free_port(first: u16) -> Option<u16> {
    (first..first.saturating_add(200)).find(|port| is_free(*port))
}

fn is_free(port: u16) -> bool {
    let mut wildcards: Vec<IpAddr> = vec![Ipv4Addr::UNSPECIFIED.into()];
    if has_ipv6() {
        wildcards.push(Ipv6Addr::UNSPECIFIED.into());
    }
    wildcards.iter().all(|ip| is_bindable(SocketAddr::new(*ip, port)))
}

/// The IPv6 wildcard is tried without IPv4, as the relay binds it.
fn is_bindable(address: SocketAddr) -> bool {
    let udp = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None);
    let udp = udp.and_then(|socket| {
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())
    });
    let tcp = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None);
    let tcp = tcp.and_then(|socket| {
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(1)
    });
    udp.is_ok() && tcp.is_ok()
}

/// A listener for the page on the first free port from `first` on, the same on every address.
pub(super) fn bind_page(first: u16, addresses: &[IpAddr]) -> std::io::Result<Vec<TcpListener>> {
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrInUse);
    for port in first..first.saturating_add(200) {
        let bound: std::io::Result<Vec<_>> =
            addresses.iter().map(|ip| TcpListener::bind((*ip, port))).collect();
        match bound {
            Ok(listeners) => return Ok(listeners),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_an_address() {
        assert!(!addresses().is_empty());
    }

    #[test]
    fn local_addresses_are_found_in_the_kernels_tables() {
        let table = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.1.0.0\n        /16 link UNICAST\n     \
                     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 10.1.2.3\n        /32 host LOCAL\n";
        assert_eq!(local_ipv4(table), ["127.0.0.1", "10.1.2.3"].map(|ip| ip.parse::<IpAddr>().unwrap()));
        assert_eq!(local_ipv4(""), [] as [IpAddr; 0]);
        let table = "fe800000000000000000000000000001 02 40 20 80 eth0\n\
                     20010db8000000000000000000000005 02 40 00 80 eth0\n";
        assert_eq!(local_ipv6(table), ["fe80::1", "2001:db8::5"].map(|ip| ip.parse::<IpAddr>().unwrap()));
        assert_eq!(local_ipv6("nonsense"), [] as [IpAddr; 0]);
    }

    #[test]
    fn a_taken_port_is_passed_over() {
        let taken = UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(!is_free(port));
        assert_ne!(free_port(port), Some(port));
    }
}
