//! Routers that we did not write, with the relay as their neighbour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that it did not expect"
)]

mod anchor;
mod announcement;
mod bfd;
mod guards;
mod harness;
#[path = "../support/host.rs"]
mod host;
mod keys;
mod lab;
mod multipath;
#[path = "../support/process.rs"]
mod process;
mod relay;
mod router;
mod session;
#[path = "../support/skip.rs"]
mod skip;

/// A scenario with each of the four routers: a function that takes its kind and says what is missing.
macro_rules! with_each_router {
    ($($name:ident: $scenario:ident;)*) => {$(
        mod $name {
            use crate::router::Kind;
            use crate::skip::need;

            #[test]
            fn bird() {
                need!(super::$scenario(Kind::Bird));
            }

            #[test]
            fn frr() {
                need!(super::$scenario(Kind::Frr));
            }

            #[test]
            fn gobgp() {
                need!(super::$scenario(Kind::Gobgp));
            }

            #[test]
            fn exabgp() {
                need!(super::$scenario(Kind::Exabgp));
            }
        }
    )*};
}
pub(crate) use with_each_router;
