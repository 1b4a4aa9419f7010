//! The kernel's settings: one table of what a relay wants, from which `tern doctor` judges and `--sysctl` writes.

use std::fmt::Write as _;

use super::finding::Finding;
use super::machine::Machine;
use crate::config::Config;
use crate::server::LISTENER_BUFFER;

const CHECK: &str = "sysctl";

/// A setting and the least that it should be.
struct Wish {
    name: &'static str,
    least: u64,
    /// What happens with less.
    why: &'static str,
}

/// All that are a number of which more is better.
const WISHES: &[Wish] = &[
    Wish {
        name: "net.core.rmem_max",
        least: LISTENER_BUFFER as u64,
        why: "a listener's receive buffer is cut to it, and bursts are lost",
    },
    Wish {
        name: "net.core.wmem_max",
        least: LISTENER_BUFFER as u64,
        why: "a listener's send buffer is cut to it, and bursts are lost",
    },
    Wish {
        name: "net.core.somaxconn",
        least: 4_096,
        why: "when a shift begins, more clients connect at once over TCP and TLS than may wait",
    },
    Wish {
        name: "net.core.netdev_max_backlog",
        least: 4_096,
        why: "packets are dropped when they come faster than one core takes them from the network card",
    },
    Wish {
        name: "net.ipv4.tcp_max_syn_backlog",
        least: 4_096,
        why: "when a shift begins, more clients connect at once over TCP and TLS than may wait",
    },
];

/// One list for the whole machine: whoever writes it replaces what was there.
const RESERVED: &str = "net.ipv4.ip_local_reserved_ports";
/// Of the connections that may be tracked; above this the table is as good as full.
const TRACKED_PERCENT: u64 = 80;
/// Strict reverse path filtering.
const STRICT: u64 = 1;

/// The settings as a file for /etc/sysctl.d. Ports that `machine` has reserved for others stay reserved.
pub(super) fn file(machine: &Machine, config: Option<&Config>) -> String {
    let mut text = "# What a Tern relay wants of the kernel; written by `tern doctor --sysctl`.\n\
                    # Install as /etc/sysctl.d/60-tern.conf, then: sysctl --system\n"
        .to_owned();
    for wish in WISHES {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n# With less, {}.\n{} = {}\n", wish.why, wish.name, wish.least);
    }
    let ports = reservation(machine, ports(config));
    let _ = write!(
        text,
        "\n# Relayed ports are not given to other connections of this machine. It is one list for all programs.\n{RESERVED} = {ports}\n\
         \n# An anycast address lies on lo, and packets to it come and go by different interfaces.\n\
         net.ipv4.conf.all.rp_filter = 2\nnet.ipv4.conf.default.rp_filter = 2\n"
    );
    text
}

pub(super) fn examine(machine: &Machine, config: Option<&Config>) -> Vec<Finding> {
    let mut findings: Vec<_> = WISHES.iter().filter_map(|wish| judge(machine, wish)).collect();
    findings.push(overlap(machine, ports(config)));
    findings.extend(reverse_path(machine, config.is_some_and(|config| !config.announce.prefix.is_empty())));
    findings.extend(tracking(machine, config));
    findings
}

fn judge(machine: &Machine, wish: &Wish) -> Option<Finding> {
    let Wish { name, least, why } = *wish;
    // In a container some are not there; the host's hold.
    let value = *machine.numbers(name)?.first()?;
    Some(if value >= least {
        Finding::ok(CHECK, format!("{name} is {value}"))
    } else {
        let remedy =
            format!("sysctl -w {name}={least}; for good: tern doctor --sysctl > /etc/sysctl.d/60-tern.conf");
        Finding::warning(CHECK, format!("{name} is {value}, less than {least}: {why}"), remedy)
    })
}

fn ports(config: Option<&Config>) -> (u16, u16) {
    let default = Config::default().relay.ports;
    let range = config.map_or(default, |config| config.relay.ports);
    (range.first, range.last)
}

/// Whether the kernel may give relayed ports to others. It is a small loss: each is one call that another port gets.
fn overlap(machine: &Machine, (first, last): (u16, u16)) -> Finding {
    let name = "net.ipv4.ip_local_port_range";
    let Some((low, high)) = machine.numbers(name).and_then(|range| Some((*range.first()?, *range.get(1)?)))
    else {
        return Finding::unknown(CHECK, format!("{name} cannot be read"), format!("sysctl {name}"));
    };
    let reserved = reserved(machine);
    let wanted = (first, last);
    let (first, last) = (u64::from(first), u64::from(last));
    let taken = (first.max(low), last.min(high));
    if taken.0 > taken.1 || covers(&reserved, taken) {
        return Finding::ok(
            CHECK,
            format!("the kernel gives none of the relayed ports {first}-{last} to others"),
        );
    }
    Finding::warning(
        CHECK,
        format!(
            "other connections of this machine may get the relayed ports {}-{} ({name})",
            taken.0, taken.1
        ),
        format!("sysctl -w {RESERVED}={}", reservation(machine, wanted)),
    )
}

