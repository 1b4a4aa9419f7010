//! Where packets lie in time: arrivals against timestamps.
//!
//! Transit is arrival minus timestamp, in nanoseconds from the packet that the timeline began with. It means nothing by
//! itself; its differences are the network's doing as long as both clocks run. They are not compared across a break: a
//! silence longer than any network keeps packets, or a timestamp that went elsewhere (hold, another source, another
//! clock).

/// Nanoseconds of silence after which a timeline begins anew.
const SILENCE: u64 = 2_000_000_000;
/// Nanoseconds that two packets in order may differ in transit.
pub(super) const JUMP: f64 = 1e9;

/// The packet that the next is compared with, and the clock.
#[derive(Debug)]
pub(super) struct Timeline {
    origin: u64,
    last_arrival: u64,
    /// Ticks from the origin to the last new timestamp.
    ticks: i64,
    /// Nanoseconds a tick; 0 as long as the rate is not known.
    tick: f64,
    /// Of the last packet with a new timestamp.
    transit: f64,
    timestamp: u32,
    rate: u32,
}

/// What a packet in order says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// The timestamp is that of the packet before, or a frame's out of order; or there is no clock.
    None,
    /// A new timestamp.
    Advance {
        /// Its transit.
        transit: f64,
        /// By how much that differs from the one before.
        difference: f64,
    },
    /// Not comparable.
    Break {
        /// The transit it would have.
        transit: f64,
        /// By how much that would differ.
        difference: f64,
    },
}

impl Timeline {
    /// Begins at a packet.
    pub(super) fn new(arrival: u64, timestamp: u32, rate: Option<u32>) -> Self {
        let mut timeline = Self {
            origin: arrival,
            last_arrival: arrival,
            ticks: 0,
            tick: 0.0,
            transit: 0.0,
            timestamp,
            rate: 0,
        };
        timeline.set_rate(rate.unwrap_or(0));
        timeline
    }

    /// The clock's rate; 0 if it is not known.
    pub(super) const fn rate(&self) -> u32 {
        self.rate
    }

    /// When the last packet came.
    pub(super) const fn last_arrival(&self) -> u64 {
        self.last_arrival
    }

    /// Another clock. Nothing before is comparable with what follows: [`Self::begin`].
    pub(super) fn set_rate(&mut self, rate: u32) {
        self.rate = rate;
        self.tick = if rate == 0 { 0.0 } else { 1e9 / f64::from(rate) };
    }

    /// Begins anew at a packet, whose transit is zero from now on.
    pub(super) fn begin(&mut self, arrival: u64, timestamp: u32) {
        (self.origin, self.last_arrival) = (arrival, arrival);
        (self.ticks, self.transit, self.timestamp) = (0, 0.0, timestamp);
    }

    /// Takes a packet in order, but for its timestamp where that breaks the line.
    #[inline]
    pub(super) fn see(&mut self, arrival: u64, timestamp: u32) -> Step {
        let silence = arrival.saturating_sub(self.last_arrival);
        self.last_arrival = arrival;
        let step = timestamp.wrapping_sub(self.timestamp).cast_signed();
        if step == 0 || self.rate == 0 {
            return Step::None;
        }
        let transit = self.transit(arrival, step);
        let difference = transit - self.transit;
        if step < 0 || silence > SILENCE || difference.abs() > JUMP {
            return self.see_far(silence, step, transit, difference);
        }
        self.take(timestamp, step, transit);
        Step::Advance { transit, difference }
    }

    /// Goes on from a packet that [`Self::see`] called a break and that is none.
    pub(super) fn accept(&mut self, timestamp: u32, transit: f64) {
        let step = timestamp.wrapping_sub(self.timestamp).cast_signed();
        self.take(timestamp, step, transit);
    }

    /// The transit of a packet that comes behind others, if it has a timestamp of its own on this line.
    pub(super) fn see_late(&mut self, arrival: u64, timestamp: u32) -> Option<f64> {
        self.last_arrival = self.last_arrival.max(arrival);
        let step = timestamp.wrapping_sub(self.timestamp).cast_signed();
        (self.rate > 0 && step < 0 && self.is_near(step)).then(|| self.transit(arrival, step))
    }

    /// A frame that is shown before the one sent before it lies back by less than a second; what lies further back is
    /// elsewhere.
    #[cold]
    fn see_far(&self, silence: u64, step: i32, transit: f64, difference: f64) -> Step {
        let is_frame = step < 0 && silence <= SILENCE && self.is_near(step);
        if is_frame { Step::None } else { Step::Break { transit, difference } }
    }

    /// Whether a step back is less than a jump.
    fn is_near(&self, step: i32) -> bool {
        f64::from(step) * self.tick > -JUMP
    }

    fn take(&mut self, timestamp: u32, step: i32, transit: f64) {
        self.ticks += i64::from(step);
        self.timestamp = timestamp;
        self.transit = transit;
    }

    fn transit(&self, arrival: u64, step: i32) -> f64 {
        let elapsed = arrival.wrapping_sub(self.origin).cast_signed();
        elapsed as f64 - (self.ticks + i64::from(step)) as f64 * self.tick
    }
}
