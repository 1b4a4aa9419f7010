//! The thread "tern-announcer": tells the announcer what happens, and does what it asks for.
//!
//! A turn: wait at the poller; what has come on sockets; the mailbox; the timers last, so that what came in time is heard
//! before it counts as missing. Nothing here blocks. Names of caches are looked up on a thread of their own.

use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::bfd::{Bfd, News, Notice};
use super::handle::{Handle, Inbox, Mail, View, Wish};
use super::hooks::Hooks;
use super::journal;
use super::listening::Neighbors;
use super::settings::{HookSettings, Settings};
use super::tcp::{Connections, Happening};
use super::waiting::Waiting;
use super::{RunChecks, StartFault, bfd};
use crate::announce::{Action, Announcer, ConnectionId, Input, Target};
use crate::clock::Clock;
use crate::metrics::Heart;
use crate::net::poll::{Events, Interest, Poller};
use crate::net::tcp::peering::Peering;
use crate::time::{Now, Time};

/// The mailbox's token.
const WAKER: u64 = 0;
/// Sockets per turn; more wait for the next.
const EVENTS: usize = 64;
/// Messages per turn.
const MAIL: usize = 256;
/// For last words when all has been said.
const FAREWELL: Duration = Duration::from_millis(500);
/// What connections to caches are set up with.
const CACHE: Peering<'_> =
    Peering { local: None, key: None, ttl: 64, gtsm: None, user_timeout: Duration::from_secs(30) };

/// All that the thread owns.
pub(super) struct Driver {
    clock: Clock,
    now: Now,
    poller: Arc<Poller>,
    inbox: Inbox,
    /// For threads that bring something back.
    handle: Handle,
    announcer: Announcer,
    neighbors: Neighbors,
    caches: Vec<String>,
    hooks: Arc<[HookSettings]>,
    commands: Hooks,
    connections: Connections,
    /// Connections to caches whose names are being looked up.
    resolving: BTreeSet<ConnectionId>,
    checks: Box<dyn RunChecks>,
    /// If a neighbour wants it.
    bfd: Option<Bfd>,
    hearts: Vec<Heart>,
    waiting: Waiting,
    /// How often there were other settings.
    generation: u32,
    /// All has been said; until then last words may take their way.
    ending: Option<Time>,
}

impl Driver {
    pub(super) fn new(
        settings: Settings,
        (handle, inbox): (Handle, Inbox),
        checks: Box<dyn RunChecks>,
        hearts: Vec<Heart>,
    ) -> Result<Self, StartFault> {
        let clock = Clock::new();
        let now = clock.now();
        let poller = Arc::new(Poller::new()?);
        poller.add(inbox.waker(), WAKER, Interest::READ)?;
        let neighbors = Neighbors::new(&settings);
        let mut connections = Connections::new(Arc::clone(&poller));
        connections
            .listen(&settings.listen, &neighbors)
            .map_err(|(address, source)| StartFault::listen(address, source))?;
        let bfd = start_bfd(bfd::Settings::of(&settings, 0), hearts.clone(), &handle)?;
        Ok(Self {
            clock,
            now,
            poller,
            inbox,
            handle,
            caches: caches(&settings),
            hooks: settings.hooks.into(),
            announcer: Announcer::new(now, settings.announce),
            neighbors,
            commands: Hooks::start()?,
            connections,
            resolving: BTreeSet::new(),
            checks,
            bfd,
            hearts,
            waiting: Waiting::default(),
            generation: 0,
            ending: None,
        })
    }

    /// Where neighbours come in.
    pub(super) fn listening(&self) -> Vec<SocketAddr> {
        self.connections.listening()
    }

