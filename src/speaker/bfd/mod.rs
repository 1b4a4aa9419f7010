//! BFD with the neighbours that want it: sockets, timers and truth for the sessions of [`crate::announce::bfd`].
//!
//! The thread `tern-bfd` owns all of it and waits for nobody. It asks the workers' hearts by itself: when one is silent for
//! longer than the heartbeat timeout, every session goes down at once, whatever the control plane believes. A control plane
//! that is slow, on the other hand, is not noticed here at all: what there is to tell it goes through [`Report`], which may
//! refuse and is asked again later, and for the same reason nothing is written to the log from here.
//!
//! Packets are sent with hop limit 255 from a port of their session's own (RFC 5881 section 4); single-hop packets with
//! another hop limit are not taken (section 5). A packet is its session's by the discriminator it names, or by its source
//! while it names none, and must come from the neighbour's address in either case. The port that it comes from is not looked
//! at: BIRD uses any.

mod driver;
mod line;
mod sockets;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::BfdSettings;
use crate::announce::{NeighborId, bfd};
use crate::metrics::Heart;
use crate::net::poll::Waker;
use driver::Driver;

/// Messages that may wait; only reloads and the end are sent.
const MAIL: usize = 16;

/// Whom to have a session with, and what takes all of them down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// By [`NeighborId`]; none for those without BFD.
    pub neighbors: Vec<Option<Neighbor>>,
    /// A worker that does no turn for so long takes the sessions down.
    pub heartbeat_timeout: Duration,
    /// Which settings these are: comes back with what is reported under their numbers of neighbours.
    pub generation: u32,
}

impl Settings {
    /// What `settings` say of BFD.
    #[must_use]
    pub fn of(settings: &super::Settings, generation: u32) -> Self {
        let neighbors = settings.announce.bgp.neighbors.iter().zip(&settings.neighbors);
        let neighbors = neighbors.map(|(neighbor, sockets)| {
            let way = sockets.bfd.filter(|_| neighbor.bfd && !neighbor.shutdown)?;
            Some(Neighbor { address: neighbor.address, local: sockets.local_address, way })
        });
        Self { neighbors: neighbors.collect(), heartbeat_timeout: settings.heartbeat_timeout, generation }
    }

    /// Where packets will be waited for, each address once.
    #[must_use]
    pub fn listens(&self) -> BTreeSet<SocketAddr> {
        let neighbors = || self.neighbors.iter().flatten();
        neighbors().map(|neighbor| neighbor.listens(neighbors())).collect()
    }
}

/// The other end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// Its address.
    pub address: IpAddr,
    /// Ours; the system's choice without. What comes to another one is not taken then.
    pub local: Option<IpAddr>,
    /// Timers, and how far away it is.
    pub way: BfdSettings,
}

impl Neighbor {
    /// As the session wants it.
    const fn timers(&self) -> bfd::Settings {
        let BfdSettings { transmit, receive, multiplier, .. } = self.way;
        bfd::Settings { transmit, receive, multiplier }
    }

    /// Whether a session with `other` is one with this neighbour, perhaps with other timers.
    fn is_same(&self, other: &Self) -> bool {
        self.address == other.address && self.local == other.local && self.way.multihop == other.way.multihop
    }
}

/// What there is to tell of a neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// [`Settings::generation`].
    pub generation: u32,
    /// Which, in the settings of that generation.
    pub neighbor: NeighborId,
    /// What.
    pub news: News,
}

/// The kinds of news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The session is up.
    Up,
    /// The path, or what forwards at one of its ends, has failed; in words. Not said of a session that an operator takes
    /// down, on either side.
    Down(String),
    /// The session is up no more since an operator, here or there, has taken it down; in words. That says nothing of the
    /// path.
    Stopped(String),
    /// There can be no session for want of a socket; in words, with what to do. The next attempt is made soon.
    Problem(String),
}

/// Where notices go, called on the thread of BFD: must not wait. Returns whether the notice was taken; if not, what holds
/// by then is said later.
pub type Report = Box<dyn Fn(Notice) -> bool + Send>;

/// One session, as an operator is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The session itself.
    pub session: bfd::View,
    /// Several routers may lie between.
    pub multihop: bool,
    /// Packets from the neighbour's address that were not taken: broken, too far travelled, of no session.
    pub refused: u64,
    /// Why there is no socket.
    pub problem: Option<String>,
}

/// By [`NeighborId`] of the last settings that the thread has taken.
pub type Views = Vec<Option<View>>;

enum Mail {
    Reload(Settings),
    Stop,
}

/// The thread, for whoever started it. Dropping it stops the sessions.
#[derive(Debug)]
pub struct Bfd {
    mail: SyncSender<Mail>,
    waker: Waker,
    views: Arc<ArcSwap<Views>>,
    thread: Option<JoinHandle<()>>,
}

impl Bfd {
    /// Starts the sessions. They are down until every heart has answered once. Sockets that cannot be had now are tried
    /// again and again; what is wrong with them is reported.
    ///
    /// # Errors
    /// When the system has no thread, descriptor or randomness left.
    pub fn start(settings: Settings, hearts: Vec<Heart>, report: Report) -> io::Result<Self> {
        let (mail, inbox) = sync_channel(MAIL);
        let waker = Waker::new()?;
        let views = Arc::default();
        let driver = Driver::new(settings, hearts, report, waker.clone(), Arc::clone(&views))?;
        let thread = thread::Builder::new().name("tern-bfd".to_owned());
        let thread = thread.spawn(move || driver.run(&inbox))?;
        Ok(Self { mail, waker, views, thread: Some(thread) })
    }

    /// Goes on with other settings, soon. Sessions with neighbours that stay keep their state. False if the thread does not
    /// take it: it has ended, or many such messages wait.
    #[must_use]
    pub fn reload(&self, settings: Settings) -> bool {
        self.tell(Mail::Reload(settings))
    }

    /// How the sessions were some milliseconds ago. Never waits.
    #[must_use]
    pub fn view(&self) -> Arc<Views> {
        self.views.load_full()
    }

    /// Tells the neighbours that an operator ends the sessions, so that they blame nothing for their silence, and waits for
    /// the thread to end.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // It can only be refused by a thread that has ended, or has much mail to read: that is soon done.
        while !self.tell(Mail::Stop) && !thread.is_finished() {
            thread::sleep(Duration::from_millis(1));
        }
        drop(thread.join());
    }

    fn tell(&self, mail: Mail) -> bool {
        let taken = self.mail.try_send(mail).is_ok();
        self.waker.wake();
        taken
    }
}

impl Drop for Bfd {
    fn drop(&mut self) {
        self.end();
    }
}

type Inbox = Receiver<Mail>;
