//! The ports that the relay listens on, for clients, neighbours and operators: free, or taken by whom.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

use super::finding::{Finding, Level};
use super::machine::Machine;
use crate::config::Config;
use crate::server::refuse;
use crate::speaker::bfd;

const CHECK: &str = "ports";
/// In the kernel's tables of TCP sockets.
const LISTENS: &str = "0A";
/// How many processes are looked through for the one that has a port.
const PROCESSES_MAX: usize = 20_000;

pub(super) fn examine(machine: &Machine, config: &Config) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for listener in &config.listener {
        let is_stream = |wanted: bool| listener.transports.iter().any(|one| one.is_stream() == wanted);
        for (kind, layer) in [(false, "UDP"), (true, "TCP")] {
            if is_stream(kind) {
                findings.push(judge(machine, listener.address, layer));
            }
        }
    }
    let others = config.bgp.listen.iter().copied().chain(config.metrics.address);
    let others = others.chain(config.admin.listen.iter().copied());
    findings.extend(others.map(|address| judge(machine, address, "TCP")));
    findings.extend(bfd(config).into_iter().map(|address| judge_bfd(machine, address)));
    findings
}

/// Where BFD's packets will be waited for; passwords make no difference to that.
fn bfd(config: &Config) -> BTreeSet<SocketAddr> {
    let settings = config.speaker_settings(&[]);
    settings.map(|settings| bfd::Settings::of(&settings, 0).listens()).unwrap_or_default()
}

/// Its ports are the protocol's: there is no choosing another.
fn judge_bfd(machine: &Machine, address: SocketAddr) -> Finding {
    let found = judge(machine, address, "UDP");
    if found.level < Level::Bad || !is_taken(address) {
        return found;
    }
    let port = address.port();
    let remedy = format!(
        "BFD has no other port: end the other BFD daemon (`ss -lunp 'sport = :{port}'` shows it), or give the neighbours a local_address that it \
         does not listen on"
    );
    Finding { remedy, ..found }
}