    /// Until all has been said.
    ///
    /// # Errors
    /// The poller has failed, which nobody outside can cause.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        self.tell(Input::Tick);
        loop {
            let deadline = [
                self.announcer.deadline(),
                self.connections.deadline(),
                self.waiting.deadline(),
                self.ending,
            ];
            let deadline = deadline.into_iter().flatten().min();
            let timeout = deadline.map(|at| at.since(self.clock.now().time));
            self.poller.wait(&mut events, timeout)?;
            self.now = self.clock.now();
            for event in events.iter() {
                if event.token == WAKER {
                    self.inbox.waker().drain();
                } else {
                    self.connections.ready(self.now.time, event, &self.neighbors);
                }
            }
            self.pass_on();
            self.read_mail();
            self.run_timers();
            let is_over = |until: Time| until <= self.now.time || !self.connections.is_closing();
            if self.ending.is_some_and(is_over) {
                return Ok(());
            }
        }
    }

    fn run_timers(&mut self) {
        self.connections.tick(self.now.time);
        self.waiting.tick(self.now.time);
        self.pass_on();
        if self.announcer.deadline().is_some_and(|at| at <= self.now.time) {
            self.tell(Input::Tick);
        }
    }

    /// Tells the announcer, and does what follows.
    fn tell(&mut self, input: Input<'_>) {
        self.announcer.handle(self.now, input);
        self.act();
        self.pass_on();
    }

    /// Tells what has happened on sockets, which may lead to more.
    fn pass_on(&mut self) {
        while let Some(happening) = self.connections.next() {
            self.announcer.handle(self.now, input(&happening));
            self.act();
        }
    }

    fn act(&mut self) {
        while let Some(action) = self.announcer.poll() {
            self.carry_out(action);
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Run { check, run, timeout } => {
                self.waiting.begun(self.now.time, check, run, timeout);
                self.checks.run(check, run, timeout);
            }
            Action::Connect { connection, target } => self.connect(connection, target),
            Action::Send { connection, bytes } => self.connections.send(connection, &bytes),
            Action::Close { connection } => {
                self.resolving.remove(&connection);
                self.connections.close(self.now.time, connection);
            }
            Action::Abort { connection } => {
                self.resolving.remove(&connection);
                self.connections.abort(connection);
            }
            Action::Hook(change) => self.commands.run(&self.hooks, change),
            Action::Event(event) => journal::write(&event),
            Action::Stopped => self.ending = Some(self.now.time + FAREWELL),
        }
    }

    fn connect(&mut self, connection: ConnectionId, target: Target) {
        match target {
            Target::Neighbor(neighbor) => match self.neighbors.target(neighbor) {
                Some((remote, peering)) => {
                    self.connections.connect(self.now.time, connection, remote, &peering);
                }
                None => self.connections.fail(connection, "there is no such neighbour any more".to_owned()),
            },
            Target::Rtr(cache) => match self.caches.get(usize::from(cache)).cloned() {
                Some(name) => self.connect_cache(connection, name),
                None => self.connections.fail(connection, "there is no such cache any more".to_owned()),
            },
        }
    }

    fn connect_cache(&mut self, connection: ConnectionId, name: String) {
        if let Ok(remote) = name.parse() {
            return self.connections.connect(self.now.time, connection, remote, &CACHE);
        }
        let handle = self.handle.clone();
        let look_up = move || {
            // Without room in the mailbox the announcer's own patience ends the attempt.
            let _ = handle.send(Mail::Resolved { connection, found: resolve(&name) });
        };
        match thread::Builder::new().name("tern-resolve".to_owned()).spawn(look_up) {
            Ok(_) => drop(self.resolving.insert(connection)),
            Err(error) => self.connections.fail(connection, error.to_string()),
        }
    }

    fn resolved(&mut self, connection: ConnectionId, found: Result<SocketAddr, String>) {
        if !self.resolving.remove(&connection) {
            return;
        }
        match found {
            Ok(remote) => self.connections.connect(self.now.time, connection, remote, &CACHE),
            Err(reason) => self.connections.fail(connection, reason),
        }
        self.pass_on();
    }

    fn read_mail(&mut self) {
        for _ in 0..MAIL {
            let Some(mail) = self.inbox.next() else { return };
            self.take(mail);
        }
        // There may be more: come back at once, after the sockets had their turn.
        self.inbox.waker().wake();
    }

    fn take(&mut self, mail: Mail) {
        match mail {
            Mail::Report { check, run, report } => {
                self.tell(Input::Report { check, run, report });
                self.waiting.reported(check, run);
            }
            Mail::Bfd(notice) if notice.generation == self.generation => self.hear_of_bfd(notice),
            // Of neighbours that have other numbers now. What holds is said again.
            Mail::Bfd(_) => {}
            Mail::Wish(wish, reply) => {
                self.tell(wished(wish));
                // Whoever asked may have given up, here and below.
                let _ = reply.try_send(());
            }
            Mail::CheckNow(reply) => {
                let earlier = self.waiting.under_way();
                self.tell(Input::CheckNow);
                if let Some(reply) = reply {
                    self.waiting.wait(reply, earlier);
                }
            }
            Mail::View(reply) => drop(reply.try_send(self.view())),
            Mail::Resolved { connection, found } => self.resolved(connection, found),
            Mail::Reload(settings) => self.reload(*settings),
            Mail::Shutdown => self.tell(Input::Shutdown),
        }
    }

    fn hear_of_bfd(&mut self, notice: Notice) {
        let Notice { neighbor, news, .. } = notice;
        match news {
            News::Up => self.tell(Input::Bfd { neighbor, up: true, reason: "the neighbour is heard" }),
            News::Stopped(reason) => self.tell(Input::BfdStopped { neighbor, reason: &reason }),
            News::Down(reason) => self.tell(Input::Bfd { neighbor, up: false, reason: &reason }),
            News::Problem(reason) => {
                let address = self.neighbors.target(neighbor).map(|(address, _)| address.ip().to_string());
                tracing::warn!(neighbor = address, reason, "a session of BFD is not possible");
            }
        }
    }

    fn view(&self) -> View {
        View {
            bfd: self.bfd.as_ref().map(Bfd::view).unwrap_or_default(),
            announce: self.announcer.view(self.now),
            refused_connections: self.connections.refused(),
            badly_signed: self.connections.badly_signed(),
        }
    }

    fn reload_bfd(&mut self, settings: bfd::Settings) {
        let result = match &self.bfd {
            Some(bfd) if bfd.reload(settings.clone()) => Ok(()),
            // Its thread has ended, and that of a panic, since nobody has told it to.
            Some(_) => Err(io::Error::other("its thread does not answer")),
            None => start_bfd(settings, self.hearts.clone(), &self.handle).map(|bfd| self.bfd = bfd),
        };
        if let Err(error) = result {
            tracing::error!(%error, "BFD does not follow the new configuration; start the relay again");
        }
    }

    /// The drivers first: what the announcer asks for then goes by the new numbers.
    fn reload(&mut self, mut settings: Settings) {
        self.neighbors.number_changes(&mut settings);
        self.generation = self.generation.wrapping_add(1);
        self.neighbors = Neighbors::new(&settings);
        if let Err((address, error)) = self.connections.listen(&settings.listen, &self.neighbors) {
            tracing::error!(%address, %error, "cannot listen for BGP neighbours there");
        }
        self.reload_bfd(bfd::Settings::of(&settings, self.generation));
        self.caches = caches(&settings);
        self.hooks = settings.hooks.into();
        self.checks.replace(settings.checks);
        self.waiting.clear();
        self.tell(Input::Reload(Box::new(settings.announce)));
        self.waiting.start_over();
    }
}

