//! How the rest of the process speaks to the announcer's thread: a bounded mailbox, woken by an eventfd.
//!
//! Questions wait for their answer, at most as long as is said there, so they are for threads that may wait; the rest
//! returns at once. A mailbox that is full refuses, and whoever asked is told.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crate::announce::{self, CheckId, ConnectionId, health::Report};
use crate::net::poll::Waker;
use crate::wire::bgp::Prefix;

use super::{Settings, bfd};

/// Messages that may wait: a round of checks, and operators.
const MAIL: usize = 1024;
/// For an answer of the announcer, which waits for nobody.
const PATIENCE: Duration = Duration::from_secs(2);
/// For checks that all run at once, behind the runs that are under way; less than a command line waits for the relay.
const PATIENCE_WITH_CHECKS: Duration = Duration::from_secs(25);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// Nothing is announced any more.
    #[error("the announcer has ended")]
    Ended,
    /// It has not come in time, or too many ask.
    #[error("the announcer does not answer in time; try again")]
    Busy,
}

/// What the announcer's thread is told.
#[derive(Debug)]
pub enum Mail {
    /// A check has run.
    Report {
        /// Which.
        check: CheckId,
        /// The number of the run.
        run: u32,
        /// What it found.
        report: Report,
    },
    /// What BFD says of a neighbour.
    Bfd(bfd::Notice),
    /// An operator's wish. It is answered when what follows from it has been handed to the kernel.
    Wish(Wish, Reply<()>),
    /// All checks at once; answered when they have reported.
    CheckNow(Option<Reply<()>>),
    /// How things are.
    View(Reply<View>),
    /// The address of a cache has been looked up.
    Resolved {
        /// For which connection.
        connection: ConnectionId,
        /// What was found, or why nothing was.
        found: Result<SocketAddr, String>,
    },
    /// Go on with other settings.
    Reload(Box<Settings>),
    /// Withdraw, linger, end the sessions, end the thread.
    Shutdown,
}

/// What operators, and later a mesh of relays, may want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The relay empty, or back.
    Drain(bool),
    /// One prefix or all not announced, until [`Self::Announce`].
    Withdraw(Option<Prefix>),
    /// The end of that; with force whatever the health.
    Announce {
        /// Which, or all.
        prefix: Option<Prefix>,
        /// Even if the relay would not.
        force: bool,
    },
    /// How many other relays are healthy; none if nobody knows.
    Others(Option<u16>),
    /// This relay stands in for another one, or does no longer.
    Takeover(bool),
}

/// Where an answer goes. Whoever asked may have given up.
pub type Reply<T> = SyncSender<T>;

/// How things are with the announcer, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What is decided, and why.
    pub announce: announce::View,
    /// The sessions of BFD, by the number of the neighbour; shorter, or empty, if there are none.
    pub bfd: Arc<bfd::Views>,
    /// Connections of strangers that were refused.
    pub refused_connections: u64,
    /// Segments whose TCP MD5 signature is wrong or missing, of all connections in this network namespace; none if the
    /// kernel does not say.
    pub badly_signed: Option<u64>,
}

/// The way to the announcer's thread. Any number of threads may have one.
#[derive(Clone, Debug)]
pub struct Handle {
    mail: SyncSender<Mail>,
    ending: Arc<Ending>,
    waker: Waker,
}

/// The wish to end goes beside the mailbox, which may be full.
#[derive(Debug, Default)]
struct Ending {
    /// How often it was said and not yet read.
    asked: AtomicU32,
    /// Nobody reads any more.
    ended: AtomicBool,
}

/// The other end.
#[derive(Debug)]
pub struct Inbox {
    mail: Receiver<Mail>,
    ending: Arc<Ending>,
    waker: Waker,
}

