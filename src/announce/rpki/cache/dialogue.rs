//! What is said on a connection: questions, answers, complaints.

use std::time::Duration;

use super::{Cache, Data, Dialogue, INTERVALS, PATIENCE, Phase};
use crate::announce::rpki::Context;
use crate::announce::rpki::records::Records;
use crate::announce::{Action, Event};
use crate::wire::bgp::Prefix;
use crate::wire::rtr::{self, ErrorCode, Fault, Intervals, Pdu, Version};

/// Between two questions, however often a cache says that it has something new.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// Characters of a cache's own words that are shown.
const TEXT_MAX: usize = 200;

/// What a PDU leads to, other than going on.
enum Trouble {
    /// The cache is to be told.
    Ours(Fault),
    /// It has told us.
    Theirs(ErrorCode, String),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Ours(fault)
    }
}

impl Cache {
    pub(super) fn ask(&mut self, context: &mut Context) {
        let Phase::Open { connection, dialogue, .. } = &mut self.phase else { return };
        let known = self.data.as_mut().filter(|_| !self.from_the_beginning);
        let whole = known.is_none();
        let bytes = match known {
            Some(data) => rtr::serial_query(self.version, data.session, data.serial),
            None => rtr::reset_query(self.version),
        };
        if let Some(data) = &mut self.data {
            data.asked = context.now.time;
        }
        *dialogue = Dialogue::Asked { whole, until: context.now.time + PATIENCE };
        let connection = *connection;
        context.act(Action::Send { connection, bytes });
    }

    pub(in crate::announce::rpki) fn receive(
        &mut self,
        context: &mut Context,
        bytes: &[u8],
        prefixes: &[Prefix],
    ) {
        let mut input = std::mem::take(&mut self.input);
        input.extend_from_slice(bytes);
        let mut rest = input.as_slice();
        loop {
            let taken = rtr::frame(rest).map_err(Trouble::Ours).and_then(|length| {
                let split = length.and_then(|length| rest.split_at_checked(length));
                let Some((pdu, behind)) = split else { return Ok(None) };
                self.take(context, pdu, prefixes).map(|()| Some(behind))
            });
            match taken {
                Ok(Some(behind)) => rest = behind,
                Ok(None) => break,
                Err(trouble) => return self.give_up(context, &trouble, rest),
            }
        }
        let left = rest.len();
        input.drain(..input.len() - left);
        self.input = input;
    }

    /// Tells the cache, if it has not told us, and ends the session.
    fn give_up(&mut self, context: &mut Context, trouble: &Trouble, rest: &[u8]) {
        let Some(connection) = self.connection() else { return };
        match trouble {
            Trouble::Theirs(ErrorCode::UnsupportedVersion, _) if !self.fell_back => {
                context.act(Action::Abort { connection });
                self.fell_back = true;
                self.swap_version();
                self.phase = Phase::Waiting { until: context.now.time };
            }
            Trouble::Theirs(code, text) => {
                context.act(Action::Abort { connection });
                // A cache that has restarted may call the serial of its earlier life an error, instead of asking for the
                // question for everything.
                self.from_the_beginning = true;
                self.fail(context, format!("it reports: {} {text}", code.words()));
            }
            Trouble::Ours(fault) => {
                let length = rtr::frame(rest).ok().flatten().unwrap_or(rtr::HEADER_LEN);
                let pdu = rest.get(..length).unwrap_or(rest);
                let bytes = rtr::error_report(self.version, fault, pdu);
                context.act(Action::Send { connection, bytes });
                context.act(Action::Close { connection });
                self.from_the_beginning = true;
                self.fail(context, fault.to_string());
            }
        }
    }

