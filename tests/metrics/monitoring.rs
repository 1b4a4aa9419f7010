//! What watches a fleet of relays from outside: rules of Prometheus that do what their tests say, and rules and dashboards
//! that look at nothing but what the page of metrics has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::skip::{Missing, need};
use super::{exposition, page};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn read(path: &str) -> String {
    fs::read_to_string(deploy().join(path)).unwrap()
}

/// What `promtool` answers in `folder`.
fn promtool(folder: &Path, args: &[&str]) -> Result<(bool, String), Missing> {
    let output = Command::new("promtool").args(args).current_dir(folder).output();
    let output = output.map_err(|error| Missing(format!("the program promtool: {error}")))?;
    Ok((output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap()))
}

#[test]
fn the_rules_are_well_formed_and_do_what_their_tests_say() {
    let folder = deploy().join("prometheus");
    for args in [
        &["check", "rules", "recording.yml", "alerts.yml"] as &[&str],
        &["test", "rules", "tests/alerts.yml", "tests/burn.yml"],
    ] {
        let (good, said) = need!(promtool(&folder, args));
        assert!(good, "{said}");
    }
}

/// The names of all alerts, in the order of their file.
fn alerts() -> Vec<String> {
    let rules = read("prometheus/alerts.yml");
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect()
}

/// The rules with `expression` instead of that of every alert.
fn all_alerts_as(expression: &str) -> String {
    let (mut out, mut skipping) = (String::new(), None);
    for line in read("prometheus/alerts.yml").lines() {
        let indent = line.len() - line.trim_start().len();
        if skipping.is_some_and(|deeper| indent > deeper) {
            continue;
        }
        skipping = None;
        if line.trim_start().starts_with("expr:") {
            skipping = Some(indent);
            out += &format!("{}expr: {expression}\n", " ".repeat(indent));
        } else {
            out += &format!("{line}\n");
        }
    }
    out
}

#[test]
fn no_alert_can_be_broken_without_a_test_that_fails() {
    assert!(alerts().len() > 15);
    // One that never fires, and one that fires for every relay.
    for expression in ["vector(1) == 0", "count by (job, region, instance) ({job=\"tern\"}) > 0"] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tests")).unwrap();
        for file in ["recording.yml", "tests/alerts.yml", "tests/burn.yml"] {
            fs::write(folder.path().join(file), read(&format!("prometheus/{file}"))).unwrap();
        }
        fs::write(folder.path().join("alerts.yml"), all_alerts_as(expression)).unwrap();
        let (good, said) =
            need!(promtool(folder.path(), &["test", "rules", "tests/alerts.yml", "tests/burn.yml"]));
        assert!(!good, "{said}");
        for alert in alerts() {
            assert!(
                said.contains(&format!("\\\"{alert}\\\"")) || said.contains(&format!("\"{alert}\"")),
                "{alert}: {said}"
            );
        }
    }
}

/// Words that begin like a metric of ours, or like one of a rule.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c| !is_part(c)).map(|word| word.trim_end_matches(':'));
    let ours =
        words.filter(|word| ["tern_", "tern:", "process_"].iter().any(|start| word.starts_with(start)));
    ours.map(str::to_owned).collect()
}

/// What may be asked for: families, the series of histograms, and what rules record.
fn known() -> BTreeSet<String> {
    let mut known: BTreeSet<String> =
        exposition(Vec::new()).names().iter().map(|&name| name.to_owned()).collect();
    let page = page();
    let histograms = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" histogram"));
    for name in histograms {
        known.extend(["bucket", "sum", "count"].map(|series| format!("{name}_{series}")));
    }
    let recording = read("prometheus/recording.yml");
    known.extend(
        recording.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).map(str::to_owned),
    );
    known
}

fn dashboards() -> Vec<(String, Value)> {
    let files = fs::read_dir(deploy().join("grafana")).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    files
        .map(|path| {
            (path.display().to_string(), serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap())
        })
        .collect()
}

/// All queries of a dashboard, its variables included.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if let (Some(text), "expr" | "query") = (value.as_str(), key.as_str()) {
                    found.push(text.to_owned());
                } else {
                    queries(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn rules_and_dashboards_look_at_nothing_that_is_not_there() {
    let known = known();
    let mut texts = vec![
        ("rules".to_owned(), read("prometheus/recording.yml")),
        ("alerts".to_owned(), read("prometheus/alerts.yml")),
    ];
    for (name, dashboard) in dashboards() {
        let mut found = Vec::new();
        queries(&dashboard, &mut found);
        assert!(found.len() > 10, "{name} has few queries");
        texts.push((name, found.join("\n")));
    }
    assert_eq!(texts.len(), 6);
    for (name, text) in texts {
        // Groups of rules have names as well.
        for metric in metrics_in(&text).iter().filter(|metric| metric.as_str() != "tern_") {
            assert!(known.contains(metric), "{name} looks at {metric}, which there is not");
        }
    }
}

#[test]
fn every_family_of_the_page_has_a_sample_here_or_is_seldom() {
    let page = page();
    // What only happens after something went wrong, and what the system may not say.
    let seldom = ["process_open_fds", "tern_media_bleached_streams_total"];
    let exposition = exposition(Vec::new());
    let missing = exposition.names().iter().filter(|name| !page.contains(&format!("# TYPE {name} ")));
    let missing: Vec<_> = missing.filter(|name| !seldom.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?} were never looked at by promtool");
}

#[test]
fn panels_of_dashboards_have_ids_of_their_own_and_stand_beside_each_other() {
    for (name, dashboard) in dashboards() {
        let panels = dashboard["panels"].as_array().unwrap();
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{name}");
        let mut taken = BTreeSet::new();
        for panel in panels {
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{name}: {}", panel["title"]);
            for (x, y) in
                (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
            {
                assert!(taken.insert((x, y)), "{name}: {} stands on another", panel["title"]);
            }
        }
    }
}
