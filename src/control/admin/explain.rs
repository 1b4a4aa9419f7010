//! "Explain a call": what the journal, the live calls and the timeline know of a user or of one call, put together.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::Uri;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::bad_request;
use super::report::{
    EndedLeg, EndedSession, EventKind, Explanation, JournalEntry, LegFigures, QualityHistory, QualityPoint,
};
use super::routes::Desk;
use super::sessions::{self, Calls, Copy, TransportWord, millis, rounded};
use super::{ErrorReport, Operations, Refusal};
use crate::control::watch::Watch;
use crate::metrics::{self, About, EndedCall, Entry, SessionId, Silence, Story};
use crate::quality::{Direction, Leg, Moment, MomentDirection};
use crate::time::UnixTime;

/// Ended calls of one answer.
const RECORDS: usize = 100;
/// Calls whose intervals are told.
const HISTORIES: usize = 20;
/// Events of the timeline that are looked through.
const EVENTS: usize = 4096;
/// How long before and after what happened to a call the relay's own changes matter, in seconds.
const AROUND: u64 = 120;
/// Bytes of a user's name.
const USER_MAX: usize = 600;

/// Whom or what it is about: one of both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
pub struct ExplainQuery {
    /// A user: in clear, as a whole time-limited name or its part after the colon, or as a hash.
    user: Option<String>,
    /// The name of a call.
    session: Option<String>,
}

/// What has happened to somebody's calls, or to one.
#[utoipa::path(get, path = "/v1/explain", tag = "sessions", params(ExplainQuery),
    responses((status = 200, body = Explanation), (status = "4XX", body = ErrorReport), (status = 503, body = ErrorReport)))]
pub(super) async fn explain(State(desk): State<Desk>, uri: Uri) -> Response {
    let query = match Query::<ExplainQuery>::try_from_uri(&uri) {
        Ok(Query(query)) => query,
        Err(error) => return bad_request(&error.body_text()),
    };
    let subject = match query.subject() {
        Ok(subject) => subject,
        Err(text) => return bad_request(text),
    };
    let copy = match sessions::copy(&desk).await {
        Ok(copy) => copy,
        Err(response) => return response,
    };
    let (calls, watch) = (Arc::clone(&desk.calls), Arc::clone(&desk.watch));
    desk.answer(move |_: &dyn Operations| Ok::<_, Refusal>(tell(&subject, &copy, &*calls, &watch))).await
}

/// What is asked about.
enum Subject {
    User(String),
    Session(SessionId),
}

impl ExplainQuery {
    fn subject(&self) -> Result<Subject, &'static str> {
        match (&self.user, &self.session) {
            (Some(user), None) if (1..=USER_MAX).contains(&user.trim().len()) => {
                Ok(Subject::User(user.trim().to_owned()))
            }
            (Some(_), None) => Err("user: expected 1 to 600 bytes"),
            (None, Some(session)) => {
                let name =
                    session.trim().parse().map_err(|_| "session: expected the name of one, such as 0-2a")?;
                Ok(Subject::Session(name))
            }
            (None, None) | (Some(_), Some(_)) => Err("expected either user or session"),
        }
    }
}

