//! What `/metrics` says besides the workers' counters: the room that is left, whether the relay is ready, its health, its
//! neighbours, its certificates and its process.
//!
//! All of it is what the last look has found, so a scrape waits for nobody. Labels are names of the configuration.

use super::sessions::{bfd_of, has_data, is_bfd_wanted, is_bgp_wanted};
use super::{Standing, Watch, process};
use crate::announce::Settings;
use crate::announce::bgp::SessionState;
use crate::announce::health::{State, Verdict};
use crate::control::admin::{Basis, Resource, Room};
use crate::metrics::{Family, More, Sums};
use crate::speaker::View;
use crate::wire::bfd::State as BfdState;

const OF_NEIGHBOR: &[&str] = &["neighbor"];
const OF_ROUTE: &[&str] = &["neighbor", "prefix"];
const OF_RESOURCE: &[&str] = &["resource"];

static HEADROOM: Family = Family::gauge(
    "tern_headroom_ratio",
    OF_RESOURCE,
    "The share that is free of what can run out, 0 to 1; where a limit is known.",
);
static LIMIT: Family = Family::gauge(
    "tern_capacity_limit",
    OF_RESOURCE,
    "How much there is of what can run out: configured, counted, or measured by how busy the workers are.",
);
static MEASURED: Family = Family::gauge(
    "tern_capacity_limit_measured",
    OF_RESOURCE,
    "1 where tern_capacity_limit was measured by how busy the workers are, and is no more than an estimate.",
);
static READY: Family = Family::gauge("tern_ready", &[], "1 while the relay should be given new calls.");
static DRAINING: Family = Family::gauge("tern_draining", &[], "1 while an operator has the relay emptied.");
static ALERTS: Family =
    Family::gauge("tern_alerts", &["severity"], "Alerts that the relay itself has raised.");
static EXPIRY: Family = Family::gauge(
    "tern_certificate_expiry_seconds",
    &["certificate", "file"],
    "When a certificate expires, in seconds since 1970.",
);
static STATE: Family =
    Family::gauge("tern_health_state", &["state"], "1 for the relay's state, 0 for all others.");
static KNOWN: Family = Family::gauge(
    "tern_health_known",
    &[],
    "1 once the relay's health was looked at for long enough to say; until then its state is down for want of knowledge.",
);
static CHECK: Family =
    Family::gauge("tern_health_check_up", &["check"], "1 while a check of the relay's health passes.");
static SCORE: Family =
    Family::gauge("tern_health_score", &[], "The weights of the checks that have failed, added up.");
static ANSWERS: Family = Family::gauge(
    "tern_announcer_up",
    &[],
    "1 while the announcer answers; its other figures are missing else.",
);
static BGP_UP: Family =
    Family::gauge("tern_bgp_session_up", OF_NEIGHBOR, "1 while a BGP session is established.");
static BGP_WANTED: Family = Family::gauge(
    "tern_bgp_session_wanted",
    OF_NEIGHBOR,
    "1 while the configuration wants a BGP session; 0 for a neighbour that is shut down on purpose.",
);
static BGP_FLAPS: Family = Family::counter(
    "tern_bgp_session_flaps_total",
    OF_NEIGHBOR,
    "BGP sessions that have ended without the operator's wish.",
);
static PREFIX: Family = Family::gauge(
    "tern_bgp_prefix_announced",
    OF_ROUTE,
    "1 while a neighbour has been told of a prefix that the configuration names for it.",
);
static MED: Family =
    Family::gauge("tern_bgp_prefix_med", OF_ROUTE, "The MED that a prefix is announced with.");
static RECEIVED: Family = Family::gauge(
    "tern_bgp_received_prefixes",
    OF_NEIGHBOR,
    "Prefixes that a neighbour announces to the relay; they are counted and thrown away.",
);
static BFD_UP: Family = Family::gauge("tern_bfd_session_up", OF_NEIGHBOR, "1 while a BFD session is up.");
static BFD_WANTED: Family = Family::gauge(
    "tern_bfd_session_wanted",
    OF_NEIGHBOR,
    "1 while both sides want a BFD session; 0 while an operator of either has taken it down.",
);
static BFD_FLAPS: Family =
    Family::counter("tern_bfd_session_flaps_total", OF_NEIGHBOR, "How often a BFD session went down.");
static CACHE: Family = Family::gauge(
    "tern_rpki_cache_up",
    &["cache"],
    "1 while there are statements of a cache of RPKI to go by.",
);
static STRANGERS: Family = Family::counter(
    "tern_bgp_refused_connections_total",
    &[],
    "Connections to the BGP listener that were of no neighbour.",
);

const STATES: [State; 5] = [State::Healthy, State::Degraded, State::Draining, State::Down, State::Takeover];

