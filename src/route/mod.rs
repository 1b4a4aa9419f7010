//! Where an established flow goes: the keys and values that both data paths share.
//!
//! The engine decides, and says so in [`Delta`]s; the worker applies them to its table and reads the
//! table once per packet. Later the kernel path mirrors the same deltas.

mod arena;
mod delta;
mod key;
mod seats;
mod table;

pub(crate) use arena::{Arena, grow, growth, place};
pub use delta::Delta;
pub use key::{Client, Endpoint, FiveTuple, LinkId, ListenerId, RelayId, Transport};
pub(crate) use seats::Seats;
pub use table::{ChannelValue, Flow, Header, Miss, Table};
