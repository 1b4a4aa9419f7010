//! Whether a worker's loop still turns, for whoever wonders.
//!
//! Whoever wonders adds one to a number and wakes the worker; the worker reads the number when a turn begins and
//! stores it as the answer when the turn ends. So an answer says that a whole turn was done since the question. A worker
//! whose thread lives and hangs does not answer, and neither does one that has died. The worker pays a load and a store per
//! turn, whether anybody asks or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::net::poll::Waker;

/// The two numbers. They only grow.
#[derive(Debug, Default)]
pub struct Pulse {
    asked: AtomicU64,
    answered: AtomicU64,
}

impl Pulse {
    /// The last question. Read by the worker when a turn begins.
    #[inline]
    pub(crate) fn question(&self) -> u64 {
        self.asked.load(Ordering::Acquire)
    }

    /// Answers it and those before it. Called when the turn ends, by the worker that the pulse belongs to and nobody else.
    #[inline]
    pub(crate) fn answer(&self, question: u64) {
        self.answered.store(question, Ordering::Release);
    }

    fn ask(&self) -> u64 {
        self.asked.fetch_add(1, Ordering::AcqRel).wrapping_add(1)
    }

    fn has_answered(&self, question: u64) -> bool {
        self.answered.load(Ordering::Acquire) >= question
    }
}

/// One worker's pulse, and the way to wake that worker. Any number of threads may hold one and ask.
#[derive(Clone, Debug)]
pub struct Heart {
    worker: u8,
    pulse: Arc<Pulse>,
    waker: Waker,
}

impl Heart {
    /// That of the worker with this number, which `waker` wakes.
    #[must_use]
    pub const fn new(worker: u8, pulse: Arc<Pulse>, waker: Waker) -> Self {
        Self { worker, pulse, waker }
    }

    /// Whose it is.
    #[must_use]
    pub const fn worker(&self) -> u8 {
        self.worker
    }

    /// Asks. What is returned is the question, for [`Heart::answered`]. Never waits.
    #[must_use]
    pub fn ask(&self) -> u64 {
        let question = self.pulse.ask();
        self.waker.wake();
        question
    }

    /// Whether the worker has done a turn since then.
    #[must_use]
    pub fn answered(&self, question: u64) -> bool {
        self.pulse.has_answered(question)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_answers_all_questions_before_it_and_none_after() {
        let pulse = Arc::<Pulse>::default();
        let heart = Heart::new(3, Arc::clone(&pulse), Waker::new().unwrap());
        let (first, second) = (heart.ask(), heart.ask());
        assert!(!heart.answered(first) && !heart.answered(second));
        let turn = pulse.question();
        let third = heart.ask();
        pulse.answer(turn);
        assert!(heart.answered(first) && heart.answered(second));
        assert!(!heart.answered(third), "the turn had begun before");
        assert_eq!(heart.worker(), 3);
    }

    #[test]
    fn whoever_asks_wakes_the_worker() {
        use crate::net::poll::{Events, Interest, Poller};
        let (poller, waker) = (Poller::new().unwrap(), Waker::new().unwrap());
        poller.add(&waker, 0, Interest::READ).unwrap();
        let heart = Heart::new(0, Arc::default(), waker);
        let mut events = Events::with_capacity(1);
        let none = poller.wait(&mut events, Some(std::time::Duration::ZERO)).unwrap();
        let _ = heart.ask();
        let one = poller.wait(&mut events, Some(std::time::Duration::ZERO)).unwrap();
        assert_eq!((none, one), (0, 1));
    }
}
