//! Sockets, TLS and DTLS: everything that speaks to the kernel or to a crypto library, and nothing that
//! knows STUN. Owned and called by the workers, each on its own thread; nothing here blocks, starts a
//! thread or reads a clock.
//!
//! System calls and unsafe code are in `sys` only; all above it is safe code over owned descriptors.
//!
//! | file | what it owns |
//! |---|---|
//! | [`poll`] | epoll and the wake-up from other threads |
//! | [`udp`] | listener and relay sockets, received and outgoing batches, the error queue |
//! | [`tcp`] | listeners, accepted and outgoing connections |
//! | [`queue`] | what a slow stream reader has not taken yet, bounded |
//! | [`certs`] | certificate chain and key, re-read when the files change |
//! | [`tls`] | a TLS session without input or output of its own |
//! | [`dtls`] | DTLS sessions, and the cookie exchange that comes before there is any |
//! | [`local`] | who is at the other end of a local socket, and whether the clock is right |

pub mod certs;
pub mod dtls;
pub mod local;
pub mod poll;
pub mod queue;
mod sys;
pub mod tcp;
pub mod tls;
pub mod udp;