impl Handle {
    /// Both ends.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn new() -> io::Result<(Self, Inbox)> {
        let (sender, receiver) = sync_channel(MAIL);
        let waker = Waker::new()?;
        let ending = Arc::new(Ending::default());
        let inbox = Inbox { mail: receiver, ending: Arc::clone(&ending), waker: waker.clone() };
        Ok((Self { mail: sender, ending, waker }, inbox))
    }

    /// How things are. Waits up to two seconds.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn view(&self) -> Result<View, Silence> {
        self.ask(Mail::View, PATIENCE)
    }

    /// Has the relay emptied, or takes that back. Waits up to two seconds: when it returns, the neighbours have been
    /// told, as far as their connections take it.
    ///
    /// # Errors
    /// Why that is not known.
    pub fn drain(&self, on: bool) -> Result<(), Silence> {
        self.wish(Wish::Drain(on))
    }

    /// Withdraws one prefix or all until [`Handle::announce`], reloads included. Waits likewise.
    ///
    /// # Errors
    /// Why that is not known.
    pub fn withdraw(&self, prefix: Option<Prefix>) -> Result<(), Silence> {
        self.wish(Wish::Withdraw(prefix))
    }

    /// Leaves one prefix or all to health again, or announces by force. Waits likewise.
    ///
    /// # Errors
    /// Why that is not known.
    pub fn announce(&self, prefix: Option<Prefix>, force: bool) -> Result<(), Silence> {
        self.wish(Wish::Announce { prefix, force })
    }

    /// How many other relays are healthy, for the rule of the last resort. Waits likewise.
    ///
    /// # Errors
    /// Why that is not known.
    pub fn set_others(&self, others: Option<u16>) -> Result<(), Silence> {
        self.wish(Wish::Others(others))
    }

    /// Stands in for another relay, or does no longer. Waits likewise.
    ///
    /// # Errors
    /// Why that is not known.
    pub fn take_over(&self, on: bool) -> Result<(), Silence> {
        self.wish(Wish::Takeover(on))
    }

    /// Runs all checks at once, and waits until each has reported or has had its time: a run that begins after this was
    /// asked, and not one that is under way.
    ///
    /// # Errors
    /// Why that is not known.
    pub fn check_now(&self) -> Result<(), Silence> {
        self.ask(|reply| Mail::CheckNow(Some(reply)), PATIENCE_WITH_CHECKS)
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// They will not run.
    pub fn begin_check(&self) -> Result<(), Silence> {
        self.send(Mail::CheckNow(None))
    }

    /// Goes on with other settings, soon.
    ///
    /// # Errors
    /// It will not.
    pub fn reload(&self, settings: Settings) -> Result<(), Silence> {
        self.send(Mail::Reload(Box::new(settings)))
    }

    /// Withdraws, lingers, ends the sessions and then the thread. Said twice, nothing is waited for any more.
    /// It needs no room in the mailbox, and is read before what is there.
    ///
    /// # Errors
    /// It has ended already.
    pub fn shutdown(&self) -> Result<(), Silence> {
        if self.ending.ended.load(Ordering::Acquire) {
            return Err(Silence::Ended);
        }
        self.ending.asked.fetch_add(1, Ordering::AcqRel);
        self.waker.wake();
        Ok(())
    }

    /// Puts something into the mailbox.
    ///
    /// # Errors
    /// It is full, or nobody reads it any more.
    pub fn send(&self, mail: Mail) -> Result<(), Silence> {
        use std::sync::mpsc::TrySendError;
        let sent = self.mail.try_send(mail).map_err(|error| match error {
            TrySendError::Full(_) => Silence::Busy,
            TrySendError::Disconnected(_) => Silence::Ended,
        });
        self.waker.wake();
        sent
    }

    fn wish(&self, wish: Wish) -> Result<(), Silence> {
        self.ask(|reply| Mail::Wish(wish, reply), PATIENCE)
    }

    fn ask<T>(&self, mail: impl FnOnce(Reply<T>) -> Mail, patience: Duration) -> Result<T, Silence> {
        use std::sync::mpsc::RecvTimeoutError;
        let (reply, answer) = sync_channel(1);
        self.send(mail(reply))?;
        answer.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => Silence::Busy,
            RecvTimeoutError::Disconnected => Silence::Ended,
        })
    }
}

impl Inbox {
    /// The next message, if there is one.
    pub fn next(&self) -> Option<Mail> {
        let asked =
            self.ending.asked.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
        if asked.is_ok() {
            return Some(Mail::Shutdown);
        }
        self.mail.try_recv().ok()
    }

    /// Says when there may be one.
    #[must_use]
    pub const fn waker(&self) -> &Waker {
        &self.waker
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.ending.ended.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_an_announcer_that_has_ended_is_told_so() {
        let (handle, inbox) = Handle::new().unwrap();
        let other = handle.clone();
        let asking = std::thread::spawn(move || other.drain(true));
        let mail = loop {
            if let Some(mail) = inbox.next() {
                break mail;
            }
            std::thread::yield_now();
        };
        assert!(matches!(mail, Mail::Wish(Wish::Drain(true), _)));
        drop(mail);
        assert_eq!(asking.join().unwrap(), Err(Silence::Ended), "it was dropped unanswered");
        drop(inbox);
        assert_eq!(handle.withdraw(None), Err(Silence::Ended));
    }

    #[test]
    fn a_full_mailbox_refuses() {
        let (handle, inbox) = Handle::new().unwrap();
        for _ in 0..MAIL {
            handle.begin_check().unwrap();
        }
        assert_eq!(handle.begin_check(), Err(Silence::Busy));
        assert!(matches!(inbox.next(), Some(Mail::CheckNow(None))));
    }

    #[test]
    fn the_wish_to_end_comes_through_a_full_mailbox_as_often_as_it_was_said() {
        let (handle, inbox) = Handle::new().unwrap();
        while handle.begin_check().is_ok() {}
        for _ in 0..2 {
            assert_eq!(handle.shutdown(), Ok(()));
        }
        for _ in 0..2 {
            assert!(matches!(inbox.next(), Some(Mail::Shutdown)));
        }
        assert!(matches!(inbox.next(), Some(Mail::CheckNow(None))));
        drop(inbox);
        assert_eq!(handle.shutdown(), Err(Silence::Ended));
    }
}
