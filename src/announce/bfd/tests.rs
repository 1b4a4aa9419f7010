//! Two sessions on a simulated link, in virtual time.

use std::collections::BTreeMap;

use super::*;
use crate::announce::dice::Dice;
use crate::time::{Now, Time, UnixTime};
use crate::wire::bfd::Diagnostic;

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn at(time: Time) -> Now {
    Now { time, unix: UnixTime(time.as_nanos() / 1_000_000_000) }
}

fn fast(interval: u64, multiplier: u8) -> Settings {
    Settings { transmit: millis(interval), receive: millis(interval), multiplier }
}

const START: Time = Time::from_secs(1000);

/// Two sessions, what is on the way between them, and all that each has sent and changed.
struct Pair {
    now: Time,
    ends: [Session; 2],
    /// By arrival; the number makes keys of one instant differ.
    flying: BTreeMap<(Time, u64), (usize, Packet)>,
    number: u64,
    latency: Duration,
    /// Percent of packets lost on the way to each end.
    loss: [u32; 2],
    dice: Dice,
    sent: [Vec<(Time, Packet)>; 2],
    changes: [Vec<(Time, Change)>; 2],
}

impl Pair {
    fn new(settings: [Settings; 2], seed: u64) -> Self {
        let [one, other] = settings;
        let start = at(START);
        let mut pair = Self {
            now: START,
            ends: [Session::new(start, one, 0x11, seed), Session::new(start, other, 0x22, seed + 1)],
            flying: BTreeMap::new(),
            number: 0,
            latency: millis(1),
            loss: [0; 2],
            dice: Dice::new(seed + 2),
            sent: [Vec::new(), Vec::new()],
            changes: [Vec::new(), Vec::new()],
        };
        for end in 0..2 {
            pair.tell(end, Input::Healthy(true));
        }
        pair
    }

    fn up(settings: [Settings; 2]) -> Self {
        let mut pair = Self::new(settings, 7);
        pair.run(Duration::from_secs(5));
        assert_eq!(pair.states(), [State::Up, State::Up]);
        pair
    }

    fn states(&self) -> [State; 2] {
        [self.ends[0].state(), self.ends[1].state()]
    }

    fn tell(&mut self, end: usize, input: Input<'_>) {
        self.ends[end].handle(at(self.now), input);
        while let Some(action) = self.ends[end].poll() {
            match action {
                Action::Change(change) => self.changes[end].push((self.now, change)),
                Action::Send(bytes) => self.carry(end, Packet::parse(&bytes).unwrap()),
            }
        }
    }

    fn carry(&mut self, from: usize, packet: Packet) {
        self.sent[from].push((self.now, packet));
        let to = 1 - from;
        let lost = self.dice.share(Duration::from_secs(1), 0, 100) < millis(10) * self.loss[to];
        if !lost {
            self.number += 1;
            self.flying.insert((self.now + self.latency, self.number), (to, packet));
        }
    }

    /// Goes from wake-up to wake-up.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let arrival = self.flying.keys().next().map(|(time, _)| *time);
            let deadlines = self.ends.iter().filter_map(Session::deadline);
            let Some(next) = deadlines.chain(arrival).min().filter(|next| *next <= end) else { break };
            assert!(next >= self.now || arrival.is_none_or(|arrival| arrival >= self.now));
            self.now = self.now.max(next);
            if let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (to, packet) = entry.remove();
                self.tell(to, Input::Packet(&packet));
            } else {
                (0..2).for_each(|end| self.tell(end, Input::Tick));
            }
        }
        self.now = end;
    }

    /// The packets that `end` sent in the last `time`.
    fn lately(&self, end: usize, time: Duration) -> Vec<(Time, Packet)> {
        let since = self.now - time;
        self.sent[end].iter().filter(|(at, _)| *at > since).copied().collect()
    }
}

fn gaps(sent: &[(Time, Packet)]) -> Vec<Duration> {
    sent.windows(2).map(|pair| pair[1].0.since(pair[0].0)).collect()
}

#[test]
fn two_ends_find_each_other_and_agree_on_the_slower_of_each_pair() {
    let one = Settings { transmit: millis(50), receive: millis(200), multiplier: 3 };
    let other = Settings { transmit: millis(100), receive: millis(80), multiplier: 5 };
    let pair = Pair::up([one, other]);
    let [first, second] = [pair.ends[0].view(), pair.ends[1].view()];
    assert_eq!((first.interval, second.interval), (Some(millis(80)), Some(millis(200))));
    assert_eq!((first.detection, second.detection), (Some(millis(5 * 200)), Some(millis(3 * 80))));
    assert_eq!((first.remote_discriminator, second.remote_discriminator), (0x22, 0x11));
    assert_eq!((first.counts.ups, first.counts.downs), (1, 0));
}

