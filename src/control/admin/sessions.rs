//! The calls of the relay: all of them a page at a time, one with its history, and the end of one.
//!
//! The workers are asked for all rows at most once a second, whoever wants them; pages, searches and orders are made of
//! that copy, on a thread that may take its time.

use std::cmp::Ordering;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::Uri;
use axum::response::Response;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use utoipa::{IntoParams, ToSchema};

use super::answer::{bad_request, defect};
use super::report::{
    DscpChange, LegFigures, SecondAddress, SessionMedia, SessionPage, SessionReport, SessionRow,
    SessionTraffic,
};
use super::routes::Desk;
use super::{Operations, Refusal};
use crate::clock::Clock;
use crate::metrics::{self, About, CallDetail, CallRow, CallRows, SessionId, Silence, Story};
use crate::quality::{Direction, Leg};
use crate::route::Transport;
use crate::time::{Time, UnixTime};

/// How old a copy may be.
const FRESH: Duration = Duration::from_secs(1);
/// Rows of a page, at most.
const PAGE_MAX: u64 = 500;
/// Rows of a page, if nobody says.
const PAGE: u64 = 100;
/// Characters of a search.
const SEARCH_MAX: usize = 600;

/// What knows the calls. Each may wait for the workers, for a second or so.
pub trait Calls: Send + Sync + 'static {
    /// Every allocation.
    fn rows(&self) -> CallRows;
    /// One of them.
    ///
    /// # Errors
    /// Its worker is too slow to say.
    fn detail(&self, id: SessionId) -> Result<Option<CallDetail>, Silence>;
    /// Ends one; false if there is none of this name.
    ///
    /// # Errors
    /// Its worker is too slow to say.
    fn end(&self, id: SessionId) -> Result<bool, Silence>;
    /// What is known of somebody's calls, or of one. It does not wait.
    fn explain(&self, about: &About) -> Story;
    /// The hashes of all users that `text` may name: in clear, as a time-limited user name, or as a part of one.
    fn owners(&self, text: &str) -> Vec<u64>;
}

/// Of a relay without any.
#[derive(Debug)]
pub(super) struct NoCalls;

impl Calls for NoCalls {
    fn rows(&self) -> CallRows {
        CallRows { rows: Vec::new(), is_complete: true }
    }

    fn detail(&self, _: SessionId) -> Result<Option<CallDetail>, Silence> {
        Ok(None)
    }

    fn end(&self, _: SessionId) -> Result<bool, Silence> {
        Ok(false)
    }

    fn explain(&self, _: &About) -> Story {
        Story::default()
    }

    fn owners(&self, _: &str) -> Vec<u64> {
        Vec::new()
    }
}

/// All calls at one moment.
#[derive(Debug)]
pub(super) struct Copy {
    at: Time,
    taken: UnixTime,
    rows: Vec<CallRow>,
    is_complete: bool,
}

/// The last copy.
pub(super) type LastCopy = Arc<Mutex<Option<Arc<Copy>>>>;

/// What part of them is wanted, in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
pub struct SessionQuery {
    /// A name of a session, an address or a prefix of the client, a relayed address, the hash of a user, or a user: in clear,
    /// or the part of a time-limited user name after the colon.
    search: Option<String>,
    /// Only over it.
    transport: Option<TransportWord>,
    /// Only with a relayed address of it.
    family: Option<FamilyWord>,
    /// By what they are ordered; by their beginning if left out.
    sort: Option<SortWord>,
    /// Which comes first; the worst or newest if left out.
    order: Option<OrderWord>,
    /// Counted from one.
    #[param(minimum = 1)]
    page: Option<u64>,
    /// At most 500.
    #[param(minimum = 1, maximum = 500)]
    page_size: Option<u64>,
}

/// What lies between client and relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum TransportWord {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS.
    Tls,
    /// DTLS.
    Dtls,
}

/// The family of a relayed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum FamilyWord {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// What calls are ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SortWord {
    /// When it was allocated.
    #[default]
    Began,
    /// The lower score of its legs.
    Mos,
    /// The greater loss of its legs.
    Loss,
    /// The greater jitter of its legs.
    Jitter,
    /// The longer round trip of its legs.
    Rtt,
    /// What has passed in both directions.
    Bytes,
}

