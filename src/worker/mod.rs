//! One thread per core that carries the packets: its sockets, its clients' connections, one engine, one route
//! table. Nothing on a packet's way is shared with another worker.

mod settings;

pub use settings::{
    BandwidthSettings, CertificateFiles, DscpPolicy, DtlsSettings, EcnPolicy, ListenerSettings,
    MediaSettings, Prefix, StreamSettings, WorkerSettings,
};
