//! A week of three relays with random faults: no relay that cannot carry calls stays announced, none that can stays
//! unannounced, and with a last resort somebody always is.

use std::time::Duration;

use super::lab::{Lab, MS, SECOND, check, plain};
use crate::announce::health::{CheckSettings, Damping, OnDown, Verdict};
use crate::announce::{Input, Settings};
use crate::time::Time;

const RELAYS: usize = 3;
const WEEK: Duration = Duration::from_secs(7 * 86_400);
const LAST_RESORT: u32 = 61_200;

/// Of the checks below: a run may just have begun, two more of them fail, and the news travels.
const DETECTION: Duration = Duration::from_millis(60_000 + 2 * 500 + 10);
/// Until the router gives a session up of which it hears nothing. One second for what was on its way.
const HOLD: Duration = Duration::from_secs(181);
/// Until a relay that is well and can be reached is announced as such: the router gives up what it believes to be a
/// session, ours is tried again a minute later at the latest, and damping has to end.
const RETURN: Duration = Duration::from_secs(180 + 60 + 240 + 60);
/// The same without damping and checks, until something is announced at all.
const RECONNECTION: Duration = Duration::from_secs(180 + 60 + 15);

/// SplitMix64: the whole week follows from the seed.
struct Chance(u64);

impl Chance {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// Most are short and a few are long.
    fn duration(&mut self, longest: Duration) -> Duration {
        let share = self.below(1000) + 1;
        longest.mul_f64((share as f64 / 1000.0).powi(3))
    }
}

/// What may go wrong with one relay, and how it ends.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// A check answers so, or not at all.
    Check(usize, Option<Verdict>),
    /// One check changes its mind every half second.
    Flapping(u8),
    Killed,
    Frozen,
    Cut,
    Drained,
}

/// Since when something has been so, without a break.
#[derive(Clone, Copy, Default)]
struct Since(Option<Time>);

impl Since {
    fn note(&mut self, now: Time, holds: bool) {
        self.0 = if holds { self.0.or(Some(now)) } else { None };
    }

    fn lasts(self, now: Time, longer_than: Duration) -> bool {
        self.0.is_some_and(|since| now.since(since) > longer_than)
    }
}

/// What is true of a relay, whatever it and the router believe.
#[derive(Clone, Copy, Default)]
struct Truth {
    /// Of each check: one that fails while another passes again is detected by itself.
    unfit: [Since; 2],
    well: Since,
    clear: Since,
    cut: Since,
    silent: Since,
}

struct Fleet {
    lab: Lab,
    chance: Chance,
    on_down: OnDown,
    truths: [Truth; RELAYS],
    /// What ends when, by relay.
    faults: Vec<(Time, usize, Fault)>,
    next_fault: Time,
    /// Times and ways in which something went wrong.
    count: usize,
}

fn settings(on_down: OnDown) -> Settings {
    let slow = |name| CheckSettings { interval: 60 * SECOND, ..check(name) };
    let mut settings = plain(vec![slow("self-test"), slow("workers")]);
    settings.bgp.neighbors[0].hold = HOLD - SECOND;
    settings.health.on_down = on_down;
    settings.health.hold_up = 5 * SECOND;
    settings.health.hold_down = 10 * SECOND;
    settings.health.damping = Some(Damping::default());
    settings
}

impl Fleet {
    fn new(seed: u64, on_down: OnDown) -> Self {
        let settings = (0..RELAYS).map(|_| settings(on_down)).collect();
        let mut lab = Lab::new(settings);
        lab.router.hold = 180;
        lab.run(30 * SECOND);
        let next_fault = lab.now.time;
        let truths = [Truth::default(); RELAYS];
        Self { lab, chance: Chance(seed), on_down, truths, faults: Vec::new(), next_fault, count: 0 }
    }

