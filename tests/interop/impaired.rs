//! A call of Chromium through a network that is not good: what the relay has recorded, what the browser says at both ends,
//! and what the hops on the way know that they did.
//!
//! Each end reaches the relay by a hop of its own. Toward the relay it loses, doubles, delays and mixes up; back it only
//! delays. So what the relay sees of one end's voice is what the other end gets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::chromium::browse;
use crate::hop::{Hop, Passed, Toward, Way, rtp};
use crate::lab::{CLIENT_V4, Lab, RELAY_V4};
use crate::relay::{PASSWORD, PORT, Relay, Setup, USER};
use crate::skip::need;

const MS: Duration = Duration::from_millis(1);
/// What a busy browser may take to answer a check, on average.
const BROWSER_MS: f64 = 20.0;
/// Both see some ten round trips, and not the same ones: half of what chance adds to one.
const SPREAD_MS: f64 = 21.0;
/// How long both talk.
const SECONDS: u32 = 20;

/// What happens on the way of each end: from it to the relay, and back.
fn ways() -> [[Way; 2]; 2] {
    let near =
        Way { delay: 20 * MS, jitter: 12 * MS, loss: Some((0.02, 0.5)), doubled: 0.01, ..Way::default() };
    let far =
        Way { delay: 45 * MS, jitter: 30 * MS, overtaking: true, loss: Some((0.01, 0.9)), ..Way::default() };
    [[near, Way::delayed(20 * MS)], [far, Way::delayed(45 * MS)]]
}

/// What came to the relay of one stream, as the hop before it knows. What was lost before the first packet that passed,
/// or behind the last, nobody can miss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Upstream {
    /// Sent by the browser.
    sent: u64,
    /// Sent between the first that passed and the last.
    expected: u64,
    /// Without copies.
    passed: u64,
    copies: u64,
}

/// By SSRC.
fn upstream(passed: &[Passed]) -> BTreeMap<u32, Upstream> {
    // How many copies of each packet left the hop, in the order in which the browser has sent them.
    let mut streams: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for datagram in passed.iter().filter(|datagram| datagram.toward == Toward::Target) {
        let Some(packet) = rtp(&datagram.bytes) else { continue };
        let ssrc = u32::from_be_bytes(packet[8..12].try_into().unwrap());
        streams.entry(ssrc).or_default().push(datagram.left.len());
    }
    streams.into_iter().map(|(ssrc, copies)| (ssrc, Upstream::of(&copies))).collect()
}

impl Upstream {
    fn of(copies: &[usize]) -> Self {
        let came = |copies: &usize| *copies > 0;
        let (first, last) = (copies.iter().position(came).unwrap(), copies.iter().rposition(came).unwrap());
        let passed = copies.iter().filter(|copies| came(copies)).count();
        Self {
            sent: copies.len() as u64,
            expected: (last - first + 1) as u64,
            passed: passed as u64,
            copies: (copies.iter().sum::<usize>() - passed) as u64,
        }
    }
}

/// RFC 3550's jitter of what left the hop, the mean of its values in seconds: over packets that are further than all
/// before them, in number and in time (a browser that probes for bandwidth sends padding at the time of what it sent
/// last), at the middle of the moment in which the hop sent them.
fn mean_jitter(passed: &[Passed], ssrc: u32, clock: f64) -> f64 {
    let mut left: Vec<(f64, u16, u32)> = Vec::new();
    for datagram in passed.iter().filter(|datagram| datagram.toward == Toward::Target) {
        let Some(packet) = rtp(&datagram.bytes) else { continue };
        let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
        if word(8) != ssrc {
            continue;
        }
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        for (before, after) in &datagram.left {
            let middle = f64::midpoint(before.as_nanos() as f64, after.as_nanos() as f64) / 1e9;
            left.push((middle, sequence, word(4)));
        }
    }
    left.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut jitter, mut values) = (0.0_f64, Vec::new());
    let Some(mut last) = left.first().copied() else { return 0.0 };
    for here in left {
        let ticks = here.2.wrapping_sub(last.2).cast_signed();
        if here.1.wrapping_sub(last.1).cast_signed() <= 0 || ticks <= 0 {
            continue;
        }
        let sent = f64::from(ticks) / clock;
        jitter += ((here.0 - last.0 - sent).abs() - jitter) / 16.0;
        values.push(jitter);
        last = here;
    }
    values.iter().sum::<f64>() / values.len() as f64
}

