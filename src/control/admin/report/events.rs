//! What has happened, in its order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Events that followed upon each other, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// The events.
    pub events: Vec<Event>,
    /// The number of the newest event that there is; 0 if there was none.
    pub newest: u64,
    /// The number of the oldest one that is kept: whoever has seen less has missed some.
    pub oldest: u64,
    /// When the relay was started: an answer with another time counts anew.
    #[serde(default)]
    pub started: String,
}

/// One thing that has happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its number, one more than that of the event before. They begin anew with each start of the relay.
    pub number: u64,
    /// When.
    pub at: String,
    /// What it concerns.
    pub kind: EventKind,
    /// How bad it is.
    pub severity: EventSeverity,
    /// The same words for the same kind of event.
    pub text: String,
    /// What it is about: name and value.
    pub fields: BTreeMap<String, String>,
}

/// What an event concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The start and the end of the relay.
    #[default]
    Relay,
    /// A change of the relay's state.
    Health,
    /// A BGP session, or what it carries.
    Bgp,
    /// A BFD session.
    Bfd,
    /// A cache of validated origins.
    Rpki,
    /// What was announced or withdrawn.
    Route,
    /// The configuration was read again.
    Reload,
    /// The relay is being emptied, or no longer.
    Drain,
    /// An operator has changed something else.
    Operator,
    /// A worker has died.
    Worker,
    /// A certificate has changed or runs out.
    Certificate,
    /// An alert was raised or is over.
    Alert,
}

/// How bad an event is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventSeverity {
    /// One wants to find it afterwards.
    #[default]
    Info,
    /// Somebody should look at it.
    Warning,
    /// Calls are hurt.
    Critical,
}
