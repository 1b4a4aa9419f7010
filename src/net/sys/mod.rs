//! The system calls that the standard library and `socket2` do not have, and all unsafe code of the crate.
//!
//! Nothing in here knows what a packet means. Every function takes borrowed descriptors and plain slices
//! and leaves no pointer behind: what the kernel is shown lives until the call has returned.
#![allow(unsafe_code, reason = "system calls; the rest of the crate is safe code")]

pub(super) mod address;
pub(super) mod clock;
pub(super) mod control;
pub(super) mod epoll;
pub(super) mod message;
pub(super) mod option;
pub(super) mod signature;
