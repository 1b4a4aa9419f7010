//! What the fuzz targets assert, without the fuzzer: tests/fuzz_replay.rs takes these modules as they are and replays the
//! committed corpora on a stable compiler.
//!
//! A target is `pub fn check(data: &[u8])` in a module of its name; its corpus lies in `corpus/<name>/`.

pub mod announcer_fsm;
pub mod bfd;
pub mod bgp;
pub mod engine;
pub mod framing;
pub mod media;
#[path = "../../tests/support/engine/mod.rs"]
pub mod rig;
pub mod rtr;
pub mod stun;
