//! Timestamps and arrivals: jitter, discards, breaks, clocks.

use proptest::prelude::*;

use super::*;

/// A sender of audio, its network, and the stream that the relay sees.
struct Call {
    stream: Option<Stream>,
    /// What `Stream::see` is told.
    hint: Option<u32>,
    rate: u32,
    /// When the next packet is sent.
    sent: Time,
    sequence: u16,
    timestamp: u32,
    /// Every packet that came with a new timestamp: when, and which.
    came: Vec<(Time, u32)>,
}

impl Call {
    fn new(rate: u32, hint: Option<u32>) -> Self {
        let (sequence, timestamp) = (u16::MAX - 20, u32::MAX - 10_000);
        Self { stream: None, hint, rate, sent: START, sequence, timestamp, came: Vec::new() }
    }

    fn known(rate: u32) -> Self {
        Self::new(rate, Some(rate))
    }

    fn ticks(&self, time: Duration) -> u32 {
        u32::try_from(time.as_micros() * u128::from(self.rate) / 1_000_000).unwrap()
    }

    /// Time passes for the sender and for its clock.
    fn pass(&mut self, time: Duration) {
        self.sent = self.sent + time;
        self.timestamp = self.timestamp.wrapping_add(self.ticks(time));
    }

    /// The packet that is sent now, as it comes after `delay`.
    fn packet(&mut self, delay: Duration) -> (RtpHeader, Time) {
        let header = header(self.sequence, self.timestamp);
        self.sequence = self.sequence.wrapping_add(1);
        (header, self.sent + delay)
    }

    fn arrive(&mut self, (header, arrival): (RtpHeader, Time)) -> Seen {
        if self.came.last().is_none_or(|(_, last)| *last != header.timestamp) {
            self.came.push((arrival, header.timestamp));
        }
        let stream = self.stream.get_or_insert_with(|| Stream::new(&header, arrival, self.hint));
        stream.see(&header, arrival, 172, self.hint)
    }

    fn send(&mut self, delay: Duration) {
        let packet = self.packet(delay);
        self.arrive(packet);
    }

    /// Packets every 20 ms, all delayed by the same.
    fn talk(&mut self, packets: usize, delay: Duration) {
        for _ in 0..packets {
            self.send(delay);
            self.pass(ms(20));
        }
    }

    fn stream(&mut self) -> &mut Stream {
        self.stream.as_mut().unwrap()
    }

    fn counts(&mut self) -> Counts {
        self.stream().counts()
    }

    fn jitter(&mut self) -> Duration {
        self.stream().jitter().unwrap()
    }

    /// RFC 3550 appendix A.8 over everything that came, in nanoseconds.
    fn straight_jitter(&self) -> f64 {
        let mut jitter = 0.0;
        for pair in self.came.windows(2) {
            let arrivals = pair[1].0.as_nanos() as f64 - pair[0].0.as_nanos() as f64;
            let stamps =
                f64::from(pair[1].1.wrapping_sub(pair[0].1).cast_signed()) * 1e9 / f64::from(self.rate);
            jitter += ((arrivals - stamps).abs() - jitter) / 16.0;
        }
        jitter
    }
}

fn is_near(one: Duration, nanos: f64) -> bool {
    (one.as_nanos() as f64 - nanos).abs() <= 1.0 + nanos * 1e-6
}

#[test]
fn a_steady_stream_has_no_jitter() {
    for rate in [8000, 48_000, 90_000] {
        let mut call = Call::known(rate);
        call.talk(500, ms(30));
        assert!(call.jitter() < Duration::from_nanos(2));
        let counts = call.counts();
        assert_eq!((counts.timed, counts.discarded), (500, [0; 4]));
    }
}

#[test]
fn there_is_no_jitter_before_two_packets() {
    let mut call = Call::known(8000);
    call.talk(1, ms(0));
    assert_eq!(call.stream().jitter(), None);
    assert_eq!(call.stream().take_interval().jitter, None);
    call.talk(2, ms(0));
    assert!(call.stream().take_interval().jitter.is_some());
    assert_eq!(call.stream().take_interval().jitter, None, "nothing came");
    assert!(call.stream().jitter().is_some());
}

#[test]
fn an_interval_knows_mean_last_and_largest_jitter() {
    let mut call = Call::known(8000);
    call.talk(10, ms(0));
    call.talk(1, ms(16));
    let jitter = call.stream().take_interval().jitter.unwrap();
    assert_eq!((jitter.last, jitter.max), (ms(1), ms(1)));
    assert_eq!(jitter.mean, ms(1) / 10);
}

