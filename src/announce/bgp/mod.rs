//! BGP-4 towards the neighbours of the relay, as far as one needs it who only announces.

mod settings;

pub use settings::{Export, NeighborSettings, Settings};
