//! The monitor in virtual time: checks answer as the test says, after a latency.

use std::time::Duration;

use super::*;
use crate::announce::{CheckId, Event, Level as Loudness};
use crate::time::{Time, UnixTime};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// What a check answers from now on; `None` is silence.
type Answer = Option<Verdict>;

struct Bench {
    now: Now,
    monitor: Monitor,
    answers: Vec<Answer>,
    latency: Duration,
    pending: Vec<(Time, CheckId, u32, Verdict)>,
    runs: Vec<(Duration, u16)>,
    changes: Vec<Transition>,
    events: Vec<Event>,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        let now = Now { time: Time::from_secs(1000), unix: UnixTime(0) };
        Self {
            now,
            answers: vec![Some(Verdict::Good); settings.checks.len()],
            monitor: Monitor::new(now, settings),
            latency: MS,
            pending: Vec::new(),
            runs: Vec::new(),
            changes: Vec::new(),
            events: Vec::new(),
        }
    }

    /// A relay that has come up, with nothing left of how it did.
    fn healthy(settings: Settings) -> Self {
        let mut bench = Self::new(settings);
        bench.run(SECOND * 60);
        assert_eq!(bench.monitor.state(), State::Healthy);
        bench.changes.clear();
        bench.runs.clear();
        bench.events.clear();
        bench
    }

    fn elapsed(&self) -> Duration {
        self.now.time.since(Time::from_secs(1000))
    }

    fn drain_outputs(&mut self) {
        while let Some(output) = self.monitor.poll() {
            match output {
                Output::Run { check, run, .. } => {
                    self.runs.push((self.elapsed(), check.0));
                    if let Some(verdict) = self.answers[usize::from(check.0)] {
                        self.pending.push((self.now.time + self.latency, check, run, verdict));
                    }
                }
                Output::Changed(transition) => self.changes.push(transition),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    fn run(&mut self, by: Duration) {
        let until = self.now.time + by;
        self.monitor.advance(self.now);
        loop {
            self.drain_outputs();
            let report = self.pending.iter().map(|pending| pending.0).min();
            let wake = self.monitor.deadline().into_iter().chain(report).min().unwrap_or(Time::MAX);
            if wake > until {
                break;
            }
            assert!(wake >= self.now.time, "a deadline in the past");
            self.now = self.now.after(wake.since(self.now.time));
            match self.pending.iter().position(|pending| pending.0 <= self.now.time) {
                Some(place) => {
                    let (_, check, run, verdict) = self.pending.swap_remove(place);
                    self.monitor.report(self.now, check, run, Report::new(verdict, "said so"));
                }
                None => self.monitor.advance(self.now),
            }
        }
        self.now = self.now.after(until.since(self.now.time));
    }

    fn say(&mut self, check: usize, answer: Answer) {
        self.answers[check] = answer;
    }

    fn states(&self) -> Vec<State> {
        self.changes.iter().map(|change| change.to).collect()
    }

    fn alerts(&self) -> Vec<&'static str> {
        let alerts = self.events.iter().filter(|event| event.level == Loudness::Warn);
        alerts.map(|event| event.text).collect()
    }
}

fn check(name: &str) -> CheckSettings {
    CheckSettings { name: name.into(), ..CheckSettings::default() }
}

/// Nothing but the checks delays a judgement.
fn plain(checks: Vec<CheckSettings>) -> Settings {
    Settings {
        checks,
        hold_up: Duration::ZERO,
        hold_down: Duration::ZERO,
        damping: None,
        ..Settings::default()
    }
}

fn view(bench: &Bench) -> HealthView {
    bench.monitor.view(bench.now)
}

#[test]
fn a_relay_is_down_until_every_check_has_risen_and_gets_there_fast() {
    let mut bench = Bench::new(plain(vec![check("a"), check("b")]));
    bench.run(400 * MS);
    assert_eq!(bench.monitor.state(), State::Down);
    assert_eq!(view(&bench).reasons, ["`a` is not yet checked", "`b` is not yet checked"]);
    assert!(!bench.monitor.is_known());
    bench.run(2 * MS);
    assert_eq!(bench.states(), [State::Healthy]);
    assert_eq!(bench.changes[0].reasons, ["all checks are good (2)"]);
    assert_eq!(
        bench.runs.iter().map(|run| run.0.as_millis()).collect::<Vec<_>>(),
        [0, 0, 200, 200, 400, 400]
    );
}

#[test]
fn a_relay_without_checks_is_healthy_at_once() {
    let mut bench = Bench::new(plain(Vec::new()));
    bench.run(MS);
    assert_eq!(bench.states(), [State::Healthy]);
    assert_eq!(bench.changes[0].reasons, ["there are no checks"]);
}

#[test]
fn a_relay_that_starts_unwell_stays_down_and_says_so_once() {
    let mut bench = Bench::new(plain(vec![check("a"), check("b")]));
    bench.say(0, Some(Verdict::Bad));
    bench.run(60 * SECOND);
    assert_eq!(bench.states(), []);
    assert_eq!(bench.alerts(), ["check failed", "relay does not come up"]);
    assert!(bench.monitor.is_known());
}

#[test]
fn a_light_check_that_fails_from_the_start_does_not_keep_the_relay_down() {
    let light = CheckSettings { weight: 10, ..check("light") };
    let mut bench = Bench::new(plain(vec![check("a"), light]));
    bench.say(1, Some(Verdict::Bad));
    bench.run(SECOND);
    assert_eq!(bench.states(), [State::Degraded]);
    assert_eq!((view(&bench).score, bench.alerts()), (10, Vec::new()));
    let failed = bench.events.iter().find(|event| event.text == "check failed").unwrap();
    assert_eq!(failed.level, Loudness::Info, "it cannot take the relay down alone");
}

#[test]
fn fall_reports_in_a_row_take_it_down_and_rise_bring_it_back() {
    let mut bench = Bench::healthy(plain(vec![check("a")]));
    let began = bench.elapsed();
    bench.say(0, Some(Verdict::Bad));
    bench.run(5 * SECOND);
    assert_eq!(bench.states(), [State::Down]);
    assert_eq!(
        bench.changes[0].reasons,
        ["`a` has failed: said so", "failed checks weigh 100, down from 100"]
    );
    let after = bench.changes[0].at.time.since(Time::from_secs(1000)) - began;
    assert!(after <= SECOND + 200 * MS + MS, "{after:?}");
    let before = bench.runs.iter().filter(|run| run.0 < began + after).count();
    assert_eq!(before, 2, "{:?}", bench.runs);

    bench.say(0, Some(Verdict::Good));
    let began = bench.now.time;
    bench.run(5 * SECOND);
    assert_eq!(bench.states(), [State::Down, State::Healthy]);
    assert_eq!(bench.changes[1].reasons, ["`a` is good again", "all checks are good (1)"]);
    assert!(bench.changes[1].at.time.since(began) <= SECOND + 400 * MS + MS);
}

#[test]
fn single_bad_reports_do_no_harm() {
    let mut bench = Bench::healthy(plain(vec![check("a")]));
    for _ in 0..20 {
        bench.say(0, Some(Verdict::Bad));
        bench.latency = Duration::ZERO;
        let runs = bench.runs.len();
        while bench.runs.len() == runs {
            bench.run(MS);
        }
        bench.say(0, Some(Verdict::Good));
        bench.run(SECOND);
    }
    assert_eq!(bench.states(), []);
}

#[test]
fn a_check_runs_faster_only_while_its_reports_contradict_what_it_counts_as() {
    let mut bench = Bench::healthy(plain(vec![check("a")]));
    bench.run(10 * SECOND);
    assert_eq!(bench.runs.len(), 10);
    bench.say(0, Some(Verdict::Bad));
    bench.run(10 * SECOND);
    let gaps: Vec<u128> = bench.runs.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_millis()).collect();
    assert_eq!(gaps.iter().filter(|gap| **gap == 200).count(), 1, "{gaps:?}");
    assert!(gaps.iter().all(|gap| *gap <= 1000), "{gaps:?}");
}