#[test]
fn before_it_is_up_a_session_sends_once_a_second_with_jitter() {
    let mut pair = Pair::new([fast(50, 3); 2], 3);
    pair.loss = [100; 2];
    pair.flying.clear();
    pair.run(Duration::from_secs(300));
    let gaps = gaps(&pair.sent[0]);
    assert!(gaps.iter().all(|gap| (millis(750)..=millis(1000)).contains(gap)));
    let mean = gaps.iter().sum::<Duration>() / u32::try_from(gaps.len()).unwrap();
    assert!((millis(860)..millis(890)).contains(&mean), "{mean:?}");
    assert!(pair.sent[0].iter().all(|(_, packet)| packet.transmit == 1_000_000 && packet.yours == 0));
    assert!(pair.changes[0].is_empty());
}

#[test]
fn periodic_packets_are_early_by_up_to_a_quarter_and_with_one_miss_by_a_tenth_at_least() {
    for (multiplier, least, most) in [(3, 75, 100), (1, 75, 90)] {
        let mut pair = Pair::up([fast(100, multiplier); 2]);
        pair.run(Duration::from_secs(100));
        let gaps = gaps(&pair.lately(0, Duration::from_secs(100)));
        assert!(gaps.len() > 1000);
        assert!(gaps.iter().all(|gap| (millis(least)..=millis(most)).contains(gap)), "{multiplier}");
        assert!(
            gaps.iter().any(|gap| *gap < millis(least + 1)) && gaps.iter().any(|gap| *gap > millis(most - 1))
        );
    }
}

#[test]
fn silence_takes_a_session_down_at_the_detection_time_and_not_a_tick_before() {
    let mut pair = Pair::up([fast(50, 3); 2]);
    let session = &mut pair.ends[0];
    let expiry = session.view().heard.unwrap() + millis(150);
    session.handle(at(expiry - Duration::from_nanos(1)), Input::Tick);
    assert_eq!(session.state(), State::Up);
    while session.poll().is_some() {}
    assert!(session.deadline() <= Some(expiry));
    session.handle(at(expiry), Input::Tick);
    let reason = Reason::Silence(millis(150));
    let change = Change { previous: State::Up, state: State::Down, reason };
    assert_eq!(session.poll(), Some(Action::Change(change)));
    assert!(change.is_failure());
    let Some(Action::Send(bytes)) = session.poll() else { panic!("the neighbor is told at once") };
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!((packet.state, packet.yours, packet.poll), (State::Down, 0, false));
    assert_eq!((packet.diagnostic, packet.transmit), (Diagnostic::DETECTION_TIME_EXPIRED, 1_000_000));
}

#[test]
fn a_packet_a_tick_before_the_detection_time_is_in_time_and_one_at_it_is_not() {
    for (early, state) in [(1, State::Up), (0, State::Down)] {
        let mut pair = Pair::up([fast(50, 3); 2]);
        let packet = pair.sent[1].last().unwrap().1;
        let session = &mut pair.ends[0];
        let expiry = session.view().heard.unwrap() + millis(150);
        session.handle(at(expiry - Duration::from_nanos(early)), Input::Packet(&packet));
        assert_eq!(session.state(), state);
    }
}

#[test]
fn the_end_that_still_hears_goes_down_by_what_the_other_says() {
    let mut pair = Pair::up([fast(50, 3); 2]);
    pair.loss[0] = 100;
    pair.run(millis(200));
    assert_eq!(pair.changes[0].last().unwrap().1.reason, Reason::Silence(millis(150)));
    let (when, change) = *pair.changes[1].last().unwrap();
    assert_eq!(change.reason, Reason::Neighbor(Diagnostic::DETECTION_TIME_EXPIRED));
    assert_eq!(when, pair.changes[0].last().unwrap().0 + pair.latency);
    assert!(change.is_failure());
}

#[test]
fn an_unhealthy_data_path_takes_the_session_down_at_once_and_holds_it() {
    let mut pair = Pair::up([fast(100, 3); 2]);
    pair.tell(0, Input::Healthy(false));
    let packet = pair.sent[0].last().unwrap();
    assert_eq!((packet.0, packet.1.state), (pair.now, State::Down));
    assert_eq!(packet.1.diagnostic, Diagnostic::FORWARDING_PLANE_RESET);
    pair.run(Duration::from_secs(60));
    assert_eq!(pair.states()[0], State::Down);
    assert_eq!(pair.changes[0].last().unwrap().1.reason, Reason::Unhealthy);
    let seen = pair.changes[1].iter().filter(|(_, change)| change.state == State::Up).count();
    assert_eq!(seen, 1, "the neighbor must not see it up before it is healthy");
    let still = pair.lately(0, Duration::from_secs(30));
    assert!(still.iter().all(|(_, packet)| packet.state == State::Down));
    assert!(still.iter().all(|(_, packet)| packet.diagnostic == Diagnostic::FORWARDING_PLANE_RESET));
    pair.tell(0, Input::Healthy(true));
    pair.run(Duration::from_secs(3));
    assert_eq!(pair.states(), [State::Up, State::Up]);
}