/// What a record says of a stream.
fn stream_of(record: &Value, direction: &str, ssrc: u32) -> Option<Value> {
    let streams = record[direction]["streams"].as_array().unwrap();
    streams.iter().find(|stream| stream["ssrc"] == ssrc).cloned()
}

fn milliseconds(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a number: {value}"))
}

/// The round trips of a leg lie where the hop that it leads through has put them; the browser and this machine take
/// some more.
fn check_leg(leg: &Value, [there, back]: &[Way; 2]) -> f64 {
    assert_eq!(leg[0]["source"], "check", "{leg}");
    let least = (there.delay + back.delay).as_secs_f64() * 1e3;
    let most = least + (there.jitter + back.jitter).as_secs_f64() * 1e3;
    let mean = milliseconds(&leg[0]["mean_ms"]);
    assert!(milliseconds(&leg[0]["least_ms"]) >= least - 1.0 && mean <= most + BROWSER_MS, "{leg}");
    mean
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number: {value}"))
}

#[test]
fn chromium_and_the_relay_agree_about_a_call_through_a_bad_network() {
    let lab = need!(Lab::new());
    let relay = Relay::start(&lab, Setup::default());
    let hops = ways().map(|[there, back]| {
        let at = SocketAddr::new(CLIENT_V4.into(), 0);
        lab.among_clients(|| Hop::start(at, SocketAddr::new(RELAY_V4.into(), PORT), there, back, 21))
    });
    let servers = hops.each_ref().map(|hop| {
        let urls = format!("turn:{}?transport=udp", hop.at);
        json!([{ "urls": urls, "username": USER, "credential": PASSWORD }])
    });
    let task = json!({ "iceServers": servers, "seconds": SECONDS, "expect": "statistics" });
    let report = need!(browse(&lab, &relay, task));

    let records = relay.records(2);
    let mut sides = Vec::new();
    for (side, hop) in hops.iter().enumerate() {
        let (sender, receiver) = (&report["end"][side]["outbound"], &report["end"][1 - side]["inbound"]);
        let (ssrc, passed) = (u32::try_from(number(&sender["ssrc"])).unwrap(), hop.passed());
        let truth = upstream(&passed)[&ssrc];
        println!("end {side}: {truth:?}\n    {sender}\n    {receiver}");
        assert!(truth.passed < truth.expected, "the hop loses: {truth:?}");
        assert_eq!(number(&sender["packetsSent"]), truth.sent, "{truth:?}");
        assert_eq!(number(&receiver["packetsReceived"]), truth.passed, "{truth:?}");
        assert_eq!(number(&receiver["packetsLost"]), truth.expected - truth.passed, "{truth:?}");

        // The relay has seen it twice: come from its client, and go to the other one.
        let of = |direction: &str| {
            let found =
                records.iter().filter_map(|record| Some((record, stream_of(record, direction, ssrc)?)));
            found.collect::<Vec<_>>()
        };
        let (mine, theirs) = (of("client_to_peer"), of("peer_to_client"));
        assert_eq!((mine.len(), theirs.len()), (1, 1), "{records:?}");
        let jitter = mean_jitter(&passed, ssrc, 48_000.0) * 1e3;
        for (_, stream) in mine.iter().chain(&theirs) {
            println!("    {stream}\n    jitter behind the hop: {jitter:.3} ms");
            let counted = ["expected", "received", "lost", "duplicate"].map(|name| number(&stream[name]));
            let lost = truth.expected - truth.passed;
            assert_eq!(counted, [truth.expected, truth.passed, lost, truth.copies], "{stream}");
            let off = (milliseconds(&stream["mean_jitter_ms"]) - jitter).abs();
            assert!(off <= (jitter * 0.02).max(0.1), "{jitter}: {stream}");
        }
        assert_eq!(mine[0].0["client_to_peer"]["scores"][0]["basis"], "proxy", "{}", mine[0].0);
        sides.push(mine[0].0.clone());
    }
    for (side, record) in sides.iter().enumerate() {
        let ways = ways();
        let client = check_leg(&record["rtt"]["client"], &ways[side]);
        let peer = check_leg(&record["rtt"]["peer"], &ways[1 - side]);
        let pair = &report["end"][side]["pair"];
        let whole =
            milliseconds(&pair["totalRoundTripTime"]) * 1e3 / milliseconds(&pair["responsesReceived"]);
        println!("end {side}: legs of {client:.1} and {peer:.1} ms, {whole:.1} ms for the browser");
        assert!((client + peer - whole).abs() <= SPREAD_MS, "{record}");
    }
}
