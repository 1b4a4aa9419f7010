//! Whether a worker has more to do than it can do in time.
//!
//! Media that comes too late is lost, whoever drops it. So a worker that is busy nearly all the time, or from which the
//! system has to drop what arrives, takes no new calls until those that it has are well again. It looks at windows of half
//! a second; two bad ones in a row begin it, and it ends when things have been clearly better for two seconds: neither a
//! single burst nor a single pause decides.
//!
//! A worker without media worth the name never refuses anybody: a rush of new clients hurts nobody but itself.

use std::time::Duration;

use super::settings::OverloadSettings;
use crate::time::Time;

/// What is looked at together.
const WINDOW: Duration = Duration::from_millis(500);
/// So many bad windows in a row begin it.
const BAD: u8 = 2;
/// So many good ones in a row end it.
const GOOD: u8 = 4;
/// Packets of media per second that are worth protecting: ten calls.
const MEDIA: u64 = 500;
/// Good is what lies this many percent below the limit of being busy.
const MARGIN: u8 = 10;

/// What has been counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Packets of media, either way.
    pub(super) media: u64,
    /// Everything received.
    pub(super) received: u64,
    /// What the system has dropped for want of room in a socket.
    pub(super) dropped: u64,
}

/// The judge of one worker.
#[derive(Debug)]
pub(super) struct Overload {
    /// When the window began.
    since: Time,
    /// How much of it was spent waiting.
    idle: Duration,
    /// What had been counted by then.
    load: Load,
    bad: u8,
    good: u8,
    shedding: bool,
}

/// What a window was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Window {
    Bad,
    Between,
    Good,
}

impl Overload {
    pub(super) const fn new(now: Time) -> Self {
        let load = Load { media: 0, received: 0, dropped: 0 };
        Self { since: now, idle: Duration::ZERO, load, bad: 0, good: 0, shedding: false }
    }

    /// The worker has waited `idle` for something to do, until `now`.
    pub(super) fn waited(&mut self, idle: Duration) {
        self.idle = self.idle.saturating_add(idle);
    }

    /// Whether a window ends now.
    pub(super) fn is_due(&self, now: Time) -> bool {
        now.since(self.since) >= WINDOW
    }

    /// Ends the window; whether new calls are refused from now on.
    pub(super) fn judge(&mut self, settings: OverloadSettings, now: Time, load: Load) -> bool {
        let span = now.since(self.since);
        let window = self.look(settings, span, load);
        // One long wait is as many good windows as it is long.
        let windows = span.as_millis().checked_div(WINDOW.as_millis()).unwrap_or(1);
        let windows = u8::try_from(windows).unwrap_or(u8::MAX).max(1);
        match window {
            Window::Bad => (self.bad, self.good) = (self.bad.saturating_add(1), 0),
            Window::Between => (self.bad, self.good) = (0, 0),
            Window::Good => (self.bad, self.good) = (0, self.good.saturating_add(windows)),
        }
        self.shedding = if self.shedding { self.good < GOOD } else { self.bad >= BAD };
        (self.since, self.idle, self.load) = (now, Duration::ZERO, load);
        self.shedding
    }

    fn look(&self, settings: OverloadSettings, span: Duration, load: Load) -> Window {
        let fresh = |new: u64, old: u64| u128::from(new.saturating_sub(old));
        let media = fresh(load.media, self.load.media).saturating_mul(1000);
        if media < u128::from(MEDIA).saturating_mul(span.as_millis()) {
            return Window::Good;
        }
        let busy = percent(span.saturating_sub(self.idle).as_nanos(), span.as_nanos());
        let dropped = fresh(load.dropped, self.load.dropped);
        let arrived = dropped.saturating_add(fresh(load.received, self.load.received));
        let reaches = |value: u128, limit: u8| limit > 0 && value >= u128::from(limit);
        if reaches(busy, settings.busy) || reaches(percent(dropped, arrived), settings.loss) {
            Window::Bad
        } else if dropped > 0 && settings.loss > 0
            || reaches(busy, settings.busy.saturating_sub(MARGIN).max(settings.busy / 2))
        {
            Window::Between
        } else {
            Window::Good
        }
    }
}