#[test]
fn a_session_is_down_until_the_data_path_is_first_said_to_be_healthy() {
    let mut session = Session::new(at(START), fast(50, 3), 1, 1);
    for state in [State::Down, State::Init, State::Up, State::Down, State::Init] {
        let packet = Packet { state, multiplier: 3, mine: 9, yours: 1, receive: 1, ..Packet::default() };
        session.handle(at(START), Input::Packet(&packet));
        assert_eq!(session.state(), State::Down);
    }
}

#[test]
fn an_operators_stop_is_told_at_once_and_is_no_failure() {
    let mut pair = Pair::up([fast(50, 3); 2]);
    pair.tell(0, Input::Stop);
    pair.run(Duration::from_secs(10));
    assert_eq!(pair.states(), [State::AdminDown, State::Down]);
    let ours = pair.changes[0].last().unwrap().1;
    let theirs = pair.changes[1].iter().find(|(_, change)| change.previous == State::Up).unwrap().1;
    assert_eq!((ours.reason, theirs.reason), (Reason::Stopped, Reason::NeighborStopped));
    assert!(!ours.is_failure() && !theirs.is_failure());
    let told = pair.sent[0].iter().find(|(_, packet)| packet.state == State::AdminDown).unwrap();
    assert_eq!(told.1.diagnostic, Diagnostic::ADMINISTRATIVELY_DOWN);
    // Slowly, in case that the first was lost.
    let after = pair.lately(0, Duration::from_secs(10));
    assert!((10..=15).contains(&after.len()), "{}", after.len());
}

#[test]
fn a_poll_is_answered_at_once_and_an_answer_is_no_poll() {
    let mut pair = Pair::up([fast(100, 3); 2]);
    let before = pair.ends[0].deadline();
    let poll = Packet { poll: true, ..pair.sent[1].last().unwrap().1 };
    pair.tell(0, Input::Packet(&poll));
    let (when, answer) = *pair.sent[0].last().unwrap();
    assert_eq!((when, answer.last, answer.poll), (pair.now, true, false));
    // The periodic packets go on as they would have.
    assert_eq!(pair.ends[0].deadline(), before);
}

#[test]
fn coming_up_is_proven_by_a_poll_that_ends_with_its_answer() {
    let pair = Pair::up([fast(50, 3); 2]);
    for sent in &pair.sent {
        assert!(sent.iter().any(|(_, packet)| packet.poll));
        assert!(sent.iter().any(|(_, packet)| packet.last));
        assert!(sent.iter().all(|(_, packet)| !(packet.poll && packet.last)));
    }
    let polls = |end: usize| pair.lately(end, Duration::from_secs(2)).iter().any(|(_, packet)| packet.poll);
    assert!(!polls(0) && !polls(1));
}

#[test]
fn a_lost_poll_is_repeated() {
    let mut pair = Pair::up([fast(100, 10); 2]);
    pair.loss[1] = 100;
    pair.tell(0, Input::Reload(fast(200, 10)));
    pair.run(millis(700));
    assert!(pair.lately(0, millis(700)).iter().all(|(_, packet)| packet.poll));
    pair.loss[1] = 0;
    pair.run(millis(300));
    assert!(!pair.ends[0].is_polling());
    assert_eq!(pair.states(), [State::Up, State::Up]);
}

#[test]
fn sending_slower_waits_for_the_answer_and_sending_faster_does_not() {
    let mut pair = Pair::up([fast(50, 3); 2]);
    pair.latency = millis(60);
    pair.run(Duration::from_secs(1));
    pair.tell(0, Input::Reload(fast(400, 3)));
    assert_eq!(pair.sent[0].last().unwrap().1.transmit, 400_000);
    assert_eq!(pair.ends[0].view().interval, Some(millis(50)));
    pair.run(millis(119));
    assert_eq!(pair.ends[0].view().interval, Some(millis(50)));
    pair.run(millis(1));
    assert_eq!(pair.ends[0].view().interval, Some(millis(400)));
    assert_eq!(pair.ends[1].view().detection, Some(millis(1200)));
    pair.tell(0, Input::Reload(fast(50, 3)));
    assert_eq!(pair.ends[0].view().interval, Some(millis(50)));
    pair.run(Duration::from_secs(60));
    assert_eq!((pair.ends[0].view().counts.downs, pair.ends[1].view().counts.downs), (0, 0));
}

