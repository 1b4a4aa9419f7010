//! A watch that has found something of everything: neighbours, checks, caches, a certificate.

use std::sync::Arc;
use std::time::Duration;

use tern::announce::bgp::{Announced, NeighborView, SessionState, SessionView};
use tern::announce::health::{CheckView, HealthView, State, Verdict};
use tern::announce::policy::Attributes;
use tern::announce::rpki::CacheView;
use tern::announce::{self, NeighborId, RouteView, bfd};
use tern::clock::Clock;
use tern::control::watch::{CapacityLimits, Sources, Standing, Watch, WatchSettings};
use tern::engine::Room;
use tern::metrics::Source;
use tern::net::certs::CertStore;
use tern::speaker::{self, View};
use tern::wire::bfd::{Diagnostic, State as BfdState};
use tern::wire::bgp::{Asn, Family, Prefix, RouterId};
use tern::wire::rtr::Version;

pub(super) fn watch(workers: &[Source]) -> Arc<Watch> {
    let sources = Sources {
        workers: workers.to_vec(),
        certificates: vec![certificate()],
        room: Arc::new(|| Room { ports: 100, free_ports: 50, allocations: Some(1_000), held: 10 }),
        announcer: Arc::new(|| Standing::Seen {
            settings: announce::Settings::default(),
            view: Box::new(view()),
        }),
        calls: Arc::new(Vec::new),
        leaving_dscp: Arc::new(Some),
    };
    let limits = CapacityLimits {
        sessions: Some(500),
        bits_per_second: Some(1_000_000),
        packets_per_second: Some(1_000),
    };
    Watch::new(sources, WatchSettings { limits, ..WatchSettings::default() })
}

fn certificate() -> Arc<CertStore> {
    let made = rcgen::generate_simple_self_signed(vec!["relay.example.org".to_owned()]).unwrap();
    CertStore::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap()
}

fn view() -> View {
    let now = Clock::new().now();
    let health = HealthView {
        state: State::Healthy,
        since: now,
        is_known: true,
        reasons: Vec::new(),
        score: 0,
        draining: false,
        takeover: false,
        others: None,
        checks: vec![CheckView {
            name: "ports".into(),
            counts_as: Some(Verdict::Good),
            last: None,
            at: Some(now),
            streak: 3,
            weight: 10,
        }],
        transitions: Vec::new(),
    };
    let cache = CacheView {
        name: "rpki:3323".to_owned(),
        phase: "up to date",
        version: Version::V1,
        serial: Some((1, 2)),
        records: 3,
        updated: Some(now.unix),
        expires: Some(Duration::from_secs(7_200)),
        failure: None,
    };
    let route = RouteView {
        neighbor: NeighborId(0),
        prefix: prefix(),
        attributes: Some(attributes()),
        why: Vec::new(),
    };
    let announce =
        announce::View { health, routes: vec![route], neighbors: vec![neighbor()], caches: vec![cache] };
    let bfd = speaker::bfd::View { session: bfd(), multihop: false, refused: 0, problem: None };
    View { announce, bfd: Arc::new(vec![Some(bfd)]), refused_connections: 1, badly_signed: None }
}

fn prefix() -> Prefix {
    "10.99.0.1/32".parse().unwrap()
}

fn attributes() -> Attributes {
    Attributes { med: Some(10_200), ..Attributes::default() }
}

fn neighbor() -> NeighborView {
    let session = SessionView {
        router_id: RouterId(1),
        hold: Duration::from_secs(60),
        keepalive: Duration::from_secs(20),
        hold_left: None,
        families: vec![Family::Ipv4],
        capabilities: Vec::new(),
        received: vec![(Family::Ipv4, 12)],
        announced: vec![Announced { prefix: prefix(), attributes: attributes() }],
        withheld: Vec::new(),
    };
    NeighborView {
        id: NeighborId(0),
        name: "north".into(),
        address: [10, 0, 0, 1].into(),
        port: 179,
        asn: Asn(64_600),
        passive: false,
        state: SessionState::Established,
        since: Clock::new().now(),
        halted: None,
        next_attempt: None,
        local: None,
        remote: None,
        session: Some(session),
        established: 1,
        lost: 0,
        treated_as_withdraw: 0,
        discarded: 0,
        last_notification: None,
        last_failure: None,
        failure_cause: None,
        bfd: Some(true),
    }
}

fn bfd() -> bfd::View {
    bfd::View {
        state: BfdState::Up,
        remote_state: BfdState::Up,
        diagnostic: Diagnostic::default(),
        remote_diagnostic: Diagnostic::default(),
        discriminator: 1,
        remote_discriminator: 2,
        healthy: true,
        since: Clock::new().now().unix,
        last_down: None,
        interval: None,
        detection: None,
        heard: None,
        settings: bfd::Settings::default(),
        remote_transmit: Duration::ZERO,
        remote_receive: Duration::ZERO,
        remote_multiplier: 3,
        counts: bfd::Counts::default(),
    }
}
