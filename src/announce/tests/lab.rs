//! Relays and a router in virtual time: announcers as they are, checks that answer as the test says, connections with a
//! latency that break as TCP's do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::router::{Key, Output, Router};
use crate::announce::bgp::{Export, NeighborSettings};
use crate::announce::health::{CheckSettings, Report, Verdict};
use crate::announce::policy::{Attributes, Ladder};
use crate::announce::{
    Action, Announcer, Change, CheckId, ConnectionId, Event, Input, NeighborId, Owner, Settings, Target, bgp,
    health,
};
use crate::time::{Now, Time, UnixTime};
use crate::wire::bgp::{Asn, Community, Prefix, RouterId};

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// One way between a relay and the router.
pub(super) const LATENCY: Duration = MS;
/// How long a check takes.
const RUN: Duration = Duration::from_millis(2);
const BEGIN: Time = Time::from_secs(1000);

/// Something that is on its way.
#[derive(Debug)]
enum Parcel {
    Report { relay: usize, life: u32, check: CheckId, run: u32, report: Report },
    Syn { key: Key, neighbor: NeighborId },
    SynAck { key: Key },
    ToRouter { key: Key, bytes: Vec<u8> },
    ToRelay { key: Key, bytes: Vec<u8> },
    FinToRouter { key: Key },
    FinToRelay { key: Key },
}

impl Parcel {
    /// Whose cable it needs; reports need none.
    const fn cable(&self) -> Option<usize> {
        match self {
            Self::Report { .. } => None,
            Self::Syn { key, .. }
            | Self::SynAck { key }
            | Self::ToRouter { key, .. }
            | Self::ToRelay { key, .. }
            | Self::FinToRouter { key }
            | Self::FinToRelay { key } => Some(key.0),
        }
    }
}

pub(super) struct Relay {
    pub(super) announcer: Announcer,
    /// What each check answers; `None` is silence.
    pub(super) answers: Vec<Option<Verdict>>,
    pub(super) changes: Vec<Change>,
    pub(super) log: Vec<Event>,
    pub(super) is_stopped: bool,
    settings: Settings,
    /// How often the process has been started, so that nothing reaches a later one that was meant for it.
    life: u32,
    is_running: bool,
    is_frozen: bool,
    is_cut: bool,
    connections: BTreeSet<ConnectionId>,
    /// The last connection that was asked for to an RPKI cache.
    cache: Option<ConnectionId>,
    /// The announcer's deadline as of its last action.
    due: Time,
    /// What has come while it was frozen.
    backlog: Vec<Parcel>,
    /// What has come to the cable while it was cut.
    held_up: Vec<Parcel>,
}

impl Relay {
    pub(super) fn is_well(&self) -> bool {
        self.answers.iter().all(|answer| *answer == Some(Verdict::Good))
    }

    /// It runs, and the router hears it.
    pub(super) const fn is_clear(&self) -> bool {
        self.is_running && !self.is_frozen && !self.is_cut
    }

    pub(super) const fn is_running(&self) -> bool {
        self.is_running
    }

    pub(super) const fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(super) const fn is_frozen(&self) -> bool {
        self.is_frozen
    }

    const fn takes_part(&self) -> bool {
        self.is_running && !self.is_frozen
    }
}

pub(super) struct Lab {
    pub(super) now: Now,
    pub(super) relays: Vec<Relay>,
    pub(super) router: Router,
    parcels: BTreeMap<(Time, u64), Parcel>,
    sent: u64,
}

impl Lab {
    /// Relays that have just been started.
    pub(super) fn new(settings: Vec<Settings>) -> Self {
        let now = Now { time: BEGIN, unix: UnixTime(1_700_000_000) };
        let relay = |settings: Settings| Relay {
            announcer: Announcer::new(now, settings.clone()),
            answers: vec![Some(Verdict::Good); settings.health.checks.len()],
            changes: Vec::new(),
            log: Vec::new(),
            is_stopped: false,
            settings,
            life: 0,
            is_running: true,
            is_frozen: false,
            is_cut: false,
            connections: BTreeSet::new(),
            cache: None,
            due: now.time,
            backlog: Vec::new(),
            held_up: Vec::new(),
        };
        let relays = settings.into_iter().map(relay).collect();
        Self { now, relays, router: Router::new(ROUTER), parcels: BTreeMap::new(), sent: 0 }
    }