fn tell(subject: &Subject, copy: &Copy, calls: &dyn Calls, watch: &Watch) -> Explanation {
    let about = match subject {
        Subject::User(text) => {
            let hash = (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten();
            About::Owners(calls.owners(text).into_iter().chain(hash).collect())
        }
        Subject::Session(id) => About::Session(*id),
    };
    let Story { entries, ended, suppressed } = calls.explain(&about);
    let live = copy.find(|row| match &about {
        About::Owners(owners) => owners.contains(&row.info.owner),
        About::Session(id) => row.is_called(*id),
        About::Client(_) => false,
    });
    let owner = live.first().map(|row| row.info.owner);
    let owner = owner.or_else(|| ended.last().map(|ended| ended.info.owner));
    let owner = owner.or_else(|| entries.iter().rev().find(|entry| entry.is_proven).map(|entry| entry.owner));
    let (mut quality, mut slow) = (Vec::new(), BTreeSet::new());
    for id in live.iter().take(HISTORIES).map(|row| row.info.id) {
        // Each answer that does not come takes a second or two.
        if slow.contains(&id.worker) {
            continue;
        }
        match calls.detail(id) {
            Ok(found) => quality.extend(found.and_then(|found| found.session).map(|session| {
                history(session.live.info.id, session.live.info.began, session.history.iter())
            })),
            Err(Silence) => {
                slow.insert(id.worker);
            }
        }
    }
    for ended in ended.iter().rev().take(HISTORIES.saturating_sub(quality.len())) {
        let moments: Vec<_> = ended.past.moments().collect();
        quality.push(history(ended.info.id, ended.info.began, moments.iter()));
    }
    let times = live.iter().map(|row| row.info.began).chain(entries.iter().map(|entry| entry.at));
    let begins = times.chain(ended.iter().map(|ended| ended.info.began)).min();
    let is_live = !live.is_empty();
    let ends = entries.iter().map(|entry| entry.at).chain(ended.iter().map(|ended| ended.ended)).max();
    Explanation {
        user: owner.map(|owner| format!("{owner:016x}")),
        sessions: live.iter().map(|row| copy.show(row)).collect(),
        incomplete: !copy.is_complete() || !slow.is_empty(),
        records: ended.iter().rev().take(RECORDS).map(|ended| record(ended)).collect(),
        entries: entries.iter().map(entry).collect(),
        route_changes: begins
            .map(|begins| changes(watch, begins, ends.filter(|_| !is_live)))
            .unwrap_or_default(),
        quality,
        suppressed,
    }
}

/// What the relay did from shortly before to shortly after; to this day if there is no end.
fn changes(watch: &Watch, begins: UnixTime, ends: Option<UnixTime>) -> Vec<super::Event> {
    let kinds = BTreeSet::from([
        EventKind::Route as u8,
        EventKind::Bgp as u8,
        EventKind::Bfd as u8,
        EventKind::Health as u8,
        EventKind::Drain as u8,
    ]);
    // All of one form, these dates are ordered as texts.
    let from = UnixTime(begins.0.saturating_sub(AROUND)).to_string();
    let until = ends.map(|ends| UnixTime(ends.0.saturating_add(AROUND)).to_string());
    let events = watch.events(0, EVENTS).events.into_iter();
    events
        .filter(|event| kinds.contains(&(event.kind as u8)))
        .filter(|event| event.at >= from && until.as_ref().is_none_or(|until| event.at <= *until))
        .collect()
}

fn entry(entry: &Entry) -> JournalEntry {
    JournalEntry {
        at: entry.at.to_string(),
        kind: entry.kind().to_owned(),
        text: entry.text(),
        client: entry.client.to_string(),
        transport: TransportWord::name(entry.transport).to_owned(),
        user: format!("{:016x}", entry.owner),
        is_proven: entry.is_proven,
        session: entry.session.map(|id| id.to_string()),
    }
}

fn record(ended: &EndedCall) -> EndedSession {
    let leg = |leg: Leg| {
        let metrics::EndedLeg { mean_mos, worst_mos, loss_percent, max_jitter, rtt } = ended.legs[leg];
        EndedLeg {
            mean_mos: mean_mos.map(rounded),
            worst_mos: worst_mos.map(rounded),
            loss_percent: loss_percent.map(rounded),
            max_jitter_ms: max_jitter.map(millis),
            rtt_ms: rtt.map(millis),
        }
    };
    let info = &ended.info;
    EndedSession {
        id: info.id.to_string(),
        user: format!("{:016x}", info.owner),
        client: info.client.to_string(),
        transport: TransportWord::name(info.transport).to_owned(),
        relayed: info.relayed.to_string(),
        began: info.began.to_string(),
        ended: ended.ended.to_string(),
        seconds: rounded(ended.duration.as_secs_f64()),
        client_leg: leg(Leg::Client),
        peer_leg: leg(Leg::Peer),
    }
}

fn history<'m>(id: SessionId, began: UnixTime, moments: impl Iterator<Item = &'m Moment>) -> QualityHistory {
    QualityHistory { session: id.to_string(), points: moments.map(|moment| point(began, moment)).collect() }
}

fn point(began: UnixTime, moment: &Moment) -> QualityPoint {
    let leg = |direction: Direction| {
        let MomentDirection { expected, lost, jitter, mos, .. } = moment.directions[direction];
        LegFigures {
            mos: mos.map(rounded),
            loss_percent: (expected > 0).then(|| rounded(f64::from(lost) / f64::from(expected) * 100.0)),
            jitter_ms: jitter.map(millis),
            rtt_ms: moment.rtt[direction.leg()].map(millis),
        }
    };
    let start: Duration = moment.start;
    QualityPoint {
        at: UnixTime(began.0.saturating_add(start.as_secs())).to_string(),
        seconds: rounded(moment.duration.as_secs_f64()),
        client: leg(Direction::ClientToPeer),
        peer: leg(Direction::PeerToClient),
    }
}