    fn take(&mut self, context: &mut Context, pdu: &[u8], prefixes: &[Prefix]) -> Result<(), Trouble> {
        let (version, pdu) = rtr::decode(pdu)?;
        if let Pdu::ErrorReport { code, text } = pdu {
            return self.take_error(context, code, text);
        }
        if !self.agree(version, &pdu)? {
            return Ok(());
        }
        let until = context.now.time + PATIENCE;
        let Phase::Open { dialogue, .. } = &mut self.phase else { return Ok(()) };
        match (pdu, dialogue) {
            (Pdu::SerialNotify { session, serial }, Dialogue::Idle { ask_at }) => {
                let Some(data) = &self.data else { return Ok(()) };
                if data.session != session {
                    return self.contradict(context);
                }
                if data.serial != serial {
                    *ask_at = (*ask_at).min(data.asked + SHORTEST_PAUSE);
                }
            }
            // The answer that is under way will say.
            (Pdu::SerialNotify { .. }, _) | (Pdu::RouterKey, Dialogue::Answering { .. }) => {}
            (Pdu::CacheResponse { session }, Dialogue::Asked { whole, .. }) => {
                let known = self.data.as_ref().filter(|_| !*whole);
                if known.is_some_and(|data| data.session != session) {
                    return self.contradict(context);
                }
                let fresh = known.map_or_else(|| Records::about(prefixes), |data| data.records.clone());
                self.go_on(Dialogue::Answering { fresh, session, until });
            }
            (Pdu::CacheReset, Dialogue::Asked { whole: false, .. }) => {
                self.from_the_beginning = true;
                self.ask(context);
            }
            (Pdu::Record { announced, vrp }, Dialogue::Answering { fresh, until: end, .. }) => {
                *end = until;
                fresh.take(announced, vrp)?;
            }
            (
                Pdu::EndOfData { session, serial, intervals },
                Dialogue::Answering { fresh, session: begun, .. },
            ) => {
                if *begun != session {
                    return self.contradict(context);
                }
                let records = std::mem::take(fresh);
                self.finish(context, records, (session, serial), intervals.map_or(INTERVALS, bound));
            }
            (Pdu::SerialQuery { .. } | Pdu::ResetQuery, _) => {
                return Err(Fault { code: ErrorCode::UnsupportedType, words: "a cache asks a router" }.into());
            }
            _ => return Err(Fault { code: ErrorCode::CorruptData, words: "nobody had asked for it" }.into()),
        }
        Ok(())
    }

    fn go_on(&mut self, next: Dialogue) {
        if let Phase::Open { dialogue, .. } = &mut self.phase {
            *dialogue = next;
        }
    }

    /// Whether the PDU counts. The first answer decides on the version, and the cache may choose the older one (RFC 8210
    /// section 7).
    fn agree(&mut self, version: Version, pdu: &Pdu<'_>) -> Result<bool, Trouble> {
        let Phase::Open { agreed, .. } = &mut self.phase else { return Ok(false) };
        if !*agreed && matches!(pdu, Pdu::SerialNotify { .. }) {
            return Ok(false);
        }
        if !*agreed && version < self.version {
            self.version = version;
        }
        if version != self.version {
            let words = "it changes the version within a session";
            return Err(Fault { code: ErrorCode::UnexpectedVersion, words }.into());
        }
        *agreed = true;
        Ok(true)
    }

    fn take_error(&mut self, context: &mut Context, code: ErrorCode, text: &[u8]) -> Result<(), Trouble> {
        if code != ErrorCode::NoDataAvailable {
            return Err(Trouble::Theirs(code, printable(text)));
        }
        let ask_at = context.delay(self.failures, self.retry());
        self.failures = self.failures.saturating_add(1);
        self.failure = Some((context.now.unix, code.words().to_owned()));
        self.go_on(Dialogue::Idle { ask_at });
        Ok(())
    }

    /// The cache speaks of another session than before: all that it has said is void (RFC 8210 section 5.1).
    fn contradict(&mut self, context: &mut Context) -> Result<(), Trouble> {
        self.forget(context);
        Err(Fault { code: ErrorCode::CorruptData, words: "it has changed its session" }.into())
    }

    fn finish(&mut self, context: &mut Context, records: Records, at: (u16, u32), intervals: Intervals) {
        let now = context.now;
        if self.failures > 0 || self.data.is_none() {
            let event = Event::info("RPKI cache has answered").with("cache", &self.name);
            context.act(Action::Event(event.with("version", self.version).with("records", records.len())));
        }
        context.changed |= self.records() != Some(&records);
        self.data = Some(Data {
            records,
            session: at.0,
            serial: at.1,
            retry: intervals.retry,
            asked: now.time,
            expires: now.time + intervals.expire,
            updated: now.unix,
        });
        self.from_the_beginning = false;
        self.fell_back = false;
        self.failures = 0;
        let pause = context.dice.share(intervals.refresh, 75, 100);
        self.go_on(Dialogue::Idle { ask_at: now.time + pause });
    }
}

/// Within the ranges of RFC 8210 section 6.
fn bound(said: Intervals) -> Intervals {
    let within =
        |value: Duration, least, most| value.clamp(Duration::from_secs(least), Duration::from_secs(most));
    let refresh = within(said.refresh, 1, 86_400);
    let retry = within(said.retry, 1, 7_200);
    let expire = within(said.expire, 600, 172_800).max(refresh).max(retry);
    Intervals { refresh, retry, expire }
}

fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect()
}
