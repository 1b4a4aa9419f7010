//! GoBGP. It is asked by its own command, which answers in JSON. It installs no routes and knows no BFD.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use serde_json::Value;

use super::{Daemon, LIMIT, Route, Setup};
use crate::host::Host;
use crate::process::{Running, find_program, wait_for};
use crate::skip::Missing;

/// A GoBGP, not yet started or running.
pub(super) struct Gobgp {
    process: Option<Running>,
    earlier: String,
}

impl Gobgp {
    pub(super) fn new() -> Result<Self, Missing> {
        for program in ["gobgpd", "gobgp"] {
            find_program(program)
                .ok_or_else(|| Missing(format!("the program {program} (Debian's gobgpd)")))?;
        }
        Ok(Self { process: None, earlier: String::new() })
    }

    fn ask(host: &Host, arguments: &[&str]) -> Option<Value> {
        let output = host.direct_command("gobgp").arg("-j").args(arguments).output().expect("gobgp runs");
        serde_json::from_slice(&output.stdout).ok()
    }
}

impl Daemon for Gobgp {
    fn start(&mut self, host: &Host, folder: &Path, setup: &Setup) {
        let file = folder.join("gobgpd.toml");
        std::fs::write(&file, configuration(setup)).unwrap();
        let mut command = host.direct_command("gobgpd");
        command.args(["-l", "debug", "-f"]).arg(&file);
        self.process = Some(Running::start(command, folder));
        let ready = wait_for(LIMIT, || Self::ask(host, &["global"]));
        assert!(ready.is_some(), "GoBGP does not start:\n{}", self.output());
    }

    fn signal(&self, _: &Host, signal: &str) {
        self.process.as_ref().expect("it runs").signal(signal);
    }

    fn reap(&mut self, _: &Host) {
        if let Some(process) = self.process.take() {
            self.earlier += &process.finish(LIMIT).1;
        }
    }

    fn routes(&self, host: &Host, prefix: &str) -> Vec<Route> {
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        // A prefix that is not there is answered in words.
        let Some(table) = Self::ask(host, &["global", "rib", "-a", family]) else { return Vec::new() };
        table[prefix].as_array().into_iter().flatten().map(read_route).collect()
    }

    fn is_established(&self, host: &Host, peer: IpAddr) -> bool {
        let answer = Self::ask(host, &["neighbor", &peer.to_string()]).unwrap_or_default();
        // 6 is ESTABLISHED in its API.
        answer["state"]["session_state"] == 6
    }

    fn is_bfd_up(&self, _: &Host, _: IpAddr) -> bool {
        false
    }

    fn output(&self) -> String {
        let now = self.process.as_ref().map(Running::output).unwrap_or_default();
        format!("{}{now}", self.earlier)
    }
}

fn configuration(setup: &Setup) -> String {
    let mut text = format!("[global.config]\nas = {}\nrouter-id = \"{}\"\n", setup.asn, setup.id);
    for peer in &setup.peers {
        let key = peer.key.as_ref().map(|key| format!("auth-password = \"{key}\"\n")).unwrap_or_default();
        write!(
            text,
            "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{}\"\npeer-as = {}\n{key}\
             [neighbors.transport.config]\nlocal-address = \"{}\"\npassive-mode = {}\n\
             [neighbors.timers.config]\nconnect-retry = 1\nidle-hold-time-after-reset = 1\n\
             hold-time = {}\nkeepalive-interval = {}\n",
            peer.address,
            peer.asn,
            peer.local,
            peer.passive,
            peer.hold,
            peer.hold / 3
        )
        .unwrap();
        let families: &[&str] = if peer.address.is_ipv4() { &["ipv4", "ipv6"] } else { &["ipv6"] };
        for family in families {
            write!(
                text,
                "[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"{family}-unicast\"\n"
            )
            .unwrap();
        }
    }
    text
}

/// Attributes come as a list of objects whose type is the attribute's number.
fn read_route(path: &Value) -> Route {
    let mut route = Route::default();
    let number = |value: &Value| u32::try_from(value.as_u64().expect("a number")).unwrap();
    for attribute in path["attrs"].as_array().into_iter().flatten() {
        let list = |name: &str| attribute[name].as_array().cloned().unwrap_or_default();
        match attribute["type"].as_u64() {
            Some(2) => {
                let segments = list("as_paths");
                let asns = segments.iter().flat_map(|segment| segment["asns"].as_array().unwrap());
                route.path = asns.map(number).collect();
            }
            Some(3 | 14) => route.next_hop = attribute["nexthop"].as_str().unwrap_or_default().to_owned(),
            Some(4) => route.med = Some(number(&attribute["metric"])),
            Some(8) => {
                let text = |value: &Value| format!("{}:{}", number(value) >> 16, number(value) & 0xffff);
                route.communities = list("communities").iter().map(text).collect();
            }
            Some(32) => {
                let part = |value: &Value, name: &str| number(&value[name]);
                let text = |value: &Value| {
                    let (global, one, two) =
                        (part(value, "ASN"), part(value, "LocalData1"), part(value, "LocalData2"));
                    format!("{global}:{one}:{two}")
                };
                route.large = list("value").iter().map(text).collect();
            }
            _ => {}
        }
    }
    route
}
