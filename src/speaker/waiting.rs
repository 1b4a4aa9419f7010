//! Checks that are under way, and the operators who wait for them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::handle::Reply;
use crate::announce::CheckId;
use crate::time::Time;

/// Those who want all checks run at once wait for the ones that are under way then.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Until when each may report.
    running: BTreeMap<CheckId, Time>,
    operators: Vec<Operator>,
}

#[derive(Debug)]
struct Operator {
    reply: Reply<()>,
    checks: BTreeSet<CheckId>,
}

impl Waiting {
    /// A check was told to run.
    pub(super) fn begun(&mut self, now: Time, check: CheckId, timeout: Duration) {
        self.running.insert(check, now + timeout);
    }

    /// It has reported.
    pub(super) fn reported(&mut self, check: CheckId) {
        self.running.remove(&check);
        for operator in &mut self.operators {
            operator.checks.remove(&check);
        }
        self.answer();
    }

    /// Somebody waits for all that are under way.
    pub(super) fn wait(&mut self, reply: Reply<()>) {
        self.operators.push(Operator { reply, checks: self.running.keys().copied().collect() });
        self.answer();
    }

    /// When the next one has had its time.
    pub(super) fn deadline(&self) -> Option<Time> {
        // Nobody has to wake for what nobody waits for.
        self.running.values().min().copied().filter(|_| !self.operators.is_empty())
    }

    /// Gives up those that have had their time.
    pub(super) fn tick(&mut self, now: Time) {
        let late = self.running.iter().filter(|(_, until)| **until <= now).map(|(check, _)| *check);
        for check in late.collect::<Vec<_>>() {
            self.reported(check);
        }
    }

    /// What was under way is not any more: there are other checks now.
    pub(super) fn clear(&mut self) {
        self.running.clear();
        for operator in &mut self.operators {
            operator.checks.clear();
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
    use std::sync::mpsc::sync_channel;

    #[test]
    fn whoever_waits_is_answered_when_the_last_check_has_reported_or_had_its_time() {
        let mut waiting = Waiting::default();
        let second = Duration::from_secs(1);
        waiting.begun(Time::ZERO, CheckId(0), second);
        waiting.begun(Time::ZERO, CheckId(1), second * 2);
        let (reply, answer) = sync_channel(1);
        assert_eq!(waiting.deadline(), None, "nobody waits");
        waiting.wait(reply);
        waiting.reported(CheckId(0));
        assert_eq!(waiting.deadline(), Some(Time::ZERO + second * 2));
        waiting.tick(Time::ZERO + second);
        assert!(answer.try_recv().is_err());
        waiting.tick(Time::ZERO + second * 2);
        assert!(answer.try_recv().is_ok());
    }

    #[test]
    fn with_nothing_under_way_the_answer_comes_at_once() {
        let (mut waiting, (reply, answer)) = (Waiting::default(), sync_channel(1));
        waiting.wait(reply);
        assert!(answer.try_recv().is_ok());
    }
}