/// What the machine keeps from its own connections, in the list's form "1000-2000,3000", ascending and joined.
fn reserved(machine: &Machine) -> Vec<(u64, u64)> {
    let range = |text: &str| -> Option<(u64, u64)> {
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
    };
    join(machine.sysctl(RESERVED).unwrap_or_default().split(',').filter_map(range).collect())
}

fn join(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (low, high) in ranges {
        match joined.last_mut() {
            Some((_, end)) if low <= end.saturating_add(1) => *end = high.max(*end),
            _ => joined.push((low, high)),
        }
    }
    joined
}

/// The list that has these ports, too.
fn reservation(machine: &Machine, (first, last): (u16, u16)) -> String {
    let mut ranges = reserved(machine);
    ranges.push((first.into(), last.into()));
    let word = |(low, high): &(u64, u64)| {
        if low == high { low.to_string() } else { format!("{low}-{high}") }
    };
    join(ranges).iter().map(word).collect::<Vec<_>>().join(",")
}

/// Whether one of the joined ranges has all of them.
fn covers(ranges: &[(u64, u64)], (first, last): (u64, u64)) -> bool {
    ranges.iter().any(|(low, high)| *low <= first && last <= *high)
}

/// The greater of "all" and the interface's own holds.
fn reverse_path(machine: &Machine, is_anycast: bool) -> Option<Finding> {
    let value = |interface: &str| -> u64 {
        let numbers = machine.numbers(&format!("net.ipv4.conf.{interface}.rp_filter"));
        numbers.and_then(|numbers| numbers.first().copied()).unwrap_or(0)
    };
    let all = value("all");
    let interfaces = machine.list("proc/sys/net/ipv4/conf");
    if interfaces.is_empty() {
        return None;
    }
    let is_strict = |name: &&String| value(name).max(all) == STRICT;
    let real = interfaces.iter().filter(|name| !matches!(name.as_str(), "all" | "default" | "lo"));
    let strict: Vec<_> = real.filter(is_strict).map(String::as_str).collect();
    if strict.is_empty() {
        return Some(Finding::ok("rp_filter", "no interface drops packets for the way they come by"));
    }
    let what = format!(
        "{} drop packets whose sender they would not answer by the same interface",
        strict.join(", ")
    );
    let remedy = "sysctl -w net.ipv4.conf.all.rp_filter=2";
    Some(if is_anycast {
        Finding::warning("rp_filter", format!("{what}; with several routers that is what packets do"), remedy)
    } else {
        Finding::ok("rp_filter", format!("{what}; that is well where there is one way to the network"))
    })
}

fn tracking(machine: &Machine, config: Option<&Config>) -> Option<Finding> {
    let number =
        |name: &str| machine.numbers(&format!("net.netfilter.nf_conntrack_{name}"))?.first().copied();
    let (count, most) = (number("count")?, number("max")?);
    let remedy = format!(
        "do not track the relay's packets: {}; or raise it: sysctl -w net.netfilter.nf_conntrack_max=1048576",
        untracked(config)
    );
    Some(if count * 100 >= most * TRACKED_PERCENT {
        Finding::bad(
            "conntrack",
            format!("{count} of {most} connections are tracked; the next are dropped"),
            remedy,
        )
    } else if most < 262_144 {
        Finding::warning(
            "conntrack",
            format!("connections are tracked, at most {most}: each client and each peer is one or two"),
            remedy,
        )
    } else {
        Finding::ok("conntrack", format!("{count} of {most} connections are tracked"))
    })
}

