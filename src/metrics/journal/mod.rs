//! What has happened to calls lately, so that somebody who asks why one was bad or never came to be gets an answer.
//!
//! Workers tell of events by a bounded channel and never wait ([`Note`]); what finds it full is counted and gone. The
//! [`Journal`] keeps a bounded number of bytes of them, the newest. Users stand in it as numbers, never by name. What
//! clients have done who have proven nothing is kept apart and under a rate of its own: whoever floods the relay with bad
//! passwords pushes out nothing that belongs to a call.

mod ended;
mod entry;
mod store;

pub use ended::{EndedCall, EndedLeg};
pub use entry::{Ending, Entry, What};
pub use store::{About, Journal, Note, Story};
