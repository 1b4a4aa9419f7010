//! One check: when it runs, and what it counts as after several reports.

use std::time::Duration;

use super::{CheckSettings, CheckView, Report, Verdict};
use crate::time::{Now, Time};

/// What one report has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// `None` if it had not run often enough yet.
    pub(super) from: Option<Verdict>,
    pub(super) to: Verdict,
}

#[derive(Debug)]
pub(super) struct Check {
    settings: CheckSettings,
    /// Where its runs lie within the interval, so that checks do not all run at once.
    phase: Duration,
    counts_as: Option<Verdict>,
    /// Reports that have come so far, while they have not settled what it counts as.
    undecided: u32,
    /// Reports in a row that were bad, that were not bad, that were good, that were not good.
    bad: u32,
    bearable: u32,
    good: u32,
    unwell: u32,
    last: Option<(Now, Report)>,
    /// How many in a row had the last outcome.
    streak: u32,
    running: Option<Run>,
    next: Time,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    number: u32,
    until: Time,
    /// Somebody wants an answer that is younger than this run.
    again: bool,
}

impl Check {
    /// It runs at once. `share` of one is where it comes in among all checks.
    pub(super) fn new(now: Now, settings: CheckSettings, share: (u32, u32)) -> Self {
        let phase = phase_of(&settings, share);
        Self {
            settings,
            phase,
            counts_as: None,
            undecided: 0,
            bad: 0,
            bearable: 0,
            good: 0,
            unwell: 0,
            last: None,
            streak: 0,
            running: None,
            next: now.time,
        }
    }

    /// Goes on with other settings and runs at once. What was found so far stands; a run that is under way is
    /// forgotten, since the driver may know it by another number.
    pub(super) fn reload(&mut self, now: Now, settings: CheckSettings, share: (u32, u32)) {
        self.phase = phase_of(&settings, share);
        self.settings = settings;
        self.running = None;
        self.next = now.time;
    }

    pub(super) const fn settings(&self) -> &CheckSettings {
        &self.settings
    }

    pub(super) const fn counts_as(&self) -> Option<Verdict> {
        self.counts_as
    }

    /// Whether nothing may get better before it has run often enough. What weighs nothing is for the operator to see.
    pub(super) const fn is_awaited(&self) -> bool {
        self.counts_as.is_none() && self.settings.weight > 0
    }

    /// The last report in words.
    pub(super) fn detail(&self) -> &str {
        self.last.as_ref().map_or("", |(_, report)| &report.detail)
    }

    pub(super) const fn run_now(&mut self, now: Now) {
        match &mut self.running {
            Some(run) => run.again = true,
            None => self.next = now.time,
        }
    }

    /// Whether it is time to run; if so, it does as `number`.
    pub(super) fn start(&mut self, now: Now, number: u32) -> bool {
        if self.running.is_some() || now.time < self.next {
            return false;
        }
        self.running = Some(Run { number, until: now.time + self.settings.timeout, again: false });
        self.next = self.after(now.time);
        true
    }

    /// The next run after one that began at `started`.
    fn after(&self, started: Time) -> Time {
        if !self.is_settled() {
            return started + self.settings.fast_interval;
        }
        let interval = u64::try_from(self.settings.interval.as_nanos()).unwrap_or(u64::MAX).max(1);
        let phase = u64::try_from(self.phase.as_nanos()).unwrap_or(0);
        let passed = started.as_nanos().saturating_sub(phase) % interval;
        started + Duration::from_nanos(interval - passed)
    }

    /// Whether the last report says what the check counts as.
    fn is_settled(&self) -> bool {
        let last = self.last.as_ref().map(|(_, report)| report.verdict);
        self.counts_as.is_some() && self.counts_as == last
    }

    /// A run that has not answered in time is a bad one.
    pub(super) fn expire(&mut self, now: Now) -> Option<Turn> {
        let run = self.running.filter(|run| run.until <= now.time)?;
        let within = self.settings.timeout;
        self.report(now, run.number, Report::new(Verdict::Bad, format!("no answer within {within:?}")))
    }

    /// Takes the report of run `number` in, unless nobody waits for that one.
    pub(super) fn report(&mut self, now: Now, number: u32, report: Report) -> Option<Turn> {
        let run = self.running.take_if(|run| run.number == number)?;
        let started = run.until - self.settings.timeout;
        let before = self.counts_as;
        self.count(report.verdict);
        let is_same = self.last.as_ref().is_some_and(|(_, last)| last.verdict == report.verdict);
        self.streak = if is_same { self.streak.saturating_add(1) } else { 1 };
        self.last = Some((now, report));
        self.counts_as = self.judge();
        self.next = if run.again { now.time } else { self.after(started) };
        let to = self.counts_as.filter(|_| self.counts_as != before)?;
        Some(Turn { from: before, to })
    }

    const fn count(&mut self, verdict: Verdict) {
        let (is_bad, is_good) = (matches!(verdict, Verdict::Bad), matches!(verdict, Verdict::Good));
        self.bad = next(self.bad, is_bad);
        self.bearable = next(self.bearable, !is_bad);
        self.good = next(self.good, is_good);
        self.unwell = next(self.unwell, !is_good);
        self.undecided = next(self.undecided, self.counts_as.is_none());
    }

    /// What it counts as from now on: `fall` reports for the worse or `rise` for the better make the difference. One that
    /// has not agreed with itself for as long as both together has failed: undecided for good, it would keep a relay that
    /// starts from ever being judged.
    fn judge(&self) -> Option<Verdict> {
        let (rise, fall) = (u32::from(self.settings.rise.max(1)), u32::from(self.settings.fall.max(1)));
        let is_down = self.bad >= fall;
        let is_up = self.bearable >= rise;
        let is_well = self.good >= rise;
        match self.counts_as {
            _ if is_down => Some(Verdict::Bad),
            None | Some(Verdict::Bad) if is_well => Some(Verdict::Good),
            None | Some(Verdict::Bad) if is_up => Some(Verdict::Poor),
            None if self.undecided >= rise.saturating_add(fall) => Some(Verdict::Bad),
            Some(Verdict::Good) if self.unwell >= fall => Some(Verdict::Poor),
            Some(Verdict::Poor) if is_well => Some(Verdict::Good),
            unchanged => unchanged,
        }
    }

    /// When it wants to be looked at again.
    pub(super) fn deadline(&self) -> Time {
        self.running.map_or(self.next, |run| run.until)
    }

    pub(super) fn view(&self) -> CheckView {
        CheckView {
            name: self.settings.name.clone(),
            counts_as: self.counts_as,
            last: self.last.as_ref().map(|(_, report)| report.clone()),
            at: self.last.as_ref().map(|(at, _)| *at),
            streak: self.streak,
            weight: self.settings.weight,
        }
    }
}

const fn next(streak: u32, goes_on: bool) -> u32 {
    if goes_on { streak.saturating_add(1) } else { 0 }
}

fn phase_of(settings: &CheckSettings, (place, of): (u32, u32)) -> Duration {
    settings.interval.checked_div(of).unwrap_or_default().saturating_mul(place)
}
