//! A generator thread as its fleet sees it: what it is told, and what it says.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tern::net::poll::Waker;

use super::tally::{Tally, Times};
use super::thread::{self, Share};
use super::{Job, Opened, confused};
use crate::failure::{Exit, Failure};
use crate::progress::Progress;

/// How long replies may be late.
const GRACE: Duration = Duration::from_secs(30);

/// The queues to a thread and from it.
#[derive(Debug)]
pub(super) struct Thread {
    commands: SyncSender<Command>,
    replies: Receiver<Reply>,
    waker: Waker,
    handle: Option<JoinHandle<()>>,
}

/// What threads are told.
#[derive(Debug)]
pub(super) enum Command {
    Start(Job),
    Close,
}

/// What threads say.
#[derive(Debug)]
pub(super) enum Reply {
    Opened(Box<Opened>),
    Done {
        tally: Box<Tally>,
        cycles: Box<Times>,
        /// All, and those sent again.
        requests: (u64, u64),
        first_fault: Option<Failure>,
    },
    Closed,
    Died(Failure),
}

impl Thread {
    pub(super) fn start(share: Share) -> Result<Self, Failure> {
        let waker = Waker::new().map_err(|error| Failure::machine("eventfd", &error))?;
        let (commands, receiver) = sync_channel(4);
        let (sender, replies) = sync_channel(4);
        let woken = waker.clone();
        let handle = std::thread::Builder::new()
            .name(format!("load-{}", share.number))
            .spawn(move || thread::run(share, receiver, &sender, woken))
            .map_err(|error| Failure::machine("cannot start a thread", &error))?;
        Ok(Self { commands, replies, waker, handle: Some(handle) })
    }

    pub(super) fn tell(&self, command: Command) -> Result<(), Failure> {
        // A thread that has died has said why.
        if self.commands.send(command).is_err() {
            return match self.replies.try_recv() {
                Ok(Reply::Died(failure)) => Err(failure),
                Ok(_) | Err(_) => Err(confused()),
            };
        }
        self.waker.wake();
        Ok(())
    }

    /// Asks it to end, if it still can hear.
    pub(super) fn dismiss(&self) {
        // One that hears nothing any more has its queue full, or has ended.
        let _ = self.commands.try_send(Command::Close);
        self.waker.wake();
    }

    /// Waits until a dismissed thread has ended; one that has stopped without a word is left alone.
    pub(super) fn await_end(&mut self) {
        while self.handle.is_some() {
            match self.replies.recv_timeout(GRACE) {
                Ok(Reply::Opened(_) | Reply::Done { .. }) => {}
                Ok(Reply::Closed | Reply::Died(_)) | Err(RecvTimeoutError::Disconnected) => self.join(),
                Err(RecvTimeoutError::Timeout) => return,
            }
        }
    }

    /// Of a thread that has said its last word.
    pub(super) fn join(&mut self) {
        if let Some(handle) = self.handle.take() {
            drop(handle.join());
        }
    }

    /// The next reply; a thread reports even its death. Waits on while sessions still come.
    pub(super) fn reply(&self, ramp: Duration, progress: &Progress) -> Result<Reply, Failure> {
        let mut ready = u64::MAX;
        let mut patience = ramp.saturating_add(GRACE);
        loop {
            match self.replies.recv_timeout(patience) {
                Ok(Reply::Died(failure)) => return Err(failure),
                Ok(reply) => return Ok(reply),
                Err(RecvTimeoutError::Disconnected) => return Err(confused()),
                Err(RecvTimeoutError::Timeout) => {
                    let now = progress.sessions_ready.load(Ordering::Relaxed);
                    if now == ready {
                        return Err(Failure::new(
                            Exit::Failed,
                            "a generator thread has stopped without a word",
                        ));
                    }
                    (ready, patience) = (now, GRACE);
                }
            }
        }
    }
}
