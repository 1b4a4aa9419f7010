//! What is looked at to know whether the relay can carry calls.

mod kind;

pub use kind::{CheckKind, SelfTest};
