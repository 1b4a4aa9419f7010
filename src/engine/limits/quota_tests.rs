use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const ALICE: OwnerId = OwnerId(1);
const BOB: OwnerId = OwnerId(2);

fn quotas(per_user: u32, total: u32) -> Quotas {
    Quotas { per_user: Some(per_user), total: Some(total) }
}

#[test]
fn a_user_has_no_more_than_its_quota() {
    let shared = Shared::new();
    let first = shared.reserve(ALICE, quotas(2, 10)).unwrap();
    let _second = shared.reserve(ALICE, quotas(2, 10)).unwrap();
    assert_eq!(shared.reserve(ALICE, quotas(2, 10)).unwrap_err(), QuotaError::User);
    assert!(shared.reserve(BOB, quotas(2, 10)).is_ok());
    drop(first);
    assert!(shared.reserve(ALICE, quotas(2, 10)).is_ok());
}

#[test]
fn all_users_together_have_no_more_than_the_total() {
    let shared = Shared::new();
    let held = shared.reserve(ALICE, quotas(5, 1)).unwrap();
    assert_eq!(shared.reserve(BOB, quotas(5, 1)).unwrap_err(), QuotaError::Total);
    assert_eq!((shared.total(), shared.users(), shared.held_by(BOB)), (1, 1, 0));
    drop(held);
    assert!(shared.reserve(BOB, quotas(5, 1)).is_ok());
}

#[test]
fn without_quotas_there_is_no_limit_and_zero_is_none_at_all() {
    let shared = Shared::new();
    let holds: Vec<_> = (0..1000).map(|_| shared.reserve(ALICE, Quotas::default()).unwrap()).collect();
    assert_eq!(shared.held_by(ALICE), 1000);
    drop(holds);
    assert_eq!(shared.reserve(ALICE, quotas(0, 5)).unwrap_err(), QuotaError::User);
    assert_eq!(shared.reserve(ALICE, quotas(5, 0)).unwrap_err(), QuotaError::Total);
    assert_eq!(shared.users(), 0);
}

#[test]
fn a_lowered_quota_refuses_more_and_takes_nothing_away() {
    let shared = Shared::new();
    let mut holds: Vec<_> = (0..3).map(|_| shared.reserve(ALICE, quotas(3, 3)).unwrap()).collect();
    assert_eq!(shared.reserve(ALICE, quotas(2, 2)).unwrap_err(), QuotaError::User);
    holds.truncate(1);
    holds.push(shared.reserve(ALICE, quotas(2, 2)).unwrap());
    assert_eq!(shared.total(), 2);
}

#[test]
fn a_user_is_forgotten_with_its_last_allocation() {
    let shared = Shared::new();
    for name in 0..10_000 {
        let hold = shared.reserve(OwnerId(name), quotas(1, 1)).unwrap();
        assert_eq!(hold.owner(), OwnerId(name));
    }
    assert_eq!((shared.total(), shared.users()), (0, 0));
    assert!(shared.owners.capacity() < 10_000, "{}", shared.owners.capacity());
}

#[test]
fn the_allocations_of_a_user_draw_from_one_bandwidth() {
    let shared = Shared::new();
    let first = shared.reserve(ALICE, Quotas::default()).unwrap();
    let second = shared.reserve(ALICE, Quotas::default()).unwrap();
    let other = shared.reserve(BOB, Quotas::default()).unwrap();
    let bandwidth = |owner| shared.bandwidth(owner).unwrap();
    assert!(Arc::ptr_eq(&bandwidth(ALICE), &bandwidth(ALICE)));
    assert!(!Arc::ptr_eq(&bandwidth(ALICE), &bandwidth(BOB)));
    drop((first, second, other));
    assert!(shared.bandwidth(ALICE).is_none());
}

#[test]
fn workers_that_race_for_the_last_places_get_exactly_those() {
    let shared = Shared::new();
    let holds: Vec<Hold> = std::thread::scope(|scope| {
        let work = |worker: u64| {
            let shared = Arc::clone(&shared);
            scope.spawn(move || {
                let mine = (0..2000).filter_map(|n| {
                    let hold = shared.reserve(OwnerId((n + worker) % 10), quotas(30, 250)).ok()?;
                    // Half are given back at once.
                    (n % 2 == 0).then_some(hold)
                });
                mine.collect::<Vec<_>>()
            })
        };
        let workers: Vec<_> = (0..4).map(work).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(holds.len() <= 250);
    assert_eq!(shared.total() as usize, holds.len());
    assert!((0..10).all(|owner| shared.held_by(OwnerId(owner)) <= 30));
    drop(holds);
    assert_eq!((shared.total(), shared.users()), (0, 0));
}

proptest! {
    #[test]
    fn counts_like_a_map(
        steps in prop::collection::vec((any::<bool>(), 0..4_u64, any::<prop::sample::Index>()), 1..200),
        per_user in 0..4_u32,
        total in 0..10_u32,
    ) {
        let shared = Shared::new();
        let mut holds: Vec<Hold> = Vec::new();
        let mut model: HashMap<u64, u32> = HashMap::new();
        for (reserve, owner, which) in steps {
            if reserve {
                let (mine, all) = (model.get(&owner).copied().unwrap_or(0), model.values().sum::<u32>());
                let expected = if mine >= per_user {
                    Err(QuotaError::User)
                } else if all >= total {
                    Err(QuotaError::Total)
                } else {
                    Ok(())
                };
                let hold = shared.reserve(OwnerId(owner), quotas(per_user, total));
                prop_assert_eq!(hold.as_ref().map(|_| ()).map_err(|error| *error), expected);
                if let Ok(hold) = hold {
                    holds.push(hold);
                    *model.entry(owner).or_default() += 1;
                }
            } else if !holds.is_empty() {
                let hold = holds.swap_remove(which.index(holds.len()));
                *model.get_mut(&hold.owner().0).unwrap() -= 1;
                drop(hold);
            }
            model.retain(|_, held| *held > 0);
            prop_assert_eq!(shared.users(), model.len());
            prop_assert_eq!(shared.total(), model.values().sum::<u32>());
        }
    }
}
