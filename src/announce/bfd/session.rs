//! The state machine of RFC 5880 section 6.8.

use std::collections::VecDeque;
use std::time::Duration;

use super::timers::Timers;
use super::view::{Counts, View};
use super::{Action, Change, Input, Reason, Settings};
use crate::time::{Now, Time, UnixTime};
use crate::wire::bfd::{Diagnostic, Packet, State};

/// One session with one neighbour.
#[derive(Clone, Debug)]
pub struct Session {
    settings: Settings,
    /// This end's number of the session, and the neighbour's; zero if it is not known.
    discriminator: u32,
    remote_discriminator: u32,
    state: State,
    remote_state: State,
    diagnostic: Diagnostic,
    remote_diagnostic: Diagnostic,
    healthy: bool,
    timers: Timers,
    /// What was last sent, without poll and final.
    said: Option<Packet>,
    since: UnixTime,
    last_down: Option<(UnixTime, Reason)>,
    counts: Counts,
    actions: VecDeque<Action>,
}

impl Session {
    /// A session that is down and stays so until the data path is said to be healthy. `discriminator` must be unique on
    /// this machine, not zero, and hard to guess; `seed` is for jitter.
    #[must_use]
    pub fn new(now: Now, settings: Settings, discriminator: u32, seed: u64) -> Self {
        let settings = settings.sane();
        Self {
            settings,
            discriminator,
            remote_discriminator: 0,
            state: State::Down,
            remote_state: State::Down,
            diagnostic: Diagnostic::NONE,
            remote_diagnostic: Diagnostic::NONE,
            healthy: false,
            timers: Timers::new(settings, seed),
            said: None,
            since: now.unix,
            last_down: None,
            counts: Counts::default(),
            actions: VecDeque::new(),
        }
    }

