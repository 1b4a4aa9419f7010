use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> Time {
    Time::from_nanos(millis * 1_000_000)
}

/// Takes up to `quota` bytes in all, then blocks.
fn take(queue: &mut OutQueue, now: Time, mut quota: usize, wire: &mut Vec<u8>) -> Flushed {
    let result = queue.flush(now, |slices| {
        let mut taken = 0;
        for slice in slices {
            let part = slice.len().min(quota);
            wire.extend_from_slice(&slice[..part]);
            quota -= part;
            taken += part;
        }
        if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    });
    result.unwrap()
}

#[test]
fn frames_leave_in_order_and_memory_goes_with_them() {
    let mut queue = OutQueue::new(10_000);
    queue.push_control(b"one").unwrap();
    assert!(queue.push_media(at(0), b"two", at(500)));
    queue.push_control(b"three").unwrap();
    assert_eq!((queue.len(), queue.size()), (3, 11 + 3 * ENTRY_OVERHEAD));
    let mut wire = Vec::new();
    assert_eq!(take(&mut queue, at(1), 4, &mut wire), Flushed::Blocked);
    assert_eq!(queue.size(), 7 + 2 * ENTRY_OVERHEAD);
    assert_eq!(take(&mut queue, at(1), 100, &mut wire), Flushed::All);
    assert_eq!(wire, b"onetwothree");
    assert_eq!((queue.len(), queue.size(), queue.entries.capacity()), (0, 0, 0));
    assert_eq!(queue.dropped(), Dropped::default());
}

#[test]
fn media_is_dropped_one_tick_after_its_deadline_and_not_before() {
    let mut queue = OutQueue::new(10_000);
    assert!(queue.push_media(at(0), b"media", at(500)));
    queue.expire(at(500));
    assert_eq!(queue.len(), 1);
    queue.expire(at(500) + Duration::from_nanos(1));
    assert_eq!(queue.len(), 0);
    assert_eq!(queue.dropped(), Dropped { late: 1, full: 0, bytes: 5 });
    assert!(!queue.push_media(at(501), b"media", at(500)));
    assert_eq!(queue.dropped(), Dropped { late: 2, full: 0, bytes: 10 });
}

#[test]
fn a_partly_written_frame_is_finished_whatever_happens() {
    let mut queue = OutQueue::new(2 * (4 + ENTRY_OVERHEAD));
    assert!(queue.push_media(at(0), b"aaaa", at(10)));
    assert!(queue.push_media(at(0), b"bbbb", at(10)));
    let mut wire = Vec::new();
    take(&mut queue, at(0), 1, &mut wire);
    // Room is made from the second, time passes for both.
    queue.push_control(b"cccc").unwrap();
    queue.expire(at(1000));
    take(&mut queue, at(1000), 100, &mut wire);
    assert_eq!(wire, b"aaaacccc");
    assert_eq!(queue.dropped(), Dropped { late: 0, full: 1, bytes: 4 });
}

#[test]
fn the_oldest_media_gives_way_to_new_media() {
    let mut queue = OutQueue::new(3 * (1 + ENTRY_OVERHEAD));
    queue.push_control(b"c").unwrap();
    for frame in [b"1", b"2", b"3", b"4"] {
        assert!(queue.push_media(at(0), frame, at(10)));
    }
    let mut wire = Vec::new();
    take(&mut queue, at(0), 100, &mut wire);
    assert_eq!(wire, b"c34");
    assert_eq!(queue.dropped(), Dropped { late: 0, full: 2, bytes: 2 });
}

#[test]
fn control_over_the_bound_is_an_overflow_and_leaves_the_queue_as_it_was() {
    let mut queue = OutQueue::new(2 * (1 + ENTRY_OVERHEAD));
    queue.push_control(b"1").unwrap();
    assert!(queue.push_media(at(0), b"m", at(10)));
    queue.push_control(b"2").unwrap();
    assert_eq!(queue.push_control(b"3"), Err(Overflow));
    assert!(!queue.push_media(at(0), b"m", at(10)));
    let mut wire = Vec::new();
    take(&mut queue, at(0), 100, &mut wire);
    assert_eq!(wire, b"12");
    assert_eq!(queue.push_control(&[0; 1000]), Err(Overflow), "longer than the bound");
}

