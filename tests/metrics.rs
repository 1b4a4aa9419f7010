//! What Prometheus makes of `/metrics`: its own checker finds nothing to say.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "metrics/monitoring.rs"]
mod monitoring;
#[path = "support/skip.rs"]
mod skip;
#[path = "metrics/watched.rs"]
mod watched;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use skip::{Missing, need};
use tern::clock::Clock;
use tern::engine::auth::{AuthMethod, AuthResult};
use tern::engine::{Event, OwnerId, Who};
use tern::metrics::{Exposition, More, Source};
use tern::quality::{Direction, Glance, Interval, Leg, RttSource, Session, Settings, What};
use tern::route::{Endpoint, FiveTuple, RelayId, Transport};
use tern::time::{Time, UnixTime};
use tern::wire::rtp::RtpHeader;

fn exposition(sources: Vec<Source>) -> Exposition {
    let watch: Arc<dyn More> = watched::watch(&sources);
    Exposition::with(sources, UnixTime(1_700_000_000), vec![watch]).unwrap()
}

/// A page with every family that there is, those that only calls bring among them.
fn page() -> String {
    let source = || Source { counters: Arc::default(), alive: Arc::new(AtomicBool::new(true)) };
    let sources = vec![source(), source()];
    sources[0].counters.quality.add(&interval(), &Settings::default().codecs);
    exposition(sources).text().unwrap()
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

const USERS: u32 = 100_000;

/// What one user's call leaves in the counters of a worker: nothing of the user, of its address or of its streams.
fn call(source: &Source, user: u32, interval: &mut Interval) {
    let transport = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Dtls][user as usize % 4];
    let end = |ip: u32, port| Endpoint::from(SocketAddr::from((Ipv4Addr::from(ip), port)));
    let (client, server) = (end(0x0a00_0000 + user, 5_000), end(0xc000_0201, 3478));
    let tuple = FiveTuple { client, server, transport };
    let (relay, owner) = (RelayId(user.into()), OwnerId(user.into()));
    let fault = Some(AuthResult::UnknownUser);
    let peer = Some(SocketAddr::from((Ipv4Addr::from(user), 9)));
    for event in [
        Event::Authenticated { method: AuthMethod::Rest, result: AuthResult::UnknownUser },
        Event::Refused {
            method: 3,
            code: 401,
            client: tuple,
            who: Who::Claims(owner),
            relay: None,
            fault,
            peer,
            is_probe: false,
        },
        Event::Allocated { relay, tuple, owner, is_probe: false },
    ] {
        source.counters.event(&event);
    }
    for stream in &mut interval.directions.client_to_peer.streams {
        stream.ssrc = user;
    }
    source.counters.quality.open();
    source.counters.quality.add(interval, &Settings::default().codecs);
}

/// With `--nocapture`: how long the page takes to write, with as many calls.
#[test]
fn a_hundred_thousand_users_add_no_line_to_the_page() {
    let source = || Source { counters: Arc::default(), alive: Arc::new(AtomicBool::new(true)) };
    let sources = vec![source(), source()];
    let exposition = Exposition::new(sources.clone(), UnixTime(1_700_000_000)).unwrap();
    let names = || -> Vec<String> {
        let page = exposition.text().unwrap();
        page.lines().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
    };
    let mut interval = interval();
    call(&sources[0], 0, &mut interval);
    let before = names();
    for user in 1..USERS {
        call(&sources[user as usize % 2], user, &mut interval);
    }
    assert_eq!(names(), before);
    let page = exposition.text().unwrap();
    let udp = "tern_allocations{transport=\"udp\",family=\"ipv4\"} 25000";
    assert!(page.lines().any(|line| line == udp), "{page}");
    let clock = Clock::new();
    let start = clock.now().time;
    (0..10).for_each(|_| drop(exposition.text().unwrap()));
    let took = clock.now().time.since(start) / 10;
    println!("{} lines, {} bytes, written in {took:?}", page.lines().count(), page.len());
}

#[test]
fn promtool_would_have_said_something() {
    let (good, said) = need!(check("# TYPE wrong counter\nwrong 1\n"));
    assert!(!good && said.contains("wrong"), "{said}");
}
