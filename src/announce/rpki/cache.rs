//! One session with one cache: connect, ask, take the answer as a whole, ask again, and wait a while where that fails.

mod dialogue;

use std::time::Duration;

use super::records::Records;
use super::{CacheView, Context};
use crate::announce::{Action, ConnectionId, Event, Target};
use crate::time::{Now, Time, UnixTime};
use crate::wire::rtr::{Intervals, Version};

/// As RFC 8210 section 6 recommends them, for caches that do not say.
const INTERVALS: Intervals = Intervals {
    refresh: Duration::from_secs(3600),
    retry: Duration::from_secs(600),
    expire: Duration::from_secs(7200),
};

/// How long a connection may take to stand, and a cache to go on with its answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest to wait after a failure.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// A cache that comes and goes is no alert each time.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Cache {
    name: String,
    phase: Phase,
    version: Version,
    /// The other version was tried at once, and failed as well.
    fell_back: bool,
    /// Bytes of a PDU that is not complete.
    input: Vec<u8>,
    data: Option<Data>,
    /// The next question is for everything.
    from_the_beginning: bool,
    failures: u32,
    /// Since when it has been known to the log that the cache fails.
    warned: Option<Time>,
    failure: Option<(UnixTime, String)>,
}

#[derive(Debug)]
enum Phase {
    Waiting { until: Time },
    Connecting { connection: ConnectionId, until: Time },
    Open { connection: ConnectionId, dialogue: Dialogue, agreed: bool },
}

#[derive(Debug)]
enum Dialogue {
    /// In between questions.
    Idle { ask_at: Time },
    /// What comes next is the beginning of an answer.
    Asked { whole: bool, until: Time },
    /// What has come so far, on top of what was known if that was the question.
    Answering { fresh: Records, session: u16, until: Time },
}

/// What the cache has said, up to the end of its last answer.
#[derive(Debug)]
struct Data {
    records: Records,
    session: u16,
    serial: u32,
    retry: Duration,
    asked: Time,
    expires: Time,
    updated: UnixTime,
}

impl Cache {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            phase: Phase::Waiting { until: Time::ZERO },
            version: Version::V1,
            fell_back: false,
            input: Vec::new(),
            data: None,
            from_the_beginning: true,
            failures: 0,
            warned: None,
            failure: None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn connection(&self) -> Option<ConnectionId> {
        match self.phase {
            Phase::Waiting { .. } => None,
            Phase::Connecting { connection, .. } | Phase::Open { connection, .. } => Some(connection),
        }
    }

    /// What may be used of what it has said.
    pub(super) fn records(&self) -> Option<&Records> {
        self.data.as_ref().map(|data| &data.records)
    }

    pub(super) fn deadline(&self) -> Time {
        let own = match &self.phase {
            Phase::Waiting { until } | Phase::Connecting { until, .. } => *until,
            Phase::Open { dialogue, .. } => match dialogue {
                Dialogue::Idle { ask_at } => *ask_at,
                Dialogue::Asked { until, .. } | Dialogue::Answering { until, .. } => *until,
            },
        };
        self.data.as_ref().map_or(own, |data| own.min(data.expires))
    }

    /// It is not configured any more.
    pub(super) fn abandon(&mut self, context: &mut Context) {
        if let Some(connection) = self.connection() {
            context.act(Action::Abort { connection });
        }
        self.phase = Phase::Waiting { until: Time::MAX };
    }

    /// Ask for everything, in a new session.
    pub(super) fn restart(&mut self, context: &mut Context) {
        self.abandon(context);
        self.from_the_beginning = true;
        self.phase = Phase::Waiting { until: context.now.time };
    }

    pub(super) fn connected(&mut self, context: &mut Context) {
        let Phase::Connecting { connection, .. } = self.phase else { return };
        self.input.clear();
        self.phase =
            Phase::Open { connection, dialogue: Dialogue::Idle { ask_at: context.now.time }, agreed: false };
    }

    pub(super) fn lost(&mut self, context: &mut Context, reason: &str) {
        if let Phase::Open { dialogue: Dialogue::Asked { whole, .. }, agreed: false, .. } = self.phase {
            // A cache that hangs up instead of answering may not know the version, if it was not the serial of an earlier
            // session that it did not know.
            if whole {
                self.swap_version();
            }
            self.from_the_beginning = true;
        }
        self.fail(context, reason.to_owned());
    }

    fn swap_version(&mut self) {
        self.version = match self.version {
            Version::V0 => Version::V1,
            Version::V1 => Version::V0,
        };
    }

    /// Waits before it tries again; longer each time.
    fn fail(&mut self, context: &mut Context, reason: String) {
        let until = context.delay(self.failures, self.retry());
        let text = "RPKI cache cannot be asked";
        let is_news = self.warned.is_none_or(|at| context.now.time.since(at) >= BETWEEN_WARNINGS);
        let event = if is_news { Event::warn(text) } else { Event::debug(text) };
        context.act(Action::Event(event.with("cache", &self.name).with("reason", &reason)));
        if is_news {
            self.warned = Some(context.now.time);
        }
        self.fell_back = false;
        self.failures = self.failures.saturating_add(1);
        self.failure = Some((context.now.unix, reason));
        self.phase = Phase::Waiting { until };
    }

    /// The longest to wait between two attempts.
    fn retry(&self) -> Duration {
        self.data.as_ref().map_or(LONGEST_DELAY, |data| data.retry.min(LONGEST_DELAY))
    }

    pub(super) fn tick(&mut self, context: &mut Context, place: u8) {
        self.expire(context);
        let now = context.now.time;
        match &self.phase {
            Phase::Waiting { until } if *until <= now => {
                let connection = context.numbers.draw();
                context.act(Action::Connect { connection, target: Target::Rtr(place) });
                self.phase = Phase::Connecting { connection, until: now + PATIENCE };
            }
            Phase::Open { dialogue: Dialogue::Idle { ask_at }, .. } if *ask_at <= now => self.ask(context),
            Phase::Connecting { until, .. }
            | Phase::Open {
                dialogue: Dialogue::Asked { until, .. } | Dialogue::Answering { until, .. },
                ..
            } if *until <= now => {
                self.abandon(context);
                self.fail(context, format!("no answer within {} s", PATIENCE.as_secs()));
            }
            Phase::Waiting { .. } | Phase::Connecting { .. } | Phase::Open { .. } => {}
        }
    }

    fn expire(&mut self, context: &mut Context) {
        if self.data.as_ref().is_some_and(|data| data.expires <= context.now.time) {
            self.forget(context);
            let event = Event::warn("RPKI data has expired");
            context.act(Action::Event(event.with("cache", &self.name)));
        }
    }

    fn forget(&mut self, context: &mut Context) {
        self.data = None;
        self.from_the_beginning = true;
        context.changed = true;
    }

    pub(super) fn view(&self, now: Now) -> CacheView {
        let data = self.data.as_ref();
        CacheView {
            name: self.name.clone(),
            phase: match &self.phase {
                Phase::Waiting { .. } => "waiting",
                Phase::Connecting { .. } => "connecting",
                Phase::Open { dialogue: Dialogue::Idle { .. }, .. } if data.is_none() => "waiting for data",
                Phase::Open { dialogue: Dialogue::Idle { .. }, .. } => "up to date",
                Phase::Open { .. } => "asking",
            },
            version: self.version,
            serial: data.map(|data| (data.session, data.serial)),
            records: data.map_or(0, |data| data.records.len()),
            updated: data.map(|data| data.updated),
            expires: data.map(|data| data.expires.since(now.time)),
            failure: self.failure.clone(),
        }
    }
}
