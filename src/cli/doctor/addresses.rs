//! The relay's addresses: here, known outside, reached by packets of full size, and on lo where they are announced.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::time::Duration;

use super::finding::Finding;
use super::machine::Machine;
use crate::cli::machine::all_addresses;
use crate::client::{Ask, Exchange, Login, Reply};
use crate::config::Config;
use crate::engine::RelayAddress;
use crate::wire::bgp::{Family, Prefix};
use crate::wire::stun::AttributeType;

/// What every IPv6 link carries.
const MTU_MIN: u64 = 1280;
/// Media, SRTP, ChannelData and headers of a browser's largest packet.
const MTU_WANTED: u64 = 1400;
/// How often a STUN server is asked.
const QUESTIONS: u32 = 3;

pub(super) fn examine(
    machine: &Machine,
    config: &Config,
    stun: Option<&str>,
    patience: Duration,
) -> Vec<Finding> {
    let own = all_addresses();
    let mut findings = Vec::new();
    for address in config.relay_addresses() {
        findings.push(relayed(&own, address));
        if !address.bind.is_unspecified() && !address.bind.is_loopback() {
            findings.push(public(address, stun, patience));
        }
    }
    findings.extend(config.announce.prefix.iter().map(|announced| {
        let prefix = announced.prefix.0;
        let inside = |ip: &IpAddr| prefix.contains(*ip);
        let listeners: Vec<_> = config.listener.iter().map(|listener| listener.address.ip()).collect();
        announced_prefix(
            prefix,
            own.iter().any(inside),
            listeners.iter().any(|ip| inside(ip) || ip.is_unspecified()),
        )
    }));
    if !config.announce.prefix.is_empty() {
        findings.push(forwarding(machine));
    }
    findings.extend(units(machine));
    findings
}

/// What adds an address to this machine.
pub(super) fn add_address(ip: IpAddr) -> String {
    format!(
        "ip address add {ip}/{} dev lo (an anycast address); behind a 1:1 NAT listen on the machine's own address and write \
         relay.addresses = [{{ bind = \"own\", external = \"{ip}\" }}]",
        Family::of(ip).width()
    )
}

fn relayed(own: &[IpAddr], address: RelayAddress) -> Finding {
    let RelayAddress { bind, external } = address;
    if bind.is_unspecified() || own.contains(&bind) || bind.is_loopback() {
        let outside = if bind == external { String::new() } else { format!(", known outside as {external}") };
        return Finding::ok("relay address", format!("{bind} is an address of this machine{outside}"));
    }
    Finding::bad(
        "relay address",
        format!("{bind} is not an address of this machine: nothing can be relayed from it"),
        add_address(bind),
    )
}