fn percent(part: u128, whole: u128) -> u128 {
    part.saturating_mul(100).checked_div(whole).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: OverloadSettings = OverloadSettings { busy: 90, loss: 1 };

    /// A worker under a constant load.
    struct Rig {
        overload: Overload,
        now: Time,
        load: Load,
        settings: OverloadSettings,
    }

    impl Rig {
        fn new() -> Self {
            let now = Time::from_secs(1);
            Self { overload: Overload::new(now), now, load: Load::default(), settings: SETTINGS }
        }

        /// One window in steps of 10 ms with 100,000 packets of media per second.
        fn window(&mut self, busy: u32, dropped: u64) -> bool {
            self.run(busy, dropped, 50_000)
        }

        fn run(&mut self, busy: u32, dropped: u64, media: u64) -> bool {
            for _ in 0..50 {
                assert!(!self.overload.is_due(self.now));
                self.now = self.now + Duration::from_millis(10);
                self.overload.waited(Duration::from_millis(10) * (100 - busy) / 100);
            }
            assert!(self.overload.is_due(self.now));
            self.load.media += media;
            self.load.received += 50_000;
            self.load.dropped += dropped;
            self.overload.judge(self.settings, self.now, self.load)
        }
    }

    #[test]
    fn a_busy_worker_refuses_after_two_windows_and_not_after_one() {
        let mut rig = Rig::new();
        assert!(!rig.window(89, 0));
        assert!(!rig.window(90, 0));
        assert!(!rig.window(89, 0));
        assert!(!rig.window(100, 0));
        assert!(rig.window(90, 0));
    }

    #[test]
    fn it_ends_after_two_good_seconds_in_a_row() {
        let mut rig = Rig::new();
        assert!(!rig.window(95, 0) && rig.window(95, 0));
        for _ in 0..20 {
            assert!(rig.window(85, 0), "neither good nor bad");
        }
        for _ in 0..3 {
            assert!(rig.window(79, 0));
        }
        assert!(rig.window(80, 0), "begins anew");
        for _ in 0..3 {
            assert!(rig.window(79, 0));
        }
        assert!(!rig.window(79, 0));
        assert!(!rig.window(85, 0));
    }

    #[test]
    fn what_the_system_drops_counts_as_well() {
        let mut rig = Rig::new();
        // One percent of what arrived: 506 of 50,506.
        assert!(!rig.window(10, 500) && !rig.window(10, 500));
        assert!(!rig.window(10, 506) && rig.window(10, 506));
        assert!((0..10).all(|_| rig.window(10, 1)), "still some");
        assert!((0..3).all(|_| rig.window(10, 0)) && !rig.window(10, 0));
    }

    #[test]
    fn a_rush_of_clients_without_media_refuses_nobody() {
        let mut rig = Rig::new();
        assert!((0..10).all(|_| !rig.run(100, 50_000, 249)));
        assert!(!rig.run(100, 0, 250) && rig.run(100, 0, 250));
        assert!((0..3).all(|_| rig.run(100, 0, 0)) && !rig.run(100, 0, 0));
    }

    #[test]
    fn a_long_silence_ends_it_at_once() {
        let mut rig = Rig::new();
        assert!(!rig.window(95, 0) && rig.window(95, 0));
        rig.now = rig.now + Duration::from_secs(2);
        rig.overload.waited(Duration::from_secs(2));
        assert!(!rig.overload.judge(SETTINGS, rig.now, rig.load));
    }

    #[test]
    fn either_limit_can_be_left_out() {
        let mut rig = Rig::new();
        rig.settings = OverloadSettings { busy: 0, loss: 1 };
        assert!((0..5).all(|_| !rig.window(100, 0)));
        assert!(!rig.window(100, 5_000) && rig.window(100, 5_000));
        rig.settings.loss = 0;
        assert!((0..3).all(|_| rig.window(100, 5_000)) && !rig.window(100, 5_000));
    }
}