#[test]
fn checks_that_are_settled_do_not_run_at_the_same_time() {
    let mut bench = Bench::healthy(plain(vec![check("a"), check("b"), check("c"), check("d")]));
    bench.run(SECOND);
    let mut at: Vec<u128> = bench.runs.iter().map(|run| run.0.as_millis() % 1000).collect();
    at.sort_unstable();
    assert_eq!(at, [0, 250, 500, 750]);
}

#[test]
fn a_check_without_an_answer_is_bad_at_its_timeout_and_not_before() {
    let mut bench = Bench::healthy(plain(vec![CheckSettings { fall: 1, ..check("a") }]));
    bench.say(0, None);
    while bench.runs.is_empty() {
        bench.run(MS);
    }
    bench.run(499 * MS - (bench.elapsed() - bench.runs[0].0));
    assert_eq!(bench.monitor.state(), State::Healthy);
    bench.run(MS);
    assert_eq!(bench.monitor.state(), State::Down);
    assert_eq!(bench.changes[0].reasons[0], "`a` has failed: no answer within 500ms");
}

#[test]
fn an_answer_that_comes_too_late_or_to_a_run_nobody_asked_for_is_ignored() {
    let mut bench = Bench::healthy(plain(vec![CheckSettings { fall: 1, ..check("a") }]));
    bench.latency = 600 * MS;
    bench.run(5 * SECOND);
    assert_eq!(bench.monitor.state(), State::Down);
    assert_eq!(view(&bench).checks[0].last.as_ref().unwrap().verdict, Verdict::Bad);
    bench.monitor.report(bench.now, CheckId(0), 123_456, Report::new(Verdict::Good, ""));
    bench.monitor.report(bench.now, CheckId(7), 1, Report::new(Verdict::Good, ""));
    assert_eq!(view(&bench).checks[0].last.as_ref().unwrap().verdict, Verdict::Bad);
}

