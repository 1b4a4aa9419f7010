//! ExaBGP. It has no table: what it receives it tells a program of ours, line by line in JSON, and the table is made of
//! that.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Daemon, LIMIT, Route, Setup};
use crate::host::Host;
use crate::process::{Running, find_program, wait_for};
use crate::skip::Missing;

/// An ExaBGP, not yet started or running.
pub(super) struct Exabgp {
    process: Option<Running>,
    earlier: String,
    told: PathBuf,
}

impl Exabgp {
    pub(super) fn new() -> Result<Self, Missing> {
        find_program("exabgp").ok_or_else(|| Missing("the program exabgp".into()))?;
        Ok(Self { process: None, earlier: String::new(), told: PathBuf::new() })
    }

    /// What it has told since its start; the last line may still be on its way.
    fn told(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.told).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

impl Daemon for Exabgp {
    fn start(&mut self, host: &Host, folder: &Path, setup: &Setup) {
        self.told = folder.join("exabgp.told");
        fs::write(&self.told, "").unwrap();
        let watch = folder.join("watch.sh");
        // The shell stays, for the sake of its own output: when that is closed, ExaBGP takes the program for dead.
        fs::write(&watch, format!("#!/bin/sh\ncat >>{}\n", self.told.display())).unwrap();
        fs::set_permissions(&watch, fs::Permissions::from_mode(0o755)).unwrap();
        let file = folder.join("exabgp.conf");
        fs::write(&file, configuration(setup, &watch)).unwrap();
        let mut command = host.direct_command("env");
        command.args(["exabgp.daemon.user=root", "exabgp.log.destination=stdout", "exabgp.api.cli=false"]);
        command.arg("exabgp").arg(&file);
        self.process = Some(Running::start(command, folder));
        let ready = wait_for(LIMIT, || self.output().contains("loaded new configuration").then_some(()));
        assert!(ready.is_some(), "ExaBGP does not start:\n{}", self.output());
    }

    fn signal(&self, _: &Host, signal: &str) {
        self.process.as_ref().expect("it runs").signal(signal);
    }

    fn reap(&mut self, _: &Host) {
        if let Some(process) = self.process.take() {
            self.earlier += &process.finish(LIMIT).1;
        }
    }

    fn routes(&self, _: &Host, prefix: &str) -> Vec<Route> {
        let mut ways: BTreeMap<String, Route> = BTreeMap::new();
        for event in self.told() {
            let peer = event["neighbor"]["address"]["peer"].as_str().unwrap_or_default().to_owned();
            let update = &event["neighbor"]["message"]["update"];
            if event["type"] == "state" && event["neighbor"]["state"] != "connected" {
                ways.remove(&peer);
            }
            if mentions(&update["withdraw"], prefix).is_some() {
                ways.remove(&peer);
            }
            if let Some(next_hop) = mentions(&update["announce"], prefix) {
                ways.insert(peer, read_route(&update["attribute"], next_hop));
            }
        }
        ways.into_values().collect()
    }

    fn is_established(&self, _: &Host, peer: IpAddr) -> bool {
        let peer = peer.to_string();
        let told = self.told();
        let mut states = told.iter().filter(|event| event["type"] == "state");
        let last = states.rfind(|event| event["neighbor"]["address"]["peer"] == peer);
        last.is_some_and(|event| event["neighbor"]["state"] == "up")
    }

    fn is_bfd_up(&self, _: &Host, _: IpAddr) -> bool {
        false
    }

    fn output(&self) -> String {
        let now = self.process.as_ref().map(Running::output).unwrap_or_default();
        let told = fs::read_to_string(&self.told).unwrap_or_default();
        format!("{}{now}{told}", self.earlier)
    }
}

fn configuration(setup: &Setup, watch: &Path) -> String {
    let mut text = format!("process watch {{ run {}; encoder json; }}\n", watch.display());
    for peer in &setup.peers {
        let families = if peer.address.is_ipv4() { "ipv4 unicast; ipv6 unicast;" } else { "ipv6 unicast;" };
        let key = peer.key.as_ref().map(|key| format!("md5-password \"{key}\";\n")).unwrap_or_default();
        write!(
            text,
            "neighbor {} {{\nrouter-id {};\nlocal-address {};\nlocal-as {};\npeer-as {};\nhold-time {};\n\
             passive {};\nlisten 179;\n{key}family {{ {families} }}\n\
             api {{ processes [ watch ]; neighbor-changes; receive {{ parsed; open; update; notification; }} }}\n}}\n",
            peer.address, setup.id, peer.local, setup.asn, peer.asn, peer.hold, peer.passive
        )
        .unwrap();
    }
    text
}

/// The next hop (or "" in a withdrawal) under which a prefix stands in a part of an update: announced prefixes stand
/// below their family and next hop, withdrawn ones below their family.
fn mentions(part: &Value, prefix: &str) -> Option<String> {
    let is_it =
        |list: &Value| list.as_array().is_some_and(|list| list.iter().any(|item| item["nlri"] == prefix));
    part.as_object()?.values().find_map(|family| {
        if is_it(family) {
            return Some(String::new());
        }
        family.as_object()?.iter().find(|(_, list)| is_it(list)).map(|(next_hop, _)| next_hop.clone())
    })
}

fn read_route(attributes: &Value, next_hop: String) -> Route {
    let number = |value: &Value| u32::try_from(value.as_u64().expect("a number")).unwrap();
    let list = |name: &str| attributes[name].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| {
        let parts = value.as_array().expect("a list").iter().map(|part| part.to_string());
        parts.collect::<Vec<_>>().join(":")
    };
    Route {
        next_hop,
        med: attributes["med"].as_u64().map(|med| u32::try_from(med).unwrap()),
        path: list("as-path").iter().map(number).collect(),
        communities: list("community").iter().map(text).collect(),
        large: list("large-community").iter().map(text).collect(),
    }
}
