//! What Prometheus makes of `/metrics`: its own checker finds nothing to say.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "support/skip.rs"]
mod skip;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use skip::{Missing, need};
use tern::metrics::{Exposition, Source};
use tern::time::UnixTime;

/// A page with every family that there is.
fn page() -> String {
    let source = || Source { counters: Arc::default(), alive: Arc::new(AtomicBool::new(true)) };
    Exposition::new(vec![source(), source()], UnixTime(1_700_000_000)).unwrap().text().unwrap()
}

/// What `promtool` (in Debian's package prometheus) answers to `page` on its standard input.
fn check(page: &str) -> Result<(bool, String), Missing> {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().map_err(|error| Missing(format!("the program promtool: {error}")))?;
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8(said).unwrap()))
}

#[test]
fn promtool_has_nothing_to_say() {
    let page = page();
    assert_eq!(need!(check(&page)), (true, String::new()), "{page}");
}

#[test]
fn promtool_would_have_said_something() {
    let (good, said) = need!(check("# TYPE wrong counter\nwrong 1\n"));
    assert!(!good && said.contains("wrong"), "{said}");
}
