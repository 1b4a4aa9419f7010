//! The last hour, a point every ten seconds: for small charts.

use std::collections::VecDeque;
use std::time::Duration;

use super::sample::Sample;
use crate::control::admin::Point;
use crate::time::Time;

/// From one point to the next.
pub(super) const STEP: Duration = Duration::from_secs(10);
/// An hour.
const KEPT: usize = 360;

/// The points, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    last: Option<Time>,
    /// What had been counted at the last point.
    sample: Option<Sample>,
    points: VecDeque<Point>,
}

impl History {
    /// Whether it is time for another point.
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.last.is_none_or(|last| now.since(last) >= STEP)
    }

    /// What had been counted at the last point; the same sample where there was none. This one is kept for the next.
    pub(super) fn replace_last(&mut self, sample: &Sample) -> Sample {
        self.sample.replace(sample.clone()).unwrap_or_else(|| sample.clone())
    }

    pub(super) fn push(&mut self, now: Time, point: Point) {
        self.last = Some(now);
        if self.points.len() >= KEPT {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    pub(super) fn points(&self) -> Vec<Point> {
        self.points.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_kept_ten_seconds_at_a_time() {
        let mut history = History::default();
        for second in 0..5_000u64 {
            let now = Time::from_secs(second);
            if history.is_due(now) {
                history.push(now, Point { sessions: second, ..Point::default() });
            }
        }
        let points = history.points();
        assert_eq!((points.len(), points[0].sessions, points[359].sessions), (KEPT, 1_400, 4_990));
    }
}
