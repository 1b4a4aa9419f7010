//! `tern doctor` on the machine that it runs on.

use std::net::UdpSocket;

use serde_json::Value;

use crate::{Folder, code, err, out, output};

/// What it says, and how it ends.
fn doctor(folder: &Folder, more: &[&str]) -> (i32, Value) {
    let config = folder.text("tern.toml");
    let ended = output(&[&["doctor", "--json", "--config", &config], more].concat());
    let text = out(&ended);
    (code(&ended), serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", err(&ended))))
}

fn of<'a>(report: &'a Value, check: &str) -> Vec<&'a Value> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().filter(|finding| finding["check"] == check).collect()
}

#[test]
fn whatever_is_not_well_comes_with_a_remedy() {
    let folder = Folder::new("");
    let (ended, report) = doctor(&folder, &[]);
    for finding in report["findings"].as_array().unwrap() {
        let has_remedy = finding["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty());
        assert_eq!(has_remedy, finding["level"] != "ok", "{finding}");
    }
    assert_eq!(report["ok"], ended == 0);
    for check in ["configuration", "ports", "relay address", "sysctl", "nofile", "clock", "capabilities"] {
        assert!(!of(&report, check).is_empty(), "{check} was not looked at: {report:#}");
    }
    assert!(of(&report, "ports").iter().all(|finding| finding["level"] == "ok"), "{report:#}");
}

#[test]
fn a_taken_port_fails_and_a_wrong_configuration_says_where() {
    let folder = Folder::new("");
    let _taken = UdpSocket::bind(("127.0.0.1", folder.port)).unwrap();
    let (ended, report) = doctor(&folder, &[]);
    assert_eq!((ended, &report["ok"]), (1, &Value::Bool(false)));
    let ports = of(&report, "ports");
    assert_eq!(ports[0]["level"], "bad", "{report:#}");
    assert!(ports[0]["remedy"].as_str().unwrap().contains("ss -lunp"), "{report:#}");
    folder.configure("[limits]\nmax_alocations = 1");
    let ended = output(&["doctor", "--config", &folder.text("tern.toml")]);
    assert_eq!(code(&ended), 78);
    assert!(err(&ended).contains("max_allocations"), "{}", err(&ended));
}

#[test]
fn a_stun_server_is_asked_for_the_public_address() {
    let folder = Folder::new("[relay]\naddresses = [{ bind = \"127.0.0.2\", external = \"192.0.2.1\" }]");
    let (ended, report) = doctor(&folder, &["--stun", "127.0.0.1:1"]);
    assert!(of(&report, "public address").is_empty(), "loopback is no public address: {report:#}");
    assert!(ended == 0 || ended == 1);
}

#[test]
fn the_wanted_settings_are_printed_as_sysctl_takes_them() {
    let folder = Folder::new("[relay]\nports = \"50000-50999\"");
    let shown = output(&["doctor", "--sysctl", "--config", &folder.text("tern.toml")]);
    let text = out(&shown);
    assert_eq!(code(&shown), 0);
    assert!(text.contains("net.ipv4.ip_local_reserved_ports = 50000-50999"), "{text}");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once(" = ").unwrap_or_else(|| panic!("{line}"));
        assert!(name.starts_with("net.") && !value.is_empty(), "{line}");
    }
}