/// DTX sends comfort noise now and then; the clock goes on.
#[test]
fn discontinuous_transmission_is_no_jitter_and_no_loss() {
    let mut call = Call::known(48_000);
    for _ in 0..20 {
        call.talk(50, ms(10));
        for _ in 0..5 {
            call.send(ms(10));
            call.pass(ms(400));
        }
    }
    assert!(call.jitter() < Duration::from_micros(1));
    let counts = call.counts();
    assert_eq!((counts.lost, counts.restarts, counts.discarded), (0, 0, [0; 4]));
}

#[test]
fn a_held_call_is_no_jitter_whatever_its_clock_did() {
    // How far the timestamp goes during 30 seconds: all the way, not at all, a frame, too far, back.
    for step in [240_000, 0, 160, 10_000_000, u32::MAX - 3_000_000] {
        let mut call = Call::known(8000);
        call.talk(100, ms(10));
        call.sent = call.sent + Duration::from_secs(30);
        call.timestamp = call.timestamp.wrapping_add(step);
        call.talk(200, ms(10));
        assert!(call.jitter() < Duration::from_nanos(10), "{step}: {:?}", call.jitter());
        let counts = call.counts();
        assert_eq!((counts.lost, counts.restarts, counts.discarded), (0, 0, [0; 4]), "{step}");
        assert_eq!(counts.timed, 300, "{step}");
    }
}

#[test]
fn after_a_hold_packets_are_measured_anew() {
    let mut call = Call::known(8000);
    call.talk(100, ms(10));
    call.sent = call.sent + Duration::from_secs(5);
    call.talk(100, ms(10));
    call.talk(10, ms(75));
    assert_eq!(call.counts().discarded, [10, 10, 0, 0]);
}

#[test]
fn during_a_hold_clocks_may_drift_apart() {
    let mut call = Call::known(8000);
    call.talk(100, ms(10));
    call.pass(Duration::from_secs(60));
    call.sent = call.sent + ms(120);
    call.talk(100, ms(10));
    assert!(call.jitter() < Duration::from_nanos(10));
    assert_eq!(call.counts().discarded, [0; 4]);
}

#[test]
fn intervals_before_a_hold_say_nothing_of_those_after() {
    let mut call = Call::known(8000);
    call.talk(1, ms(300));
    call.talk(100, ms(10));
    call.stream().take_interval();
    call.sent = call.sent + Duration::from_secs(30);
    call.talk(100, ms(10));
    call.stream().take_interval();
    call.talk(100, ms(10));
    assert_eq!(call.counts().discarded, [0; 4]);
}

#[test]
fn after_a_hold_the_fastest_packet_is_the_measure_too() {
    let mut call = Call::known(8000);
    call.talk(10, ms(10));
    call.sent = call.sent + Duration::from_secs(30);
    call.talk(1, ms(60));
    call.talk(1, ms(10));
    call.talk(100, ms(30));
    call.talk(5, ms(55));
    assert_eq!(call.counts().discarded, [5, 0, 0, 0]);
}

#[test]
fn a_timestamp_that_jumps_without_a_silence_is_no_jitter() {
    for jump in [1 << 31, 1 << 20, u32::MAX - (1 << 20)] {
        let mut call = Call::known(8000);
        call.talk(100, ms(10));
        call.timestamp = call.timestamp.wrapping_add(jump);
        call.talk(100, ms(10));
        assert!(call.jitter() < Duration::from_nanos(10), "{jump}");
        assert_eq!(call.counts().discarded, [0; 4], "{jump}");
    }
}

/// A network that keeps everything back for three seconds, then lets go of it at once: not a hold.
#[test]
fn a_stall_makes_packets_late() {
    let mut call = Call::known(8000);
    call.talk(100, ms(10));
    let end = call.sent + Duration::from_secs(3);
    for _ in 0..150 {
        let (header, _) = call.packet(ms(0));
        call.arrive((header, end));
        call.pass(ms(20));
    }
    call.talk(100, ms(10));
    let counts = call.counts();
    // At `end` the packet sent 3 s ago is 2.99 s late, the last one 10 ms.
    assert_eq!(counts.discarded, [148, 147, 145, 140]);
    assert_eq!((counts.lost, counts.timed), (0, 350));
    let jitter = call.stream().take_interval().jitter.unwrap();
    assert!(jitter.max > Duration::from_secs(3) / 16, "{jitter:?}");
}

