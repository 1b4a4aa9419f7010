//! The composition: health, policy, and the machines that speak to neighbours.

use std::collections::VecDeque;

use super::health::{Monitor, Output, Transition};
use super::policy::{Origin, Overrides, Situation, Word};
use super::table::Table;
use super::{Action, Change, Event, Input, RouteView, Settings, View};
use crate::time::{Now, Time};
use crate::wire::bgp::Prefix;

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
    table: Table,
    life: Life,
    actions: VecDeque<Action>,
}

impl Announcer {
    /// An announcer that announces nothing until its checks have passed.
    #[must_use]
    pub fn new(now: Now, settings: Settings) -> Self {
        let mut announcer = Self {
            monitor: Monitor::new(now, settings.health.clone()),
            settings,
            overrides: Overrides::default(),
            table: Table::default(),
            life: Life::Running,
            actions: VecDeque::new(),
        };
        announcer.follow();
        announcer
    }

    /// Takes one event in. Ask [`Self::poll`] for what follows from it until there is nothing more.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Tick => {}
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
            Input::Accepted { .. }
            | Input::Connected { .. }
            | Input::Failed { .. }
            | Input::Received { .. }
            | Input::Sent { .. }
            | Input::Closed { .. }
            | Input::Bfd { .. } => {}
        }
        self.monitor.advance(now);
        self.follow();
        self.end_linger(now);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Input::Tick`] is due at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        match self.life {
            Life::Running => self.monitor.deadline(),
            Life::Lingering(until) => self.monitor.deadline().into_iter().chain([until]).min(),
            Life::Stopped => None,
        }
    }

    /// What an operator may want to see.
    #[must_use]
    pub fn view(&self, now: Now) -> View {
        let health = self.monitor.view(now);
        let rows = self.table.rows().iter();
        let routes = rows.map(|row| {
            let mut why = vec![row.decision.rule.clone()];
            why.extend(row.origin.said.clone().filter(|said| *said != row.decision.rule));
            why.extend(health.reasons.iter().cloned());
            let attributes = row.decision.attributes.clone();
            RouteView { neighbor: row.neighbor, prefix: row.prefix, attributes, why }
        });
        View { routes: routes.collect(), health }
    }

    /// The operator's word on a prefix that we have, or on all.
    fn say(&mut self, now: Now, prefix: Option<Prefix>, word: Option<Word>) {
        let mut exports = self.settings.bgp.neighbors.iter().flat_map(|neighbor| &neighbor.exports);
        let about = prefix.map_or_else(|| "all".to_owned(), |prefix| prefix.to_string());
        if prefix.is_some_and(|prefix| exports.all(|export| export.prefix != prefix)) {
            let event = Event::info("operator names a prefix that is not configured").with("prefix", about);
            return self.log(event);
        }
        self.overrides.say(now.unix, prefix, word);
        let event = match word {
            Some(Word::Withdraw) => Event::info("operator withdraws"),
            Some(Word::Force) => Event::info("operator announces by force"),
            None => Event::info("operator leaves the announcement to health"),
        };
        self.log(event.with("prefix", about));
    }

    /// Other settings. The operator's words and what is known of checks stand.
    fn reload(&mut self, now: Now, settings: Settings) {
        if self.life != Life::Running {
            return;
        }
        self.monitor.reload(now, settings.health.clone());
        self.settings = settings;
    }

    /// Withdraws, and lets the sessions stand for a while. The second time nothing is waited for.
    fn shut_down(&mut self, now: Now) {
        match self.life {
            Life::Running => {
                self.monitor.stop();
                self.life = Life::Lingering(now.time);
            }
            Life::Lingering(_) => self.life = Life::Lingering(now.time),
            Life::Stopped => {}
        }
    }

    fn end_linger(&mut self, now: Now) {
        if matches!(self.life, Life::Lingering(until) if until <= now.time) {
            self.life = Life::Stopped;
            self.actions.push_back(Action::Stopped);
        }
    }

    fn situation(&self) -> Situation {
        Situation {
            state: self.monitor.state(),
            is_known: self.monitor.is_known(),
            others: self.monitor.others(),
            on_down: self.settings.health.on_down,
            is_stopping: self.life != Life::Running,
        }
    }

    /// Does what follows from a change of health, settings or the operator's mind. Neighbours come first, then the
    /// log and the operator's commands.
    fn follow(&mut self) {
        let table = Table::decide(&self.settings, &self.situation(), &self.overrides, |_| Origin::default());
        let events = table.changes_since(&self.table);
        self.table = table;
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

    fn hook(&mut self, transition: Transition) {
        let Transition { at, from, to, reasons } = transition;
        let prefixes = self.table.announced();
        self.actions.push_back(Action::Hook(Change {
            at: at.unix,
            previous: from,
            state: to,
            reasons,
            prefixes,
        }));
    }

    fn log(&mut self, event: Event) {
        self.actions.push_back(Action::Event(event));
    }
}
