//! What the relay counts, for whoever asks: plain numbers with one writer each.
//!
//! A worker owns its counters and adds to them without locks; control and tests read them from other threads at any
//! time. Nothing here is called for by a packet but an addition. [`Heart`] tells whether a worker still turns. [`Exposition`] writes them for Prometheus,
//! and [`RecordReport`] a session for whoever reads JSON.

mod calls;
mod counters;
mod exposition;
mod families;
mod histogram;
mod journal;
mod pulse;
mod quality;
mod report;
mod session;
mod sums;

pub use calls::{
    CallDetail, CallMedia, CallRow, CallRows, DscpChange, LegFigures, SecondAddress, Silence,
    Traffic as CallTraffic,
};
pub use counters::{Counter, Counters, Loss, Path, Totals, Traffic};
pub use exposition::{Exposition, More, Source};
pub use journal::{About, EndedCall, EndedLeg, Ending, Entry, Journal, Note, Story, What};
pub use pulse::{Heart, Pulse};
pub use quality::{LegTotals, QualityCounters, QualityTotals};
pub use report::{MomentReport, RecordReport, ViewReport};
pub use session::{EndedSession, LiveSession, NoSessionId, SessionDetail, SessionId, SessionInfo};
pub use sums::{Family, Sums};
