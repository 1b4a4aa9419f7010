//! What Prometheus makes of `/metrics`: its own checker finds nothing to say.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "support/skip.rs"]
mod skip;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use skip::{Missing, need};
use tern::metrics::{Exposition, Source};
use tern::quality::{Direction, Glance, Interval, Leg, RttSource, Session, Settings, What};
use tern::time::{Time, UnixTime};
use tern::wire::rtp::RtpHeader;

/// A page with every family that there is, those that only calls bring among them.
fn page() -> String {
    let source = || Source { counters: Arc::default(), alive: Arc::new(AtomicBool::new(true)) };
    let sources = vec![source(), source()];
    sources[0].counters.quality.add(&interval(), &Settings::default().codecs);
    Exposition::new(sources, UnixTime(1_700_000_000)).unwrap().text().unwrap()
}

/// Ten seconds of a client's Opus.
fn interval() -> Interval {
    let (settings, mut now) = (Settings::default(), Time::from_secs(1_000));
    let mut session = Session::new(now);
    for leg in Leg::ALL {
        session.note_rtt(leg, RttSource::Probe, Duration::from_millis(20), now);
    }
    for sequence in (0..500).filter(|sequence| sequence % 100 != 50) {
        let timestamp = u32::from(sequence) * 960;
        let header = RtpHeader { marker: false, payload_type: 111, sequence, timestamp, ssrc: 9 };
        let glance = Glance { arrival: now, length: 100, tos: Some(184), what: What::Rtp(header) };
        session.see(&settings, Direction::ClientToPeer, 7, &glance);
        now = now + Duration::from_millis(20);
    }
    session.close_interval(&settings, now)
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
    for family in ["tern_media_mos_bucket", "tern_rtp_jitter_seconds_bucket", "tern_media_rtt_seconds_bucket"]
    {
        assert!(page.contains(family), "{page}");
    }
    assert_eq!(need!(check(&page)), (true, String::new()), "{page}");
}

#[test]
fn promtool_would_have_said_something() {
    let (good, said) = need!(check("# TYPE wrong counter\nwrong 1\n"));
    assert!(!good && said.contains("wrong"), "{said}");
}
