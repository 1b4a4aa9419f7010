//! The thread of all checks but test calls, "tern-checks". Most are a look at numbers; hearts, files and commands take their
//! time, during which the thread looks after them every few milliseconds and otherwise goes on.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::command::Running;
use super::context::SharedContext;
use super::helpers::{Helped, Helpers};
use super::meters::{self, Memory};
use super::selftest::patience;
use super::{CheckKind, OnReport, Order};
use crate::announce::CheckId;
use crate::announce::health::{Report, Verdict};
use crate::clock::Clock;
use crate::metrics::Heart;
use crate::time::Time;

/// Between two looks at what is under way.
const LOOK: Duration = Duration::from_millis(5);

/// What takes its time.
enum Waiting {
    Heart { heart: Heart, question: u64 },
    Helped(Helped),
    Command(Running),
}

struct Pending {
    check: CheckId,
    run: u32,
    timeout: Duration,
    deadline: Time,
    waiting: Waiting,
}

/// The thread's state.
pub(super) struct Watcher {
    context: SharedContext,
    orders: Receiver<Order<CheckKind>>,
    report: OnReport,
    clock: Clock,
    pending: Vec<Pending>,
    memories: HashMap<CheckId, Memory>,
    helpers: Helpers,
    /// Killed, and not yet gone.
    dying: Vec<Running>,
}

impl Watcher {
    pub(super) fn new(context: SharedContext, orders: Receiver<Order<CheckKind>>, report: OnReport) -> Self {
        Self {
            context,
            orders,
            report,
            clock: Clock::new(),
            pending: Vec::new(),
            memories: HashMap::new(),
            helpers: Helpers::default(),
            dying: Vec::new(),
        }
    }

    /// Until nobody orders any more.
    pub(super) fn run(mut self) {
        loop {
            let idle = self.pending.is_empty() && self.dying.is_empty();
            let order = if idle {
                self.orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.orders.recv_timeout(LOOK)
            };
            match order {
                Ok(Order::Run { check, run, what, timeout }) => self.begin(check, run, what, timeout),
                Ok(Order::Forget) => {
                    self.memories.clear();
                    self.give_up(|_| true);
                }
                Err(RecvTimeoutError::Disconnected) => return self.give_up(|_| true),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.look();
        }
    }

    fn begin(&mut self, check: CheckId, run: u32, kind: CheckKind, timeout: Duration) {
        self.give_up(|pending| pending.check == check);
        let waiting = if let CheckKind::Heartbeat { worker } = kind {
            self.ask(worker)
        } else if matches!(kind, CheckKind::File { .. } | CheckKind::Command { .. }) {
            self.helpers.start(check, kind).map(Waiting::Helped)
        } else {
            let memory = self.memories.entry(check).or_default();
            Err(meters::judge(&kind, &self.context.load(), memory, self.clock.read()))
        };
        match waiting {
            Ok(waiting) => {
                let deadline = self.clock.now().time + patience(timeout);
                self.pending.push(Pending { check, run, timeout, deadline, waiting });
            }
            Err(report) => (self.report)(check, run, report),
        }
    }

    fn ask(&self, worker: u8) -> Result<Waiting, Report> {
        let heart = self.context.load().hearts.get(usize::from(worker)).cloned();
        let heart = heart.ok_or_else(|| Report::new(Verdict::Bad, "there is no such worker"))?;
        let question = heart.ask();
        Ok(Waiting::Heart { heart, question })
    }

    fn look(&mut self) {
        let now = self.clock.now().time;
        let mut place = 0;
        while let Some(pending) = self.pending.get_mut(place) {
            let Some(report) = pending.look(now, &mut self.helpers) else {
                place += 1;
                continue;
            };
            let Pending { check, run, waiting, .. } = self.pending.swap_remove(place);
            self.bury(waiting);
            (self.report)(check, run, report);
        }
        self.dying.retain_mut(|command| !command.is_gone());
    }

    fn give_up(&mut self, which: impl Fn(&Pending) -> bool) {
        let (over, stay) = std::mem::take(&mut self.pending).into_iter().partition(which);
        self.pending = stay;
        let over: Vec<Pending> = over;
        for pending in over {
            self.bury(pending.waiting);
        }
    }

    fn bury(&mut self, waiting: Waiting) {
        if let Waiting::Command(mut command) = waiting {
            command.kill();
            if !command.is_gone() {
                self.dying.push(command);
            }
        }
    }
}

impl Pending {
    fn look(&mut self, now: Time, helpers: &mut Helpers) -> Option<Report> {
        let report = match &mut self.waiting {
            Waiting::Heart { heart, question } => {
                heart.answered(*question).then(|| Report::new(Verdict::Good, "it turns"))
            }
            Waiting::Helped(helped) => match helped.look(helpers) {
                Some(Ok(mut command)) => {
                    let report = command.look();
                    self.waiting = Waiting::Command(command);
                    report
                }
                Some(Err(report)) => Some(report),
                None => None,
            },
            Waiting::Command(command) => command.look(),
        };
        report.or_else(|| (now >= self.deadline).then(|| self.overdue()))
    }

    /// What is told a little before its time is over: the operator knows the time that is configured.
    fn overdue(&self) -> Report {
        let timeout = self.timeout;
        let text = match &self.waiting {
            Waiting::Heart { heart, .. } => {
                format!("worker {} hangs: no turn within {timeout:?}", heart.worker())
            }
            Waiting::Helped(helped) => format!("{}: no answer within {timeout:?}", helped.complaint()),
            Waiting::Command(_) => format!("it did not end within {timeout:?} and was killed"),
        };
        Report::new(Verdict::Bad, text)
    }
}
