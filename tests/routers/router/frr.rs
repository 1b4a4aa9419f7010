//! FRR: zebra (which installs the routes), bfdd and bgpd. They are asked by vtysh, which answers in JSON.
//!
//! Their sockets are at a fixed place below /run, so the host gets a /run of its own.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Daemon, LIMIT, Route, Setup};
use crate::host::Host;
use crate::process::{Running, find_program, wait_for};
use crate::skip::Missing;

const FOLDER: &str = "/usr/lib/frr";

/// FRR's daemons, not yet started or running.
pub(super) struct Frr {
    /// The two that stay when bgpd goes.
    others: Vec<Running>,
    bgpd: Option<Running>,
    earlier: String,
}

impl Frr {
    pub(super) fn new() -> Result<Self, Missing> {
        let there = ["zebra", "bgpd", "bfdd"].iter().all(|name| Path::new(FOLDER).join(name).exists());
        let there = there && find_program("vtysh").is_some();
        if !there {
            return Err(Missing("FRR's daemons and vtysh (Debian's frr)".into()));
        }
        Ok(Self { others: Vec::new(), bgpd: None, earlier: String::new() })
    }

    fn run(host: &Host, folder: &Path, name: &str, configuration: &Path) -> Running {
        let mut command = host.command(&format!("{FOLDER}/{name}"));
        // A user of vtysh has to be in the group frrvty, and root is in none.
        command.args(["-u", "root", "-g", "frrvty", "-A", "127.0.0.1", "-f"]).arg(configuration);
        let process = Running::start(command, folder);
        let socket = format!("test -S /run/frr/{name}.vty");
        let ready = wait_for(LIMIT, || is_true(host, &socket).then_some(()));
        assert!(ready.is_some(), "{name} does not start:\n{}", process.output());
        process
    }

    fn ask(host: &Host, command: &str) -> Option<Value> {
        let output = host.command("vtysh").args(["-c", command]).output().expect("vtysh runs");
        serde_json::from_slice(&output.stdout).ok()
    }

    fn start_others(&mut self, host: &Host, folder: &Path) {
        let prepare = "mount -t tmpfs tmpfs /run && mkdir /run/frr && mount -t tmpfs tmpfs /var/tmp";
        assert!(is_true(host, prepare), "a /run of its own");
        let nothing = PathBuf::from("/dev/null");
        // A daemon that finds no zebra looks again after ten seconds.
        for name in ["zebra", "bfdd"] {
            self.others.push(Self::run(host, folder, name, &nothing));
        }
    }
}

impl Daemon for Frr {
    fn start(&mut self, host: &Host, folder: &Path, setup: &Setup) {
        if self.others.is_empty() {
            self.start_others(host, folder);
        }
        let file = folder.join("bgpd.conf");
        std::fs::write(&file, configuration(setup)).unwrap();
        self.bgpd = Some(Self::run(host, folder, "bgpd", &file));
    }

    fn signal(&self, host: &Host, signal: &str) {
        assert!(is_true(host, &format!("kill -{signal} $(cat /run/frr/bgpd.pid)")), "bgpd runs");
    }

    fn reap(&mut self, host: &Host) {
        if let Some(process) = self.bgpd.take() {
            self.earlier += &process.finish(LIMIT).1;
        }
        is_true(host, "rm -f /run/frr/bgpd.vty /run/frr/bgpd.pid");
    }

    fn routes(&self, host: &Host, prefix: &str) -> Vec<Route> {
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        let answer = Self::ask(host, &format!("show bgp {family} unicast {prefix} json")).unwrap_or_default();
        answer["paths"].as_array().into_iter().flatten().map(read_route).collect()
    }

    fn is_established(&self, host: &Host, peer: IpAddr) -> bool {
        let answer = Self::ask(host, &format!("show bgp neighbors {peer} json")).unwrap_or_default();
        answer[peer.to_string()]["bgpState"] == "Established"
    }

    fn is_bfd_up(&self, host: &Host, peer: IpAddr) -> bool {
        let answer = Self::ask(host, "show bfd peers json").unwrap_or_default();
        let sessions = answer.as_array().into_iter().flatten();
        let peer = peer.to_string();
        sessions.into_iter().any(|session| session["peer"] == peer && session["status"] == "up")
    }

    fn output(&self) -> String {
        let now = self.bgpd.as_ref().map(Running::output).unwrap_or_default();
        format!("{}{now}", self.earlier)
    }
}

/// Whether a script succeeds on the host, among its processes and mounts.
fn is_true(host: &Host, script: &str) -> bool {
    let output = host.command("sh").args(["-c", script]).output().expect("nsenter runs");
    output.status.success()
}

fn configuration(setup: &Setup) -> String {
    let mut text = format!(
        "log stdout\ndebug bgp neighbor-events\nrouter bgp {}\n bgp router-id {}\n no bgp ebgp-requires-policy\n \
         no bgp default ipv4-unicast\n bgp bestpath as-path multipath-relax\n",
        setup.asn, setup.id
    );
    for peer in &setup.peers {
        let address = peer.address;
        writeln!(text, " neighbor {address} remote-as {}", peer.asn).unwrap();
        writeln!(text, " neighbor {address} timers {} {}", peer.hold / 3, peer.hold).unwrap();
        writeln!(text, " neighbor {address} timers connect 1").unwrap();
        writeln!(text, " neighbor {address} advertisement-interval 0").unwrap();
        writeln!(text, " neighbor {address} update-source {}", peer.local).unwrap();
        if peer.passive {
            writeln!(text, " neighbor {address} passive").unwrap();
        }
        if let Some(key) = &peer.key {
            writeln!(text, " neighbor {address} password {key}").unwrap();
        }
        if let Some(interval) = peer.bfd {
            writeln!(text, " neighbor {address} bfd 3 {interval} {interval}").unwrap();
        }
    }
    for (family, takes) in [("ipv4", IpAddr::is_ipv4 as fn(&IpAddr) -> bool), ("ipv6", |_| true)] {
        writeln!(text, " address-family {family} unicast").unwrap();
        for peer in setup.peers.iter().filter(|peer| takes(&peer.address)) {
            writeln!(text, "  neighbor {} activate", peer.address).unwrap();
        }
        text += " exit-address-family\n";
    }
    text
}

fn read_route(path: &Value) -> Route {
    let strings = |what: &Value| -> Vec<String> {
        let words = what["string"].as_str().unwrap_or_default().split_whitespace();
        words.map(|word| if word == "graceful-shutdown" { "65535:0" } else { word }.to_owned()).collect()
    };
    let asns = path["aspath"]["string"].as_str().unwrap_or_default().split_whitespace();
    Route {
        next_hop: path["nexthops"][0]["ip"].as_str().unwrap_or_default().to_owned(),
        med: path["metric"].as_u64().map(|med| u32::try_from(med).unwrap()),
        path: asns.map(|asn| asn.parse().unwrap()).collect(),
        communities: strings(&path["community"]).into_iter().collect(),
        large: strings(&path["largeCommunity"]).into_iter().collect(),
    }
}