    fn run(&mut self, by: Duration) {
        let end = self.lab.now.time + by;
        while self.lab.now.time < end {
            self.lab_until_next();
            self.end_faults();
            if self.next_fault <= self.lab.now.time {
                self.break_something();
                self.next_fault = self.lab.now.time + self.chance.duration(1200 * SECOND);
            }
            self.judge();
        }
    }

    /// To the next thing that happens, by itself or by us.
    fn lab_until_next(&mut self) {
        let ours = self.faults.iter().map(|fault| fault.0).chain([self.next_fault]).min();
        let ours = ours.unwrap_or(Time::MAX);
        let next = self.lab.next();
        if next <= ours {
            self.lab.step_to(next);
        } else {
            self.lab.set_time(ours.max(self.lab.now.time));
        }
    }

    fn break_something(&mut self) {
        self.count += 1;
        let relay = usize::try_from(self.chance.below(RELAYS as u64)).unwrap();
        let check = usize::try_from(self.chance.below(2)).unwrap();
        // Faults of all relays at once are what the last resort is for.
        if self.chance.below(10) == 0 {
            let until = self.lab.now.time + self.chance.duration(1800 * SECOND);
            for relay in 0..RELAYS {
                self.begin(until, relay, Fault::Check(check, Some(Verdict::Bad)));
            }
            return;
        }
        let now = self.lab.now.time;
        let (fault, longest) = match self.chance.below(13) {
            0..3 => (Fault::Check(check, Some(Verdict::Bad)), 900 * SECOND),
            3 => (Fault::Check(check, None), 900 * SECOND),
            4 => (Fault::Check(check, Some(Verdict::Poor)), 900 * SECOND),
            5 => (Fault::Flapping(120), 500 * MS),
            6 => (Fault::Killed, 300 * SECOND),
            7 => (Fault::Frozen, 150 * SECOND),
            8 => (Fault::Cut, 200 * SECOND),
            9 => (Fault::Drained, 900 * SECOND),
            10 => return self.restart_router(),
            11 => return self.tell(relay, Input::Reload(Box::new(settings(self.on_down)))),
            _ => return self.tell(relay, Input::CheckNow),
        };
        let until = now + self.chance.duration(longest);
        self.begin(until, relay, fault);
    }

    /// Nobody is to blame for what it has forgotten.
    fn restart_router(&mut self) {
        self.truths.iter_mut().for_each(|truth| truth.clear = Since::default());
        self.lab.restart_router();
    }

    fn tell(&mut self, relay: usize, input: Input<'_>) {
        let told = &self.lab.relays[relay];
        if told.is_running() && !told.is_frozen() {
            self.lab.tell(relay, input);
        }
    }

    fn begin(&mut self, until: Time, relay: usize, fault: Fault) {
        match fault {
            Fault::Check(check, answer) => self.lab.say(relay, check, answer),
            Fault::Flapping(_) => self.lab.say(relay, 0, Some(Verdict::Bad)),
            Fault::Killed if self.lab.relays[relay].is_running() => self.lab.kill(relay),
            Fault::Killed => return,
            Fault::Frozen => self.lab.freeze(relay, true),
            Fault::Cut => self.lab.cut(relay, true),
            Fault::Drained => self.tell(relay, Input::Drain(true)),
        }
        self.faults.push((until, relay, fault));
    }

    fn end_faults(&mut self) {
        let now = self.lab.now.time;
        let (over, rest) = std::mem::take(&mut self.faults).into_iter().partition(|fault| fault.0 <= now);
        self.faults = rest;
        for (_, relay, fault) in over {
            match fault {
                Fault::Check(check, _) => self.lab.say(relay, check, Some(Verdict::Good)),
                Fault::Flapping(0) => self.lab.say(relay, 0, Some(Verdict::Good)),
                Fault::Flapping(left) => {
                    let bad = left % 2 == 0;
                    self.lab.say(relay, 0, Some(if bad { Verdict::Bad } else { Verdict::Good }));
                    self.faults.push((now + 500 * MS, relay, Fault::Flapping(left - 1)));
                }
                Fault::Killed => self.lab.start(relay),
                Fault::Frozen => self.lab.freeze(relay, false),
                Fault::Cut => self.lab.cut(relay, false),
                Fault::Drained => self.tell(relay, Input::Drain(false)),
            }
        }
    }