/// None if nobody wants it: then nobody asks the workers.
fn start_bfd(settings: bfd::Settings, hearts: Vec<Heart>, handle: &Handle) -> io::Result<Option<Bfd>> {
    if settings.neighbors.iter().all(Option::is_none) {
        return Ok(None);
    }
    let handle = handle.clone();
    let report = Box::new(move |notice| handle.send(Mail::Bfd(notice)).is_ok());
    Bfd::start(settings, hearts, report).map(Some)
}

fn caches(settings: &Settings) -> Vec<String> {
    settings.announce.rpki.as_ref().map(|rpki| rpki.caches.clone()).unwrap_or_default()
}

fn resolve(name: &str) -> Result<SocketAddr, String> {
    let mut found = name.to_socket_addrs().map_err(|error| format!("{name} cannot be looked up: {error}"))?;
    found.next().ok_or_else(|| format!("{name} has no address"))
}

const fn wished(wish: Wish) -> Input<'static> {
    match wish {
        Wish::Drain(on) => Input::Drain(on),
        Wish::Withdraw(prefix) => Input::Withdraw(prefix),
        Wish::Announce { prefix, force } => Input::Announce { prefix, force },
        Wish::Others(others) => Input::Others(others),
        Wish::Takeover(on) => Input::Takeover(on),
    }
}

fn input(happening: &Happening) -> Input<'_> {
    match happening {
        Happening::Accepted { connection, neighbor, local, remote } => {
            Input::Accepted { connection: *connection, neighbor: *neighbor, local: *local, remote: *remote }
        }
        Happening::Connected { connection, local, remote } => {
            Input::Connected { connection: *connection, local: *local, remote: *remote }
        }
        Happening::Failed { connection, reason } => Input::Failed { connection: *connection, reason },
        Happening::Received { connection, bytes } => Input::Received { connection: *connection, bytes },
        Happening::Sent { connection, waiting } => Input::Sent { connection: *connection, waiting: *waiting },
        Happening::Closed { connection, reason } => Input::Closed { connection: *connection, reason },
    }
}