impl More for Watch {
    fn families(&self) -> Vec<&'static Family> {
        let own = [
            &READY,
            &DRAINING,
            &HEADROOM,
            &LIMIT,
            &MEASURED,
            &ALERTS,
            &EXPIRY,
            &STATE,
            &KNOWN,
            &CHECK,
            &SCORE,
            &ANSWERS,
            &BGP_UP,
            &BGP_WANTED,
            &BGP_FLAPS,
            &PREFIX,
            &MED,
            &RECEIVED,
            &BFD_UP,
            &BFD_WANTED,
            &BFD_FLAPS,
            &CACHE,
            &STRANGERS,
        ];
        own.into_iter().chain(process::families()).collect()
    }

    fn add(&self, sums: &mut Sums) {
        let seen = self.seen();
        let number = |is: bool| f64::from(u8::from(is));
        sums.add(&READY, &[], number(self.reasons(&seen).is_empty()));
        sums.add(&DRAINING, &[], number(self.is_draining(&seen)));
        for resource in Resource::ALL {
            let Room { limit, free_share, basis, .. } = seen.capacity.room(resource);
            if let (Some(limit), Some(free)) = (limit, free_share) {
                sums.add(&HEADROOM, &[resource.name()], *free);
                sums.add(&LIMIT, &[resource.name()], *limit);
                sums.add(&MEASURED, &[resource.name()], number(*basis == Basis::Measured));
            }
        }
        for (severity, name) in super::SEVERITIES {
            let alerts = seen.alerts.iter().filter(|alert| alert.severity == severity).count();
            sums.add(&ALERTS, &[name], super::sample::float(u64::try_from(alerts).unwrap_or(u64::MAX)));
        }
        for (index, store) in self.certificates().iter().enumerate() {
            let file = super::certificate_name(store);
            sums.add(&EXPIRY, &[&index.to_string(), &file], super::sample::float(store.expires().0));
        }
        add_announcer(sums, &seen.standing);
        process::add(sums);
    }
}

fn add_announcer(sums: &mut Sums, standing: &Standing) {
    match standing {
        Standing::Absent | Standing::Awaited => {}
        Standing::Silent(_) => sums.add(&ANSWERS, &[], 0.0),
        Standing::Seen { settings, view } => {
            sums.add(&ANSWERS, &[], 1.0);
            sums.add(&STRANGERS, &[], super::sample::float(view.refused_connections));
            add_health(sums, view);
            add_neighbors(sums, settings, view);
            for cache in &view.announce.caches {
                sums.add(&CACHE, &[&cache.name], f64::from(u8::from(has_data(cache))));
            }
        }
    }
}

fn add_health(sums: &mut Sums, view: &View) {
    let health = &view.announce.health;
    for state in STATES {
        sums.add(&STATE, &[state.name()], f64::from(u8::from(state == health.state)));
    }
    sums.add(&KNOWN, &[], f64::from(u8::from(health.is_known)));
    sums.add(&SCORE, &[], health.score.into());
    for check in &health.checks {
        // One that has not run often enough has neither passed nor failed.
        if let Some(verdict) = check.counts_as {
            sums.add(&CHECK, &[&check.name], f64::from(u8::from(verdict == Verdict::Good)));
        }
    }
}

fn add_neighbors(sums: &mut Sums, settings: &Settings, view: &View) {
    for neighbor in &view.announce.neighbors {
        let name: &str = &neighbor.name;
        let is_up = neighbor.state == SessionState::Established;
        sums.add(&BGP_UP, &[name], f64::from(u8::from(is_up)));
        sums.add(&BGP_WANTED, &[name], f64::from(u8::from(is_bgp_wanted(settings, name))));
        sums.add(&BGP_FLAPS, &[name], super::sample::float(neighbor.lost));
        let received = neighbor.session.iter().flat_map(|session| &session.received).map(|(_, count)| *count);
        sums.add(
            &RECEIVED,
            &[name],
            super::sample::float(u64::try_from(received.sum::<usize>()).unwrap_or(u64::MAX)),
        );
        if let Some(session) = bfd_of(view, neighbor) {
            sums.add(&BFD_UP, &[name], f64::from(u8::from(session.state == BfdState::Up)));
            sums.add(&BFD_WANTED, &[name], f64::from(u8::from(is_bfd_wanted(session))));
            sums.add(&BFD_FLAPS, &[name], super::sample::float(session.counts.downs));
        }
        for route in view.announce.routes.iter().filter(|route| route.neighbor == neighbor.id) {
            let prefix = route.prefix.to_string();
            let announced = neighbor.session.iter().flat_map(|session| &session.announced);
            let told = announced.into_iter().find(|told| told.prefix == route.prefix);
            sums.add(&PREFIX, &[name, &prefix], f64::from(u8::from(told.is_some())));
            if let Some(med) = told.and_then(|told| told.attributes.med) {
                sums.add(&MED, &[name, &prefix], med.into());
            }
        }
    }
}