#[test]
fn a_sinks_error_is_passed_on() {
    let mut queue = OutQueue::new(1000);
    queue.push_control(b"x").unwrap();
    let broken = queue.flush(at(0), |_| Err(io::ErrorKind::BrokenPipe.into())).unwrap_err();
    assert_eq!(broken.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(queue.flush(at(0), |_| Ok(0)).unwrap_err().kind(), io::ErrorKind::WriteZero);
    let mut interrupted = false;
    let flushed = queue.flush(at(0), |slices| {
        if std::mem::replace(&mut interrupted, true) {
            Ok(slices[0].len())
        } else {
            Err(io::ErrorKind::Interrupted.into())
        }
    });
    assert_eq!(flushed.unwrap(), Flushed::All);
}

#[derive(Clone, Debug)]
enum Operation {
    Control(usize),
    Media(usize, u64),
    Sleep(u64),
    Take(usize),
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        (5..200usize).prop_map(Operation::Control),
        ((5..200usize), (0..50u64)).prop_map(|(length, life)| Operation::Media(length, life)),
        (0..20u64).prop_map(Operation::Sleep),
        (0..400usize).prop_map(Operation::Take),
    ];
    proptest::collection::vec(operation, 1..200)
}

/// The same queue, told as simply as possible.
#[derive(Default)]
struct Model {
    /// Number, length, bytes written, deadline.
    frames: Vec<(u32, usize, usize, Option<Time>)>,
    late: u64,
    full: u64,
}

impl Model {
    fn size(&self) -> usize {
        self.frames.iter().map(|frame| frame.1 - frame.2 + ENTRY_OVERHEAD).sum()
    }

    fn expire(&mut self, now: Time) {
        let before = self.frames.len();
        self.frames.retain(|frame| frame.2 > 0 || frame.3.is_none_or(|deadline| deadline >= now));
        self.late += (before - self.frames.len()) as u64;
    }

    fn push(&mut self, number: u32, length: usize, deadline: Option<Time>, bound: usize) -> bool {
        let mut rest = self.frames.clone();
        let size = |frames: &[(u32, usize, usize, Option<Time>)]| {
            frames.iter().map(|frame| frame.1 - frame.2 + ENTRY_OVERHEAD).sum::<usize>()
        };
        while size(&rest) + length + ENTRY_OVERHEAD > bound {
            match rest.iter().position(|frame| frame.2 == 0 && frame.3.is_some()) {
                Some(index) => drop(rest.remove(index)),
                None => return false,
            }
        }
        self.full += (self.frames.len() - rest.len()) as u64;
        rest.push((number, length, 0, deadline));
        self.frames = rest;
        true
    }

    fn take(&mut self, mut quota: usize) {
        while let Some(head) = self.frames.first_mut() {
            let part = quota.min(head.1 - head.2);
            head.2 += part;
            quota -= part;
            if head.2 < head.1 {
                return;
            }
            self.frames.remove(0);
        }
    }
}

proptest! {
    #[test]
    fn any_sequence_of_operations_agrees_with_the_model(list in operations(), bound in 300..1500usize) {
        let (mut queue, mut model, mut now) = (OutQueue::new(bound), Model::default(), at(1000));
        let (mut wire, mut expected_wire) = (Vec::new(), 0);
        let mut controls = Vec::new();
        for (number, operation) in (0u32..).zip(list) {
            let frame = |length: usize| {
                let mut bytes = vec![u8::try_from(length).unwrap(); length];
                bytes[..4].copy_from_slice(&number.to_be_bytes());
                bytes
            };
            match operation {
                Operation::Control(length) => {
                    let fits = model.push(number, length, None, bound);
                    prop_assert_eq!(queue.push_control(&frame(length)).is_ok(), fits);
                    if fits {
                        controls.push(number);
                    }
                }
                Operation::Media(length, life) => {
                    model.expire(now);
                    let deadline = now + Duration::from_millis(life);
                    let fits = model.push(number, length, Some(deadline), bound);
                    model.full += u64::from(!fits);
                    prop_assert_eq!(queue.push_media(now, &frame(length), deadline), fits);
                }
                Operation::Sleep(millis) => now = now + Duration::from_millis(millis),
                Operation::Take(quota) => {
                    model.expire(now);
                    expected_wire += quota.min(model.frames.iter().map(|frame| frame.1 - frame.2).sum());
                    model.take(quota);
                    take(&mut queue, now, quota, &mut wire);
                }
            }
            prop_assert_eq!(queue.size(), model.size());
            prop_assert!(queue.size() <= bound);
            prop_assert_eq!(queue.len(), model.frames.len());
            prop_assert_eq!((queue.dropped().late, queue.dropped().full), (model.late, model.full));
            prop_assert_eq!(wire.len(), expected_wire);
        }

        // Whatever was dropped, the wire is whole frames in order, and every control frame is there.
        take(&mut queue, now, usize::MAX, &mut wire);
        let (mut rest, mut seen) = (wire.as_slice(), BTreeMap::new());
        while let [a, b, c, d, length, ..] = *rest {
            let number = u32::from_be_bytes([a, b, c, d]);
            prop_assert!(seen.last_key_value().is_none_or(|(last, _)| *last < number));
            seen.insert(number, length);
            prop_assert!(rest.len() >= usize::from(length));
            rest = &rest[usize::from(length)..];
        }
        prop_assert!(rest.is_empty());
        prop_assert!(controls.iter().all(|number| seen.contains_key(number)));
    }
}