    /// What must hold at any time.
    fn judge(&mut self) {
        let now = self.lab.now.time;
        for place in 0..RELAYS {
            let relay = &self.lab.relays[place];
            let truth = &mut self.truths[place];
            for (unfit, answer) in truth.unfit.iter_mut().zip(&relay.answers) {
                unfit.note(now, !matches!(answer, Some(Verdict::Good | Verdict::Poor)));
            }
            truth.well.note(now, relay.is_well() && relay.is_running());
            truth.clear.note(now, relay.is_clear());
            truth.cut.note(now, relay.is_cut());
            truth.silent.note(now, !relay.is_clear() && !relay.is_cut());
        }
        for place in 0..RELAYS {
            self.judge_relay(place);
        }
        if self.on_down == OnDown::LastResort
            && self.truths.iter().any(|truth| truth.clear.lasts(now, RECONNECTION))
        {
            let announced = (0..RELAYS).any(|place| self.lab.router.med(place).is_some());
            assert!(announced, "nothing is announced, {}", self.place_in_time());
        }
    }

    fn judge_relay(&self, place: usize) {
        let (now, truth, told) = (self.lab.now.time, self.truths[place], self.lab.router.med(place));
        let is_preferred = told.is_some_and(|med| med < LAST_RESORT);
        let is_unfit = truth.unfit.iter().any(|unfit| unfit.lasts(now, DETECTION));
        let is_noticed = is_unfit && truth.clear.lasts(now, DETECTION);
        assert!(
            !(is_preferred && is_noticed),
            "relay {place} is unfit and announced, {}",
            self.place_in_time()
        );
        if self.on_down == OnDown::Withdraw {
            assert!(!(told.is_some() && is_noticed), "relay {place} is down and announced");
        }
        // A cable that is mended brings what was sent before.
        let is_lost = truth.cut.lasts(now, HOLD) || truth.silent.lasts(now, HOLD);
        assert!(
            !(told.is_some() && is_lost),
            "relay {place} is gone and announced, {}",
            self.place_in_time()
        );
        if truth.well.lasts(now, RETURN) && truth.clear.lasts(now, RETURN) {
            assert!(is_preferred, "relay {place} is well and not announced, {}", self.place_in_time());
        }
        if self.on_down == OnDown::LastResort && truth.clear.lasts(now, RECONNECTION) {
            assert!(told.is_some(), "relay {place} announces nothing, {}", self.place_in_time());
        }
    }

    fn place_in_time(&self) -> String {
        let states = self.lab.relays.iter().map(|relay| {
            let view = relay.announcer.view(self.lab.now);
            let neighbor = &view.neighbors[0];
            (view.health.state, view.health.reasons, neighbor.state, neighbor.last_failure.clone())
        });
        let states: Vec<_> = states.collect();
        format!("after {:?}: {states:#?}, faults {:?}", self.lab.elapsed(), self.faults)
    }
}

fn spend_a_week(seed: u64, on_down: OnDown) -> Fleet {
    let mut fleet = Fleet::new(seed, on_down);
    fleet.run(WEEK);
    // It was a week worth living through.
    assert!(fleet.count > 1000 && fleet.lab.router.updates > 500, "{} faults", fleet.count);
    fleet
}

#[test]
fn in_a_week_of_faults_no_unfit_relay_stays_announced() {
    spend_a_week(1, OnDown::Withdraw);
}

#[test]
fn in_a_week_of_faults_with_a_last_resort_somebody_is_always_announced() {
    spend_a_week(2, OnDown::LastResort);
}
