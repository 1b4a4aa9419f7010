//! Pages, searches and orders over rows made by hand.

use super::*;
use crate::metrics::{CallMedia, CallTraffic, SessionInfo};
use crate::quality::{Directions, Legs};
use crate::route::{ListenerId, RelayId};

/// Knows one user.
struct Known;

impl Calls for Known {
    fn rows(&self) -> CallRows {
        CallRows { rows: Vec::new(), is_complete: true }
    }

    fn detail(&self, _: SessionId) -> Result<Option<CallDetail>, Silence> {
        Ok(None)
    }

    fn end(&self, _: SessionId) -> Result<bool, Silence> {
        Ok(false)
    }

    fn explain(&self, _: &About) -> Story {
        Story::default()
    }

    fn owners(&self, text: &str) -> Vec<u64> {
        if text == "alice" { vec![3] } else { Vec::new() }
    }
}

fn call(number: u32) -> CallRow {
    let leg = |mos| metrics::LegFigures { mos: Some(mos), ..metrics::LegFigures::default() };
    let id = SessionId { worker: u8::try_from(number % 2).unwrap(), relay: RelayId(number.into()) };
    let media = CallMedia {
        session: id,
        began: UnixTime(1),
        idle: Duration::from_millis(20),
        legs: Legs { client: leg(4.5 - f64::from(number % 10) / 10.0), peer: leg(4.4) },
        dscp: Directions::default(),
    };
    CallRow {
        info: SessionInfo {
            id,
            client: SocketAddr::from(([198, 51, 100, u8::try_from(number % 250).unwrap()], 4000)),
            server: "192.0.2.1:3478".parse().unwrap(),
            transport: if number.is_multiple_of(4) { Transport::Tls } else { Transport::Udp },
            listener: ListenerId(0),
            relayed: SocketAddr::from(([192, 0, 2, 1], u16::try_from(50_000 + number).unwrap())),
            owner: u64::from(number % 5),
            began: UnixTime(1_000 + u64::from(number)),
        },
        second: None,
        is_tcp: false,
        is_self_test: false,
        expires_in: Duration::from_secs(600),
        permissions: 1,
        channels: 1,
        traffic: Directions {
            client_to_peer: CallTraffic { packets: 1, bytes: u64::from(number) },
            peer_to_client: CallTraffic::default(),
        },
        media: (number > 0).then_some(media),
    }
}

fn copy() -> Copy {
    let rows = (0..1_000).map(call).collect();
    Copy { at: Time::ZERO, taken: UnixTime(2_000), rows, is_complete: true }
}

fn ask(query: &SessionQuery) -> SessionPage {
    query.answer(&copy(), &Known)
}

fn search(text: &str) -> u64 {
    ask(&SessionQuery { search: Some(text.to_owned()), ..SessionQuery::default() }).matched
}

#[test]
fn pages_follow_upon_each_other_without_gap_or_repetition() {
    let mut seen = Vec::new();
    for page in 1..=4 {
        let found = ask(&SessionQuery { page: Some(page), page_size: Some(300), ..SessionQuery::default() });
        assert_eq!((found.total, found.matched, found.page), (1_000, 1_000, page));
        seen.extend(found.sessions.into_iter().map(|row| row.relayed));
    }
    assert_eq!(seen.len(), 1_000);
    assert_eq!(
        (seen[0].as_str(), seen[999].as_str()),
        ("192.0.2.1:50999", "192.0.2.1:50000"),
        "the newest first"
    );
    let beyond = ask(&SessionQuery { page: Some(u64::MAX), page_size: Some(500), ..SessionQuery::default() });
    assert!(beyond.sessions.is_empty() && beyond.matched == 1_000);
}

#[test]
fn the_worst_come_first_and_what_has_no_figure_last() {
    let by = |sort, order| {
        let query = SessionQuery { sort: Some(sort), order, page_size: Some(500), ..SessionQuery::default() };
        let first = ask(&query).sessions;
        let last = ask(&SessionQuery { page: Some(2), ..query }).sessions;
        (first[0].clone(), last[499].clone())
    };
    let (worst, without) = by(SortWord::Mos, None);
    assert_eq!((worst.media.unwrap().client.mos, without.media), (Some(3.6), None));
    let (best, without) = by(SortWord::Mos, Some(OrderWord::Desc));
    assert_eq!((best.media.unwrap().client.mos, without.media), (Some(4.5), None));
    let (most, least) = by(SortWord::Bytes, None);
    assert_eq!((most.client_to_peer.bytes, least.client_to_peer.bytes), (999, 0));
    let (oldest, _) = by(SortWord::Began, Some(OrderWord::Asc));
    assert_eq!((oldest.age_seconds, oldest.began.as_str()), (1_000, "1970-01-01T00:16:40Z"));
}

#[test]
fn a_call_is_found_by_its_name_its_addresses_and_its_user() {
    for (text, matched) in [
        ("1-3e7", 1),
        ("1-3e8", 0),
        ("198.51.100.7:4000", 4),
        (" 198.51.100.7:4000 ", 4),
        ("192.0.2.1:50123", 1),
        ("198.51.100.0/24", 1_000),
        ("198.51.100.248/31", 8),
        ("2001:db8::/32", 0),
        ("198.51.100.0/99", 4),
        ("0000000000000003", 200),
        ("alice", 200),
        ("bob", 0),
        ("", 1_000),
    ] {
        assert_eq!(search(text), matched, "{text:?}");
    }
}

#[test]
fn transports_and_families_are_told_apart() {
    let tls = SessionQuery { transport: Some(TransportWord::Tls), ..SessionQuery::default() };
    let found = ask(&tls);
    assert_eq!((found.matched, found.sessions[0].transport.as_str()), (250, "tls"));
    let six = SessionQuery { family: Some(FamilyWord::Ipv6), ..SessionQuery::default() };
    assert_eq!(ask(&six).matched, 0);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let query =
        |text: &str| Query::<SessionQuery>::try_from_uri(&format!("/v1/sessions?{text}").parse().unwrap());
    for good in ["", "search=a%2Fb&sort=mos&order=asc&page=2&page_size=500&transport=dtls&family=ipv6"] {
        assert!(query(good).unwrap().0.check().is_ok(), "{good}");
    }
    for bad in ["sort=name", "page=-1", "page=x", "sotr=mos", "transport=UDP", "family=4"] {
        assert!(query(bad).is_err(), "{bad}");
    }
    for bad in ["page=0", "page_size=0", "page_size=501", &format!("search={}", "x".repeat(601))] {
        assert!(query(bad).unwrap().0.check().is_err(), "{bad}");
    }
}