fn is_taken(address: SocketAddr) -> bool {
    try_bind(address, "UDP").is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

fn judge(machine: &Machine, address: SocketAddr, layer: &'static str) -> Finding {
    let Err(error) = try_bind(address, layer) else {
        return Finding::ok(CHECK, format!("{layer} {address} is free"));
    };
    let kind = error.kind();
    let text = refuse(address, layer, error);
    let crate::server::StartError::Listen { remedy, .. } = text else {
        return Finding::bad(CHECK, format!("{layer} {address}"), text.to_string());
    };
    if kind == io::ErrorKind::AddrInUse {
        return match holder(machine, address, layer) {
            Some(name) if name == "tern" => {
                Finding::ok(CHECK, format!("{layer} {address} is served by a running tern"))
            }
            Some(name) => Finding::bad(CHECK, format!("{layer} {address} is taken by {name}"), remedy),
            None => Finding::bad(
                CHECK,
                format!("{layer} {address} is taken; as root `tern doctor` says by whom"),
                remedy,
            ),
        };
    }
    let what = if kind == io::ErrorKind::AddrNotAvailable {
        format!("{} is not an address of this machine", address.ip())
    } else {
        format!("{layer} {address} cannot be bound")
    };
    let remedy = if kind == io::ErrorKind::AddrNotAvailable {
        super::addresses::add_address(address.ip())
    } else {
        remedy
    };
    Finding::bad(CHECK, what, remedy)
}

/// For a moment, and shared with nobody. The IPv6 wildcard is tried without IPv4, as the relay binds it.
fn try_bind(address: SocketAddr, layer: &str) -> io::Result<()> {
    let kind = if layer == "TCP" { Type::STREAM } else { Type::DGRAM };
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if layer == "TCP" {
        // Connections that have just ended keep nobody from listening.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    if layer == "TCP" { socket.listen(1) } else { Ok(()) }
}

/// The program whose socket it is, as far as this user may know.
fn holder(machine: &Machine, address: SocketAddr, layer: &str) -> Option<String> {
    let inodes = inodes(machine, address, layer);
    let processes =
        machine.list("proc").into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    for process in processes.take(PROCESSES_MAX) {
        let folder = format!("proc/{process}/fd");
        let has_it = machine.list(&folder).iter().any(|fd| {
            let link = machine.link(&format!("{folder}/{fd}"));
            link.and_then(|link| link.to_str().map(|text| inodes.contains(&text.to_owned()))).unwrap_or(false)
        });
        if has_it {
            return machine.read(&format!("proc/{process}/comm"));
        }
    }
    None
}

/// The sockets on that port, as the links of descriptors name them.
fn inodes(machine: &Machine, address: SocketAddr, layer: &str) -> Vec<String> {
    let port = format!(":{:04X}", address.port());
    let tables =
        if layer == "TCP" { ["proc/net/tcp", "proc/net/tcp6"] } else { ["proc/net/udp", "proc/net/udp6"] };
    let mut found = Vec::new();
    for table in tables {
        let text = machine.read(table).unwrap_or_default();
        for line in text.lines() {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (Some(local), Some(state), Some(inode)) = (fields.get(1), fields.get(3), fields.get(9))
            else {
                continue;
            };
            if local.ends_with(&port) && (layer == "UDP" || *state == LISTENS) {
                found.push(format!("socket:[{inode}]"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::cli::doctor::machine::tests::machine;

    #[test]
    fn a_taken_port_is_bad_and_its_holder_is_named() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let found = judge(&Machine::this(), address, "UDP");
        assert_eq!(found.level, Level::Bad);
        let own = std::fs::read_to_string("/proc/self/comm").unwrap();
        assert!(found.what.contains(&format!("is taken by {}", own.trim_end())), "{}", found.what);
        drop(taken);
        assert_eq!(judge(&Machine::this(), address, "UDP").level, Level::Ok);
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(judge(&Machine::this(), taken.local_addr().unwrap(), "TCP").level, Level::Bad);
    }

    #[test]
    fn a_running_relay_may_have_its_ports() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let line =
            format!("  1: 0100007F:{:04X} 00000000:0000 07 0:0 00:0 0 0 0 4711 2 0 0\n", address.port());
        let (dir, machine) =
            machine(&[("proc/net/udp", line.as_str()), ("proc/12/comm", "tern\n"), ("proc/12/fd/x", "")]);
        assert_eq!(judge(&machine, address, "UDP").level, Level::Bad, "nobody is known to have it");
        symlink("socket:[4711]", dir.path().join("proc/12/fd/5")).unwrap();
        let found = judge(&machine, address, "UDP");
        assert_eq!(found.level, Level::Ok, "{}", found.what);
    }

    #[test]
    fn an_address_of_another_machine_is_said_to_be_missing() {
        let found = judge(&Machine::this(), "192.0.2.77:3478".parse().unwrap(), "UDP");
        assert_eq!(found.level, Level::Bad);
        assert!(found.remedy.contains("ip address add 192.0.2.77/32 dev lo"), "{}", found.remedy);
    }

    #[test]
    fn ports_for_operators_and_bfd_are_looked_at() {
        let admin = TcpListener::bind("127.0.0.1:0").unwrap();
        let (_bfd, address) = (UdpSocket::bind("127.84.9.1:3784").unwrap(), admin.local_addr().unwrap());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tern.toml");
        let text = format!(
            "[admin]\nlisten = [\"{address}\"]\n[[admin.token]]\nid = \"b\"\nrole = \"viewer\"\ntoken_file = \"rest.secret\"\n[[listener]]\naddress = \"127.84.9.1:3478\"\n[[auth.shared_secret]]\nid = \"a\"\nsecret_file = \"rest.secret\"\n\
             [bgp]\nasn = 64512\nrouter_id = \"10.0.0.1\"\n\
             [[bgp.neighbor]]\naddress = \"127.84.9.2\"\nasn = 64600\nbfd = true\nlocal_address = \"127.84.9.1\"\n\
             [[bgp.neighbor]]\naddress = \"127.84.9.3\"\nasn = 64600\nbfd = {{ multihop = true }}\nlocal_address = \"127.84.9.1\"\n"
        );
        std::fs::write(&path, text).unwrap();
        std::fs::write(dir.path().join("rest.secret"), "0123456789abcdef0123456789abcdef").unwrap();
        let loaded = crate::config::load(&crate::config::Sources::new(Some(path), Vec::new()));
        let findings = examine(&Machine::this(), &loaded.unwrap().config);
        let of = |port: &str| findings.iter().find(|finding| finding.what.contains(port)).unwrap();
        assert_eq!(of(&format!("TCP {address}")).level, Level::Bad);
        let taken = of("UDP 127.84.9.1:3784");
        assert_eq!(taken.level, Level::Bad);
        assert!(taken.remedy.contains("BFD has no other port"), "{}", taken.remedy);
        assert_eq!(of("UDP 127.84.9.1:4784").level, Level::Ok);
    }
}
