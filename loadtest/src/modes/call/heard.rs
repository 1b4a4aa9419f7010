//! What the ends of all calls have heard: frames that tell when they were made, counted as they come.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hdrhistogram::Histogram;

use crate::clock;
use crate::media::{STAMP_LEN, Stamp, Way};

/// A frame of `size` bytes, or as many as a stamp takes, that tells when it was made.
pub(super) fn frame(size: usize, sequence: u32) -> Vec<u8> {
    let mut bytes = vec![0; size.max(STAMP_LEN)];
    let stamp = Stamp { session: 0, way: Way::Up, generation: 0, sequence, sent: clock::now() };
    stamp.write(&mut bytes);
    bytes
}

/// Counts of one kind of frames; the ends of all calls share one.
pub(super) struct Heard {
    inner: Mutex<Counts>,
}

/// See [`Heard`].
pub(super) struct Counts {
    /// Frames that came.
    pub(super) received: u64,
    /// Bytes of them.
    pub(super) bytes: u64,
    /// Frames whose bytes were not as they were made.
    pub(super) corrupted: u64,
    /// Latencies in microseconds.
    pub(super) latency: Histogram<u64>,
    /// The same since they were last taken.
    pub(super) recent: Histogram<u64>,
}

impl Heard {
    /// `latencies` is the shape of the histograms.
    pub(super) fn new(latencies: &Histogram<u64>) -> Self {
        let (latency, recent) = (latencies.clone(), latencies.clone());
        Self { inner: Mutex::new(Counts { received: 0, bytes: 0, corrupted: 0, latency, recent }) }
    }

    /// Takes a frame that has just come.
    pub(super) fn hear(&self, frame: &[u8]) {
        let now = clock::now();
        let mut counts = self.counts();
        counts.received += 1;
        counts.bytes += u64::try_from(frame.len()).unwrap_or(0);
        let Ok(stamp) = Stamp::read(frame) else {
            counts.corrupted += 1;
            return;
        };
        let micros = now.since(stamp.sent) / 1_000;
        counts.latency.saturating_record(micros);
        counts.recent.saturating_record(micros);
    }

    /// What there is so far.
    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard() -> Heard {
        Heard::new(&Histogram::new_with_bounds(1, 60_000_000, 3).unwrap())
    }

    #[test]
    fn a_frame_is_heard_with_its_latency() {
        let heard = heard();
        heard.hear(&frame(80, 1));
        heard.hear(&frame(0, 2));
        let counts = heard.counts();
        assert_eq!((counts.received, counts.corrupted, counts.latency.len()), (2, 0, 2));
        assert_eq!(counts.bytes, 80 + 24);
    }

    #[test]
    fn a_changed_or_cut_frame_is_corrupted() {
        let heard = heard();
        let mut changed = frame(80, 1);
        changed[79] ^= 1;
        heard.hear(&changed);
        heard.hear(&frame(80, 1)[..5]);
        let counts = heard.counts();
        assert_eq!((counts.corrupted, counts.latency.len()), (2, 0));
    }
}
