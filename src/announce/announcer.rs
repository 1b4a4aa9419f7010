//! The composition: checks make a state, the state makes routes, and the machines that speak to others carry them.

use std::collections::VecDeque;
use std::time::Duration;

use super::bgp::{self, Speaker};
use super::health::{Monitor, Output, Transition};
use super::policy::{Origin, Overrides, Situation, Standing, Word};
use super::rpki::{self, Client};
use super::table::Table;
use super::{Action, Change, ConnectionId, Event, Input, NeighborId, Owner, RouteView, Settings, View};
use crate::time::{Now, Time};
use crate::wire::bgp::Prefix;

/// So long a relay that starts, or has other caches or prefixes, waits for the first answer of an RPKI cache, so that it does
/// not announce what it has to withdraw at once, nor the other way round. A cache takes a fraction of this.
const PATIENCE: Duration = Duration::from_secs(3);

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Running,
    /// All is withdrawn; the sessions stand until then.
    Lingering(Time),
    Stopped,
}

/// One relay's announcer.
#[derive(Debug)]
pub struct Announcer {
    settings: Settings,
    monitor: Monitor,
    overrides: Overrides,
    speaker: Speaker,
    rpki: Client,
    /// Until then a prefix of which no cache has spoken waits.
    patience: Option<Time>,
    /// Unless it is one of these, which were announced before patience began, and stay so.
    kept: Vec<Prefix>,
    table: Table,
    /// What the table follows from, besides what `is_stale` stands for.
    situation: Situation,
    /// Settings, words of the operator or origins have changed since the table was made.
    is_stale: bool,
    /// Neighbours have been told what they shall hear, be it nothing.
    has_spoken: bool,
    life: Life,
    actions: VecDeque<Action>,
}

impl Announcer {
    /// An announcer that announces nothing until its checks have passed. It begins with the first [`Input::Tick`],
    /// which is due at once.
    #[must_use]
    pub fn new(now: Now, settings: Settings) -> Self {
        let monitor = Monitor::new(now, settings.health.clone());
        let seed = u64::from(settings.bgp.router_id.0) << 32 | u64::from(settings.bgp.asn.0);
        Self {
            rpki: Client::new(caches(&settings), &prefixes(&settings), seed),
            speaker: Speaker::new(now, &settings.bgp),
            patience: settings.rpki.as_ref().map(|_| now.time + PATIENCE),
            kept: Vec::new(),
            situation: situation(&monitor, &settings, Life::Running),
            monitor,
            settings,
            overrides: Overrides::default(),
            table: Table::default(),
            is_stale: true,
            has_spoken: false,
            life: Life::Running,
            actions: VecDeque::new(),
        }
    }

