//! Checks that are a look at numbers: what has changed since the last look, or what there is now.

use std::sync::Arc;
use std::time::Duration;

use super::CheckKind;
use super::context::Context;
use crate::announce::health::{Report, Verdict};
use crate::clock::Reading;
use crate::engine::Room;
use crate::metrics::{Loss, Path};
use crate::net::certs::CertStore;
use crate::time::{Time, UnixTime};

/// Packets below which a share of loss says nothing.
const FEW_PACKETS: u64 = 100;
/// How long a jump of the clock is told: long enough for every check's count of bad runs.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Before 2025 and after 2100 nobody runs this.
const YEARS: std::ops::Range<u64> = 1_735_689_600..4_102_444_800;
/// Jitter of the two readings, and what a time daemon corrects without a jump.
const SLEW: u64 = 1_000;

/// What a check knows of its last look.
#[derive(Debug, Default)]
pub(super) struct Memory {
    last: Option<Sample>,
    /// The clock's last jump.
    jumped: Option<(Time, i128)>,
}

/// The numbers that are compared.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sample {
    at: Time,
    unix_nanos: u64,
    received: u64,
    lost: u64,
    /// Nanoseconds, by worker.
    busy: Vec<u64>,
    /// Seconds of voices: below the limit, and all.
    voices: (f64, f64),
    /// Now.
    calls: u64,
}

/// What `kind` finds.
pub(super) fn judge(kind: &CheckKind, context: &Context, memory: &mut Memory, reading: Reading) -> Report {
    match kind {
        CheckKind::Ports { percent } => judge_ports(context.shared.room(&context.settings), *percent),
        CheckKind::Quota { percent } => judge_quota(context.shared.room(&context.settings), *percent),
        CheckKind::Certificate { days } => judge_certificates(&context.certificates, *days, reading.now.unix),
        CheckKind::QueueLoss { percent } => {
            compare(context, &mut memory.last, reading, 0, |last, now| judge_loss(last, now, *percent))
        }
        CheckKind::Busy { percent } => {
            compare(context, &mut memory.last, reading, 0, |last, now| judge_busy(last, now, *percent))
        }
        CheckKind::Packets { per_second } => {
            compare(context, &mut memory.last, reading, 0, |last, now| judge_packets(last, now, *per_second))
        }
        CheckKind::Quality { score, percent, calls } => {
            compare(context, &mut memory.last, reading, *score, |last, now| {
                judge_quality(last, now, *score, *percent, *calls)
            })
        }
        CheckKind::Clock { step } => {
            let year = judge_year(reading.now.unix);
            if year.verdict != Verdict::Good {
                return year;
            }
            let Memory { last, jumped } = memory;
            compare(context, last, reading, 0, |last, now| judge_clock(last, now, *step, jumped))
        }
        CheckKind::SelfTest(_)
        | CheckKind::Heartbeat { .. }
        | CheckKind::File { .. }
        | CheckKind::Command { .. } => bad("this is no measurement"),
    }
}

/// What has changed since the last look; the first one has nothing to say.
fn compare(
    context: &Context,
    last: &mut Option<Sample>,
    reading: Reading,
    score: u16,
    judge: impl FnOnce(&Sample, &Sample) -> Report,
) -> Report {
    let sample = Sample::take(context, reading, mos(score));
    let report = last.as_ref().map_or_else(good, |last| judge(last, &sample));
    *last = Some(sample);
    report
}

impl Sample {
    fn take(context: &Context, reading: Reading, mos: f64) -> Self {
        let mut sample = Self { at: reading.now.time, unix_nanos: reading.unix_nanos(), ..Self::default() };
        for worker in &context.workers {
            let counters = &worker.counters;
            let received = [Path::FromClient, Path::FromPeer].map(|path| counters.passed(path));
            let lost = [Loss::ReceiveOverflow, Loss::SendBufferFull, Loss::MailboxFull]
                .map(|loss| counters.lost(loss));
            sample.received = received.iter().fold(sample.received, |sum, more| sum.wrapping_add(*more));
            sample.lost = lost.iter().fold(sample.lost, |sum, more| sum.wrapping_add(*more));
            sample.busy.push(counters.busy.value());
            let (below, all) = counters.quality.rated_below(mos);
            sample.calls = sample.calls.saturating_add(counters.quality.sessions());
            sample.voices = (sample.voices.0 + below, sample.voices.1 + all);
        }
        sample
    }

    fn passed(&self, last: &Self) -> Duration {
        self.at.since(last.at)
    }
}

fn judge_loss(last: &Sample, now: &Sample, percent: u8) -> Report {
    let lost = now.lost.wrapping_sub(last.lost);
    let all = now.received.wrapping_sub(last.received).saturating_add(lost);
    let share = share(lost, all) * 100.0;
    let text = format!("{share:.2} % of {all} packets were lost in our own queues");
    if all >= FEW_PACKETS && share >= f64::from(percent) {
        bad(text)
    } else {
        Report::new(Verdict::Good, text)
    }
}

