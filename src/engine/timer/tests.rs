use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const NANO: Duration = Duration::from_nanos(1);

fn drain(queue: &mut TimerQueue<u32>, now: Time) -> Vec<u32> {
    std::iter::from_fn(|| queue.pop(now)).collect()
}

#[test]
fn a_timer_fires_at_its_nanosecond_and_not_before() {
    let at = Time::from_secs(600);
    let mut queue = TimerQueue::new();
    queue.insert(at, 7);
    assert_eq!(queue.deadline(), Some(at));
    assert_eq!(queue.pop(at - NANO), None);
    assert_eq!(queue.pop(at), Some(7));
    assert_eq!(queue.pop(Time::MAX), None);
    assert_eq!(queue.deadline(), None);
}

#[test]
fn late_timers_come_in_the_order_of_their_deadlines() {
    let mut queue = TimerQueue::new();
    for key in [5, 3, 9, 1, 7, 2, 8, 6, 4, 0] {
        queue.insert(Time::from_secs(key.into()), key);
    }
    assert_eq!(drain(&mut queue, Time::from_secs(6)), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(queue.len(), 3);
    assert_eq!(queue.deadline(), Some(Time::from_secs(7)));
}

#[test]
fn a_cancelled_timer_is_gone_at_once() {
    let mut queue = TimerQueue::new();
    let first = queue.insert(Time::from_secs(1), 1);
    let second = queue.insert(Time::from_secs(2), 2);
    assert_eq!(queue.cancel(first), Some(1));
    assert_eq!(queue.deadline(), Some(Time::from_secs(2)));
    assert_eq!(queue.cancel(first), None);
    assert_eq!(drain(&mut queue, Time::MAX), [2]);
    assert_eq!(queue.cancel(second), None);
}

#[test]
fn a_moved_timer_fires_at_its_new_deadline_only() {
    let (early, late) = (Time::from_secs(1), Time::from_secs(300));
    let mut queue = TimerQueue::new();
    let timer = queue.insert(early, 1);
    assert!(queue.reset(timer, late));
    assert_eq!(queue.deadline(), Some(late));
    assert_eq!(queue.pop(late - NANO), None);
    assert!(queue.reset(timer, early));
    assert_eq!(queue.pop(early - NANO), None);
    assert_eq!(queue.pop(early), Some(1));
    assert!(!queue.reset(timer, late));
}

#[test]
fn an_old_name_does_not_reach_a_new_timer_in_its_slot() {
    let mut queue = TimerQueue::new();
    let old = queue.insert(Time::from_secs(1), 1);
    queue.cancel(old);
    let new = queue.insert(Time::from_secs(2), 2);
    assert_eq!(old.slot, new.slot);
    assert_eq!(queue.cancel(old), None);
    assert!(!queue.reset(old, Time::ZERO));
    assert_eq!(queue.cancel(new), Some(2));
}

#[test]
fn refreshing_for_ever_takes_no_memory() {
    let mut queue = TimerQueue::new();
    let held = queue.insert(Time::from_secs(600), 0);
    for round in 0..10_000_u64 {
        assert!(queue.reset(held, Time::from_secs(600 + round)));
        let passing = queue.insert(Time::from_secs(round), 1);
        assert_eq!(queue.cancel(passing), Some(1));
    }
    assert_eq!((queue.len(), queue.slots.len()), (1, 2));
}

#[test]
fn a_timer_takes_what_the_head_of_this_file_says() {
    let heap = size_of::<Time>() + size_of::<u32>();
    assert_eq!(heap + size_of::<Slot<u32>>() - 4, 20 + 4, "an optional key of no spare value");
    assert_eq!(heap + size_of::<Slot<NonZeroU32>>(), 20 + 4);
    assert_eq!(size_of::<Option<TimerId>>(), 8);
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u8),
    Cancel(prop::sample::Index),
    Reset(prop::sample::Index, u8),
    Advance(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => any::<u8>().prop_map(Step::Insert),
        1 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        2 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(which, by)| Step::Reset(which, by)),
        1 => (0..40_u8).prop_map(Step::Advance),
    ];
    prop::collection::vec(step, 1..300)
}

proptest! {
    #[test]
    fn behaves_like_an_ordered_set(steps in steps()) {
        let mut queue = TimerQueue::new();
        // The model: (deadline, key); and every timer ever made, to try stale names too.
        let mut model = BTreeSet::new();
        let mut timers: Vec<(TimerId, u32, u64)> = Vec::new();
        let mut now = 0_u64;
        for step in steps {
            match step {
                Step::Insert(by) => {
                    let (key, at) = (u32::try_from(timers.len()).unwrap(), now + u64::from(by));
                    timers.push((queue.insert(Time::from_nanos(at), key), key, at));
                    model.insert((at, key));
                }
                Step::Cancel(which) if !timers.is_empty() => {
                    let (timer, key, at) = timers[which.index(timers.len())];
                    let known = model.remove(&(at, key));
                    prop_assert_eq!(queue.cancel(timer), known.then_some(key));
                }
                Step::Reset(which, by) if !timers.is_empty() => {
                    let index = which.index(timers.len());
                    let (timer, key, at) = &mut timers[index];
                    let known = model.remove(&(*at, *key));
                    *at = now + u64::from(by);
                    prop_assert_eq!(queue.reset(*timer, Time::from_nanos(*at)), known);
                    if known {
                        model.insert((*at, *key));
                    }
                }
                Step::Cancel(_) | Step::Reset(..) => {}
                Step::Advance(by) => {
                    now += u64::from(by);
                    let mut fired = Vec::new();
                    while let Some(deadline) = queue.deadline().filter(|at| at.as_nanos() <= now) {
                        let key = queue.pop(Time::from_nanos(now));
                        fired.push((deadline.as_nanos(), key.unwrap()));
                    }
                    prop_assert_eq!(queue.pop(Time::from_nanos(now)), None);
                    prop_assert!(fired.is_sorted_by_key(|(at, _)| *at));
                    fired.sort_unstable();
                    let later = model.split_off(&(now + 1, 0));
                    prop_assert_eq!(fired, model.iter().copied().collect::<Vec<_>>());
                    model = later;
                }
            }
            prop_assert_eq!(queue.len(), model.len());
            prop_assert_eq!(queue.deadline().map(Time::as_nanos), model.first().map(|(at, _)| *at));
        }
    }
}