    /// One relay that announces as healthy.
    pub(super) fn healthy(settings: Settings) -> Self {
        let mut lab = Self::new(vec![settings]);
        lab.run(10 * SECOND);
        assert_eq!(lab.router.med(0), Some(10_200));
        lab.relays[0].changes.clear();
        lab.relays[0].log.clear();
        lab
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now.time.since(BEGIN)
    }

    /// Tells a relay something, and does what follows from that at once.
    pub(super) fn tell(&mut self, relay: usize, input: Input<'_>) {
        if let Input::Reload(settings) = &input {
            self.relays[relay].settings = Settings::clone(settings);
        }
        self.relays[relay].announcer.handle(self.now, input);
        self.act(relay);
    }

    pub(super) fn say(&mut self, relay: usize, check: usize, answer: Option<Verdict>) {
        self.relays[relay].answers[check] = answer;
    }

    /// The relay's RPKI cache knows one record: 192.0.2.0/24 up to 32 bits, from `origin`.
    pub(super) fn answer_rpki(&mut self, relay: usize, origin: u32) {
        let pdu = |kind: u8, head: u16, body: &[u8]| {
            let length = u32::try_from(8 + body.len()).unwrap();
            [&[1, kind][..], &head.to_be_bytes(), &length.to_be_bytes(), body].concat()
        };
        let record = [&[1, 24, 32, 0, 192, 0, 2, 0][..], &origin.to_be_bytes()].concat();
        let timers = [1, 3600, 600, 7200].map(u32::to_be_bytes);
        let bytes = [pdu(3, 7, &[]), pdu(4, 0, &record), pdu(7, 7, timers.as_flattened())].concat();
        let connection = self.relays[relay].cache.expect("the relay has asked for no connection");
        self.tell(relay, Input::Connected { connection, local: LOCAL, remote: REMOTE });
        self.tell(relay, Input::Received { connection, bytes: &bytes });
    }

    /// SIGKILL: the kernel closes the sockets.
    pub(super) fn kill(&mut self, relay: usize) {
        let killed = &mut self.relays[relay];
        let life = killed.life;
        (killed.is_running, killed.is_frozen) = (false, false);
        killed.backlog.clear();
        for connection in std::mem::take(&mut killed.connections) {
            self.post(LATENCY, Parcel::FinToRouter { key: (relay, life, connection) });
        }
    }

    pub(super) fn start(&mut self, relay: usize) {
        let now = self.now;
        let started = &mut self.relays[relay];
        assert!(!started.is_running);
        started.life += 1;
        (started.is_running, started.is_stopped) = (true, false);
        started.announcer = Announcer::new(now, started.settings.clone());
        started.due = now.time;
    }

    /// SIGSTOP and SIGCONT.
    pub(super) fn freeze(&mut self, relay: usize, is_frozen: bool) {
        self.relays[relay].is_frozen = is_frozen && self.relays[relay].is_running;
        if !is_frozen {
            for parcel in std::mem::take(&mut self.relays[relay].backlog) {
                self.deliver(parcel);
            }
        }
    }

    /// Nothing passes between a relay and the router. TCP brings later what was sent meanwhile.
    pub(super) fn cut(&mut self, relay: usize, is_cut: bool) {
        self.relays[relay].is_cut = is_cut;
        if !is_cut {
            for parcel in std::mem::take(&mut self.relays[relay].held_up) {
                self.deliver(parcel);
            }
        }
    }

    pub(super) fn restart_router(&mut self) {
        let outputs = self.router.restart();
        self.route(outputs);
    }

    /// When something is going to happen.
    pub(super) fn next(&self) -> Time {
        let relays = self.relays.iter().filter(|relay| relay.takes_part()).map(|relay| relay.due);
        let parcel = self.parcels.keys().next().map(|key| key.0);
        relays.chain(parcel).chain(self.router.deadline()).min().unwrap_or(Time::MAX).max(self.now.time)
    }

