//! Whether the data path turns: every worker is asked again and again, and one that is silent for too long is enough.

use std::time::Duration;

use crate::metrics::Heart;
use crate::time::Time;

/// Questions to a worker in the time that it has for an answer.
const QUESTIONS: u32 = 4;

/// For how long all must have answered before a data path that was silent is trusted again.
const RECOVERY: Duration = Duration::from_secs(1);

/// All workers.
#[derive(Debug)]
pub(super) struct Watch {
    pulses: Vec<Asked>,
    timeout: Duration,
    next: Time,
    last_look: Time,
    /// Since when nobody was silent for too long. None before the first answers.
    good_since: Option<Time>,
    /// They have been silent before.
    burnt: bool,
}

#[derive(Debug)]
struct Asked {
    heart: Heart,
    question: u64,
    at: Time,
    has_answered: bool,
}

impl Watch {
    pub(super) fn new(now: Time, hearts: Vec<Heart>, timeout: Duration) -> Self {
        let ask = |heart: Heart| Asked { question: heart.ask(), heart, at: now, has_answered: false };
        Self {
            pulses: hearts.into_iter().map(ask).collect(),
            timeout,
            next: now,
            last_look: now,
            good_since: None,
            burnt: false,
        }
    }

    pub(super) const fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// When to look again at the latest.
    pub(super) const fn deadline(&self) -> Time {
        self.next
    }

    /// Looks for answers, asks anew, and says whether the data path turns.
    pub(super) fn look(&mut self, now: Time) -> bool {
        let pause = self.timeout / QUESTIONS;
        // While this thread did not run, the workers may not have run either: that time is nobody's silence.
        let missed = now.since(self.last_look).saturating_sub(pause * 2);
        self.last_look = now;
        for asked in &mut self.pulses {
            if asked.heart.answered(asked.question) {
                asked.has_answered = true;
                if self.next <= now {
                    asked.question = asked.heart.ask();
                    asked.at = now;
                }
            } else if !missed.is_zero() {
                asked.at = (asked.at + missed).min(now);
            }
        }
        if self.next <= now {
            self.next = now + pause;
        }
        self.judge(now)
    }

    fn judge(&mut self, now: Time) -> bool {
        let timeout = self.timeout;
        let is_silent =
            |asked: &Asked| !asked.heart.answered(asked.question) && now.since(asked.at) >= timeout;
        if self.pulses.iter().any(is_silent) {
            self.burnt |= self.good_since.take().is_some();
            return false;
        }
        if !self.pulses.iter().all(|asked| asked.has_answered) {
            return false;
        }
        let since = *self.good_since.get_or_insert(now);
        !self.burnt || now.since(since) >= RECOVERY
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::metrics::Pulse;
    use crate::net::poll::Waker;

    const TIMEOUT: Duration = Duration::from_millis(200);
    const START: Time = Time::from_secs(1000);

    struct Rig {
        watch: Watch,
        pulses: Vec<Arc<Pulse>>,
        now: Time,
    }

    impl Rig {
        fn new(workers: u8) -> Self {
            let pulses: Vec<_> = (0..workers).map(|_| Arc::<Pulse>::default()).collect();
            let heart = |(worker, pulse): (u8, &Arc<Pulse>)| {
                Heart::new(worker, Arc::clone(pulse), Waker::new().unwrap())
            };
            let hearts = (0..).zip(&pulses).map(heart).collect();
            Self { watch: Watch::new(START, hearts, TIMEOUT), pulses, now: START }
        }

        /// Looks at each deadline until `time` has passed, the workers in `alive` answering; what was said each time.
        fn run(&mut self, time: Duration, alive: &[usize]) -> Vec<(Duration, bool)> {
            let start = self.now;
            let mut said = Vec::new();
            while self.now.since(start) < time {
                for worker in alive {
                    let pulse = &self.pulses[*worker];
                    pulse.answer(pulse.question());
                }
                said.push((self.now.since(start), self.watch.look(self.now)));
                self.now = self.now.max(self.watch.deadline());
            }
            said
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_turns_once_all_have_answered_and_not_before() {
        let mut rig = Rig::new(2);
        assert!(rig.run(SECOND, &[0]).iter().all(|(_, healthy)| !healthy));
        let mut rig = Rig::new(2);
        assert!(rig.run(SECOND, &[0, 1]).iter().all(|(_, healthy)| *healthy));
    }

    #[test]
    fn one_silent_worker_is_enough_after_the_timeout_and_not_before() {
        let mut rig = Rig::new(3);
        rig.run(SECOND, &[0, 1, 2]);
        let said = rig.run(SECOND, &[0, 2]);
        let first = said.iter().find(|(_, healthy)| !healthy).unwrap().0;
        assert!(first <= TIMEOUT && first >= TIMEOUT - TIMEOUT / QUESTIONS, "{first:?}");
    }

    #[test]
    fn a_worker_that_answers_in_time_each_time_is_no_silence() {
        let mut rig = Rig::new(1);
        rig.run(SECOND, &[0]);
        for _ in 0..20 {
            let said = rig.run(TIMEOUT - TIMEOUT / QUESTIONS, &[]);
            assert!(said.iter().all(|(_, healthy)| *healthy));
            assert!(rig.run(Duration::from_nanos(1), &[0])[0].1);
        }
    }

    #[test]
    fn trust_comes_back_after_a_second_of_answers() {
        let mut rig = Rig::new(1);
        rig.run(SECOND, &[0]);
        rig.run(SECOND, &[]);
        let said = rig.run(SECOND * 2, &[0]);
        let (back, _) = *said.iter().find(|(_, healthy)| *healthy).unwrap();
        assert!(back >= RECOVERY && back <= RECOVERY + TIMEOUT, "{back:?}");
    }

    #[test]
    fn time_in_which_this_thread_did_not_run_is_not_held_against_the_workers() {
        let mut rig = Rig::new(1);
        rig.run(SECOND, &[0]);
        // The whole process is stopped, with a question on its way.
        rig.now = rig.now + SECOND * 60;
        assert!(rig.watch.look(rig.now));
        let said = rig.run(SECOND, &[]);
        assert!(said.iter().any(|(_, healthy)| !healthy), "a worker that does not wake up is noticed");
    }
}