#[test]
fn less_patience_waits_for_the_answer() {
    let mut pair = Pair::up([fast(300, 3); 2]);
    pair.tell(1, Input::Reload(fast(50, 3)));
    pair.run(Duration::from_secs(3));
    pair.latency = millis(20);
    pair.run(Duration::from_secs(1));
    pair.tell(0, Input::Reload(fast(50, 3)));
    assert_eq!(pair.ends[0].view().detection, Some(millis(900)));
    pair.run(millis(39));
    assert_eq!(pair.ends[0].view().detection, Some(millis(900)));
    pair.run(millis(1));
    assert_eq!(pair.ends[0].view().detection, Some(millis(150)));
    pair.run(Duration::from_secs(60));
    assert_eq!(pair.ends[0].view().counts.downs, 0);
}

#[test]
fn the_answer_to_an_earlier_poll_does_not_prove_a_later_change() {
    let mut pair = Pair::up([fast(50, 3); 2]);
    pair.latency = millis(60);
    pair.run(Duration::from_secs(1));
    pair.tell(0, Input::Reload(fast(100, 3)));
    pair.run(millis(110));
    pair.tell(0, Input::Reload(fast(400, 3)));
    pair.run(millis(12));
    assert!(pair.ends[0].is_polling());
    assert_eq!(pair.ends[0].view().interval, Some(millis(50)));
    pair.run(Duration::from_secs(60));
    assert_eq!(pair.ends[0].view().interval, Some(millis(400)));
    assert_eq!((pair.ends[0].view().counts.downs, pair.ends[1].view().counts.downs), (0, 0));
}

#[test]
fn nothing_periodic_is_sent_to_a_neighbor_that_wants_nothing() {
    let quiet: [fn(&mut Packet); 2] = [|packet| packet.receive = 0, |packet| packet.demand = true];
    for make_quiet in quiet {
        let mut pair = Pair::up([fast(50, 3); 2]);
        let mut packet = pair.sent[1].last().unwrap().1;
        make_quiet(&mut packet);
        pair.ends[0].handle(at(pair.now), Input::Packet(&packet));
        let expiry = pair.ends[0].view().heard.unwrap() + millis(150);
        assert_eq!(pair.ends[0].deadline(), Some(expiry));
        assert_eq!(pair.ends[0].poll(), None);
    }
}

#[test]
fn packets_of_another_session_are_counted_and_change_nothing() {
    let mut pair = Pair::up([fast(50, 3); 2]);
    let packet = Packet { yours: 0x33, state: State::Down, ..pair.sent[1].last().unwrap().1 };
    let before = pair.ends[0].view();
    pair.tell(0, Input::Packet(&packet));
    let after = pair.ends[0].view();
    assert_eq!((after.state, after.counts.ignored), (State::Up, 1));
    assert_eq!((after.heard, after.remote_state), (before.heard, before.remote_state));
}

#[test]
fn a_neighbor_that_restarts_is_met_anew() {
    let mut pair = Pair::up([fast(50, 3); 2]);
    pair.ends[1] = Session::new(at(pair.now), fast(50, 3), 0x44, 1);
    pair.tell(1, Input::Healthy(true));
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.states(), [State::Up, State::Up]);
    assert_eq!(pair.ends[0].view().remote_discriminator, 0x44);
    assert_eq!(pair.ends[0].view().counts.downs, 1);
}

#[test]
fn a_link_that_loses_one_packet_in_ten_keeps_sessions_up_and_one_that_loses_all_takes_them_down() {
    for seed in 0..8 {
        let mut pair = Pair::new([fast(50, 5), fast(80, 5)], seed * 1000);
        pair.loss = [10; 2];
        pair.run(Duration::from_secs(300));
        let downs = pair.ends[0].view().counts.downs;
        // 6,000 packets, of which five in a row must be lost.
        assert!(downs <= 2, "{downs} with seed {seed}");
        pair.loss = [100; 2];
        pair.run(millis(600));
        assert_eq!(pair.states(), [State::Down, State::Down]);
        pair.loss = [0; 2];
        pair.run(Duration::from_secs(5));
        assert_eq!(pair.states(), [State::Up, State::Up]);
    }
}

#[test]
fn silly_settings_become_the_nearest_that_can_be_said() {
    let silly = Settings { transmit: Duration::ZERO, receive: Duration::ZERO, multiplier: 0 };
    let settings = Session::new(at(START), silly, 1, 1).view().settings;
    assert_eq!(settings, fast(1, 1));
    let slow = Settings { transmit: Duration::MAX, receive: Duration::MAX, multiplier: 255 };
    let mut pair = Pair::new([slow, fast(50, 3)], 1);
    pair.run(Duration::from_secs(20_000));
    assert_eq!(pair.states(), [State::Up, State::Up]);
}
