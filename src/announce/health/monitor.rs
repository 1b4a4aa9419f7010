//! The state of the relay: what the checks say, what the operator wants, and why.

use std::collections::VecDeque;
use std::time::Duration;

use super::check::{Check, Turn};
use super::gate::{Bar, Gate, Level};
use super::{HealthView, Report, Settings, State, Transition, Verdict};
use crate::announce::{CheckId, Event};
use crate::time::{Now, Time};

/// Transitions that are kept to be shown.
const HISTORY: usize = 64;
/// What has happened since the last transition and helps to explain the next one; beyond that the oldest is forgotten.
const NEWS: usize = 16;

/// One thing that follows from what the monitor was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A check is to be run.
    Run {
        /// Which.
        check: CheckId,
        /// To be repeated in the report.
        run: u32,
        /// After that nobody waits for it any more.
        timeout: Duration,
    },
    /// The relay is something else now.
    Changed(Transition),
    /// Something for the log.
    Event(Event),
}

/// The checks of one relay and its state.
#[derive(Debug)]
pub struct Monitor {
    settings: Settings,
    checks: Vec<Check>,
    /// The number of the last run; none is used twice, so that a report from before a reload is no other check's.
    runs: u32,
    gate: Gate,
    state: State,
    since: Now,
    was_known: bool,
    draining: bool,
    takeover: bool,
    others: Option<u16>,
    stopped: bool,
    news: VecDeque<String>,
    transitions: VecDeque<Transition>,
    outputs: VecDeque<Output>,
}

impl Monitor {
    /// A relay of which nothing is known yet: down. All checks run at the first opportunity.
    #[must_use]
    pub fn new(now: Now, settings: Settings) -> Self {
        let shares = shares(&settings);
        let checks = settings.checks.iter().zip(shares);
        let checks = checks.map(|(check, share)| Check::new(now, check.clone(), share)).collect();
        Self {
            checks,
            settings,
            runs: 0,
            gate: Gate::new(now.time),
            state: State::Down,
            since: now,
            was_known: false,
            draining: false,
            takeover: false,
            others: None,
            stopped: false,
            news: VecDeque::new(),
            transitions: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    /// What the relay is.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// How many other relays are healthy, if somebody knows.
    #[must_use]
    pub const fn others(&self) -> Option<u16> {
        self.others
    }

    /// Whether it has been up since it was started: down means failed, and not merely unknown.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.gate.was_up() || !self.checks.iter().any(Check::is_awaited)
    }

    /// Lets time pass: runs what is due, gives up what has not answered. Only this does, so that reports which have come
    /// in time to a driver that was late are heard before.
    pub fn advance(&mut self, now: Now) {
        for place in 0..self.checks.len() {
            let Some(check) = self.checks.get_mut(place) else { continue };
            if let Some(turn) = check.expire(now) {
                self.turned(place, turn);
            }
        }
        self.proceed(now);
    }

    fn proceed(&mut self, now: Now) {
        if !self.stopped {
            self.start_runs(now);
        }
        self.judge(now);
    }

    fn start_runs(&mut self, now: Now) {
        for (id, check) in (0..).zip(&mut self.checks) {
            if check.start(now, self.runs.wrapping_add(1)) {
                self.runs = self.runs.wrapping_add(1);
                let timeout = check.settings().timeout;
                self.outputs.push_back(Output::Run { check: CheckId(id), run: self.runs, timeout });
            }
        }
    }

    /// A check has answered.
    pub fn report(&mut self, now: Now, check: CheckId, run: u32, report: Report) {
        let place = usize::from(check.0);
        let turn = self.checks.get_mut(place).and_then(|check| check.report(now, run, report));
        if let Some(turn) = turn {
            self.turned(place, turn);
        }
        self.proceed(now);
    }

    /// All checks at once.
    pub fn check_now(&mut self, now: Now) {
        for check in &mut self.checks {
            check.run_now(now);
        }
        self.proceed(now);
    }

    /// The operator wants the relay empty, or back.
    pub fn drain(&mut self, now: Now, draining: bool) {
        if self.draining != draining {
            self.draining = draining;
            let said = if draining { "the operator drains the relay" } else { "the operator takes it back" };
            self.note(said.to_owned());
        }
        self.judge(now);
    }

    /// The relay stands in for another one, or does no longer.
    pub fn take_over(&mut self, now: Now, takeover: bool) {
        if self.takeover != takeover {
            self.takeover = takeover;
            let said = if takeover { "it stands in for another relay" } else { "the other relay is back" };
            self.note(said.to_owned());
        }
        self.judge(now);
    }

    /// How many other relays are healthy, if somebody knows.
    pub const fn set_others(&mut self, others: Option<u16>) {
        self.others = others;
    }

    /// The operator lets a relay that stands by take its calls again.
    pub fn fail_back(&mut self, now: Now) {
        self.gate.fail_back();
        if self.gate.bar() == Some(Bar::StandBy) {
            self.note("the operator lets it back".to_owned());
        }
        self.judge(now);
    }

    /// Goes on with other settings. A check is known by its name; a new one counts once it has run often enough, and
    /// until then nothing gets better.
    pub fn reload(&mut self, now: Now, settings: Settings) {
        let mut known: Vec<Option<Check>> = self.checks.drain(..).map(Some).collect();
        for (check, share) in settings.checks.iter().zip(shares(&settings)) {
            let is_same = |known: &&mut Option<Check>| {
                known.as_ref().is_some_and(|known| known.settings().name == check.name)
            };
            let found = known.iter_mut().find(is_same).and_then(Option::take);
            self.checks.push(match found {
                Some(mut found) => {
                    found.reload(now, check.clone(), share);
                    found
                }
                None => Check::new(now, check.clone(), share),
            });
        }
        self.settings = settings;
        self.note("the settings were reloaded".to_owned());
        self.proceed(now);
    }

    /// Begins anew with these settings, since nothing of what was found is true any more: nobody has looked for a while. What
    /// the operator wants stands, and so does the history.
    pub fn start_anew(&mut self, now: Now, settings: Settings) {
        let old = std::mem::replace(self, Self::new(now, settings));
        self.runs = old.runs;
        (self.draining, self.takeover, self.others) = (old.draining, old.takeover, old.others);
        self.stopped = old.stopped;
        (self.transitions, self.outputs) = (old.transitions, old.outputs);
        self.proceed(now);
    }

    /// No check is run any more.
    pub const fn stop(&mut self) {
        self.stopped = true;
    }

    /// What follows, in order.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::advance`] is to be called at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let checks = self.checks.iter().map(Check::deadline).filter(|_| !self.stopped);
        checks.chain(self.gate.deadline()).min()
    }

