//! Bytes to types and back: borrowed, without allocation, without input or output.
//!
//! Every reader takes bytes as an attacker may send them and answers with a value or a small error; none panics.
//! Nothing here knows a client, a clock or a setting: whether a well-formed message is *allowed* is for the engine
//! and the data path to say.

pub mod bfd;
pub mod bgp;
pub mod channel_data;
pub mod demux;
pub mod framing;
pub mod proxy;
pub mod rtcp;
pub mod rtp;
pub mod rtr;
pub mod stun;
