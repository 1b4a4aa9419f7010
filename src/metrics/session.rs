//! Sessions as others see them: what they are known by, a look at those that run, and what is left of one that has
//! ended. Plain values, made by the worker that has the session and handed out whole; and the JSON that they are written
//! as.
//!
//! The record of an ended session goes to logs and files that many may read: it names the user by a number and the client
//! not at all. The view of one that runs has the client's address, and is for operators.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::report::{MomentReport, RecordReport, ViewReport};
use crate::quality::{Moment, Record, View};
use crate::route::{ListenerId, RelayId, Transport};
use crate::time::UnixTime;

/// The version of the form. Fields are added under it; none changes its meaning.
const SCHEMA: u32 = 1;

/// A session's name: that of its relay, unique for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId {
    /// Who has it.
    pub worker: u8,
    /// Its relay there.
    pub relay: RelayId,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:x}", self.worker, self.relay.0)
    }
}

/// It is not the name of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of a session, such as 0-2a")]
pub struct NoSessionId;

impl FromStr for SessionId {
    type Err = NoSessionId;

    fn from_str(text: &str) -> Result<Self, NoSessionId> {
        let (worker, relay) = text.split_once('-').ok_or(NoSessionId)?;
        let relay = u64::from_str_radix(relay, 16).map_err(|_| NoSessionId)?;
        let id = Self { worker: worker.parse().map_err(|_| NoSessionId)?, relay: RelayId(relay) };
        // One session has one spelling.
        if id.to_string() == text { Ok(id) } else { Err(NoSessionId) }
    }
}

/// Whose media it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its name.
    pub id: SessionId,
    /// The client's address, as the relay sees it.
    pub client: SocketAddr,
    /// The address that the client sends to.
    pub server: SocketAddr,
    /// What lies between.
    pub transport: Transport,
    /// The listener that the client came through.
    pub listener: ListenerId,
    /// The relayed address, as peers know it.
    pub relayed: SocketAddr,
    /// The user, as a number that is the same on all relays.
    pub owner: u64,
    /// The first RTP packet.
    pub began: UnixTime,
}

/// A session that runs.
#[derive(Clone, Debug)]
pub struct LiveSession {
    /// Whose it is.
    pub info: SessionInfo,
    /// How it is.
    pub view: View,
}

/// The same, with what it has been like.
#[derive(Clone, Debug)]
pub struct SessionDetail {
    /// Whose it is, and how.
    pub live: LiveSession,
    /// Its last intervals, oldest first.
    pub history: Vec<Moment>,
}

/// A session that has ended.
#[derive(Clone, Debug)]
pub struct EndedSession {
    /// Whose it was.
    pub info: SessionInfo,
    /// When.
    pub ended: UnixTime,
    /// How it was.
    pub record: Record,
}

/// What a record and a view begin with.
#[derive(Serialize)]
struct Head {
    schema: u32,
    session: String,
    /// As many digits as the number can have, so that it is found as text.
    user: String,
    transport: &'static str,
    listener: u16,
    relayed: SocketAddr,
    began: String,
}

impl From<&SessionInfo> for Head {
    fn from(info: &SessionInfo) -> Self {
        Self {
            schema: SCHEMA,
            session: info.id.to_string(),
            user: format!("{:016x}", info.owner),
            transport: transport_name(info.transport),
            listener: info.listener.0,
            relayed: info.relayed,
            began: info.began.to_string(),
        }
    }
}

const fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Dtls => "dtls",
    }
}

impl Serialize for EndedSession {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Form<'a> {
            #[serde(flatten)]
            head: Head,
            ended: String,
            #[serde(flatten)]
            record: RecordReport<'a>,
        }
        let record = RecordReport::from(&self.record);
        Form { head: (&self.info).into(), ended: self.ended.to_string(), record }.serialize(serializer)
    }
}

/// A session that runs, as operators see it.
#[derive(Serialize)]
struct LiveForm<'a> {
    #[serde(flatten)]
    head: Head,
    client: SocketAddr,
    server: SocketAddr,
    #[serde(flatten)]
    view: ViewReport<'a>,
}

impl<'a> From<&'a LiveSession> for LiveForm<'a> {
    fn from(live: &'a LiveSession) -> Self {
        let LiveSession { info, view } = live;
        Self { head: info.into(), client: info.client, server: info.server, view: view.into() }
    }
}

impl Serialize for LiveSession {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        LiveForm::from(self).serialize(serializer)
    }
}

impl Serialize for SessionDetail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Form<'a> {
            #[serde(flatten)]
            live: LiveForm<'a>,
            history: Vec<MomentReport>,
        }
        let history = self.history.iter().map(MomentReport::from).collect();
        Form { live: (&self.live).into(), history }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::quality::{Session, Settings};
    use crate::time::Time;

    #[test]
    fn a_name_is_read_back_and_has_one_spelling() {
        let id = SessionId { worker: 12, relay: RelayId(0x1_0000_002a) };
        assert_eq!(id.to_string(), "12-10000002a");
        assert_eq!("12-10000002a".parse(), Ok(id));
        for other in ["", "12", "12-", "-1", "012-10000002a", "12-010000002a", "12-10000002A", "300-1", "1-x"]
        {
            assert_eq!(other.parse::<SessionId>(), Err(NoSessionId), "{other}");
        }
    }

    fn info() -> SessionInfo {
        SessionInfo {
            id: SessionId { worker: 1, relay: RelayId(42) },
            client: "198.51.100.7:4000".parse().unwrap(),
            server: "192.0.2.1:3478".parse().unwrap(),
            transport: Transport::Tls,
            listener: ListenerId(2),
            relayed: "192.0.2.1:50000".parse().unwrap(),
            owner: 0xabc,
            began: UnixTime(1_782_909_000),
        }
    }

    #[test]
    fn a_record_names_the_session_and_neither_user_nor_client() {
        let (began, settings) = (Time::from_secs(1), Settings::default());
        let (_, record) = Session::new(began).end(&settings, began + Duration::from_secs(90));
        let ended = EndedSession { info: info(), ended: UnixTime(1_782_909_090), record };
        let told = serde_json::to_value(&ended).unwrap();
        for (key, value) in [
            ("schema", json!(1)),
            ("session", json!("1-2a")),
            ("user", json!("0000000000000abc")),
            ("transport", json!("tls")),
            ("relayed", json!("192.0.2.1:50000")),
            ("began", json!("2026-07-01T12:30:00Z")),
            ("ended", json!("2026-07-01T12:31:30Z")),
            ("seconds", json!(90.0)),
        ] {
            assert_eq!(told[key], value, "{key}");
        }
        assert!(!told.to_string().contains("198.51.100.7"), "{told}");
    }

    #[test]
    fn an_operator_sees_where_the_client_is_and_what_was() {
        let (began, settings) = (Time::from_secs(1), Settings::default());
        let mut session = Session::new(began);
        session.close_interval(&settings, began + Duration::from_secs(10));
        let view = session.view(&settings, began + Duration::from_secs(11));
        let live = LiveSession { info: info(), view };
        let detail = SessionDetail { live, history: session.history().collect() };
        let told = serde_json::to_value(&detail).unwrap();
        assert_eq!([&told["client"], &told["session"]], [&json!("198.51.100.7:4000"), &json!("1-2a")]);
        assert_eq!(told["history"][0]["seconds"], json!(10.0));
        assert_eq!(told["latest"]["client_to_peer"]["missing"], "packets");
    }
}