/// The command that keeps the relay's packets out of the table: in both families, those that come and those that go, to and from
/// the ports of listeners and of relayed addresses. A firewall that goes by states sees them as untracked.
fn untracked(config: Option<&Config>) -> String {
    let default = [3478, 5349];
    let mut listeners: Vec<u16> = config.map_or(default.to_vec(), |config| {
        config.listener.iter().map(|listener| listener.address.port()).collect()
    });
    listeners.sort_unstable();
    listeners.dedup();
    let (first, last) = ports(config);
    let outside = listeners.into_iter().filter(|port| !(first..=last).contains(port));
    let mut all: Vec<_> = outside.map(|port| port.to_string()).collect();
    all.push(format!("{first}-{last}"));
    let ports = all.join(", ");
    let chain = |name: &str, hook: &str, side: &str| {
        format!(
            "chain {name} {{ type filter hook {hook} priority raw; meta l4proto {{ tcp, udp }} th {side} {{ {ports} }} notrack; }};"
        )
    };
    format!(
        "nft 'table inet tern_untracked {{ {} {} }}' (rules such as `ct state established accept` do not match them: accept these ports by number)",
        chain("incoming", "prerouting", "dport"),
        chain("outgoing", "output", "sport")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;
    use crate::cli::doctor::machine::tests::machine;
    use crate::config::{Listener, PortRange};
    use crate::route::Transport;

    #[test]
    fn a_setting_below_the_table_is_named_with_the_command() {
        let (_dir, machine) =
            machine(&[("proc/sys/net/core/rmem_max", "212992"), ("proc/sys/net/core/wmem_max", "8388608")]);
        let findings = examine(&machine, None);
        assert_eq!(findings[0].level, Level::Warning);
        assert!(findings[0].remedy.contains("sysctl -w net.core.rmem_max=4194304"), "{}", findings[0].remedy);
        assert_eq!(findings[1].level, Level::Ok);
    }

    #[test]
    fn the_file_has_every_setting_of_the_table() {
        let text = file(&machine(&[]).1, None);
        for wish in WISHES {
            assert!(text.contains(&format!("\n{} = {}\n", wish.name, wish.least)), "{text}");
        }
        assert!(text.contains("ip_local_reserved_ports = 49152-65535\n"));
        assert!(text.lines().all(|line| line.is_empty() || line.starts_with('#') || line.contains(" = ")));
    }

    #[test]
    fn the_committed_file_is_what_is_printed() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/sysctl/60-tern.conf");
        let committed = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            committed,
            file(&machine(&[]).1, None),
            "tern doctor --sysctl > deploy/sysctl/60-tern.conf, on a machine that reserves no ports"
        );
    }

    #[test]
    fn relayed_ports_that_others_may_get_are_found() {
        let judged = |range: &str, reserved: &str| {
            let (_dir, machine) = machine(&[
                ("proc/sys/net/ipv4/ip_local_port_range", range),
                ("proc/sys/net/ipv4/ip_local_reserved_ports", reserved),
            ]);
            overlap(&machine, (49_152, 65_535)).level
        };
        assert_eq!(judged("32768\t60999", ""), Level::Warning);
        assert_eq!(judged("32768\t60999", "49152-65535"), Level::Ok);
        assert_eq!(judged("32768\t60999", "1000,49152-50000,50001-61000"), Level::Ok);
        assert_eq!(judged("32768\t60999", "49153-65535"), Level::Warning, "one is left");
        assert_eq!(judged("16384\t49151", ""), Level::Ok);
    }

    #[test]
    fn ports_that_others_have_reserved_stay_reserved() {
        let (_dir, machine) = machine(&[
            ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999"),
            ("proc/sys/net/ipv4/ip_local_reserved_ports", "8080,49000-49151,60000-61000\n"),
        ]);
        let wanted = "net.ipv4.ip_local_reserved_ports";
        let found = overlap(&machine, (50_000, 50_999));
        assert_eq!(found.remedy, format!("sysctl -w {wanted}=8080,49000-49151,50000-50999,60000-61000"));
        let text = file(&machine, None);
        assert!(text.contains(&format!("\n{wanted} = 8080,49000-65535\n")), "{text}");
    }

    #[test]
    fn strict_reverse_paths_matter_where_a_prefix_is_announced() {
        let (_dir, machine) = machine(&[
            ("proc/sys/net/ipv4/conf/all/rp_filter", "0"),
            ("proc/sys/net/ipv4/conf/eth0/rp_filter", "1"),
            ("proc/sys/net/ipv4/conf/eth1/rp_filter", "2"),
            ("proc/sys/net/ipv4/conf/lo/rp_filter", "1"),
        ]);
        let found = reverse_path(&machine, true).unwrap();
        assert_eq!(found.level, Level::Warning);
        assert!(found.what.starts_with("eth0 drop"), "{}", found.what);
        assert_eq!(reverse_path(&machine, false).unwrap().level, Level::Ok);
    }

    #[test]
    fn a_full_table_of_connections_is_bad_and_none_is_nothing() {
        let level = |count: &str, most: &str| {
            let (_dir, machine) = machine(&[
                ("proc/sys/net/netfilter/nf_conntrack_count", count),
                ("proc/sys/net/netfilter/nf_conntrack_max", most),
            ]);
            tracking(&machine, None).unwrap().level
        };
        assert_eq!(level("900", "1000"), Level::Bad);
        assert_eq!(level("5", "65536"), Level::Warning);
        assert_eq!(level("5", "1048576"), Level::Ok);
        assert_eq!(tracking(&machine(&[]).1, None), None);
    }

    #[test]
    fn what_is_not_tracked_is_what_comes_to_and_goes_from_the_configured_ports() {
        let listener = |address: &str| Listener::new(address.parse().unwrap(), &[Transport::Udp]);
        let mut config = Config {
            listener: vec![
                listener("192.0.2.1:3479"),
                listener("[2001:db8::1]:443"),
                listener("192.0.2.1:443"),
            ],
            ..Config::default()
        };
        config.relay.ports = PortRange { first: 20_000, last: 29_999 };
        let command = untracked(Some(&config));
        for part in [
            "table inet ",
            "hook prerouting",
            "th dport { 443, 3479, 20000-29999 }",
            "hook output",
            "th sport { 443, 3479, 20000-29999 }",
        ] {
            assert!(command.contains(part), "{part}: {command}");
        }
        assert!(untracked(None).contains("{ 3478, 5349, 49152-65535 }"));
    }
}
