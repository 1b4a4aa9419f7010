//! What the admin API says, as JSON has it: what the server writes and the command line reads, one file per theme.
//!
//! Owned values only; whoever knows something puts it into these words. Names are stable: fields are added, but never
//! change their meaning. Times of day are RFC 3339, lengths of time are numbers with their unit in the name, shares are
//! numbers from 0 to 1.

mod alerts;
mod announcer;
mod capacity;
mod events;
mod explain;
mod operation;
mod quality;
mod sessions;
mod status;

pub use alerts::{Alert, AlertList, AlertSeverity};
pub use announcer::{
    Attributes, BfdReport, BfdSession, Check, Health, Neighbor, NeighborBfd, Notification, Received, Report,
    Route, RpkiCache, Transition,
};
pub use capacity::{Basis, Capacity, Resource, Room};
pub use events::{Event, EventKind, EventPage, EventSeverity};
pub use explain::{EndedLeg, EndedSession, Explanation, JournalEntry, QualityHistory, QualityPoint};
pub use operation::{
    CredentialReport, DrainReport, LogReport, ReloadOutcome, ReloadReport, ReloadState, VerifyReport,
};
pub use quality::{Cell, DscpClass, HeatMap, HeatRow, LegQuality, QualityReport, QualitySummary};
pub use sessions::{
    DscpChange, LegFigures, SecondAddress, SessionMedia, SessionPage, SessionReport, SessionRow,
    SessionTraffic,
};
pub use status::{Drain, History, Point, Rates, Role, SessionsByTransport, Status};
