//! The workers' threads, seen from outside: starting one, and learning that one has died, and of what.
//!
//! A worker can die of a panic, or of a poller that fails. Neither can be caused from the network as far as anybody
//! knows, so a death is told at once and in words. The others go on; whoever runs the relay decides what follows.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::Notify;

use super::StartError;
use crate::metrics::{Counters, Heart, LiveSession, SessionDetail, Source};
use crate::net::udp::UdpSocket;
use crate::route::{ListenerId, RelayId};
use crate::worker::{Command, Listener, Mailbox, Page, Parts, Worker};

/// For a worker's answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often survivors are asked to read a dead worker's sockets, before what is left is closed: every mailbox is full then.
const MAX_TURNS: usize = 1024;

/// A worker that has ended without having been told to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadWorker {
    /// Its number.
    pub worker: u8,
    /// What it died of.
    pub reason: String,
}

impl fmt::Display for DeadWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} has died: {}", self.worker, self.reason)
    }
}

/// Who has died so far.
#[derive(Debug)]
pub(super) struct Deaths {
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Debug)]
struct State {
    dead: Vec<DeadWorker>,
    /// Listener sockets of the dead. The kernel spreads clients by the number of sockets on a port: if one closed, the
    /// calls of all other workers would be dealt out anew, and most would be lost. So a survivor reads them.
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    listener: ListenerId,
    socket: UdpSocket,
    /// The worker that reads it.
    reader: u8,
}

impl Deaths {
    pub(super) fn new() -> Arc<Self> {
        let state = State { dead: Vec::new(), held: Vec::new() };
        Arc::new(Self { state: Mutex::new(state), bell: Notify::new() })
    }

    pub(super) fn list(&self) -> Vec<DeadWorker> {
        self.state().dead.clone()
    }

    /// Returns when somebody has died since it returned last.
    pub(super) async fn next(&self) {
        self.bell.notified().await;
    }

    /// Closes what is held for the survivors.
    pub(super) fn release(&self) {
        self.state().held.clear();
    }

    fn note(&self, dead: DeadWorker, sockets: Vec<(ListenerId, UdpSocket)>, mailboxes: &[Mailbox]) {
        let mut state = self.state();
        let reader = dead.worker;
        state.dead.push(dead);
        state.held.extend(sockets.into_iter().map(|(listener, socket)| Held { listener, socket, reader }));
        state.pass_on(reader, mailboxes);
        drop(state);
        self.bell.notify_one();
    }

    /// What it holds is whole between any two statements: a panic meanwhile would not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What `dead` read is read by the survivors from now on, in turns. What none of them takes is closed, and the kernel
    /// deals out all clients of that listener anew.
    fn pass_on(&mut self, dead: u8, mailboxes: &[Mailbox]) {
        let is_dead = |worker: u8| self.dead.iter().any(|dead| dead.worker == worker);
        let living = (0u8..).zip(mailboxes).filter(|(worker, _)| !is_dead(*worker));
        let mut next = living.cycle().take(MAX_TURNS);
        self.held.retain_mut(|held| {
            if held.reader != dead {
                return true;
            }
            let adopt = || Command::Adopt { listener: held.listener, socket: held.socket.clone() };
            let taker = next.find(|(_, mailbox)| mailbox.command(adopt()));
            held.reader = taker.map_or(dead, |(worker, _)| worker);
            taker.is_some()
        });
    }
}

/// One worker's thread.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) mailbox: Mailbox,
    pub(super) counters: Arc<Counters>,
    pub(super) heart: Heart,
    pub(super) thread: Option<JoinHandle<()>>,
    alive: Arc<AtomicBool>,
}

