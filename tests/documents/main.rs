//! What the documents say, done: links lead somewhere, settings are accepted, commands run.
//!
//! Blocks marked `sh` are carried out, section by section, on a host of their own. Blocks marked `sh elsewhere` need another
//! machine, an init system or hours; their programs must exist and their options be known.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../support/host.rs"]
#[allow(dead_code, reason = "shared with the routers' tests")]
mod host;
#[path = "../support/process.rs"]
#[allow(dead_code, reason = "shared with the routers' tests")]
mod process;
#[path = "../support/skip.rs"]
#[allow(unused, reason = "shared with the other tests")]
mod skip;

mod commands;
mod elsewhere;
mod generated;
mod links;
mod pages;
mod settings;
