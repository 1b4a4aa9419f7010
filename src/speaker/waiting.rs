//! Checks that are under way, and the operators who wait for them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::handle::Reply;
use crate::announce::CheckId;
use crate::time::Time;

/// Those who want all checks run at once wait for runs that begin after they asked.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// The run of each check, and until when it may report.
    running: BTreeMap<CheckId, (u32, Time)>,
    operators: Vec<Operator>,
}

#[derive(Debug)]
struct Operator {
    reply: Reply<()>,
    checks: BTreeSet<CheckId>,
    /// Runs that began before; what they find is too old.
    earlier: Runs,
}

/// Runs that are under way at some moment.
#[derive(Debug, Default)]
pub(super) struct Runs(BTreeMap<CheckId, u32>);

impl Waiting {
    /// A check was told to run.
    pub(super) fn begun(&mut self, now: Time, check: CheckId, run: u32, timeout: Duration) {
        self.running.insert(check, (run, now + timeout));
    }

    /// A run has reported.
    pub(super) fn reported(&mut self, check: CheckId, run: u32) {
        if self.running.get(&check).is_some_and(|(latest, _)| *latest == run) {
            self.running.remove(&check);
        }
        for operator in &mut self.operators {
            if operator.earlier.0.get(&check) != Some(&run) {
                operator.checks.remove(&check);
            }
        }
        self.answer();
    }

    /// What is under way, to be asked before all checks are told to run.
    pub(super) fn under_way(&self) -> Runs {
        Runs(self.running.iter().map(|(check, (run, _))| (*check, *run)).collect())
    }

    /// Somebody waits for all that are under way now, or follow the runs that were so `earlier`.
    pub(super) fn wait(&mut self, reply: Reply<()>, earlier: Runs) {
        let checks = self.running.keys().copied().collect();
        self.operators.push(Operator { reply, checks, earlier });
        self.answer();
    }

    /// When the next one has had its time.
    pub(super) fn deadline(&self) -> Option<Time> {
        // Nobody has to wake for what nobody waits for.
        self.running.values().map(|(_, until)| *until).min().filter(|_| !self.operators.is_empty())
    }

    /// Gives up those that have had their time.
    pub(super) fn tick(&mut self, now: Time) {
        let late = self.running.iter().filter(|(_, (_, until))| *until <= now);
        for (check, run) in late.map(|(check, (run, _))| (*check, *run)).collect::<Vec<_>>() {
            self.reported(check, run);
        }
    }

    /// What was under way is not any more: there are other checks now.
    pub(super) fn clear(&mut self) {
        self.running.clear();
    }

    /// Those who waited then wait for what those other checks have begun.
    pub(super) fn start_over(&mut self) {
        for operator in &mut self.operators {
            operator.checks = self.running.keys().copied().collect();
            operator.earlier = Runs::default();
        }
        self.answer();
    }

    fn answer(&mut self) {
        for done in self.operators.extract_if(.., |operator| operator.checks.is_empty()) {
            // Whoever asked may have given up.
            let _ = done.reply.try_send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, sync_channel};

    const SECOND: Duration = Duration::from_secs(1);
    const FIRST: CheckId = CheckId(0);
    const OTHER: CheckId = CheckId(1);

    fn ask(waiting: &mut Waiting, earlier: Runs) -> Receiver<()> {
        let (reply, answer) = sync_channel(1);
        waiting.wait(reply, earlier);
        answer
    }

    #[test]
    fn whoever_waits_is_answered_when_the_last_check_has_reported_or_had_its_time() {
        let mut waiting = Waiting::default();
        waiting.begun(Time::ZERO, FIRST, 1, SECOND);
        waiting.begun(Time::ZERO, OTHER, 2, SECOND * 2);
        assert_eq!(waiting.deadline(), None, "nobody waits");
        let answer = ask(&mut waiting, Runs::default());
        waiting.reported(FIRST, 1);
        assert_eq!(waiting.deadline(), Some(Time::ZERO + SECOND * 2));
        waiting.tick(Time::ZERO + SECOND);
        assert!(answer.try_recv().is_err());
        waiting.tick(Time::ZERO + SECOND * 2);
        assert!(answer.try_recv().is_ok());
    }

    #[test]
    fn a_run_that_began_before_the_question_is_no_answer() {
        let mut waiting = Waiting::default();
        waiting.begun(Time::ZERO, FIRST, 1, SECOND);
        waiting.begun(Time::ZERO, OTHER, 2, SECOND);
        let earlier = waiting.under_way();
        let answer = ask(&mut waiting, earlier);
        // Reports, and is run again at once.
        waiting.begun(Time::ZERO, FIRST, 3, SECOND * 5);
        waiting.reported(FIRST, 1);
        // Has had its time, and is run again then.
        waiting.tick(Time::ZERO + SECOND);
        waiting.begun(Time::ZERO + SECOND, OTHER, 4, SECOND);
        waiting.reported(OTHER, 4);
        assert!(answer.try_recv().is_err());
        assert_eq!(waiting.deadline(), Some(Time::ZERO + SECOND * 5), "the run that is meant");
        waiting.reported(FIRST, 3);
        assert!(answer.try_recv().is_ok());
    }

    #[test]
    fn whoever_waits_through_a_reload_waits_for_what_it_has_begun() {
        let mut waiting = Waiting::default();
        waiting.begun(Time::ZERO, FIRST, 1, SECOND);
        let answer = ask(&mut waiting, Runs::default());
        waiting.clear();
        waiting.begun(Time::ZERO, OTHER, 2, SECOND);
        waiting.start_over();
        waiting.reported(FIRST, 1);
        assert!(answer.try_recv().is_err());
        waiting.reported(OTHER, 2);
        assert!(answer.try_recv().is_ok());
    }

    #[test]
    fn with_nothing_under_way_the_answer_comes_at_once() {
        let mut waiting = Waiting::default();
        assert!(ask(&mut waiting, Runs::default()).try_recv().is_ok());
    }
}