impl Running {
    /// Starts a worker, and returns when it serves.
    pub(super) fn start(
        parts: Parts,
        mailbox: Mailbox,
        counters: Arc<Counters>,
        heart: Heart,
        deaths: Arc<Deaths>,
    ) -> Result<Self, StartError> {
        let alive = Arc::new(AtomicBool::new(true));
        let guard = Alive(Arc::clone(&alive));
        let (ready, started) = sync_channel(1);
        let name = format!("tern-worker-{}", parts.index);
        let thread = thread::Builder::new()
            .name(name)
            .spawn(move || live(parts, ready, guard, &deaths))
            .map_err(StartError::Resources)?;
        match started.recv() {
            Ok(Ok(())) => Ok(Self { mailbox, counters, heart, alive, thread: Some(thread) }),
            Ok(Err(error)) => Err(StartError::Resources(error)),
            Err(_) => Err(StartError::Resources(io::Error::other("the thread ended at once"))),
        }
    }

    pub(super) fn source(&self) -> Source {
        Source { counters: Arc::clone(&self.counters), alive: Arc::clone(&self.alive) }
    }

    /// Its sessions, page by page: media goes on in between.
    pub(super) fn sessions(&self) -> Vec<LiveSession> {
        let (mut sessions, mut from) = (Vec::new(), Some(0));
        while let Some(place) = from {
            let (reply, answer) = sync_channel(1);
            let asked = self.mailbox.command(Command::Sessions { from: place, reply });
            // A worker that has died drops the question.
            let page =
                if asked { answer.recv_timeout(PATIENCE).unwrap_or_default() } else { Page::default() };
            sessions.extend(page.sessions);
            from = page.next;
        }
        sessions
    }

    /// One of them.
    pub(super) fn session(&self, relay: RelayId) -> Option<SessionDetail> {
        let (reply, answer) = sync_channel(1);
        let asked = self.mailbox.command(Command::Session { relay, reply });
        let found = if asked { answer.recv_timeout(PATIENCE).ok().flatten() } else { None };
        found.map(|found| *found)
    }

    pub(super) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }
}

/// Clears the flag when the thread ends, in whichever way.
struct Alive(Arc<AtomicBool>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn live(parts: Parts, ready: SyncSender<io::Result<()>>, alive: Alive, deaths: &Deaths) {
    let (worker, directory) = (parts.index, Arc::clone(&parts.directory));
    let (mailboxes, counters) = (Arc::clone(&parts.mailboxes), Arc::clone(&parts.counters));
    let own = parts.listeners.iter().filter_map(Listener::udp);
    let sockets = own.map(|(listener, socket)| (listener, socket.clone())).collect();
    // What it owned is dropped with it; what it shares are numbers and maps, whole after every call.
    let end = catch_unwind(AssertUnwindSafe(move || serve(parts, &ready)));
    let Some(reason) = reason(end) else { return };
    // Else its calls would count for as long as the relay runs, and a drain would never end.
    counters.clear_levels();
    drop(alive);
    directory.forget(worker);
    deaths.note(DeadWorker { worker, reason }, sockets, &mailboxes);
}

fn serve(parts: Parts, ready: &SyncSender<io::Result<()>>) -> io::Result<()> {
    match Worker::new(parts) {
        // Nobody waits any more: the start was given up.
        Ok(worker) => ready.send(Ok(())).map_or(Ok(()), |()| worker.run()),
        Err(error) => {
            // The starter tells it.
            drop(ready.send(Err(error)));
            Ok(())
        }
    }
}

/// None if it was told to stop.
fn reason(end: Result<io::Result<()>, Box<dyn Any + Send>>) -> Option<String> {
    match end {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("its poller failed: {error}")),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            Some(format!("it panicked: {}", text.unwrap_or("without a message")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_has_a_reason_and_an_end_has_none() {
        let text = |end| reason(end).unwrap();
        assert_eq!(reason(Ok(Ok(()))), None);
        assert_eq!(text(Ok(Err(io::Error::other("no epoll")))), "its poller failed: no epoll");
        assert_eq!(text(Err(Box::new("oh"))), "it panicked: oh");
        assert_eq!(text(Err(Box::new("oh, 3".to_owned()))), "it panicked: oh, 3");
        assert_eq!(text(Err(Box::new(3))), "it panicked: without a message");
    }
}
