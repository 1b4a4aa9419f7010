//! One thread per core that carries the packets: its sockets, its clients' connections, one engine, one route
//! table. Nothing on a packet's way is shared with another worker.
//!
//! The way of a packet: the poller names a socket, a batch is received, `ingress` tells by the first byte what each
//! datagram is. Media meets `datapath`: a look into the route table, a header edited in place, a send. Everything else
//! is a STUN message for the engine, whose actions `actions` carries out. Clients over TCP and TLS come through
//! `streams`, over DTLS through `dtls`, TCP peers through `peers`. Media for another client of this relay takes the
//! `shortcut`. What passes is shown to the `tap`.
//!
//! The poller is level-triggered and every socket gets one batch, or one read, per turn: none starves another, and
//! what is left is reported again. Nothing blocks. Whatever waits for somebody else is bounded: connections' queues,
//! pipes, mailboxes, handshakes.

mod actions;
mod calls;
mod datapath;
mod deadlines;
mod directory;
mod dscp;
mod dtls;
mod external;
mod ingress;
mod journal;
mod leases;
mod listener;
mod mailbox;
mod merged;
mod overload;
mod owners;
mod pace;
mod peers;
mod pipe;
mod queues;
mod relays;
mod run;
mod seen;
mod sessions;
mod settings;
mod shortcut;
mod sources;
mod splice;
mod stream;
mod streams;
mod tap;
mod transfer;
mod watch;

pub(crate) use calls::CallPage;
pub(crate) use directory::Directory;
pub use dscp::{DscpMap, DscpPolicy};
pub(crate) use listener::Listener;
pub(crate) use mailbox::{Command, Inbox, Mailbox};
pub(crate) use run::{Parts, Worker};
pub(crate) use sessions::Page;
pub use settings::{
    Certificate, DtlsSettings, EcnPolicy, ListenerSettings, MediaSettings, OverloadSettings, Prefix,
    StreamSettings, WorkerSettings,
};