/// Which comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrderWord {
    /// The least.
    Asc,
    /// The greatest.
    Desc,
}

/// What came of the wish to end a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndedCall {
    /// Its name.
    pub ended: String,
}

/// Every allocation, a page at a time.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", params(SessionQuery),
    responses((status = 200, body = SessionPage), (status = "4XX", body = super::ErrorReport)))]
pub(super) async fn list(State(desk): State<Desk>, uri: Uri) -> Response {
    let query = match Query::<SessionQuery>::try_from_uri(&uri) {
        Ok(Query(query)) => query,
        Err(error) => return bad_request(&error.body_text()),
    };
    if let Err(text) = query.check() {
        return bad_request(text);
    }
    let copy = match copy(&desk).await {
        Ok(copy) => copy,
        Err(response) => return response,
    };
    let calls = Arc::clone(&desk.calls);
    desk.answer(move |_: &dyn Operations| Ok(query.answer(&copy, &*calls))).await
}

/// One allocation, with the history of its media.
#[utoipa::path(get, path = "/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path, description = "Its name.")),
    responses((status = 200, body = SessionReport), (status = "4XX", body = super::ErrorReport), (status = 503, body = super::ErrorReport)))]
pub(super) async fn show(State(desk): State<Desk>, Path(id): Path<String>) -> Response {
    let calls = Arc::clone(&desk.calls);
    let now = Clock::new().now().unix;
    desk.answer(move |_: &dyn Operations| {
        let name = id.parse().map_err(|_| unknown(&id))?;
        let found = calls.detail(name).map_err(|silence| Refusal::Busy(format!("{silence}: try again")))?;
        found.map(|detail| report(now, &detail)).ok_or_else(|| unknown(&id))
    })
    .await
}

/// Ends a call: its client's connection is closed, and its record is written.
#[utoipa::path(delete, path = "/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path, description = "Its name.")),
    responses((status = 200, body = EndedCall), (status = "4XX", body = super::ErrorReport), (status = 503, body = super::ErrorReport)))]
pub(super) async fn end(State(desk): State<Desk>, Path(id): Path<String>) -> Response {
    let calls = Arc::clone(&desk.calls);
    desk.change(move |_: &dyn Operations| {
        let name = id.parse().map_err(|_| unknown(&id))?;
        let ended = calls.end(name).map_err(|silence| {
            Refusal::Busy(format!("{silence}: it may end the session yet, look whether it is there still"))
        })?;
        if ended { Ok(EndedCall { ended: id }) } else { Err(unknown(&id)) }
    })
    .await
}

fn unknown(id: &str) -> Refusal {
    let id: String = id.chars().take(64).collect();
    Refusal::Unknown(format!("there is no session {id:?} any more"))
}

/// All calls, as they were at most a second ago.
pub(super) async fn copy(desk: &Desk) -> Result<Arc<Copy>, Response> {
    let mut last = Arc::clone(&desk.copy).lock_owned().await;
    let now = Clock::new().now().time;
    if let Some(copy) = last.as_ref().filter(|copy| now.since(copy.at) < FRESH) {
        return Ok(Arc::clone(copy));
    }
    let calls = Arc::clone(&desk.calls);
    // Seen through to its end: if whoever asked hangs up, the next one waits for this look and not beside it for another.
    let looking = tokio::spawn(async move {
        let found = tokio::task::spawn_blocking(move || calls.rows()).await.map_err(|_| defect())?;
        let now = Clock::new().now();
        let CallRows { rows, is_complete } = found;
        let copy = Arc::new(Copy { at: now.time, taken: now.unix, rows, is_complete });
        *last = Some(Arc::clone(&copy));
        Ok(copy)
    });
    match looking.await {
        Ok(found) => found,
        Err(_) => Err(defect()),
    }
}

impl Copy {
    /// Those that are meant.
    pub(super) fn find(&self, is_meant: impl Fn(&CallRow) -> bool) -> Vec<&CallRow> {
        self.rows.iter().filter(|row| is_meant(row)).collect()
    }

    /// Whether every worker that lives has answered.
    pub(super) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub(super) fn show(&self, call: &CallRow) -> SessionRow {
        row(self.taken, call)
    }
}