    /// Takes what has happened. What is due by `now` is done whatever the input is.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Tick => {}
            Input::Packet(packet) => self.receive(now, packet),
            Input::Healthy(healthy) => self.set_healthy(now, healthy),
            Input::Reload(settings) => {
                self.settings = settings.sane();
                self.timers.adapt(now.time, self.settings, self.state);
            }
            Input::Stop => self.stop(now),
        }
        self.expire(now);
        self.transmit(now.time);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`Session::handle`] again at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        [self.timers.next(), self.timers.expiry()].into_iter().flatten().min()
    }

    /// This end's number of the session, which the neighbour's packets carry.
    #[must_use]
    pub const fn discriminator(&self) -> u32 {
        self.discriminator
    }

    /// Its state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// How long the neighbour needs to notice that this end has gone silent; none if it wants no packets.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        self.timers.patience()
    }

    /// What an operator is shown.
    #[must_use]
    pub fn view(&self) -> View {
        let remote = &self.timers.remote;
        View {
            state: self.state,
            remote_state: self.remote_state,
            diagnostic: self.diagnostic,
            remote_diagnostic: self.remote_diagnostic,
            discriminator: self.discriminator,
            remote_discriminator: self.remote_discriminator,
            healthy: self.healthy,
            since: self.since,
            last_down: self.last_down,
            interval: self.timers.interval(self.state),
            detection: self.timers.detection(),
            heard: self.timers.heard(),
            settings: self.settings,
            remote_transmit: remote.transmit,
            remote_receive: remote.receive.unwrap_or_default(),
            remote_multiplier: remote.multiplier,
            counts: self.counts,
        }
    }

    fn receive(&mut self, now: Now, packet: &Packet) {
        let is_mine = packet.yours == 0 || packet.yours == self.discriminator;
        if !is_mine || self.state == State::AdminDown {
            self.counts.ignored += 1;
            return;
        }
        // What was due before this packet came is not undone by it.
        self.expire(now);
        self.counts.received += 1;
        self.remote_discriminator = packet.mine;
        self.remote_state = packet.state;
        self.remote_diagnostic = packet.diagnostic;
        self.timers.hear(now.time, packet);
        self.follow(now, packet);
        self.timers.plan(now.time, self.state);
        if packet.poll {
            self.answer();
        }
    }

    /// Section 6.8.6, from "if the received state is AdminDown" on.
    fn follow(&mut self, now: Now, packet: &Packet) {
        if !self.healthy {
            return;
        }
        let next = match (self.state, packet.state) {
            (State::Up | State::Init, State::AdminDown) => (State::Down, Reason::NeighborStopped),
            (State::Down, State::Down) => (State::Init, Reason::Heard),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => (State::Up, Reason::Heard),
            (State::Up, State::Down) => (State::Down, Reason::Neighbor(packet.diagnostic)),
            (State::AdminDown, _)
            | (State::Down, State::AdminDown | State::Up)
            | (State::Init, State::Down)
            | (State::Up, State::Init | State::Up) => return,
        };
        self.change(now, next.0, next.1);
    }

    fn set_healthy(&mut self, now: Now, healthy: bool) {
        self.healthy = healthy;
        if healthy || self.state == State::AdminDown {
            return;
        }
        if self.state == State::Down {
            self.diagnostic = Reason::Unhealthy.diagnostic();
        } else {
            self.change(now, State::Down, Reason::Unhealthy);
        }
    }

    fn stop(&mut self, now: Now) {
        if self.state != State::AdminDown {
            self.change(now, State::AdminDown, Reason::Stopped);
        }
    }

    fn expire(&mut self, now: Now) {
        if self.timers.expiry().is_none_or(|expiry| now.time < expiry) {
            return;
        }
        let silence = self.timers.detection().unwrap_or_default();
        self.remote_discriminator = 0;
        self.remote_state = State::Down;
        self.timers.forget();
        if matches!(self.state, State::Init | State::Up) {
            self.change(now, State::Down, Reason::Silence(silence));
        }
        self.timers.plan(now.time, self.state);
    }

    fn change(&mut self, now: Now, state: State, reason: Reason) {
        let previous = self.state;
        self.state = state;
        self.diagnostic = reason.diagnostic();
        self.since = now.unix;
        match (previous, state) {
            (_, State::Up) => self.counts.ups += 1,
            (State::Up, _) => {
                self.counts.downs += 1;
                self.last_down = Some((now.unix, reason));
            }
            (State::AdminDown | State::Down | State::Init, _) => {}
        }
        self.timers.adapt(now.time, self.settings, state);
        self.actions.push_back(Action::Change(Change { previous, state, reason }));
    }

    /// Sends what is due, and at once what the neighbour does not know yet.
    fn transmit(&mut self, now: Time) {
        let is_due = self.timers.next().is_some_and(|next| next <= now);
        let packet = self.packet();
        if is_due || self.said.is_some_and(|said| said != packet) {
            self.said = Some(packet);
            self.timers.note_sent(now, self.state);
            self.send(Packet { poll: self.timers.polls(), ..packet });
        }
    }

    /// To a poll, whatever the timers say.
    fn answer(&mut self) {
        let packet = self.packet();
        self.said = Some(packet);
        self.send(Packet { last: true, ..packet });
    }

    fn send(&mut self, packet: Packet) {
        self.counts.sent += 1;
        self.actions.push_back(Action::Send(packet.encode()));
    }

    fn packet(&self) -> Packet {
        let mut packet = Packet {
            diagnostic: self.diagnostic,
            state: self.state,
            // This end's packets stop when its data path does, and not when its control plane does: a neighbour that
            // keeps routes for a restart of the control plane must not keep them for this.
            independent: true,
            mine: self.discriminator,
            yours: self.remote_discriminator,
            ..Packet::default()
        };
        self.timers.describe(&mut packet);
        packet
    }
}

#[cfg(test)]
impl Session {
    pub(super) const fn is_polling(&self) -> bool {
        self.timers.polls()
    }
}