    /// A check counts as something else now.
    fn turned(&mut self, place: usize, turn: Turn) {
        let Some(check) = self.checks.get(place) else { return };
        let name = &check.settings().name;
        let (text, said) = match turn.to {
            Verdict::Good => ("check passed", format!("`{name}` is good")),
            Verdict::Poor => ("check poor", format!("`{name}` is poor")),
            Verdict::Bad => ("check failed", format!("`{name}` has failed")),
        };
        // One that can take the relay down alone is worth an alert; while the relay flaps, that was told already.
        let is_grave = turn.to == Verdict::Bad && check.settings().weight >= self.settings.down_at.max(1);
        let event = if is_grave && !self.gate.is_damped() { Event::warn(text) } else { Event::info(text) };
        let event = event.with("check", name).with("detail", check.detail());
        self.outputs.push_back(Output::Event(event));
        // What is worse is told by the reasons as they stand; only what is better leaves no trace there.
        if turn.from.is_some_and(|from| turn.to < from) {
            self.note(format!("{said} again"));
        }
    }

    fn note(&mut self, said: String) {
        if self.news.len() == NEWS {
            self.news.pop_front();
        }
        self.news.push_back(said);
    }

    /// Brings the state up to date.
    fn judge(&mut self, now: Now) {
        let asked = self.level();
        let (before, was_damped) = (self.gate.bar(), self.gate.is_damped());
        self.gate.ask(&self.settings, now.time, asked);
        let bar = self.gate.bar();
        if self.gate.is_damped() && !was_damped {
            let event = Event::warn("relay flaps, improvements are not believed until it is calm");
            self.outputs.push_back(Output::Event(event.with("state", self.state)));
        }
        match (before, bar) {
            (Some(Bar::Hold(_)), None) => self.note("the minimum time has passed".to_owned()),
            (Some(Bar::Damped(_)), None) => self.note("it has been calm for long enough".to_owned()),
            _ => {}
        }
        let state = self.resolve();
        self.tell_start(now);
        if state != self.state {
            self.change(now, state);
        } else if bar.is_none() {
            // What has come to nothing explains nothing later.
            self.news.clear();
        }
    }

    /// A relay that is not well from the start makes no transition, and is worth an alert all the same.
    fn tell_start(&mut self, now: Now) {
        if self.was_known || !self.is_known() {
            return;
        }
        self.was_known = true;
        if self.gate.level() == Level::Down {
            let event = Event::warn("relay does not come up").with("reason", self.reasons(now).join("; "));
            self.outputs.push_back(Output::Event(event));
        }
    }

    /// What the checks say. While one of weight is unknown nothing gets better.
    fn level(&self) -> Level {
        let score = self.score();
        let is_poor = self.checks.iter().any(|check| check.counts_as() == Some(Verdict::Poor));
        let known = if score >= self.settings.down_at.max(1) {
            Level::Down
        } else if is_poor || score >= self.settings.degraded_at.max(1) {
            Level::Degraded
        } else {
            Level::Healthy
        };
        let is_unknown = self.checks.iter().any(Check::is_awaited);
        if is_unknown { known.max(self.gate.level()) } else { known }
    }

