//! What the process may take: descriptors, ports below 1024, and what systemd says of it.

use std::process::{Command, Stdio};

use rustix::process::{Resource, getrlimit};

use super::finding::Finding;
use super::machine::Machine;
use crate::config::Config;

/// CAP_NET_BIND_SERVICE, as capability(7) numbers it.
const BIND_SERVICE: u32 = 10;
/// Relays of a contact centre, without knowing how large it is.
const FILES: u64 = 65_536;

/// The limits as a file beside a systemd unit.
pub(super) fn file(config: Option<&Config>) -> String {
    format!(
        "# What a Tern relay may have of its machine; written by `tern doctor --limits`.\n\
         # Install as /etc/systemd/system/tern.service.d/60-limits.conf, then: systemctl daemon-reload; systemctl restart tern\n\
         [Service]\n\
         # One for each relayed port and each connection. With less, calls are refused before ports run out.\n\
         LimitNOFILE={}\n",
        wanted(config)
    )
}

pub(super) fn examine(machine: &Machine, config: Option<&Config>) -> Vec<Finding> {
    let mut findings = vec![files(getrlimit(Resource::Nofile).maximum, wanted(config))];
    if let Some(config) = config {
        findings.extend(low_ports(machine, config));
    }
    findings.extend(unit(wanted(config)));
    findings
}

/// A descriptor for each relayed port, as far as the quota lets there be calls, and as many again for connections.
fn wanted(config: Option<&Config>) -> u64 {
    let Some(config) = config else { return FILES };
    let ports = u64::from(config.relay.ports.last - config.relay.ports.first) + 1;
    let addresses = config.relay_addresses().len().max(1) as u64;
    let calls = match config.limits.max_allocations {
        0 => u64::MAX,
        most => u64::from(most),
    };
    (ports * addresses).min(calls.saturating_mul(2)).saturating_add(1_024)
}

fn files(limit: Option<u64>, wanted: u64) -> Finding {
    match limit {
        Some(limit) if limit < wanted => Finding::warning(
            "nofile",
            format!(
                "this user may have {limit} files open, and a full relay has {wanted}: calls will be refused before ports run out"
            ),
            format!(
                "LimitNOFILE={wanted} in the systemd unit, --ulimit nofile={wanted} for a container, or limits.max_allocations lower"
            ),
        ),
        Some(limit) => {
            Finding::ok("nofile", format!("this user may have {limit} files open; a full relay has {wanted}"))
        }
        None => Finding::ok("nofile", "no limit of open files"),
    }
}

/// Whether this user could have the ports below 1024 that are configured.
fn low_ports(machine: &Machine, config: &Config) -> Option<Finding> {
    let listeners = config.listener.iter().map(|listener| listener.address);
    let all = listeners.chain(config.bgp.listen.iter().copied());
    let least = all.map(|address| address.port()).filter(|port| *port > 0).min()?;
    let first = machine.numbers("net.ipv4.ip_unprivileged_port_start")?.first().copied()?;
    if u64::from(least) >= first {
        return Some(Finding::ok("capabilities", "none is needed: no configured port is a privileged one"));
    }
    let status = machine.read("proc/self/status")?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let effective = u64::from_str_radix(effective.trim(), 16).ok()?;
    Some(if effective >> BIND_SERVICE & 1 == 1 {
        Finding::ok("capabilities", format!("this user may bind port {least}"))
    } else {
        Finding::bad(
            "capabilities",
            format!("port {least} is below {first}, and this user lacks CAP_NET_BIND_SERVICE"),
            "AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit, or a higher port",
        )
    })
}

/// What systemd lets its unit have, where there is one.
fn unit(wanted: u64) -> Option<Finding> {
    let mut command = Command::new("systemctl");
    command.args(["show", "tern.service", "--property=LoadState,LimitNOFILE,MemoryMax,TasksMax"]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    judge_unit(&String::from_utf8_lossy(&output.stdout), wanted)
}

fn judge_unit(shown: &str, wanted: u64) -> Option<Finding> {
    let value = |name: &str| shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    if value("LoadState") != Some("loaded") {
        return None;
    }
    let files = value("LimitNOFILE").unwrap_or("infinity");
    let memory = value("MemoryMax").unwrap_or("infinity");
    let what = format!("tern.service: LimitNOFILE={files}, MemoryMax={memory}");
    let is_short = files.parse::<u64>().is_ok_and(|files| files < wanted);
    Some(if is_short {
        let remedy = format!("systemctl edit tern.service: [Service] LimitNOFILE={wanted}");
        Finding::warning("systemd", format!("{what}, and a full relay has {wanted} files open"), remedy)
    } else {
        Finding::ok("systemd", what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;
    use crate::cli::doctor::machine::tests::machine;
    use crate::config::Listener;
    use crate::route::Transport;

    #[test]
    fn the_committed_files_grant_what_is_judged_by() {
        let deploy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
        let committed = std::fs::read_to_string(deploy.join("limits/60-limits.conf")).unwrap();
        assert_eq!(committed, file(None), "tern doctor --limits > deploy/limits/60-limits.conf");
        let Ok(unit) = std::fs::read_to_string(deploy.join("systemd/tern.service")) else { return };
        let granted = unit.lines().find_map(|line| line.strip_prefix("LimitNOFILE=")).unwrap();
        assert!(granted == "infinity" || granted.parse::<u64>().unwrap() >= FILES, "{granted}");
    }

    #[test]
    fn a_limit_below_a_full_relay_is_a_warning() {
        assert_eq!(files(Some(1_024), 20_000).level, Level::Warning);
        assert_eq!(files(Some(20_000), 20_000).level, Level::Ok);
        assert_eq!(files(None, 20_000).level, Level::Ok);
    }

    #[test]
    fn privileged_ports_want_a_capability() {
        let listener = Listener::new("192.0.2.1:443".parse().unwrap(), &[Transport::Tcp]);
        let config = Config { listener: vec![listener], ..Config::default() };
        let level = |capabilities: &str, start: &str| {
            let status = format!("Name:\ttern\nCapEff:\t{capabilities}\n");
            let (_dir, machine) = machine(&[
                ("proc/self/status", status.as_str()),
                ("proc/sys/net/ipv4/ip_unprivileged_port_start", start),
            ]);
            low_ports(&machine, &config).unwrap().level
        };
        assert_eq!(level("0000000000000000", "1024"), Level::Bad);
        assert_eq!(level("0000000000000400", "1024"), Level::Ok);
        assert_eq!(level("0000000000000000", "0"), Level::Ok);
    }

    #[test]
    fn a_unit_is_judged_by_what_systemd_says_of_it() {
        let shown = "LoadState=loaded\nLimitNOFILE=1024\nMemoryMax=infinity\n";
        assert_eq!(judge_unit(shown, 20_000).unwrap().level, Level::Warning);
        assert_eq!(judge_unit(shown, 1_000).unwrap().level, Level::Ok);
        assert_eq!(judge_unit("LoadState=not-found\n", 1_000), None);
    }
}
