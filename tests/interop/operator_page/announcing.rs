//! A relay that announces a prefix to BIRD, and carries calls: what an operator sees of that and does to it, and that a viewer
//! sees as much and changes nothing.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ADMIN_PORT, browse, browser, is_clean, loadtest, text, wait_until_up};
use crate::lab::{CLIENT_V4, Lab, RELAY_V4};
use crate::process::{Running, wait_for};
use crate::relay::{SECRET, write_secret};
use crate::skip::{Missing, need};

const PREFIX: &str = "198.18.77.1/32";
const OPERATOR: &str = "the-operators-token-of-this-test-alone";
const VIEWER: &str = "the-viewers-token-of-this-test-alone";
const RELAY_ASN: u32 = 4_200_000_600;
const ROUTER_ASN: u32 = 64_512;
/// Calls of the load test: 100 packets a second come to the relay for each.
const CALLS: u64 = 5;
const LIMIT: Duration = Duration::from_secs(300);

fn relay(lab: &Lab, folder: &Path) -> Running {
    for (name, secret) in [("rest", SECRET), ("operator", OPERATOR), ("viewer", VIEWER)] {
        write_secret(&folder.join(name), secret);
    }
    let file = folder.join("tern.toml");
    // A busy machine is no reason to withdraw anything here.
    let text = format!(
        "[server]\nworkers = 1\nname = \"relay-a\"\n[[listener]]\naddress = \"0.0.0.0:3478\"\n\
         [relay]\naddresses = [\"{RELAY_V4}\"]\n[peers]\nallow = [\"10.77.0.0/24\"]\n[limits]\nallocation_rate = 0\noverload_busy = 0\n\
         [auth]\n[[auth.shared_secret]]\nid = \"one\"\nsecret_file = \"rest\"\n\
         [health]\ntimeout = \"10s\"\nfall = 5\nhold_up = \"0s\"\nhold_down = \"0s\"\ndamping = false\n\
         [health.load]\nenabled = false\n\
         [announce]\nprefixes = [\"{PREFIX}\"]\n[announce.healthy]\ncommunities = [\"64512:77\"]\n\
         [bgp]\nasn = {RELAY_ASN}\nrouter_id = \"{RELAY_V4}\"\n\
         [[bgp.neighbor]]\nname = \"cloud-router\"\naddress = \"{CLIENT_V4}\"\nlocal_address = \"{RELAY_V4}\"\n\
         asn = {ROUTER_ASN}\nhold_time = \"90s\"\nconnect_retry = \"1s\"\nfamilies = [\"ipv4\"]\n\
         bfd = {{ transmit = \"1s\", receive = \"1s\", multiplier = 20 }}\n\
         [admin]\nsocket = \"off\"\nlisten = [\"127.0.0.1:{ADMIN_PORT}\"]\n\
         [[admin.token]]\nid = \"olga\"\nrole = \"operator\"\ntoken_file = \"operator\"\n\
         [[admin.token]]\nid = \"victor\"\nrole = \"viewer\"\ntoken_file = \"viewer\"\n"
    );
    fs::write(&file, text).unwrap();
    // The relay's test calls of itself go there.
    let mut command = lab.on_relay("ip");
    command.args(["address", "add", PREFIX, "dev", "lo"]);
    assert!(command.status().unwrap().success());
    let mut command = lab.on_relay(env!("CARGO_BIN_EXE_tern"));
    command.args(["run", "--config"]).arg(&file).env_remove("CREDENTIALS_DIRECTORY");
    let mut relay = Running::start(command, folder);
    wait_until_up(&mut relay);
    relay
}

/// The router, on the clients' host.
fn bird(lab: &Lab, folder: &Path) -> Result<Running, Missing> {
    let mut command = lab.on_clients("bird")?;
    let file = folder.join("bird.conf");
    let text = format!(
        "log stderr all;\nrouter id {CLIENT_V4};\nprotocol device {{ }}\nprotocol bfd {{ }}\nprotocol bgp relay {{\n\
         local {CLIENT_V4} as {ROUTER_ASN}; neighbor {RELAY_V4} as {RELAY_ASN}; passive on; hold time 90;\n\
         connect delay time 1; error wait time 1, 2;\n\
         bfd {{ min rx interval 1 s; min tx interval 1 s; multiplier 20; }};\n\
         ipv4 {{ import all; export none; }}; }}\n"
    );
    fs::write(&file, text).unwrap();
    command.arg("-f").arg("-c").arg(&file).arg("-s").arg(folder.join("bird.ctl"));
    let mut bird = Running::start(command, folder);
    let up = wait_for(Duration::from_secs(30), || folder.join("bird.ctl").exists().then_some(()));
    assert!(up.is_some() && bird.status().is_none(), "BIRD does not start:\n{}", bird.output());
    Ok(bird)
}