#[test]
fn a_poor_check_degrades_and_never_takes_down() {
    let mut bench = Bench::healthy(plain(vec![check("a"), check("b")]));
    bench.say(0, Some(Verdict::Poor));
    bench.say(1, Some(Verdict::Poor));
    bench.run(60 * SECOND);
    assert_eq!(bench.states(), [State::Degraded]);
    assert_eq!(view(&bench).reasons, ["`a` is poor: said so", "`b` is poor: said so"]);
    bench.say(0, Some(Verdict::Good));
    bench.say(1, Some(Verdict::Good));
    bench.run(60 * SECOND);
    assert_eq!(bench.states(), [State::Degraded, State::Healthy]);
}

#[test]
fn weights_add_up() {
    let light = |name| CheckSettings { weight: 50, ..check(name) };
    let mut bench = Bench::healthy(plain(vec![light("a"), light("b")]));
    bench.say(0, Some(Verdict::Bad));
    bench.run(10 * SECOND);
    assert_eq!((bench.states(), view(&bench).score), (vec![State::Degraded], 50));
    bench.say(1, Some(Verdict::Bad));
    bench.run(10 * SECOND);
    assert_eq!((bench.states(), view(&bench).score), (vec![State::Degraded, State::Down], 100));
}

#[test]
fn check_now_runs_all_at_once_and_again_after_a_run_that_was_under_way() {
    let mut bench = Bench::healthy(plain(vec![check("a"), check("b")]));
    bench.latency = 100 * MS;
    bench.run(10 * MS);
    bench.runs.clear();
    bench.monitor.check_now(bench.now);
    bench.drain_outputs();
    assert_eq!(bench.runs.len(), 2);
    bench.monitor.check_now(bench.now);
    bench.drain_outputs();
    assert_eq!(bench.runs.len(), 2, "two runs of one check at a time");
    bench.run(100 * MS);
    assert_eq!(bench.runs.len(), 4);
}

#[test]
fn down_is_never_delayed_and_lasts_for_its_minimum() {
    let mut settings = plain(vec![check("a")]);
    (settings.hold_up, settings.hold_down) = (30 * SECOND, 20 * SECOND);
    let mut bench = Bench::new(settings);
    bench.run(SECOND);
    assert_eq!(bench.states(), [State::Healthy], "the start is not held back");
    bench.say(0, Some(Verdict::Bad));
    bench.run(3 * SECOND);
    assert_eq!(bench.states(), [State::Healthy, State::Down]);
    let down = bench.changes[1].at.time;
    bench.say(0, Some(Verdict::Good));
    bench.run((down + 20 * SECOND - MS).since(bench.now.time));
    assert_eq!(bench.monitor.state(), State::Down);
    assert_eq!(view(&bench).reasons, ["all checks are good (1)", "a change waits for another 1 ms"]);
    bench.run(MS);
    assert_eq!(bench.monitor.state(), State::Healthy);
    let why = ["`a` is good again", "the minimum time has passed", "all checks are good (1)"];
    assert_eq!(bench.changes[2].reasons, why);
}

#[test]
fn changes_among_the_states_that_announce_keep_their_distance() {
    let mut settings = plain(vec![check("a")]);
    settings.hold_up = 30 * SECOND;
    let mut bench = Bench::healthy(settings);
    for _ in 0..60 {
        bench.say(0, Some(Verdict::Poor));
        bench.run(2 * SECOND);
        bench.say(0, Some(Verdict::Good));
        bench.run(3 * SECOND);
    }
    let apart: Vec<Duration> =
        bench.changes.windows(2).map(|pair| pair[1].at.time.since(pair[0].at.time)).collect();
    assert!(!apart.is_empty() && apart.iter().all(|apart| *apart >= 30 * SECOND), "{apart:?}");
}

