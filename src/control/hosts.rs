//! Which names a browser may know this machine by. A web site elsewhere can have its own name point here (DNS
//! rebinding), and then reads along as if it were ours; its requests carry its name in the Host header all the same.

use std::net::IpAddr;

/// Names and addresses of this machine. Loopback goes without saying.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Names, compared without regard to case; addresses among them are as good as those below.
    pub names: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
}

impl Hosts {
    /// Whether `host` (a Host header, perhaps with a port) is one of them.
    #[must_use]
    pub fn know(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _port)) => address,
            None => host.rsplit_once(':').map_or(host, |(name, _port)| name),
        };
        match name.parse::<IpAddr>() {
            Ok(ip) => ip.is_loopback() || self.addresses.contains(&ip) || self.names.iter().any(is(ip)),
            Err(_) => {
                name.eq_ignore_ascii_case("localhost")
                    || self.names.iter().any(|known| known.eq_ignore_ascii_case(name))
            }
        }
    }
}

/// Whether somebody has written this address where names are.
fn is(ip: IpAddr) -> impl Fn(&String) -> bool {
    move |name| name.trim_matches(['[', ']']).parse() == Ok(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_hosts() {
        let hosts = Hosts {
            names: vec!["relay.local".into(), "198.51.100.7".into(), "[2001:DB8::a:7]".into()],
            addresses: vec!["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
        };
        for host in [
            "localhost:8478",
            "LOCALHOST",
            "127.0.0.1:8478",
            "[::1]:8478",
            "192.0.2.7",
            "[2001:db8::7]:1",
            "relay.local:8478",
            "198.51.100.7:8478",
            "[2001:db8::a:7]:8478",
        ] {
            assert!(hosts.know(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8478",
            "192.0.2.8:8478",
            "198.51.100.70",
            "localhost.evil.example",
            "[2001:db8::8]:1",
        ] {
            assert!(!hosts.know(host), "{host}");
        }
    }
}