/// Whether the outside knows the address by the name that clients are told.
fn public(address: RelayAddress, stun: Option<&str>, patience: Duration) -> Finding {
    const CHECK: &str = "public address";
    let RelayAddress { bind, external } = address;
    let Some(server) = stun else {
        if is_private(external) {
            return Finding::warning(
                CHECK,
                format!(
                    "clients are told {external}, which is a private address: nobody outside can reach it"
                ),
                format!(
                    "relay.addresses = [{{ bind = \"{bind}\", external = \"public address\" }}]; tern doctor --stun HOST:PORT finds it"
                ),
            );
        }
        return Finding::unknown(
            CHECK,
            format!("nobody was asked how {bind} looks from outside"),
            "tern doctor --stun HOST:PORT",
        );
    };
    match ask(bind, server, patience) {
        Ok(seen) if seen == external => {
            Finding::ok(CHECK, format!("{bind} is {seen} outside, as configured"))
        }
        Ok(seen) => Finding::bad(
            CHECK,
            format!("{bind} is {seen} outside, and clients are told {external}"),
            format!("relay.addresses = [{{ bind = \"{bind}\", external = \"{seen}\" }}]"),
        ),
        Err(text) => Finding::unknown(
            CHECK,
            format!("{server} does not say how {bind} looks from outside: {text}"),
            "another STUN server, or a firewall that lets UDP out",
        ),
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            v4.is_private()
                || v4.is_link_local()
                || v4.octets().starts_with(&[100]) && v4.octets().get(1).is_some_and(|two| two & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// The address that a STUN server sees.
fn ask(bind: IpAddr, server: &str, patience: Duration) -> Result<IpAddr, String> {
    let found = server.to_socket_addrs().map_err(|error| error.to_string())?;
    let wanted = |server: &SocketAddr| server.is_ipv4() == bind.is_ipv4();
    let server = found.into_iter().find(wanted).ok_or("it has no address of this family")?;
    let failed = |error: std::io::Error| error.to_string();
    let socket = UdpSocket::bind((bind, 0)).map_err(failed)?;
    socket.connect(server).map_err(failed)?;
    socket.set_read_timeout(Some(patience / QUESTIONS)).map_err(failed)?;
    let mut transaction = [0; 12];
    getrandom::fill(&mut transaction).map_err(|error| error.to_string())?;
    let nobody = Login { username: String::new(), password: String::new() };
    let mut exchange = Exchange::new(nobody, None, transaction);
    exchange.ask(Ask::Binding);
    for _ in 0..QUESTIONS {
        socket.send(exchange.waiting()).map_err(failed)?;
        let mut scratch = [0; 2048];
        let Ok(length) = socket.recv(&mut scratch) else { continue };
        if let Reply::Success(message) = exchange.receive(scratch.get(..length).unwrap_or_default()) {
            let mapped = message.xor_address(AttributeType::XOR_MAPPED_ADDRESS).ok().flatten();
            return mapped.map(|mapped| mapped.ip()).ok_or_else(|| "its answer has no address".to_owned());
        }
    }
    Err("no answer".to_owned())
}

/// The network sends packets for the prefix here; somebody must take them.
fn announced_prefix(prefix: Prefix, is_here: bool, is_served: bool) -> Finding {
    const CHECK: &str = "announced prefix";
    if !is_here {
        return Finding::bad(
            CHECK,
            format!("{prefix} is announced, and this machine has no address in it: what comes would be lost"),
            format!(
                "ip address add ADDRESS/{} dev lo, for each address of {prefix} that a listener has",
                prefix.family().width()
            ),
        );
    }
    if !is_served {
        return Finding::bad(
            CHECK,
            format!("{prefix} is announced, and no listener has an address in it"),
            "[[listener]] address = ...",
        );
    }
    Finding::ok(CHECK, format!("this machine has, and serves, an address in {prefix}"))
}

/// Clouds drop packets to addresses that are not the interface's own, unless told otherwise. That is not seen from within.
fn forwarding(machine: &Machine) -> Finding {
    const CHECK: &str = "source/destination check";
    let vendor = machine.read("sys/class/dmi/id/sys_vendor").unwrap_or_default();
    let (cloud, remedy) = if vendor.starts_with("Amazon") {
        (
            "AWS",
            "aws ec2 describe-instance-attribute --instance-id ID --attribute sourceDestCheck; \
             aws ec2 modify-instance-attribute --instance-id ID --no-source-dest-check",
        )
    } else if vendor.starts_with("Google") {
        (
            "Google Cloud",
            "gcloud compute instances describe NAME --format='value(canIpForward)'; it must be true, and is set when an instance is made",
        )
    } else if vendor.starts_with("Microsoft") {
        (
            "Azure",
            "az network nic show --ids ID --query enableIPForwarding; az network nic update --ids ID --ip-forwarding true",
        )
    } else {
        return Finding::ok(CHECK, "no cloud is seen that would drop packets to an announced address");
    };
    Finding::unknown(
        CHECK,
        format!(
            "{cloud} drops packets to announced addresses unless told otherwise, and does not tell machines"
        ),
        remedy,
    )
}

/// The largest packet of each interface.
fn units(machine: &Machine) -> Vec<Finding> {
    let interfaces = machine.list("sys/class/net");
    let up = |name: &String| {
        let state = machine.read(&format!("sys/class/net/{name}/operstate")).unwrap_or_default();
        name != "lo" && state != "down"
    };
    let mut findings = Vec::new();
    for name in interfaces.iter().filter(|name| up(name)) {
        let Some(mtu) =
            machine.read(&format!("sys/class/net/{name}/mtu")).and_then(|text| text.parse::<u64>().ok())
        else {
            continue;
        };
        let remedy = format!(
            "ip link set {name} mtu 1500, if the network carries that; else raise the tunnel's or lower the clients' packets"
        );
        findings.push(if mtu < MTU_MIN {
            Finding::bad(
                "mtu",
                format!("{name} carries {mtu} bytes: media of full size is lost or cut in pieces"),
                remedy,
            )
        } else if mtu < MTU_WANTED {
            Finding::warning(
                "mtu",
                format!("{name} carries {mtu} bytes: large packets of video may be cut in pieces"),
                remedy,
            )
        } else {
            Finding::ok("mtu", format!("{name} carries {mtu} bytes"))
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;
    use crate::cli::doctor::machine::tests::machine;
    use crate::wire::stun::{Class, Message, Writer};

    fn same(ip: &str) -> RelayAddress {
        let ip = ip.parse().unwrap();
        RelayAddress { bind: ip, external: ip }
    }

    #[test]
    fn relay_addresses_must_be_here_and_be_known_outside() {
        let own = ["10.0.0.5".parse().unwrap()];
        assert_eq!(relayed(&own, same("10.0.0.5")).level, Level::Ok);
        assert_eq!(relayed(&own, same("192.0.2.1")).level, Level::Bad);
        assert_eq!(public(same("10.0.0.5"), None, Duration::ZERO).level, Level::Warning);
        assert_eq!(public(same("100.64.1.1"), None, Duration::ZERO).level, Level::Warning);
        assert_eq!(public(same("fd00::1"), None, Duration::ZERO).level, Level::Warning);
        assert_eq!(public(same("192.0.2.1"), None, Duration::ZERO).level, Level::Unknown);
    }

    #[test]
    fn a_stun_server_tells_how_an_address_looks_from_outside() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let name = server.local_addr().unwrap().to_string();
        let answering = std::thread::spawn(move || {
            for seen in ["127.0.0.1:1", "198.51.100.7:1"] {
                let mut scratch = [0; 100];
                let (length, client) = server.recv_from(&mut scratch).unwrap();
                let request = Message::parse(&scratch[..length]).unwrap();
                let mut bytes = Vec::new();
                let mut writer =
                    Writer::new(&mut bytes, Class::Success, request.method(), request.transaction_id());
                writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, seen.parse().unwrap());
                server.send_to(&bytes, client).unwrap();
            }
        });
        let judged = || public(same("127.0.0.1"), Some(&name), Duration::from_secs(30));
        assert_eq!(judged().level, Level::Ok);
        let moved = judged();
        assert_eq!(moved.level, Level::Bad);
        assert!(moved.remedy.contains("external = \"198.51.100.7\""), "{}", moved.remedy);
        answering.join().unwrap();
        let silent = public(same("127.0.0.1"), Some(&name), Duration::from_millis(30));
        assert_eq!(silent.level, Level::Unknown);
    }

    #[test]
    fn an_announced_prefix_wants_an_address_and_a_listener() {
        let judged =
            |prefix: &str, is_here, is_served| announced_prefix(prefix.parse().unwrap(), is_here, is_served);
        assert_eq!(judged("192.0.2.0/24", false, true).level, Level::Bad);
        assert_eq!(judged("192.0.2.0/24", true, false).level, Level::Bad);
        assert_eq!(judged("192.0.2.0/24", true, true).level, Level::Ok);
        for (prefix, command) in
            [("192.0.2.0/24", "add ADDRESS/32 dev"), ("2001:db8::/48", "add ADDRESS/128 dev")]
        {
            let remedy = judged(prefix, false, true).remedy;
            assert!(remedy.contains(command), "{remedy}");
        }
    }

    #[test]
    fn clouds_are_told_by_their_machines() {
        let found = |vendor: &str| forwarding(&machine(&[("sys/class/dmi/id/sys_vendor", vendor)]).1);
        assert!(found("Amazon EC2\n").remedy.contains("--no-source-dest-check"));
        assert!(found("Google").remedy.contains("canIpForward"));
        assert_eq!(found("Dell Inc.").level, Level::Ok);
    }

    #[test]
    fn small_interfaces_are_found() {
        let (_dir, machine) = machine(&[
            ("sys/class/net/eth0/mtu", "1500"),
            ("sys/class/net/eth0/operstate", "up"),
            ("sys/class/net/lo/mtu", "65536"),
            ("sys/class/net/tun0/mtu", "1200"),
            ("sys/class/net/tun0/operstate", "unknown"),
            ("sys/class/net/old0/mtu", "68"),
            ("sys/class/net/old0/operstate", "down"),
            ("sys/class/net/wg0/mtu", "1380"),
        ]);
        let levels: Vec<_> = units(&machine).iter().map(|finding| finding.level).collect();
        assert_eq!(levels, [Level::Ok, Level::Bad, Level::Warning]);
    }
}