impl SessionQuery {
    fn check(&self) -> Result<(), &'static str> {
        if self.page == Some(0) {
            return Err("page: they are counted from one");
        }
        if self.page_size.is_some_and(|size| !(1..=PAGE_MAX).contains(&size)) {
            return Err("page_size: expected 1 to 500");
        }
        if self.search.as_ref().is_some_and(|text| text.len() > SEARCH_MAX) {
            return Err("search: expected at most 600 bytes");
        }
        Ok(())
    }

    fn answer(&self, copy: &Copy, calls: &dyn Calls) -> SessionPage {
        let wanted = self.search.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let search = wanted.map(|text| Search::new(text, calls));
        let mut found: Vec<&CallRow> = copy
            .rows
            .iter()
            .filter(|row| self.transport.is_none_or(|word| word.is(row.info.transport)))
            .filter(|row| self.family.is_none_or(|word| word.is(row.info.relayed)))
            .filter(|row| search.as_ref().is_none_or(|search| search.finds(row)))
            .collect();
        self.arrange(&mut found);
        let (page, size) = (self.page.unwrap_or(1), self.page_size.unwrap_or(PAGE));
        let skipped = usize::try_from((page - 1).saturating_mul(size)).unwrap_or(usize::MAX);
        let part = found.iter().skip(skipped).take(usize::try_from(size).unwrap_or(usize::MAX));
        SessionPage {
            taken_at: copy.taken.to_string(),
            total: count(copy.rows.len()),
            matched: count(found.len()),
            page,
            page_size: size,
            incomplete: !copy.is_complete,
            sessions: part.map(|call| row(copy.taken, call)).collect(),
        }
    }

    /// What has no such figure comes last, either way; what is equal stays in the order of its names.
    fn arrange(&self, rows: &mut [&CallRow]) {
        let sort = self.sort.unwrap_or_default();
        let least_first = match self.order {
            Some(order) => order == OrderWord::Asc,
            None => sort == SortWord::Mos,
        };
        rows.sort_by_cached_key(|row| (row.info.id.worker, row.info.id.relay.0));
        let compare = |one: &&CallRow, other: &&CallRow| match (sort.figure(one), sort.figure(other)) {
            (Some(one), Some(other)) if least_first => one.total_cmp(&other),
            (Some(one), Some(other)) => other.total_cmp(&one),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        rows.sort_by(compare);
    }
}

impl TransportWord {
    fn is(self, transport: Transport) -> bool {
        self == match transport {
            Transport::Udp => Self::Udp,
            Transport::Tcp => Self::Tcp,
            Transport::Tls => Self::Tls,
            Transport::Dtls => Self::Dtls,
        }
    }

    pub(super) const fn name(transport: Transport) -> &'static str {
        match transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Dtls => "dtls",
        }
    }
}

impl FamilyWord {
    fn is(self, relayed: SocketAddr) -> bool {
        (self == Self::Ipv4) == relayed.is_ipv4()
    }
}

impl SortWord {
    fn figure(self, row: &CallRow) -> Option<f64> {
        let legs = |figure: fn(&metrics::LegFigures) -> Option<f64>, better: fn(f64, f64) -> f64| {
            let legs = &row.media.as_ref()?.legs;
            [Leg::Client, Leg::Peer].into_iter().filter_map(|leg| figure(&legs[leg])).reduce(better)
        };
        match self {
            Self::Began => Some(float(row.info.began.0)),
            Self::Mos => legs(|leg| leg.mos, f64::min),
            Self::Loss => legs(|leg| leg.loss_percent, f64::max),
            Self::Jitter => legs(|leg| leg.jitter.map(|time| time.as_secs_f64()), f64::max),
            Self::Rtt => legs(|leg| leg.rtt.map(|time| time.as_secs_f64()), f64::max),
            Self::Bytes => {
                let bytes = |direction| row.traffic[direction].bytes;
                Some(float(bytes(Direction::ClientToPeer).saturating_add(bytes(Direction::PeerToClient))))
            }
        }
    }
}

/// What is looked for.
struct Search {
    id: Option<SessionId>,
    prefix: Option<(IpAddr, u8)>,
    text: String,
    owners: Vec<u64>,
}

