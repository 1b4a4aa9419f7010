//! What the workers have counted at one moment, and what lies between two moments.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::control::admin::{LegQuality, QualitySummary, Rates, SessionsByTransport};
use crate::engine::auth::AuthResult;
use crate::metrics::{LegTotals, Path, QualityTotals, Source, Totals};
use crate::quality::Leg;
use crate::time::Time;

/// An answer that sends the client elsewhere: nobody was turned away.
const ELSEWHERE: &str = "300";
/// Answers that say what the relay lacks: ports, room, or a sound mind. All others are about what the client is or wants.
const LACKING: [&str; 2] = ["500", "508"];

/// All workers at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) at: Time,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) dropped: u64,
    /// Allocations that came into being.
    pub(super) opened: u64,
    /// Allocations that were refused to clients which had proven who they are.
    pub(super) refused: u64,
    /// Those of them that the relay had no room for.
    pub(super) lacking: u64,
    /// Clients that wanted an allocation and have not proven who they are.
    pub(super) failed_logins: u64,
    /// Nanoseconds, by worker.
    pub(super) busy: Vec<u64>,
    pub(super) alive: Vec<bool>,
    pub(super) sessions: SessionsByTransport,
    pub(super) quality: QualityTotals,
}

impl Sample {
    pub(super) fn take(at: Time, workers: &[Source]) -> Self {
        let (mut sample, mut totals) = (Self { at, ..Self::default() }, Totals::default());
        for worker in workers {
            totals.add(&worker.counters);
            sample.quality.add(&worker.counters.quality);
            sample.busy.push(worker.counters.busy.value());
            sample.alive.push(worker.alive.load(Ordering::Acquire));
        }
        for (family, label, second, value) in totals.iter() {
            sample.count(family, label, second, value);
        }
        sample
    }

    fn count(&mut self, family: &str, label: &str, second: &str, value: u64) {
        let came = [Path::FromClient, Path::FromPeer].iter().any(|path| path.name() == label);
        let sum = match family {
            "packets" if came => &mut self.packets,
            "bytes" if came => &mut self.bytes,
            "lost" => &mut self.dropped,
            "allocated" => &mut self.opened,
            "allocations_refused" if label != ELSEWHERE => {
                if LACKING.contains(&label) {
                    self.lacking = self.lacking.saturating_add(value);
                }
                &mut self.refused
            }
            // A stale nonce is the usual way on.
            "logins_failed" if label != AuthResult::StaleNonce.name() => &mut self.failed_logins,
            "allocations" => {
                add_sessions(&mut self.sessions, label, second, value);
                return;
            }
            _ => return,
        };
        *sum = sum.saturating_add(value);
    }

    /// What goes on between an earlier moment and this one.
    pub(super) fn rates_since(&self, earlier: &Self) -> Rates {
        let seconds = self.at.since(earlier.at).as_secs_f64();
        let rate = |now: u64, then: u64| {
            if seconds > 0.0 { float(now.saturating_sub(then)) / seconds } else { 0.0 }
        };
        let busy = self.busy.iter().zip(&earlier.busy);
        Rates {
            packets_per_second: rate(self.packets, earlier.packets),
            bits_per_second: rate(self.bytes, earlier.bytes) * 8.0,
            allocations_per_second: rate(self.opened, earlier.opened),
            refused_per_second: rate(self.refused, earlier.refused),
            dropped_per_second: rate(self.dropped, earlier.dropped),
            // A worker counts its time when a turn ends, so a look may see more of it than has passed.
            worker_busy: busy.map(|(now, then)| (rate(*now, *then) / 1e9).min(1.0)).collect(),
        }
    }

    /// How what has come since an earlier moment sounded.
    pub(super) fn quality_since(&self, earlier: &Self) -> QualityTotals {
        self.quality.since(&earlier.quality)
    }
}

fn add_sessions(sessions: &mut SessionsByTransport, transport: &str, family: &str, value: u64) {
    let SessionsByTransport { total, udp, tcp, tls, dtls, ipv4, ipv6 } = sessions;
    let add = |to: Option<&mut u64>| {
        if let Some(to) = to {
            *to = to.saturating_add(value);
        }
    };
    add(Some(total));
    add(match transport {
        "udp" => Some(udp),
        "tcp" => Some(tcp),
        "tls" => Some(tls),
        "dtls" => Some(dtls),
        _ => None,
    });
    add(match family {
        "ipv4" => Some(ipv4),
        "ipv6" => Some(ipv6),
        _ => None,
    });
}

