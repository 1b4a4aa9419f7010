//! Where test calls go to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::SelfTest;
use crate::route::{ListenerId, Transport};
use crate::wire::bgp::Prefix;

impl SelfTest {
    /// Each listener over each of its transports with each worker. Their places are their [`ListenerId`]s. A listener with an address of its own is called there.
    /// One that listens on all addresses is called on the host addresses among `announced` of its family, since that is
    /// where calls will arrive; if there are none, on loopback.
    #[must_use]
    pub fn all<'a>(
        listeners: impl IntoIterator<Item = (IpAddr, &'a [Transport])>,
        announced: &[Prefix],
        workers: u8,
    ) -> Vec<Self> {
        let mut tests = Vec::new();
        for (listener, (ip, transports)) in (0..).map(ListenerId).zip(listeners) {
            for address in reached(ip, announced) {
                for transport in transports {
                    let of_worker = |worker| Self { listener, transport: *transport, address, worker };
                    tests.extend((0..workers).map(of_worker));
                }
            }
        }
        tests
    }

    /// `udp 192.0.2.1:3478 worker 0`: a name for the operator. `port` is the listener's.
    #[must_use]
    pub fn name(&self, port: u16) -> String {
        let server = SocketAddr::new(self.address, port);
        format!("{} {server} worker {}", word(self.transport), self.worker)
    }
}

const fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Dtls => "dtls",
    }
}

fn reached(listener: IpAddr, announced: &[Prefix]) -> Vec<IpAddr> {
    if !listener.is_unspecified() {
        return vec![listener];
    }
    let hosts = announced.iter().filter(|prefix| is_host(prefix)).map(Prefix::address);
    let mut found: Vec<IpAddr> = hosts.filter(|ip| ip.is_ipv4() == listener.is_ipv4()).collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        found.push(if listener.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    found
}

fn is_host(prefix: &Prefix) -> bool {
    prefix.bits() == if prefix.address().is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_listener_is_called_where_calls_will_arrive() {
        let announced: Vec<Prefix> = ["192.0.2.1/32", "198.51.100.0/24", "2001:db8::1/128", "192.0.2.1/32"]
            .map(|text| text.parse().unwrap())
            .into();
        let listeners: [(IpAddr, &[Transport]); 3] = [
            ("0.0.0.0".parse().unwrap(), &[Transport::Udp, Transport::Tcp]),
            ("::".parse().unwrap(), &[Transport::Dtls]),
            ("203.0.113.9".parse().unwrap(), &[Transport::Tls]),
        ];
        let names = |announced: &[Prefix], workers| -> Vec<String> {
            SelfTest::all(listeners, announced, workers).iter().map(|test| test.name(3478)).collect()
        };
        assert_eq!(
            names(&announced, 2),
            [
                "udp 192.0.2.1:3478 worker 0",
                "udp 192.0.2.1:3478 worker 1",
                "tcp 192.0.2.1:3478 worker 0",
                "tcp 192.0.2.1:3478 worker 1",
                "dtls [2001:db8::1]:3478 worker 0",
                "dtls [2001:db8::1]:3478 worker 1",
                "tls 203.0.113.9:3478 worker 0",
                "tls 203.0.113.9:3478 worker 1",
            ]
        );
        assert_eq!(
            names(&announced[1..2], 1),
            [
                "udp 127.0.0.1:3478 worker 0",
                "tcp 127.0.0.1:3478 worker 0",
                "dtls [::1]:3478 worker 0",
                "tls 203.0.113.9:3478 worker 0"
            ]
        );
    }
}