    fn score(&self) -> u16 {
        let failed = self.checks.iter().filter(|check| check.counts_as() == Some(Verdict::Bad));
        failed.fold(0, |sum: u16, check| sum.saturating_add(check.settings().weight))
    }

    const fn resolve(&self) -> State {
        match self.gate.level() {
            Level::Down => State::Down,
            _ if self.draining => State::Draining,
            _ if self.takeover => State::Takeover,
            Level::Degraded => State::Degraded,
            Level::Healthy => State::Healthy,
        }
    }

    fn change(&mut self, now: Now, to: State) {
        let from = std::mem::replace(&mut self.state, to);
        let mut reasons: Vec<String> = self.news.drain(..).collect();
        for reason in self.reasons(now) {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        let transition = Transition { at: now, from, to, reasons };
        self.since = now;
        self.outputs.push_back(Output::Event(announce(&transition)));
        if self.transitions.len() == HISTORY {
            self.transitions.pop_front();
        }
        self.transitions.push_back(transition.clone());
        self.outputs.push_back(Output::Changed(transition));
    }

    /// Why the relay is what it is, the immediate cause first.
    #[must_use]
    pub fn reasons(&self, now: Now) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.state == State::Draining {
            reasons.push("the operator drains the relay".to_owned());
        }
        if self.state == State::Takeover {
            reasons.push("it stands in for another relay".to_owned());
        }
        reasons.extend(self.checks.iter().filter_map(complaint));
        let score = self.score();
        let (down_at, degraded_at) = (self.settings.down_at.max(1), self.settings.degraded_at.max(1));
        if score >= down_at {
            reasons.push(format!("failed checks weigh {score}, down from {down_at}"));
        } else if score >= degraded_at {
            reasons.push(format!("failed checks weigh {score}, degraded from {degraded_at}"));
        }
        if self.checks.is_empty() {
            reasons.push("there are no checks".to_owned());
        } else if self.checks.iter().all(|check| check.counts_as() == Some(Verdict::Good)) {
            reasons.push(format!("all checks are good ({})", self.checks.len()));
        }
        reasons.extend(self.gate.bar().map(|bar| explain(bar, now)));
        reasons
    }

    /// Everything an operator may want to see.
    #[must_use]
    pub fn view(&self, now: Now) -> HealthView {
        HealthView {
            state: self.state,
            since: self.since,
            is_known: self.is_known(),
            reasons: self.reasons(now),
            score: self.score(),
            draining: self.draining,
            takeover: self.takeover,
            others: self.others,
            checks: self.checks.iter().map(Check::view).collect(),
            transitions: self.transitions.iter().cloned().collect(),
        }
    }
}

/// Each check's place among all.
fn shares(settings: &Settings) -> impl Iterator<Item = (u32, u32)> + use<> {
    let of = u32::try_from(settings.checks.len()).unwrap_or(u32::MAX);
    (0..).map(move |place| (place, of))
}

/// What is wrong with a check, if something is.
fn complaint(check: &Check) -> Option<String> {
    let (name, detail) = (&check.settings().name, check.detail());
    let colon = if detail.is_empty() { "" } else { ": " };
    match check.counts_as() {
        None => Some(format!("`{name}` is not yet checked")),
        Some(Verdict::Good) => None,
        Some(Verdict::Poor) => Some(format!("`{name}` is poor{colon}{detail}")),
        Some(Verdict::Bad) => Some(format!("`{name}` has failed{colon}{detail}")),
    }
}

fn explain(bar: Bar, now: Now) -> String {
    match bar {
        Bar::Hold(until) => format!("a change waits for another {}", words(until.since(now.time))),
        Bar::Damped(until) => {
            format!("it has flapped and must be calm for another {}", words(until.since(now.time)))
        }
        Bar::StandBy => "it stands by until the operator lets it back".to_owned(),
    }
}

/// A duration as people say it; nobody waits for its milliseconds.
fn words(left: Duration) -> String {
    match left.as_secs() {
        0 => format!("{} ms", left.as_millis()),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

fn announce(transition: &Transition) -> Event {
    let event = match transition.to {
        State::Healthy => Event::info("relay is healthy"),
        State::Degraded if transition.from == State::Down => Event::info("relay is up, and degraded"),
        State::Degraded => Event::warn("relay is degraded"),
        State::Draining => Event::info("relay is draining"),
        State::Down => Event::warn("relay is down"),
        State::Takeover => Event::warn("relay stands in for another"),
    };
    let Transition { from, to, reasons, .. } = transition;
    event.with("state", to).with("previous", from).with("reason", reasons.join("; "))
}