/// The network keeps everything back, and then only the newest is still there.
#[test]
fn a_stall_that_ends_with_a_leap_is_one_too() {
    let mut call = Call::known(8000);
    call.talk(100, ms(10));
    let (header, _) = call.packet(ms(0));
    call.pass(Duration::from_secs(3));
    call.arrive((header, call.sent));
    call.talk(100, ms(10));
    assert_eq!(call.counts().discarded, [1; 4]);
}

#[test]
fn telephone_events_repeat_a_timestamp_and_are_no_jitter() {
    let mut call = Call::known(8000);
    call.talk(100, ms(10));
    for _ in 0..3 {
        let begin = call.timestamp;
        for _ in 0..60 {
            let timestamp = std::mem::replace(&mut call.timestamp, begin);
            call.send(ms(10));
            call.timestamp = timestamp;
            call.pass(ms(50));
        }
        call.talk(50, ms(10));
    }
    assert!(call.jitter() < Duration::from_nanos(10));
    let counts = call.counts();
    assert_eq!((counts.lost, counts.discarded, counts.received), (0, [0; 4], 430));
}

#[test]
fn packets_of_one_frame_are_compared_once() {
    let mut call = Call::known(90_000);
    for frame in 0..300 {
        for piece in 0..=frame % 9 {
            call.send(ms(piece));
        }
        call.pass(ms(40));
    }
    assert!(call.jitter() < Duration::from_nanos(10));
    assert_eq!(call.counts().timed, 300);
    assert_eq!(call.counts().discarded, [0; 4]);
}

#[test]
fn a_frame_that_is_shown_earlier_is_no_break() {
    let mut call = Call::known(90_000);
    let begin = call.timestamp;
    // Sent in this order, shown in that of the timestamps.
    for group in 0..100 {
        for (slot, shown) in [0, 3, 1, 2].into_iter().enumerate() {
            call.sent = START + ms(40) * (4 * group + u32::try_from(slot).unwrap());
            call.timestamp = begin.wrapping_add(3600 * (4 * group + shown));
            call.send(ms(0));
        }
    }
    assert_eq!(call.counts().timed, 200);
    assert!(call.jitter() < ms(90), "{:?}", call.jitter());
}

#[test]
fn a_restart_is_no_jitter() {
    let mut call = Call::known(8000);
    call.talk(100, ms(10));
    call.sequence = 17_000;
    call.timestamp = 5;
    call.talk(100, ms(10));
    assert!(call.jitter() < Duration::from_nanos(10));
    let counts = call.counts();
    assert_eq!((counts.restarts, counts.received, counts.timed, counts.discarded), (1, 200, 200, [0; 4]));
}

#[test]
fn another_clock_is_no_jitter() {
    let mut call = Call::known(8000);
    call.talk(100, ms(10));
    (call.rate, call.hint) = (48_000, Some(48_000));
    call.talk(100, ms(10));
    assert_eq!(call.stream().clock_rate(), Some(48_000));
    assert!(call.jitter() < Duration::from_nanos(10));
    assert_eq!(call.counts().discarded, [0; 4]);
}

#[test]
fn a_payload_without_a_clock_of_its_own_keeps_that_of_the_stream() {
    let mut call = Call::known(48_000);
    call.talk(100, ms(10));
    call.hint = None;
    call.talk(100, ms(10));
    assert_eq!(call.stream().clock_rate(), Some(48_000));
    assert_eq!(call.counts().timed, 200);
}

#[test]
fn late_packets_are_judged_by_their_own_timestamp() {
    let mut call = Call::known(8000);
    call.talk(10, ms(0));
    let late = [30, 50, 90, 150, 210].map(|delay| {
        let packet = call.packet(ms(delay));
        call.pass(ms(20));
        packet
    });
    call.talk(1, ms(0));
    for packet in late {
        let (header, arrival) = packet;
        assert_eq!(call.stream().see(&header, arrival, 172, Some(8000)), Seen::Late);
    }
    let counts = call.counts();
    assert_eq!((counts.lost, counts.timed, counts.discarded), (0, 16, [4, 3, 2, 1]));
}

#[test]
fn a_slow_first_packet_does_not_make_the_others_early() {
    let mut call = Call::known(8000);
    call.talk(1, ms(150));
    call.talk(10, ms(10));
    call.talk(10, ms(55));
    assert_eq!(call.counts().discarded, [10, 0, 0, 0]);
}

