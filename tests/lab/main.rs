//! The lab of two regions, `deploy/lab/lab`, as an operator would use it: made, tried, drained, cut, and taken away.
//!
//! It runs on a host of its own, which it takes for the whole machine: a lab beside it is not touched.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that it did not expect"
)]

#[path = "../support/host.rs"]
#[allow(dead_code, reason = "shared with tests of routers")]
mod host;
#[path = "../support/process.rs"]
#[allow(dead_code, reason = "shared with tests of routers")]
mod process;
#[path = "../support/skip.rs"]
mod skip;
mod stage;

use serde_json::Value;

use crate::skip::{Missing, need};
use crate::stage::{EAST, Stage, WEST};

/// Enough that nobody takes the relays' test calls of themselves for them.
const CALLS: u32 = 40;

fn serves_two_regions() -> Result<(), Missing> {
    let stage = Stage::new()?;
    let before = stage.traces();
    let text = stage.succeed(&["up"]);
    stage.succeed(&["status"]);

    let ice: Value = serde_json::from_str(&text[text.find("{\n").unwrap()..=text.rfind("\n}").unwrap() + 1])
        .expect("iceServers as JSON");
    assert_eq!(ice["iceServers"][0]["urls"][0], "turn:198.18.77.1:3478?transport=udp");
    for relay in [WEST, EAST] {
        let url = format!("https://{}:9480/", relay.address);
        let line = text.lines().find(|line| line.contains(&url)).expect("its page's address");
        let status = stage.ask_page(relay, line.rsplit(' ').next().unwrap());
        assert_eq!((&status["name"], &status["ready"]), (&relay.name.into(), &true.into()), "{status:#}");
    }
    assert!(text.contains("http://198.18.78.2:9090/"), "{text}");
    assert_eq!(stage.query("tern_ready"), [("east".to_owned(), 1.0), ("west".to_owned(), 1.0)]);

    // A call of each kind: by either relay's own address, and by that of both.
    for way in [&["west"][..], &["east"], &[]] {
        stage.ends_well(stage.begin_calls(way, 1, "3s"));
    }
    assert_eq!(stage.ways("west"), ["198.18.71.2"]);
    assert_eq!(stage.ways("east"), ["198.18.72.2"]);

    // Its own calls are not touched by a drain.
    let lasting = stage.begin_calls(&["west"], 5, "20s");
    stage.wait_for_calls(WEST, 5);
    stage.operate(WEST, &["drain"]);
    stage.wait_for_ways("west", &["198.18.75.2", "198.18.76.2"]);
    let many = stage.begin_calls(&[], CALLS, "12s");
    stage.wait_for_calls(EAST, CALLS);
    let calls = stage.query("sum by (region) (tern_allocations)");
    assert!(
        calls.iter().any(|(region, calls)| region == "west" && *calls < f64::from(CALLS / 2)),
        "{calls:?}"
    );
    stage.wait_for_query("tern_ready", &[("east", 1.0), ("west", 0.0)]);
    stage.ends_well(lasting);
    stage.ends_well(many);

    // One of the two wires carries everything; then the nearer relay is back.
    stage.cut("wan1");
    stage.wait_for_ways("west", &["198.18.76.2"]);
    stage.ends_well(stage.begin_calls(&[], 1, "3s"));
    stage.operate(WEST, &["undrain"]);
    stage.wait_for_ways("west", &["198.18.71.2"]);
    stage.wait_for_query("tern_ready", &[("east", 1.0), ("west", 1.0)]);

    stage.succeed(&["down"]);
    assert_eq!(stage.traces(), before);
    Ok(())
}

#[test]
fn new_calls_go_to_the_other_region_while_one_is_drained() {
    need!(serves_two_regions());
}

fn leaves_nothing_half_made() -> Result<(), Missing> {
    let stage = Stage::new()?;
    let before = stage.traces();
    // A relay that ends as soon as it is started: everything else is there by then.
    stage.write_tern("[ \"$1\" != run ] || { echo \"no relay today\"; exit 1; }");
    let (status, text) = stage.run(&["up"]);
    assert!(!status.success(), "{text}");
    assert!(text.contains("no relay today"), "it does not say why: {text}");
    assert_eq!(stage.traces(), before);
    Ok(())
}

#[test]
fn a_lab_that_cannot_be_finished_is_taken_away() {
    need!(leaves_nothing_half_made());
}

fn takes_away_what_was_abandoned() -> Result<(), Missing> {
    let stage = Stage::new()?;
    let before = stage.traces();
    // A relay that never serves: the lab is waited for until its maker is killed.
    stage.write_tern("[ \"$1\" != run ] || exec sleep 600");
    let up = stage.begin(&["up"]);
    stage.wait_for_process("prometheus");
    up.signal("KILL");
    assert!(!up.finish(stage::LIMIT).0.success());
    let (status, text) = stage.run(&["up"]);
    assert!(!status.success() && text.contains("down"), "it is made over another: {text}");
    stage.succeed(&["down"]);
    assert_eq!(stage.traces(), before);
    assert!(stage.succeed(&["down"]).contains("no lab"));
    Ok(())
}

#[test]
fn what_a_killed_maker_has_left_is_taken_away() {
    need!(takes_away_what_was_abandoned());
}
