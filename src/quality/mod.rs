//! How good the media is that passes a relayed address: what SRTP leaves readable, turned into loss, jitter, round
//! trips, marks and a score, per direction and per leg.
//!
//! A worker looks at a payload once ([`Glance::of`]) and gives the glance to the [`Session`] of the relayed address that
//! it passes; every ten seconds it takes an [`Interval`], at the end a [`Record`]. Nothing here knows a socket, a clock
//! or a client's name: it runs on the worker's thread, time is passed in, and what is handed out are plain values.
//!
//! The relay stands in the middle. What a direction lost before it came here belongs to the leg it came by
//! ([`Direction::leg`]); what happens behind the relay is not visible. So every figure is one "up to the relay", and
//! where an input is missing there is no score but its reason ([`Missing`]).

pub mod codec;
pub mod emodel;
pub mod stream;

mod direction;
mod feedback;
mod flow;
mod glance;
mod history;
mod interval;
mod mark;
mod record;
mod rtt;
mod score;
mod session;
#[cfg(test)]
mod session_tests;
mod settings;
mod track;

pub use direction::{Direction, Directions, Leg, Legs};
pub use feedback::{Feedback, FeedbackCounts};
pub use glance::{CheckStep, Glance, What};
pub use history::{Moment, MomentDirection, Past};
pub use interval::{Interval, IntervalDirection, IntervalStream};
pub use mark::{Bleaching, Ecn, MarkCounts};
pub use record::{Record, RecordDirection, RecordStream, View};
pub use rtt::{LegRtt, RttSource};
pub use score::{Cause, Inputs, Latest, Missing, Score, Scores, Trouble, Worst};
pub use session::Session;
pub use settings::{JitterBuffer, Settings};
