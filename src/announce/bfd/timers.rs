//! When to send, when to give the neighbour up, and how both ends agree on that (RFC 5880 sections 6.8.2 to 6.8.4, 6.8.7).
//!
//! A change of the own intervals is offered at once and proven by a poll: until the neighbour has answered one, it may
//! still reckon with the old ones. So what would make this end slower, or less patient, is used only then.

use std::time::Duration;

use super::{SLOW, Settings};
use crate::announce::dice::Dice;
use crate::time::Time;
use crate::wire::bfd::{Packet, State, micros};

/// What the neighbour has last said of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remote {
    pub(super) transmit: Duration,
    /// None if it wants no periodic packets.
    pub(super) receive: Option<Duration>,
    pub(super) multiplier: u8,
    pub(super) demand: bool,
}

impl Remote {
    /// Of a neighbour that is not known (section 6.8.1).
    const UNKNOWN: Self = Self {
        transmit: Duration::ZERO,
        receive: Some(Duration::from_micros(1)),
        multiplier: 0,
        demand: false,
    };
}

/// A poll sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Poll {
    Idle,
    Active,
    /// Something changed after the sequence had begun: its answer may be one to what was said before.
    Again,
}

/// The clockwork of one session.
#[derive(Clone, Debug)]
pub(super) struct Timers {
    settings: Settings,
    /// As offered: bfd.DesiredMinTxInterval, bfd.RequiredMinRxInterval.
    desired: Duration,
    required: Duration,
    /// As reckoned with.
    transmit: Duration,
    receive: Duration,
    poll: Poll,
    pub(super) remote: Remote,
    dice: Dice,
    /// When the last packet went, and when the next one goes.
    sent: Option<Time>,
    next: Option<Time>,
    /// The interval that `next` was drawn from.
    planned: Option<Duration>,
    heard: Option<Time>,
}

impl Timers {
    pub(super) fn new(settings: Settings, seed: u64) -> Self {
        let desired = settings.transmit.max(SLOW);
        Self {
            settings,
            desired,
            required: settings.receive,
            transmit: desired,
            receive: settings.receive,
            poll: Poll::Idle,
            remote: Remote::UNKNOWN,
            dice: Dice::new(seed),
            sent: None,
            next: Some(Time::ZERO),
            planned: Some(desired),
            heard: None,
        }
    }

    /// Fills in what packets say of the clockwork.
    pub(super) fn describe(&self, packet: &mut Packet) {
        packet.multiplier = self.settings.multiplier;
        packet.transmit = micros(self.desired);
        packet.receive = micros(self.required);
    }

    /// A packet has come.
    pub(super) fn hear(&mut self, now: Time, packet: &Packet) {
        let receive = Duration::from_micros(packet.receive.into());
        self.remote = Remote {
            transmit: Duration::from_micros(packet.transmit.into()),
            receive: Some(receive).filter(|interval| !interval.is_zero()),
            multiplier: packet.multiplier,
            demand: packet.demand && packet.state == State::Up,
        };
        self.heard = Some(now);
        if packet.last {
            self.end_poll();
        }
    }

    /// Nothing was heard for the detection time: what is known of the neighbour is old.
    pub(super) fn forget(&mut self) {
        self.remote = Remote::UNKNOWN;
        self.heard = None;
        self.poll = Poll::Idle;
        self.settle();
    }

    /// The state is another one, or the settings are: the intervals that follow from both.
    pub(super) fn adapt(&mut self, now: Time, settings: Settings, state: State) {
        self.settings = settings;
        let desired = if state == State::Up { settings.transmit } else { settings.transmit.max(SLOW) };
        let changed = desired != self.desired || settings.receive != self.required;
        self.desired = desired;
        self.required = settings.receive;
        if state == State::Up {
            self.transmit = self.transmit.min(desired);
            self.receive = self.receive.max(settings.receive);
        } else {
            self.settle();
        }
        if changed && self.heard.is_some() {
            self.poll = if self.poll == Poll::Idle { Poll::Active } else { Poll::Again };
        }
        self.plan(now, state);
    }

    const fn settle(&mut self) {
        self.transmit = self.desired;
        self.receive = self.required;
    }

    fn end_poll(&mut self) {
        match self.poll {
            Poll::Idle => {}
            Poll::Active => {
                self.poll = Poll::Idle;
                self.settle();
            }
            Poll::Again => self.poll = Poll::Active,
        }
    }

    /// Whether packets are to ask for an answer.
    pub(super) const fn polls(&self) -> bool {
        !matches!(self.poll, Poll::Idle)
    }

    /// Between packets, before jitter. None while the neighbour wants none.
    pub(super) fn interval(&self, state: State) -> Option<Duration> {
        let quiet = self.remote.demand && state == State::Up && !self.polls();
        self.remote.receive.filter(|_| !quiet).map(|receive| receive.max(self.transmit))
    }

    /// For how long the neighbour may be silent. None if it was not heard.
    pub(super) fn detection(&self) -> Option<Duration> {
        self.heard?;
        Some(self.remote.transmit.max(self.receive) * u32::from(self.remote.multiplier))
    }

    /// For how long the neighbour bears that this end is silent.
    pub(super) fn patience(&self) -> Option<Duration> {
        let interval = self.remote.receive?.max(self.desired);
        Some(interval * u32::from(self.settings.multiplier))
    }

    /// When the neighbour is gone.
    pub(super) fn expiry(&self) -> Option<Time> {
        Some(self.heard? + self.detection()?)
    }

    /// A periodic packet, or one that stands for it, goes out now.
    pub(super) fn note_sent(&mut self, now: Time, state: State) {
        self.sent = Some(now);
        self.schedule(now, self.interval(state));
    }

    /// The interval may be another one.
    pub(super) fn plan(&mut self, now: Time, state: State) {
        let interval = self.interval(state);
        if interval != self.planned {
            self.schedule(now, interval);
        }
    }

    /// Counted from the last packet.
    fn schedule(&mut self, now: Time, interval: Option<Duration>) {
        // With a multiplier of one, even the longest interval must leave room before the neighbour gives up.
        let most = if self.settings.multiplier == 1 { 90 } else { 100 };
        self.planned = interval;
        self.next = interval.map(|interval| match self.sent {
            None => now,
            Some(sent) => sent + self.dice.share(interval, 75, most),
        });
    }

    /// When to send next.
    pub(super) const fn next(&self) -> Option<Time> {
        self.next
    }

    pub(super) const fn heard(&self) -> Option<Time> {
        self.heard
    }
}
