//! What has happened to calls lately, so that somebody who asks why one was bad or never came to be gets an answer.
//!
//! Workers tell of events by a bounded channel and never wait ([`Note`]); what finds it full is counted and gone. The
//! [`Journal`] keeps a bounded number of bytes of them, the newest. Users stand in it as numbers, never by name. There are
//! rings apart for the begin and end of calls, for what clients may do again and again with them, such as being refused, and
//! for what clients have done who have proven nothing: whoever floods the relay with bad passwords or with bad requests
//! pushes out no call.

mod ended;
mod entry;
mod store;

pub use ended::{EndedCall, EndedLeg};
pub use entry::{Ending, Entry, What};
pub use store::{About, Journal, Note, Story};