    pub(super) fn run(&mut self, by: Duration) {
        let until = self.now.time + by;
        while self.next() <= until {
            self.step();
        }
        self.set_time(until);
    }

    /// Runs until something holds.
    pub(super) fn run_until(&mut self, limit: Duration, holds: impl Fn(&Self) -> bool) -> Duration {
        let began = self.now.time;
        while !holds(self) {
            assert!(self.next() <= began + limit, "did not come true within {limit:?}");
            self.step();
        }
        self.now.time.since(began)
    }

    pub(super) fn set_time(&mut self, time: Time) {
        self.now = self.now.after(time.since(self.now.time));
        self.now.unix = UnixTime(1_700_000_000 + self.elapsed().as_secs());
    }

    /// The next thing that happens.
    pub(super) fn step(&mut self) {
        self.step_to(self.next());
    }

    /// What happens at the time that [`Self::next`] has said.
    pub(super) fn step_to(&mut self, next: Time) {
        self.set_time(next);
        while let Some(entry) = self.parcels.first_entry().filter(|entry| entry.key().0 <= self.now.time) {
            let parcel = entry.remove();
            self.deliver(parcel);
        }
        if self.router.deadline().is_some_and(|due| due <= self.now.time) {
            let outputs = self.router.tick(self.now.time);
            self.route(outputs);
        }
        for relay in 0..self.relays.len() {
            if self.relays[relay].takes_part() && self.relays[relay].due <= self.now.time {
                self.relays[relay].announcer.handle(self.now, Input::Tick);
                self.act(relay);
            }
        }
    }

    fn post(&mut self, after: Duration, parcel: Parcel) {
        self.sent += 1;
        self.parcels.insert((self.now.time + after, self.sent), parcel);
    }

    fn deliver(&mut self, parcel: Parcel) {
        if let Some(relay) = parcel.cable().filter(|relay| self.relays[*relay].is_cut) {
            return self.relays[relay].held_up.push(parcel);
        }
        let now = self.now.time;
        match parcel {
            Parcel::Syn { key, neighbor } => {
                self.router.connected(now, key, neighbor);
                self.post(LATENCY, Parcel::SynAck { key });
            }
            Parcel::ToRouter { key, bytes } if self.router.knows(key) => {
                let outputs = self.router.received(now, key, &bytes);
                self.route(outputs);
            }
            Parcel::ToRouter { key, .. } => {
                self.post(LATENCY, Parcel::FinToRelay { key });
            }
            Parcel::FinToRouter { key } => self.router.closed(key),
            Parcel::Report { relay, .. } => self.deliver_to(relay, parcel),
            Parcel::SynAck { key } | Parcel::ToRelay { key, .. } | Parcel::FinToRelay { key } => {
                self.deliver_to(key.0, parcel);
            }
        }
    }

    fn deliver_to(&mut self, relay: usize, parcel: Parcel) {
        if self.relays[relay].is_frozen {
            return self.relays[relay].backlog.push(parcel);
        }
        let (is_running, current) = (self.relays[relay].is_running, self.relays[relay].life);
        let is_for = |life: u32| is_running && life == current;
        match parcel {
            Parcel::Report { life, check, run, report, .. } if is_for(life) => {
                self.tell(relay, Input::Report { check, run, report });
            }
            Parcel::SynAck { key: (_, life, connection) } if is_for(life) => {
                if self.relays[relay].connections.contains(&connection) {
                    let (local, remote) = (LOCAL, REMOTE);
                    self.tell(relay, Input::Connected { connection, local, remote });
                } else {
                    self.post(LATENCY, Parcel::FinToRouter { key: (relay, life, connection) });
                }
            }
            Parcel::ToRelay { key: (_, life, connection), bytes } if is_for(life) => {
                if self.relays[relay].connections.contains(&connection) {
                    self.tell(relay, Input::Received { connection, bytes: &bytes });
                } else {
                    self.post(LATENCY, Parcel::FinToRouter { key: (relay, life, connection) });
                }
            }
            Parcel::FinToRelay { key: (_, life, connection) }
                if is_for(life) && self.relays[relay].connections.remove(&connection) =>
            {
                self.tell(relay, Input::Closed { connection, reason: "closed by the neighbour" });
            }
            // To a process that is no more: its kernel says so.
            Parcel::ToRelay { key, .. } | Parcel::SynAck { key } => {
                self.post(LATENCY, Parcel::FinToRouter { key });
            }
            Parcel::Report { .. } | Parcel::FinToRelay { .. } => {}
            Parcel::Syn { .. } | Parcel::ToRouter { .. } | Parcel::FinToRouter { .. } => {
                unreachable!("not for a relay")
            }
        }
    }