impl Search {
    fn new(text: &str, calls: &dyn Calls) -> Self {
        let prefix =
            text.split_once('/').and_then(|(base, bits)| Some((base.parse().ok()?, bits.parse().ok()?)));
        Self { id: text.parse().ok(), prefix, text: text.to_ascii_lowercase(), owners: calls.owners(text) }
    }

    fn finds(&self, row: &CallRow) -> bool {
        if let Some((base, bits)) = self.prefix {
            return is_within(row.info.client.ip(), base, bits);
        }
        let says = |address: SocketAddr| address.to_string().contains(&self.text);
        self.id.is_some_and(|id| row.is_called(id))
            || self.owners.contains(&row.info.owner)
            || says(row.info.client)
            || says(row.info.relayed)
            || row.second.is_some_and(|second| says(second.relayed))
            || format!("{:016x}", row.info.owner).starts_with(&self.text)
    }
}

fn is_within(address: IpAddr, base: IpAddr, bits: u8) -> bool {
    let (address, base) = match (address.to_canonical(), base) {
        (IpAddr::V4(address), IpAddr::V4(base)) => {
            ((u128::from(address.to_bits())) << 96, u128::from(base.to_bits()) << 96)
        }
        (IpAddr::V6(address), IpAddr::V6(base)) => (address.to_bits(), base.to_bits()),
        _ => return false,
    };
    let mask = !u128::MAX.checked_shr(bits.into()).unwrap_or(0);
    address & mask == base & mask
}

fn report(now: UnixTime, detail: &CallDetail) -> SessionReport {
    SessionReport {
        session: row(now, &detail.row),
        drops: detail.drops.iter().map(|(loss, number)| (loss.name().to_owned(), *number)).collect(),
        media: detail.session.as_ref().and_then(|session| serde_json::to_value(session).ok()),
    }
}

fn row(now: UnixTime, call: &CallRow) -> SessionRow {
    let info = &call.info;
    let traffic = |direction| {
        let metrics::CallTraffic { packets, bytes } = call.traffic[direction];
        SessionTraffic { packets, bytes }
    };
    SessionRow {
        id: info.id.to_string(),
        second: call
            .second
            .map(|second| SecondAddress { id: second.id.to_string(), relayed: second.relayed.to_string() }),
        user: format!("{:016x}", info.owner),
        client: info.client.to_string(),
        server: info.server.to_string(),
        transport: TransportWord::name(info.transport).to_owned(),
        family: if info.relayed.is_ipv4() { "ipv4" } else { "ipv6" }.to_owned(),
        listener: info.listener.0,
        relayed: info.relayed.to_string(),
        is_tcp: call.is_tcp,
        is_self_test: call.is_self_test,
        began: info.began.to_string(),
        age_seconds: now.0.saturating_sub(info.began.0),
        expires_in_seconds: call.expires_in.as_secs(),
        permissions: count(call.permissions),
        channels: count(call.channels),
        client_to_peer: traffic(Direction::ClientToPeer),
        peer_to_client: traffic(Direction::PeerToClient),
        media: call.media.as_ref().map(media),
    }
}

fn media(media: &metrics::CallMedia) -> SessionMedia {
    let leg = |leg| {
        let metrics::LegFigures { mos, loss_percent, jitter, rtt } = media.legs[leg];
        LegFigures {
            mos: mos.map(rounded),
            loss_percent: loss_percent.map(rounded),
            jitter_ms: jitter.map(millis),
            rtt_ms: rtt.map(millis),
        }
    };
    let dscp = |direction| {
        let metrics::DscpChange { came, left } = media.dscp[direction];
        DscpChange { came, left }
    };
    SessionMedia {
        session: media.session.to_string(),
        began: media.began.to_string(),
        idle_seconds: rounded(media.idle.as_secs_f64()),
        client: leg(Leg::Client),
        peer: leg(Leg::Peer),
        client_to_peer_dscp: dscp(Direction::ClientToPeer),
        peer_to_client_dscp: dscp(Direction::PeerToClient),
    }
}

pub(super) fn millis(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1e3)
}

/// Three digits are more than anybody can measure.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[expect(clippy::cast_precision_loss, reason = "only compared with others of its kind")]
const fn float(number: u64) -> f64 {
    number as f64
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