/// As the API says it.
pub(super) fn summary(totals: &QualityTotals) -> QualitySummary {
    let leg = |leg: Leg| {
        let totals: &LegTotals = &totals.legs[leg];
        let millis = |seconds: f64| rounded(seconds * 1e3);
        LegQuality {
            mos_p50: totals.mos_median().map(rounded),
            poor_share: totals.poor_share().map(rounded),
            loss_percent: totals.loss().map(|loss| rounded(loss * 100.0)),
            jitter_ms: totals.jitter().map(millis),
            rtt_ms: totals.rtt().map(millis),
        }
    };
    QualitySummary { client: leg(Leg::Client), peer: leg(Leg::Peer), media_sessions: totals.sessions }
}

/// The last minute, sample by sample.
#[derive(Debug, Default)]
pub(super) struct Minute(VecDeque<Sample>);

/// How far back samples are kept.
const KEPT: Duration = Duration::from_secs(60);

impl Minute {
    pub(super) fn push(&mut self, sample: Sample) {
        while self.0.front().is_some_and(|oldest| sample.at.since(oldest.at) > KEPT) {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    pub(super) fn newest(&self) -> Option<&Sample> {
        self.0.back()
    }

    /// The oldest one that is at most `age` older than the newest.
    pub(super) fn back(&self, age: Duration) -> Option<&Sample> {
        let newest = self.0.back()?;
        self.0.iter().find(|sample| newest.at.since(sample.at) <= age)
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates and shares for people")]
pub(super) const fn float(number: u64) -> f64 {
    number as f64
}

/// Three digits are more than anybody can measure.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::metrics::{Counters, Loss};

    fn worker() -> Source {
        Source { counters: Arc::<Counters>::default(), alive: Arc::new(AtomicBool::new(true)) }
    }

    #[test]
    fn rates_are_what_came_by_the_time_that_passed() {
        let workers = [worker(), worker()];
        let first = Sample::take(Time::from_secs(10), &workers);
        for worker in &workers {
            for _ in 0..10 {
                worker.counters.pass(Path::FromClient, 100);
                worker.counters.pass(Path::ToPeer, 100);
            }
            worker.counters.lose(Loss::SessionRate);
        }
        workers[1].counters.busy.add(1_000_000_000);
        let rates = Sample::take(Time::from_secs(12), &workers).rates_since(&first);
        let expected = Rates {
            packets_per_second: 10.0,
            bits_per_second: 8_000.0,
            allocations_per_second: 0.0,
            refused_per_second: 0.0,
            dropped_per_second: 1.0,
            worker_busy: vec![0.0, 0.5],
        };
        assert_eq!(rates, expected);
    }

    #[test]
    fn what_the_relay_lacks_is_told_from_what_clients_do() {
        let mut sample = Sample::default();
        for code in ["300", "486", "508", "500", "437"] {
            sample.count("allocations_refused", code, "", 1);
        }
        // Strangers' requests among them.
        sample.count("refused", "allocate", "400", 1_000);
        assert_eq!((sample.refused, sample.lacking), (4, 2));
    }

    #[test]
    fn only_logins_of_new_calls_count() {
        let mut sample = Sample::default();
        sample.count("logins_failed", "wrong_password", "", 1);
        sample.count("logins_failed", "stale_nonce", "", 1);
        // Of whatever client and request.
        sample.count("authentications", "rest", "expired", 1);
        assert_eq!(sample.failed_logins, 1);
    }

    #[test]
    fn a_moment_without_a_past_has_no_rates() {
        let sample = Sample::take(Time::from_secs(10), &[worker()]);
        assert_eq!(sample.rates_since(&sample).packets_per_second, 0.0);
    }

    #[test]
    fn a_minute_is_kept_and_looked_back_into() {
        let mut minute = Minute::default();
        for second in 0..200 {
            minute.push(Sample { at: Time::from_secs(second), ..Sample::default() });
        }
        assert_eq!(minute.0.len(), 61);
        assert_eq!(minute.back(Duration::from_secs(5)).unwrap().at, Time::from_secs(194));
        assert_eq!(minute.back(Duration::from_secs(500)).unwrap().at, Time::from_secs(139));
    }

    #[test]
    fn sessions_are_told_apart_by_transport_and_family() {
        let mut sample = Sample::default();
        for (transport, family) in [("udp", "ipv4"), ("udp", "ipv6"), ("tls", "ipv4"), ("", "")] {
            sample.count("allocations", transport, family, 2);
        }
        let expected =
            SessionsByTransport { total: 8, udp: 4, tls: 2, ipv4: 4, ipv6: 2, ..Default::default() };
        assert_eq!(sample.sessions, expected);
    }
}