    fn route(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(key, bytes) => self.post(LATENCY, Parcel::ToRelay { key, bytes }),
                Output::Close(key) => self.post(LATENCY, Parcel::FinToRelay { key }),
            }
        }
    }

    fn act(&mut self, place: usize) {
        while let Some(action) = self.relays[place].announcer.poll() {
            let relay = &mut self.relays[place];
            let life = relay.life;
            match action {
                Action::Run { check, run, .. } => {
                    if let Some(verdict) = relay.answers[usize::from(check.0)] {
                        let report = Report::new(verdict, "said so");
                        self.post(RUN, Parcel::Report { relay: place, life, check, run, report });
                    }
                }
                Action::Connect { connection, target: Target::Neighbor(neighbor) } => {
                    assert!(relay.connections.insert(connection));
                    self.post(LATENCY, Parcel::Syn { key: (place, life, connection), neighbor });
                }
                // Nobody answers there until the test does.
                Action::Connect { connection, target: Target::Rtr(_) } => relay.cache = Some(connection),
                Action::Send { connection, .. } if connection.owner() == Owner::Rpki => {}
                Action::Send { connection, bytes } => {
                    assert!(relay.connections.contains(&connection), "sent on a closed connection");
                    self.post(LATENCY, Parcel::ToRouter { key: (place, life, connection), bytes });
                    self.relays[place].announcer.handle(self.now, Input::Sent { connection, waiting: 0 });
                }
                Action::Close { connection } | Action::Abort { connection } => {
                    relay.connections.remove(&connection);
                    self.post(LATENCY, Parcel::FinToRouter { key: (place, life, connection) });
                }
                Action::Hook(change) => relay.changes.push(change),
                Action::Event(event) => relay.log.push(event),
                Action::Stopped => relay.is_stopped = true,
            }
        }
        let relay = &mut self.relays[place];
        relay.due = relay.announcer.deadline().unwrap_or(Time::MAX);
    }
}

const ROUTER: Asn = Asn(64_512);
const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)), 40_000);
const REMOTE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 179);

pub(super) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

pub(super) fn check(name: &str) -> CheckSettings {
    CheckSettings { name: name.into(), ..CheckSettings::default() }
}

/// The ladder that configuration has by default.
pub(super) fn ladder() -> Ladder {
    let rung = |med| Some(Attributes { med: Some(med), ..Attributes::default() });
    let mut draining = rung(40_800);
    draining.as_mut().unwrap().communities.push(Community::GRACEFUL_SHUTDOWN);
    Ladder {
        healthy: rung(10_200),
        degraded: rung(20_400),
        draining,
        takeover: rung(0),
        last_resort: rung(61_200),
    }
}

/// One neighbour, one prefix, these checks, and nothing that delays a judgement.
pub(super) fn plain(checks: Vec<CheckSettings>) -> Settings {
    let mut neighbor = NeighborSettings::new("gw-a", REMOTE.ip(), ROUTER);
    neighbor.exports.push(Export { prefix: prefix("192.0.2.1/32"), ladder: ladder() });
    Settings {
        health: health::Settings {
            checks,
            hold_up: Duration::ZERO,
            hold_down: Duration::ZERO,
            damping: None,
            ..health::Settings::default()
        },
        bgp: bgp::Settings {
            asn: Asn(64_600),
            router_id: RouterId(0x0A00_0002),
            neighbors: vec![neighbor],
            shutdown_text: "maintenance".into(),
        },
        ..Settings::default()
    }
}
