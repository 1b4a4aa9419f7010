//! One thread per core that carries the packets: its sockets, its clients' connections, one engine, one route
//! table. Nothing on a packet's way is shared with another worker.

mod counters;
mod settings;

pub use counters::{Counter, Counters, Loss, Path, Totals};
pub use settings::{
    BandwidthSettings, Certificate, DscpPolicy, DtlsSettings, EcnPolicy, ListenerSettings, MediaSettings,
    Prefix, StreamSettings, WorkerSettings,
};