    /// Takes one event in. Ask [`Self::poll`] for what follows from it until there is nothing more.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        if self.life == Life::Stopped {
            return;
        }
        match input {
            Input::Tick => self.tick(now),
            Input::Report { check, run, report } => self.monitor.report(now, check, run, report),
            Input::CheckNow => self.monitor.check_now(now),
            Input::Drain(draining) => self.monitor.drain(now, draining),
            Input::Others(others) => self.monitor.set_others(others),
            Input::Takeover(takeover) => self.monitor.take_over(now, takeover),
            Input::FailBack => self.monitor.fail_back(now),
            Input::Withdraw(prefix) => self.say(now, prefix, Some(Word::Withdraw)),
            Input::Announce { prefix, force } => {
                self.say(now, prefix, force.then_some(Word::Force));
                if prefix.is_none() {
                    self.monitor.fail_back(now);
                }
            }
            Input::Reload(settings) => self.reload(now, *settings),
            Input::Shutdown => self.shut_down(now),
            Input::Accepted { connection, neighbor, local, remote } => {
                let input = bgp::Input::Accepted { connection, neighbor, local, remote };
                self.speaker.handle(now, input);
            }
            Input::Connected { connection, local, remote } => {
                let for_bgp = bgp::Input::Connected { connection, local, remote };
                self.pass_on(now, connection, for_bgp, Some(rpki::Input::Connected { connection }));
            }
            Input::Failed { connection, reason } => {
                let for_bgp = bgp::Input::Failed { connection, reason };
                self.pass_on(now, connection, for_bgp, Some(rpki::Input::Failed { connection, reason }));
            }
            Input::Received { connection, bytes } => {
                let for_bgp = bgp::Input::Received { connection, bytes };
                self.pass_on(now, connection, for_bgp, Some(rpki::Input::Received { connection, bytes }));
            }
            Input::Sent { connection, waiting } => {
                self.pass_on(now, connection, bgp::Input::Sent { connection, waiting }, None);
            }
            Input::Closed { connection, reason } => {
                let for_bgp = bgp::Input::Closed { connection, reason };
                self.pass_on(now, connection, for_bgp, Some(rpki::Input::Closed { connection, reason }));
            }
            Input::Bfd { neighbor, up, reason } => {
                self.speaker.handle(now, bgp::Input::Bfd { neighbor, up, reason });
            }
            Input::BfdStopped { neighbor, reason } => {
                self.speaker.handle(now, bgp::Input::BfdStopped { neighbor, reason });
            }
        }
        self.follow(now);
        self.end_linger(now);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Input::Tick`] is due at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let machines = || {
            let others = [self.speaker.deadline(), self.rpki.deadline(), self.patience];
            self.monitor.deadline().into_iter().chain(others.into_iter().flatten())
        };
        match self.life {
            Life::Running if self.is_stale => Some(Time::ZERO),
            Life::Running => machines().min(),
            Life::Lingering(until) => machines().chain([until]).min(),
            Life::Stopped => None,
        }
    }

    /// What an operator may want to see.
    #[must_use]
    pub fn view(&self, now: Now) -> View {
        let health = self.monitor.view(now);
        let routes = self.table.rows().iter().map(|row| {
            let mut why = vec![row.decision.rule.clone()];
            why.extend(row.origin.said.clone().filter(|said| *said != row.decision.rule));
            why.extend(health.reasons.iter().cloned());
            let attributes = row.decision.attributes.clone();
            RouteView { neighbor: row.neighbor, prefix: row.prefix, attributes, why }
        });
        let routes = routes.collect();
        View { routes, health, neighbors: self.speaker.view(now), caches: self.rpki.view(now) }
    }

    fn tick(&mut self, now: Now) {
        self.monitor.advance(now);
        self.speaker.handle(now, bgp::Input::Tick);
        self.rpki.handle(now, rpki::Input::Tick);
        if self.patience.take_if(|until| *until <= now.time).is_some() {
            self.rpki.forget_retired();
            self.is_stale = true;
        }
    }

    /// What happens on a connection is for whoever has asked for it.
    fn pass_on(
        &mut self,
        now: Now,
        connection: ConnectionId,
        for_bgp: bgp::Input<'_>,
        for_rpki: Option<rpki::Input<'_>>,
    ) {
        match (connection.owner(), for_rpki) {
            (Owner::Bgp, _) => self.speaker.handle(now, for_bgp),
            (Owner::Rpki, Some(input)) => self.rpki.handle(now, input),
            (Owner::Rpki, None) => {}
        }
    }

    /// The operator's word on a prefix that we have, or on all.
    fn say(&mut self, now: Now, prefix: Option<Prefix>, word: Option<Word>) {
        let about = prefix.map_or_else(|| "all".to_owned(), |prefix| prefix.to_string());
        if prefix.is_some_and(|prefix| !prefixes(&self.settings).contains(&prefix)) {
            let event = Event::info("operator names a prefix that is not configured").with("prefix", about);
            return self.log(event);
        }
        self.overrides.say(now.unix, prefix, word);
        self.is_stale = true;
        let event = match word {
            Some(Word::Withdraw) => Event::info("operator withdraws"),
            Some(Word::Force) => Event::info("operator announces by force"),
            None => Event::info("operator leaves the announcement to health"),
        };
        self.log(event.with("prefix", about));
    }

    /// Other settings. The operator's words, what is known of checks, and sessions that need not end stand.
    fn reload(&mut self, now: Now, settings: Settings) {
        if self.life != Life::Running {
            return;
        }
        if has_looked_away(&self.settings, &settings) {
            self.monitor.start_anew(now, settings.health.clone());
            self.has_spoken = false;
        } else {
            self.monitor.reload(now, settings.health.clone());
        }
        self.speaker.reload(now, &settings.bgp);
        self.rpki.reload(now, caches(&settings), &prefixes(&settings));
        if settings.rpki.is_none() {
            self.patience = None;
        } else if asks_otherwise(&self.settings, &settings) {
            self.patience = Some(now.time + PATIENCE);
            self.kept = self.table.announced_freely();
        }
        self.settings = settings;
        self.is_stale = true;
    }

    /// What the RPKI says of a prefix, or will say soon.
    fn origin(&self, prefix: &Prefix) -> Origin {
        let Some(rpki) = &self.settings.rpki else { return Origin::default() };
        let origin = self.rpki.origin(prefix, rpki, self.patience.is_some());
        if origin.standing == Standing::Awaited && self.kept.contains(prefix) {
            let said = "RPKI: waiting for the first answer of a cache; announced as before meanwhile";
            return Origin { standing: Standing::Free, said: Some(said.to_owned()) };
        }
        origin
    }

    /// Withdraws, and lets the sessions stand for a while. The second time nothing is waited for.
    fn shut_down(&mut self, now: Now) {
        let has_to_linger = self.life == Life::Running && self.speaker.has_session();
        let until = if has_to_linger { now.time + self.settings.linger } else { now.time };
        self.monitor.stop();
        self.life = Life::Lingering(until);
    }

    fn end_linger(&mut self, now: Now) {
        if matches!(self.life, Life::Lingering(until) if until <= now.time) {
            self.speaker.stop(now);
            self.rpki.reload(now, &[], &[]);
            self.collect();
            self.life = Life::Stopped;
            self.actions.push_back(Action::Stopped);
        }
    }

    /// Does what follows from a change of health, settings or the operator's mind. Neighbours come first, then the log
    /// and the operator's commands.
    fn follow(&mut self, now: Now) {
        self.is_stale |= self.rpki.take_change();
        let situation = situation(&self.monitor, &self.settings, self.life);
        let mut events = Vec::new();
        if self.is_stale || situation != self.situation {
            (self.situation, self.is_stale) = (situation, false);
            let origin = |prefix: &Prefix| self.origin(prefix);
            let table = Table::decide(&self.settings, &situation, &self.overrides, origin);
            events = table.changes_since(&self.table);
            self.table = table;
            self.tell_neighbors(now);
        }
        self.collect();
        while let Some(output) = self.monitor.poll() {
            match output {
                Output::Run { check, run, timeout } => {
                    self.actions.push_back(Action::Run { check, run, timeout });
                }
                Output::Changed(transition) => self.hook(transition),
                Output::Event(event) => self.log(event),
            }
        }
        self.actions.extend(events.into_iter().map(Action::Event));
    }

    /// Before anything is known, nothing is said: a neighbour that has kept our routes through a graceful restart would take
    /// it for all that there is.
    fn tell_neighbors(&mut self, now: Now) {
        let is_settled = self.situation.is_stopping || self.situation.is_known && self.patience.is_none();
        self.has_spoken |= is_settled || !self.table.announced().is_empty();
        if !self.has_spoken {
            return;
        }
        for (id, _) in (0..).zip(&self.settings.bgp.neighbors) {
            self.speaker.set_routes(now, NeighborId(id), self.table.routes(NeighborId(id)));
        }
    }

    /// What the machines that speak to others ask for.
    fn collect(&mut self) {
        self.actions.extend(std::iter::from_fn(|| self.speaker.poll()));
        self.actions.extend(std::iter::from_fn(|| self.rpki.poll()));
    }

    fn hook(&mut self, transition: Transition) {
        let Transition { at, from, to, reasons } = transition;
        let prefixes = self.table.announced();
        let change = Change { at: at.unix, previous: from, state: to, reasons, prefixes };
        self.actions.push_back(Action::Hook(change));
    }

    fn log(&mut self, event: Event) {
        self.actions.push_back(Action::Event(event));
    }
}

fn situation(monitor: &Monitor, settings: &Settings, life: Life) -> Situation {
    Situation {
        state: monitor.state(),
        is_known: monitor.is_known(),
        others: monitor.others(),
        on_down: settings.health.on_down,
        is_stopping: life != Life::Running,
    }
}

fn caches(settings: &Settings) -> &[String] {
    settings.rpki.as_ref().map_or(&[], |rpki| rpki.caches.as_slice())
}

/// Whether nobody has looked how the relay is, since there was nobody to be told, and from now on there is. Where neighbours
/// were told of a relay that nobody looks at, they go on hearing of it until its checks have an opinion.
const fn has_looked_away(before: &Settings, after: &Settings) -> bool {
    before.health.checks.is_empty() && before.bgp.neighbors.is_empty() && !after.health.checks.is_empty()
}

/// Whether caches have to answer first for what is now configured.
fn asks_otherwise(before: &Settings, after: &Settings) -> bool {
    before.rpki.is_some() != after.rpki.is_some()
        || caches(before) != caches(after)
        || prefixes(before) != prefixes(after)
}

/// All that may be announced to anybody.
fn prefixes(settings: &Settings) -> Vec<Prefix> {
    let exports = settings.bgp.neighbors.iter().flat_map(|neighbor| &neighbor.exports);
    let mut prefixes: Vec<Prefix> = exports.map(|export| export.prefix).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes
}
