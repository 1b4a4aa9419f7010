//! A call of Chromium through a network that is not good: what the browser says at both ends, beside what the hops on the
//! way know that they did.
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

    for (side, hop) in hops.iter().enumerate() {
        let (sender, receiver) = (&report["end"][side]["outbound"], &report["end"][1 - side]["inbound"]);
        let stream = upstream(&hop.passed())[&u32::try_from(number(&sender["ssrc"])).unwrap()];
        println!("end {side}: {stream:?}\n    {sender}\n    {receiver}");
        assert!(stream.passed < stream.expected, "the hop loses: {stream:?}");
        assert_eq!(number(&sender["packetsSent"]), stream.sent, "{stream:?}");
        assert_eq!(number(&receiver["packetsReceived"]), stream.passed, "{stream:?}");
        assert_eq!(number(&receiver["packetsLost"]), stream.expected - stream.passed, "{stream:?}");
    }
}
