//! Looks at the server's process, on the thread of the mode that measures.

use std::time::Duration;

use super::Job;
use crate::clock::{self, Nanos};
use crate::cpu;
use crate::outcome::{ServerCpu, Tick};
use crate::progress::Progress;

/// Watches the server's process while a window lasts.
pub(super) struct Meter {
    samples: Vec<Look>,
}

/// When somebody looked, and what was seen.
type Look = (Nanos, Option<cpu::Sample>);

impl Meter {
    /// Returns when the window has ended.
    pub(super) fn watch(pid: Option<u32>, job: &Job, progress: &Progress) -> Self {
        progress.begin("warming up", Duration::from_nanos(job.count_from.since(job.begin)));
        sleep_until(job.count_from, progress);
        progress.begin("measuring", Duration::from_nanos(job.until.since(job.count_from)));
        let mut samples = Vec::new();
        let mut at = job.count_from;
        loop {
            samples.push((clock::now(), pid.and_then(cpu::sample)));
            if at >= job.until || progress.is_cancelled() {
                return Self { samples };
            }
            at = at.plus(job.tick).min(job.until);
            sleep_until(at, progress);
        }
    }

    fn ends(&self) -> Option<(&Look, &Look)> {
        Some((self.samples.first()?, self.samples.last()?))
    }

    pub(super) fn seconds(&self) -> f64 {
        self.ends().map_or(0.0, |(first, last)| last.0.since(first.0) as f64 / 1e9)
    }

    pub(super) fn cpu(&self, packets: u64) -> Option<ServerCpu> {
        let (first, last) = self.ends()?;
        Some(last.1?.since(&first.1?, last.0.since(first.0), packets))
    }

    /// Adds what was seen to the moments of the window.
    pub(super) fn annotate(&self, ticks: &mut [Tick]) {
        for (tick, pair) in ticks.iter_mut().zip(self.samples.windows(2)) {
            let [(before, earlier), (after, later)] = pair else { continue };
            let (Some(earlier), Some(later)) = (earlier, later) else { continue };
            tick.server_busy = Some(later.busy_since(earlier, after.since(*before)));
            tick.resident = Some(later.resident);
        }
    }
}

/// Sleeps; wakes up early when the run is cancelled.
fn sleep_until(time: Nanos, progress: &Progress) {
    loop {
        let left = time.since(clock::now());
        if left == 0 || progress.is_cancelled() {
            return;
        }
        std::thread::sleep(Duration::from_nanos(left.min(100_000_000)));
    }
}
