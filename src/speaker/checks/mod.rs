//! The checks of this relay's health: what is asked, on two threads of their own, and reported in words.
//!
//! "tern-selftest" makes test calls through the relay's own listeners and workers ([`SelfTest`]); "tern-checks" looks at
//! everything else, and has helpers for files and programs, which dead storage holds. Neither ever waits for a worker, for
//! the control plane, or for one check before the next: a check that hangs hangs alone. The announcer says when a check is
//! to run and how long it may take ([`RunChecks::run`]); the report comes by the callback, from either thread. What is
//! reported after that time is ignored there, so reasons are told a little earlier than that. If a thread cannot go on, its
//! checks report nothing any more, which takes the relay down.

mod attempt;
mod call;
mod command;
mod context;
mod echo;
mod fault;
mod helpers;
mod kind;
mod meters;
mod plain;
mod selftest;
mod target;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use context::{Context, FindOwner, IsProxy, SharedContext};
pub use echo::{EchoPeers, NextPeers};
pub use kind::{CheckKind, SelfTest};

use super::RunChecks;
use crate::announce::CheckId;
use crate::announce::health::{Report, Verdict};
use crate::net::poll::Waker;

/// Orders that may wait for a thread. More are dropped: the thread hangs then, and its checks are overdue anyway.
const ORDERS: usize = 4096;
/// For a thread to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a report is told: by either thread.
pub type OnReport = Arc<dyn Fn(CheckId, u32, Report) + Send + Sync>;

/// What a thread is told.
enum Order<T> {
    Run {
        check: CheckId,
        run: u32,
        what: T,
        timeout: Duration,
    },
    /// Other checks have the same numbers from now on.
    Forget,
}

/// One thread.
struct Hand<T> {
    /// Until it is to stop.
    orders: Option<SyncSender<Order<T>>>,
    waker: Option<Waker>,
    thread: Option<JoinHandle<()>>,
}

/// All checks.
pub struct Checks {
    kinds: Vec<CheckKind>,
    calls: Hand<SelfTest>,
    others: Hand<CheckKind>,
    report: OnReport,
}

impl Checks {
    /// Starts both threads. The place of a kind in the list is its check's number.
    ///
    /// # Errors
    /// The system has no threads, descriptors or randomness left.
    pub fn start(kinds: Vec<CheckKind>, context: &SharedContext, report: OnReport) -> io::Result<Self> {
        let waker = Waker::new()?;
        let (calls, received) = sync_channel(ORDERS);
        let tester =
            selftest::Tester::new(Arc::clone(context), received, waker.clone(), Arc::clone(&report))?;
        let calls = Hand::start("tern-selftest", calls, Some(waker), move || tester.run())?;
        let (others, received): (_, Receiver<Order<CheckKind>>) = sync_channel(ORDERS);
        let watcher = plain::Watcher::new(Arc::clone(context), received, Arc::clone(&report));
        let others = Hand::start("tern-checks", others, None, move || watcher.run())?;
        Ok(Self { kinds, calls, others, report })
    }
}

impl RunChecks for Checks {
    fn run(&mut self, check: CheckId, run: u32, timeout: Duration) {
        match self.kinds.get(usize::from(check.0)) {
            Some(CheckKind::SelfTest(test)) => {
                self.calls.tell(Order::Run { check, run, what: *test, timeout });
            }
            Some(kind) => self.others.tell(Order::Run { check, run, what: kind.clone(), timeout }),
            None => (self.report)(check, run, Report::new(Verdict::Bad, "there is no such check")),
        }
    }

    /// What is under way is given up.
    fn replace(&mut self, kinds: Vec<CheckKind>) {
        self.kinds = kinds;
        self.calls.tell(Order::Forget);
        self.others.tell(Order::Forget);
    }
}

impl std::fmt::Debug for Checks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checks").field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

impl<T> Hand<T> {
    fn start(
        name: &str,
        orders: SyncSender<Order<T>>,
        waker: Option<Waker>,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(body)?;
        Ok(Self { orders: Some(orders), waker, thread: Some(thread) })
    }

    fn tell(&self, order: Order<T>) {
        if let Some(orders) = &self.orders {
            // One that does not listen any more has checks that are overdue.
            drop(orders.try_send(order));
        }
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake();
        }
    }
}

/// Neither thread waits for anything longer than a turn; should one hang all the same, it is left behind.
impl<T> Drop for Hand<T> {
    fn drop(&mut self) {
        // Nobody orders any more.
        self.orders = None;
        self.wake();
        if let Some(thread) = self.thread.take() {
            super::join_within(thread, PATIENCE);
        }
    }
}