/// Flips the only check every half second, for an hour.
fn flap_for_an_hour(damping: Option<Damping>, worse: Verdict) -> Bench {
    let hasty = CheckSettings {
        rise: 1,
        fall: 1,
        interval: 100 * MS,
        fast_interval: 100 * MS,
        timeout: 50 * MS,
        ..check("a")
    };
    let mut bench = Bench::healthy(Settings { damping, ..plain(vec![hasty]) });
    for _ in 0..3600 {
        bench.say(0, Some(worse));
        bench.run(500 * MS);
        bench.say(0, Some(Verdict::Good));
        bench.run(500 * MS);
    }
    bench
}

#[test]
fn an_hour_of_flapping_at_one_hertz_is_seven_changes() {
    assert_eq!(flap_for_an_hour(None, Verdict::Bad).changes.len(), 7200);
    let mut bench = flap_for_an_hour(Some(Damping::default()), Verdict::Bad);
    assert_eq!(bench.changes.len(), 7, "{:?}", bench.states());
    assert_eq!(bench.monitor.state(), State::Down);
    let told = |text| bench.alerts().iter().filter(|alert| **alert == text).count();
    assert_eq!((told("relay is down"), told("check failed")), (4, 4));
    assert_eq!(bench.alerts().len(), 4 + 4 + 1, "and that it flaps");
    assert!(view(&bench).reasons.last().unwrap().starts_with("it has flapped and must be calm for"));

    bench.run(239 * SECOND);
    assert_eq!(bench.monitor.state(), State::Down);
    bench.run(2 * SECOND);
    assert_eq!(bench.monitor.state(), State::Healthy, "four half-lives of calm are enough");
    let why = ["`a` is good again", "it has been calm for long enough", "all checks are good (1)"];
    assert_eq!(bench.changes.last().unwrap().reasons, why);
}

#[test]
fn flapping_between_healthy_and_degraded_is_damped_at_degraded() {
    let bench = flap_for_an_hour(Some(Damping::default()), Verdict::Poor);
    assert_eq!(bench.changes.len(), 15, "{:?}", bench.states());
    assert_eq!(bench.monitor.state(), State::Degraded);
}

#[test]
fn what_flaps_and_is_damped_still_goes_down() {
    let mut bench = flap_for_an_hour(Some(Damping::default()), Verdict::Poor);
    bench.say(0, Some(Verdict::Bad));
    bench.run(SECOND);
    assert_eq!(bench.monitor.state(), State::Down);
}

#[test]
fn by_hand_it_stands_by_as_degraded_until_it_is_let_back() {
    let mut settings = plain(vec![check("a")]);
    settings.fail_back = FailBack::Manual;
    let mut bench = Bench::healthy(settings);
    bench.say(0, Some(Verdict::Bad));
    bench.run(5 * SECOND);
    bench.monitor.fail_back(bench.now);
    bench.say(0, Some(Verdict::Good));
    bench.run(60 * SECOND);
    assert_eq!(bench.states(), [State::Down, State::Degraded], "nothing was there to let back");
    assert_eq!(view(&bench).reasons.last().unwrap(), "it stands by until the operator lets it back");
    bench.monitor.fail_back(bench.now);
    bench.run(MS);
    assert_eq!(bench.monitor.state(), State::Healthy);
    assert_eq!(bench.changes[2].reasons[0], "the operator lets it back");
}

#[test]
fn draining_outranks_all_but_down_and_takeover_outranks_the_rest() {
    let mut bench = Bench::healthy(plain(vec![check("a")]));
    bench.monitor.take_over(bench.now, true);
    bench.monitor.drain(bench.now, true);
    bench.say(0, Some(Verdict::Bad));
    bench.run(5 * SECOND);
    bench.say(0, Some(Verdict::Good));
    bench.run(5 * SECOND);
    bench.monitor.drain(bench.now, false);
    bench.monitor.take_over(bench.now, false);
    bench.run(MS);
    let expected =
        [State::Takeover, State::Draining, State::Down, State::Draining, State::Takeover, State::Healthy];
    assert_eq!(bench.states(), expected);
    let first: Vec<&str> = bench.changes.iter().map(|change| change.reasons[0].as_str()).collect();
    let expected = [
        "it stands in for another relay",
        "the operator drains the relay",
        "`a` has failed: said so",
        "`a` is good again",
        "the operator takes it back",
        "the other relay is back",
    ];
    assert_eq!(first, expected);
}