/// An hour of clocks that run apart, as fast as bad ones do.
#[test]
fn drifting_clocks_discard_nothing_and_keep_their_rate() {
    for hint in [None, Some(48_000)] {
        for drift in [200e-6, -200e-6] {
            let mut call = Call::new(48_000, hint);
            for packet in 0..180_000_u32 {
                call.send(ms(10));
                call.timestamp = call.timestamp.wrapping_add(960);
                call.sent = START + ms(20).mul_f64(f64::from(packet + 1) * (1.0 + drift));
                if packet % 500 == 499 {
                    call.stream().take_interval();
                }
            }
            assert_eq!(call.stream().clock_rate(), Some(48_000));
            let counts = call.counts();
            assert_eq!((counts.lost, counts.discarded), (0, [0; 4]));
            assert!(counts.timed > 179_000, "{}", counts.timed);
            assert!(call.jitter() < Duration::from_micros(5));
        }
    }
}

#[test]
fn a_clock_is_inferred_and_jitter_begins_with_it() {
    for rate in [8000, 16_000, 48_000, 90_000] {
        let mut call = Call::new(rate, None);
        call.talk(90, ms(5));
        assert_eq!((call.stream().clock_rate(), call.stream().jitter()), (None, None));
        assert_eq!(call.counts().timed, 0);
        call.talk(600, ms(5));
        assert_eq!(call.stream().clock_rate(), Some(rate));
        assert!(call.jitter() < Duration::from_nanos(10));
    }
}

#[test]
fn a_clock_that_is_told_later_ends_the_search() {
    let mut call = Call::new(16_000, None);
    call.talk(20, ms(5));
    call.hint = Some(16_000);
    call.talk(20, ms(5));
    assert_eq!((call.stream().clock_rate(), call.counts().timed), (Some(16_000), 20));
}

/// Payload types are agreed upon call by call: a number may stand for something else than it usually does.
#[test]
fn a_clock_that_arrivals_refute_is_not_kept() {
    let mut call = Call::new(90_000, Some(48_000));
    call.talk(490, ms(5));
    assert_eq!(call.stream().clock_rate(), Some(48_000), "not before ten seconds");
    call.talk(100, ms(5));
    assert_eq!(call.stream().clock_rate(), Some(90_000));
    call.stream().take_interval();
    call.talk(300, ms(5));
    let heard = call.stream().take_interval();
    assert!(heard.jitter.unwrap().last < Duration::from_micros(1), "{heard:?}");
    assert_eq!(heard.counts.discarded, [0; 4]);
    // Another one is believed again, and after it the first.
    for rate in [8000, 48_000] {
        call.hint = Some(rate);
        call.talk(1, ms(5));
        assert_eq!(call.stream().clock_rate(), Some(rate));
    }
}

#[test]
fn a_clock_that_nearly_fits_is_kept() {
    let mut call = Call::new(44_100, Some(48_000));
    call.talk(1000, ms(5));
    assert_eq!(call.stream().clock_rate(), Some(48_000));
}

#[test]
fn arrivals_that_step_back_harm_nothing() {
    let mut call = Call::known(8000);
    call.talk(10, ms(100));
    call.talk(10, ms(0));
    call.sent = Time::ZERO;
    call.talk(10, ms(0));
    assert_eq!(call.counts().received, 30);
}

/// Delays in microseconds, and whether each packet is lost.
fn delays() -> impl Strategy<Value = Vec<(u64, bool)>> {
    let delay = prop_oneof![8 => 0..30_000_u64, 1 => 0..300_000_u64];
    prop::collection::vec((delay, prop::bool::weighted(0.05)), 2..400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn jitter_is_that_of_appendix_a_8(delays in delays(), rate in prop::sample::select(vec![8000, 16_000, 48_000, 90_000])) {
        let mut call = Call::known(rate);
        for (delay, lost) in delays {
            let packet = call.packet(Duration::from_micros(delay));
            if !lost || call.stream.is_none() {
                call.arrive(packet);
            }
            call.pass(ms(20));
        }
        let (jitter, straight) = (call.stream().jitter(), call.straight_jitter());
        prop_assert!(is_near(jitter.unwrap_or_default(), straight), "{jitter:?} {straight}");
    }

    #[test]
    fn discards_are_those_of_the_least_delay_so_far(delays in delays()) {
        let mut call = Call::known(8000);
        let mut least = u64::MAX;
        let mut expected = [0; 4];
        for (delay, lost) in delays {
            let packet = call.packet(Duration::from_micros(delay));
            if !lost {
                call.arrive(packet);
                least = least.min(delay);
                for (count, depth) in expected.iter_mut().zip(DEPTHS) {
                    *count += u64::from(Duration::from_micros(delay - least) > depth);
                }
            }
            call.pass(ms(20));
        }
        if call.stream.is_some() {
            prop_assert_eq!(call.counts().discarded, expected);
        }
    }
}