fn calls(lab: &Lab, folder: &Path) -> Result<Running, Missing> {
    let mut command = lab.on_clients(&loadtest()?)?;
    command.args(["steady", "--server", &format!("{RELAY_V4}:3478"), "--user", "agent7", "--secret", SECRET]);
    command.args(["--sessions", &CALLS.to_string(), "--duration", "600s", "--no-ceiling"]);
    Ok(Running::start(command, folder))
}

#[test]
fn operators_see_why_a_prefix_is_announced_and_viewers_change_nothing() {
    let chromium = need!(browser());
    let lab = need!(Lab::new());
    let folder = TempDir::new().unwrap();
    let relay = relay(&lab, folder.path());
    let bird = need!(bird(&lab, folder.path()));
    let calls = need!(calls(&lab, folder.path()));
    let task = json!({
        "chromium": chromium, "url": format!("http://127.0.0.1:{ADMIN_PORT}"), "operator": OPERATOR, "viewer": VIEWER,
        "prefix": PREFIX, "bird": folder.path().join("bird.ctl"), "sessions": CALLS,
    });
    let report = std::panic::catch_unwind(|| {
        browse(lab.on_relay("node"), "announcing_page.mjs", task, folder.path(), LIMIT)
    });
    let report = report.unwrap_or_else(|_| {
        panic!("the relay:\n{}\nBIRD:\n{}\ncalls:\n{}", relay.output(), bird.output(), calls.output())
    });
    judge(&report);
}

fn judge(report: &Value) {
    is_clean(report);

    // What is announced, and why, as the API and the router have it.
    let shown = text(&report["announced"]["prefixes"]);
    for said in [PREFIX, "cloud-router", "announced", "10200", "64512:77", "established", "up"] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    assert_eq!(report["announced"]["why"], report["announced"]["whyByApi"]);
    assert!(!report["announced"]["why"].as_array().unwrap().is_empty());
    let neighbors = text(&report["announced"]["neighbors"]);
    assert!(neighbors.contains("10.77.0.2") && neighbors.contains("64512"), "{neighbors}");
    assert!(text(&report["announced"]["health"]).contains("self-test"), "{report}");
    assert!(text(&report["announced"]["router"]).contains("BGP.med: 10200"), "{report}");
    assert_eq!(report["checked"], "All checks have been run.");

    // Withdrawn only after a dialog that names the prefix; what came of it stays to be read.
    assert_eq!(report["asked"], format!("Withdraw {PREFIX}?"));
    assert_eq!(report["afterCancel"], true);
    assert_eq!(
        report["withdrawn"]["result"],
        format!("{PREFIX} is withdrawn until somebody announces it again.")
    );
    assert!(text(&report["withdrawn"]["prefixes"]).contains("withheld"), "{report}");
    assert!(!text(&report["withdrawn"]["router"]).contains(PREFIX), "{report}");
    assert!(text(&report["again"]).contains(PREFIX), "{report}");

    // Every figure of the overview is the API's, and those of the calls are the load test's.
    assert!(report["figures"]["compared"].as_u64() > Some(30), "{}", report["figures"]);
    assert_eq!(report["figures"]["sessions"], CALLS);
    assert_eq!(report["rows"]["page"], report["rows"]["api"]);
    assert_eq!(report["rows"]["page"].as_array().unwrap().len() as u64, CALLS);

    // A viewer sees everything, is offered nothing, and gets nothing by asking all the same.
    let viewer = &report["viewer"];
    assert_eq!(viewer["who"], "token victor (viewer)");
    assert!(viewer["views"].as_array().unwrap().iter().all(|view| text(view).ends_with(" 200")), "{viewer}");
    assert_eq!(viewer["views"].as_array().unwrap().len(), 7);
    assert_eq!(viewer["offered"], json!([]));
    let forged = viewer["forged"].as_object().unwrap();
    assert!(forged.len() >= 8 && forged.values().all(|status| *status == 403), "{viewer}");
    assert_eq!(report["foreign"], "opaque", "the page of another origin could send");
    assert_eq!(report["unchanged"], json!({ "draining": null, "announced": true, "sessions": CALLS }));
    assert_eq!(viewer["loggedOut"], "/login");
}