fn judge_busy(last: &Sample, now: &Sample, percent: u8) -> Report {
    let passed = u64::try_from(now.passed(last).as_nanos()).unwrap_or(u64::MAX).max(1);
    let busy = now.busy.iter().zip(&last.busy).map(|(now, last)| now.wrapping_sub(*last));
    // A worker counts its time when a turn ends, so a look may see more of it than has passed.
    let share = busy.map(|busy| share(busy.min(passed), passed) * 100.0);
    let Some((worker, most)) = share.enumerate().max_by(|(_, one), (_, other)| one.total_cmp(other)) else {
        return bad("there is no worker");
    };
    let text = format!("worker {worker} was busy for {most:.0} % of its time");
    if most >= f64::from(percent) { bad(text) } else { Report::new(Verdict::Good, text) }
}

fn judge_packets(last: &Sample, now: &Sample, most: u64) -> Report {
    let seconds = now.passed(last).as_secs_f64().max(0.001);
    let rate = float(now.received.wrapping_sub(last.received)) / seconds;
    let text = format!("{rate:.0} packets per second came, and {most} is what is configured");
    if rate >= float(most) { bad(text) } else { Report::new(Verdict::Good, text) }
}

fn judge_quality(last: &Sample, now: &Sample, score: u16, percent: u8, calls: u32) -> Report {
    let (below, all) = (now.voices.0 - last.voices.0, now.voices.1 - last.voices.1);
    if all <= 0.0 || now.calls < u64::from(calls) {
        return Report::new(Verdict::Good, "too few calls to judge by");
    }
    let share = below / all * 100.0;
    let text = format!("{share:.0} % of {all:.0} seconds of voices were below a MOS of {:.2}", mos(score));
    if share >= f64::from(percent) { bad(text) } else { Report::new(Verdict::Good, text) }
}

fn judge_clock(last: &Sample, now: &Sample, most: Duration, jumped: &mut Option<(Time, i128)>) -> Report {
    let passed = now.passed(last);
    let wall = i128::from(now.unix_nanos) - i128::from(last.unix_nanos);
    let step = wall - i128::try_from(passed.as_nanos()).unwrap_or(i128::MAX);
    let slew = Duration::from_nanos(u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX) / SLEW);
    if step.unsigned_abs() > (most + slew).as_nanos() {
        *jumped = Some((now.at, step));
    }
    match *jumped {
        Some((at, step)) if now.at.since(at) <= REMEMBERED => {
            let seconds =
                Duration::from_nanos(u64::try_from(step.unsigned_abs()).unwrap_or(u64::MAX)).as_secs_f64();
            let way = if step > 0 { "ahead" } else { "back" };
            bad(format!(
                "the clock has jumped {way} by {seconds:.1} s: credentials and nonces may be refused"
            ))
        }
        _ => good(),
    }
}

fn judge_year(now: UnixTime) -> Report {
    if YEARS.contains(&now.0) {
        return good();
    }
    bad(format!("the clock says {now}: set it, or no credential is good"))
}

fn judge_ports(room: Room, percent: u8) -> Report {
    let Room { ports, free_ports, .. } = room;
    let text = format!("{free_ports} of {ports} relayed ports are free");
    if ports == 0 {
        return bad("there is no relayed address");
    }
    if free_ports * 100 < ports * usize::from(percent) { bad(text) } else { Report::new(Verdict::Good, text) }
}

fn judge_quota(room: Room, percent: u8) -> Report {
    let Some(most) = room.allocations else {
        return Report::new(Verdict::Good, format!("{} allocations, without a limit", room.held));
    };
    let free = u64::from(most.saturating_sub(room.held));
    let text = format!("{} of {most} allocations are taken", room.held);
    if free * 100 < u64::from(most) * u64::from(percent) {
        bad(text)
    } else {
        Report::new(Verdict::Good, text)
    }
}

fn judge_certificates(certificates: &[Arc<CertStore>], days: u16, now: UnixTime) -> Report {
    let mut report = good();
    for store in certificates {
        let name = store
            .files()
            .map_or_else(|| "the certificate".to_owned(), |(chain, _)| chain.display().to_string());
        let left = store.days_left(now);
        let found = if !store.is_valid_at(now) && left >= 0 {
            bad(format!("{name} is not valid yet; check the clock"))
        } else if left < 0 {
            bad(format!("{name} has expired; renew it"))
        } else if left < i64::from(days) {
            poor(format!("{name} expires in {left} days; renew it"))
        } else {
            continue;
        };
        if found.verdict > report.verdict {
            report = found;
        }
    }
    report
}

fn mos(hundredths: u16) -> f64 {
    f64::from(hundredths) / 100.0
}

fn good() -> Report {
    Report::new(Verdict::Good, "")
}

fn poor(text: impl Into<Box<str>>) -> Report {
    Report::new(Verdict::Poor, text)
}

fn bad(text: impl Into<Box<str>>) -> Report {
    Report::new(Verdict::Bad, text)
}

fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { float(part) / float(all) }
}

#[expect(clippy::cast_precision_loss, reason = "shares and rates for people")]
const fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
#[path = "meters_tests.rs"]
mod tests;
