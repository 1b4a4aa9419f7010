//! What keeps one client, one user or one network from taking it all.
//!
//! [`PrefixLimiter`] counts by source prefix before anything is proven, in memory that never grows. [`Shared`] holds
//! every user to a number of allocations and a bandwidth over all workers; [`Bucket`] holds a session to a bandwidth
//! within its worker. All of it takes the time as an argument; limits are passed at each call, so that a reload is
//! in force with the next packet. The engine asks for allocations and answers, the data path for bandwidth, each on
//! its worker's thread.

mod bucket;
mod prefix;
mod quota;

pub use bucket::{Bucket, Rate, SharedBucket};
pub use prefix::{Pace, PrefixLengths, PrefixLimiter};
pub use quota::{Hold, QuotaError, Quotas, Shared, UserBandwidth};
