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

/// Of the connections that may be tracked; above this the table is as good as full.
const TRACKED_PERCENT: u64 = 80;
/// Strict reverse path filtering.
const STRICT: u64 = 1;

/// The settings as a file for /etc/sysctl.d.
pub(super) fn file(config: Option<&Config>) -> String {
    let mut text = "# What a Tern relay wants of the kernel; written by `tern doctor --sysctl`.\n\
                    # Install as /etc/sysctl.d/60-tern.conf, then: sysctl --system\n"
        .to_owned();
    for wish in WISHES {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n# With less, {}.\n{} = {}\n", wish.why, wish.name, wish.least);
    }
    let (first, last) = ports(config);
    let _ = write!(
        text,
        "\n# Relayed ports are not given to other connections of this machine.\nnet.ipv4.ip_local_reserved_ports = {first}-{last}\n\
         \n# An anycast address lies on lo, and packets to it come and go by different interfaces.\n\
         net.ipv4.conf.all.rp_filter = 2\nnet.ipv4.conf.default.rp_filter = 2\n"
    );
    text
}

pub(super) fn examine(machine: &Machine, config: Option<&Config>) -> Vec<Finding> {
    let mut findings: Vec<_> = WISHES.iter().filter_map(|wish| judge(machine, wish)).collect();
    findings.push(overlap(machine, ports(config)));
    findings.extend(reverse_path(machine, config.is_some_and(|config| !config.announce.prefix.is_empty())));
    findings.extend(tracking(machine));
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
    let reserved = machine.sysctl("net.ipv4.ip_local_reserved_ports").unwrap_or_default();
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
        format!("sysctl -w net.ipv4.ip_local_reserved_ports={first}-{last}"),
    )
}

/// Whether a list such as "1000-2000,3000" has all of them.
fn covers(list: &str, (first, last): (u64, u64)) -> bool {
    let range = |text: &str| -> Option<(u64, u64)> {
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
    };
    let mut ranges: Vec<_> = list.split(',').filter_map(range).collect();
    ranges.sort_unstable();
    let mut next = first;
    for (low, high) in ranges {
        if low <= next && high >= next {
            next = high + 1;
        }
    }
    next > last
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

fn tracking(machine: &Machine) -> Option<Finding> {
    let number =
        |name: &str| machine.numbers(&format!("net.netfilter.nf_conntrack_{name}"))?.first().copied();
    let (count, most) = (number("count")?, number("max")?);
    let remedy = "do not track the relay's packets: nft add table ip tern; nft add chain ip tern pre '{ type filter hook prerouting priority raw; }'; \
                  nft add rule ip tern pre udp dport { 3478, 49152-65535 } notrack; or raise it: sysctl -w net.netfilter.nf_conntrack_max=1048576";
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;
    use crate::cli::doctor::machine::tests::machine;

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
        let text = file(None);
        for wish in WISHES {
            assert!(text.contains(&format!("\n{} = {}\n", wish.name, wish.least)), "{text}");
        }
        assert!(text.contains("ip_local_reserved_ports = 49152-65535\n"));
        assert!(text.lines().all(|line| line.is_empty() || line.starts_with('#') || line.contains(" = ")));
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
            tracking(&machine).unwrap().level
        };
        assert_eq!(level("900", "1000"), Level::Bad);
        assert_eq!(level("5", "65536"), Level::Warning);
        assert_eq!(level("5", "1048576"), Level::Ok);
        assert_eq!(tracking(&machine(&[]).1), None);
    }
}
