//! What the operator has said of what the relay can carry, and of what he wants to be told.

use std::time::Duration;

/// What [`super::Watch`] goes by. A reload swaps it whole.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchSettings {
    /// What the operators call this relay.
    pub name: String,
    /// What it can carry, as far as somebody has said so.
    pub limits: CapacityLimits,
    /// When somebody is told.
    pub thresholds: Thresholds,
}

/// What a relay can carry. What is not said is measured where that can be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapacityLimits {
    /// Allocations.
    pub sessions: Option<u64>,
    /// Bits per second from clients and peers.
    pub bits_per_second: Option<u64>,
    /// Packets per second from clients and peers.
    pub packets_per_second: Option<u64>,
}

/// From where on something is worth an alert. Percents are of what the name says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Percent of any room that is free.
    pub headroom: f64,
    /// The same, when calls are about to be refused: from here on the relay is not ready either.
    pub headroom_critical: f64,
    /// Percent of their time in which voices of one leg are poor.
    pub poor_calls: f64,
    /// Seconds of rated voices in a minute below which nothing is said of them.
    pub least_rated_seconds: f64,
    /// The mean round trip of one leg.
    pub rtt: Duration,
    /// The mean jitter of one leg.
    pub jitter: Duration,
    /// Percent of allocations that are refused.
    pub refused: f64,
    /// Percent of logins of new calls that fail.
    pub failed_logins: f64,
    /// Allocations, or authentications, in a minute below which nothing is said of them.
    pub least_attempts: u64,
    /// Sessions of BGP or BFD with one neighbour that end within ten minutes.
    pub flaps: u64,
    /// How long a neighbour may be without a session.
    pub session_down: Duration,
    /// Days that a certificate is still good for.
    pub certificate_days: u16,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            headroom: 20.0,
            headroom_critical: 5.0,
            poor_calls: 10.0,
            least_rated_seconds: 200.0,
            rtt: Duration::from_millis(300),
            jitter: Duration::from_millis(30),
            refused: 2.0,
            failed_logins: 20.0,
            least_attempts: 20,
            flaps: 3,
            session_down: Duration::from_secs(30),
            certificate_days: 14,
        }
    }
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self { name: "tern".to_owned(), limits: CapacityLimits::default(), thresholds: Thresholds::default() }
    }
}
