//! Documents made of what the code says: settings, metrics, commands, the API.
//!
//! `TERN_WRITE=1 cargo test --test documents generated` writes them anew; without it, one that says something else fails.

mod api;
mod commands;
mod configuration;
mod discovery;
mod example;
mod markdown;
mod metrics;

use std::collections::BTreeSet;
use std::fs;

use crate::pages::{self, root};

/// What all of them say of themselves.
const ORIGIN: &str = "do not edit: `TERN_WRITE=1 cargo test --test documents generated` writes it anew";

/// Holds a document to what the code says, or writes it.
fn hold(name: &str, made: &str) {
    let path = root().join("docs").join(name);
    if std::env::var_os("TERN_WRITE").is_some() {
        fs::write(&path, made).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let differs = made.lines().zip(there.lines().chain(std::iter::repeat("")));
    let first = differs.enumerate().find(|(_, (made, there))| made != there);
    if let Some((number, (made, there))) = first {
        panic!("docs/{name}:{}: {ORIGIN}\nit says:  {there}\nthe code: {made}", number + 1);
    }
    assert!(made == there, "docs/{name} says more than the code: {ORIGIN}");
    let page = pages::all().into_iter().find(|page| page.path.ends_with(format!("docs/{name}"))).unwrap();
    let mut seen = BTreeSet::new();
    for anchor in page.anchors() {
        assert!(seen.insert(anchor.clone()), "docs/{name} has two headings #{anchor}");
    }
}

#[test]
fn the_configuration_is_described_as_it_is() {
    hold("configuration.md", &configuration::document());
}

#[test]
fn the_metrics_are_described_as_they_are() {
    hold("metrics.md", &metrics::document());
}

#[test]
fn the_command_line_is_described_as_it_is() {
    hold("cli.md", &commands::document());
}

#[test]
fn the_api_is_described_as_it_is() {
    hold("api.md", &api::document());
}