#[test]
fn a_reload_keeps_what_is_known_and_a_new_check_makes_nothing_better() {
    let mut bench = Bench::healthy(plain(vec![check("a"), check("b")]));
    bench.say(1, Some(Verdict::Bad));
    bench.run(5 * SECOND);
    assert_eq!(bench.states(), [State::Down]);
    // `b` has another name: nobody knows it, and it is silent.
    bench.monitor.reload(bench.now, plain(vec![check("c"), check("a")]));
    bench.answers = vec![None, Some(Verdict::Good)];
    bench.run(400 * MS);
    assert_eq!(bench.states(), [State::Down]);
    bench.say(0, Some(Verdict::Good));
    bench.run(5 * SECOND);
    assert_eq!(bench.states(), [State::Down, State::Healthy]);
}

#[test]
fn a_new_check_does_not_take_a_relay_down_that_is_up() {
    let mut bench = Bench::healthy(plain(vec![check("a")]));
    bench.monitor.reload(bench.now, plain(vec![check("b"), check("a")]));
    bench.answers = vec![Some(Verdict::Good); 2];
    bench.run(10 * SECOND);
    assert_eq!(bench.states(), []);
}

#[test]
fn an_answer_from_before_a_reload_is_not_another_checks() {
    let mut bench = Bench::healthy(plain(vec![CheckSettings { fall: 1, ..check("a") }, check("b")]));
    bench.say(1, Some(Verdict::Bad));
    bench.latency = 100 * MS;
    bench.monitor.check_now(bench.now);
    bench.drain_outputs();
    bench.monitor.reload(bench.now, plain(vec![check("b"), CheckSettings { fall: 1, ..check("a") }]));
    bench.answers = vec![Some(Verdict::Good); 2];
    bench.run(10 * SECOND);
    assert_eq!(bench.states(), []);
}

#[test]
fn the_last_sixty_four_transitions_are_kept() {
    let mut bench = Bench::healthy(plain(Vec::new()));
    for round in 0..100 {
        bench.monitor.drain(bench.now, round % 2 == 0);
        bench.run(SECOND);
    }
    let view = view(&bench);
    assert_eq!((bench.changes.len(), view.transitions.len()), (100, 64));
    assert_eq!(view.transitions.last(), bench.changes.last());
}

#[test]
fn a_monitor_that_is_stopped_runs_nothing() {
    let mut bench = Bench::healthy(plain(vec![check("a")]));
    bench.monitor.stop();
    bench.run(60 * SECOND);
    assert_eq!(bench.runs.len(), 0);
    assert_eq!(bench.states(), []);
}

#[test]
fn a_check_that_never_agrees_with_itself_has_failed_instead_of_staying_unknown() {
    let (good, bad) = (Verdict::Good, Verdict::Bad);
    for pattern in [&[good, bad][..], &[good, good, bad]] {
        let mut bench = Bench::new(plain(vec![check("a"), check("b")]));
        bench.latency = Duration::ZERO;
        for (verdict, number) in pattern.iter().cycle().zip(1..=40) {
            bench.say(0, Some(*verdict));
            let runs = bench.runs.iter().filter(|run| run.1 == 0).count();
            while bench.runs.iter().filter(|run| run.1 == 0).count() == runs {
                bench.run(MS);
            }
            let expected = (number >= 5).then_some(bad);
            assert_eq!(view(&bench).checks[0].counts_as, expected, "{pattern:?} {number}");
        }
        assert!(bench.monitor.is_known());
        assert_eq!(bench.monitor.state(), State::Down);
        assert_eq!(bench.alerts(), ["check failed", "relay does not come up"]);
        assert_eq!(view(&bench).reasons[0], "`a` has failed: said so");
        bench.say(0, Some(good));
        bench.run(30 * SECOND);
        assert_eq!(bench.monitor.state(), State::Healthy);
    }
}

#[test]
fn a_check_that_weighs_nothing_is_not_waited_for() {
    let idle = CheckSettings { weight: 0, timeout: 10 * SECOND, ..check("idle") };
    let mut bench = Bench::new(plain(vec![check("a"), idle]));
    bench.answers = vec![Some(Verdict::Bad), None];
    bench.monitor.advance(bench.now);
    assert!(!bench.monitor.is_known());
    bench.run(300 * MS);
    assert_eq!(view(&bench).checks[1].counts_as, None);
    assert!(bench.monitor.is_known());
    bench.say(0, Some(Verdict::Good));
    bench.run(3 * SECOND);
    assert_eq!(view(&bench).checks[1].counts_as, None);
    assert_eq!(bench.monitor.state(), State::Healthy);
}
