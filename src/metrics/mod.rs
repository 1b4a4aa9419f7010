//! What the relay counts, for whoever asks: plain numbers with one writer each.
//!
//! A worker owns its counters and adds to them without locks; control and tests read them from other threads at any
//! time. Nothing here is called for by a packet but an addition.

mod counters;

pub use counters::{Counter, Counters, Loss, Path, Totals, Traffic};
