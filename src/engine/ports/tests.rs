use std::collections::HashSet;
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn address(bind: &str, external: &str) -> RelayAddress {
    RelayAddress { bind: bind.parse().unwrap(), external: external.parse().unwrap() }
}

fn plain(ip: &str) -> RelayAddress {
    address(ip, ip)
}

fn pool(addresses: &[RelayAddress], range: RangeInclusive<u16>) -> PortPool {
    PortPool::new(PortSpace::new(), addresses, range, Random::new([1; 32]))
}

fn drain(pool: &mut PortPool, family: AddressFamily) -> Vec<RelayPort> {
    std::iter::from_fn(|| pool.take(family)).collect()
}

#[test]
fn every_port_of_every_address_is_handed_out_once() {
    let addresses = [plain("192.0.2.1"), plain("192.0.2.2"), plain("2001:db8::1")];
    let mut pool = pool(&addresses, 50_001..=50_300);
    assert_eq!((pool.capacity(AddressFamily::V4), pool.capacity(AddressFamily::V6)), (600, 300));
    let taken = drain(&mut pool, AddressFamily::V4);
    let distinct: HashSet<_> = taken.iter().map(RelayPort::bind).collect();
    assert_eq!((taken.len(), distinct.len()), (600, 600));
    assert!(distinct.iter().all(|at| at.is_ipv4() && (50_001..=50_300).contains(&at.port())));
    assert_eq!((pool.free(AddressFamily::V4), pool.free(AddressFamily::V6)), (0, 300));
    assert!(pool.take_even(AddressFamily::V4).is_none() && pool.take_pair(AddressFamily::V4).is_none());
    assert!(pool.take(AddressFamily::V6).is_some_and(|port| port.bind().is_ipv6()));
    drop(taken);
    assert_eq!(pool.free(AddressFamily::V4), 600);
}

#[test]
fn the_last_free_port_is_found() {
    let mut pool = pool(&[plain("192.0.2.1")], 1024..=65_535);
    let mut taken = drain(&mut pool, AddressFamily::V4);
    assert_eq!(taken.len(), 64_512);
    let freed = taken.swap_remove(12_345).bind();
    assert_eq!(pool.free(AddressFamily::V4), 1);
    assert_eq!(pool.take(AddressFamily::V4).map(|port| port.bind()), Some(freed));
}

#[test]
fn a_family_without_addresses_has_no_ports() {
    let mut pool = pool(&[plain("192.0.2.1")], 50_000..=50_010);
    assert!(pool.serves(AddressFamily::V4) && !pool.serves(AddressFamily::V6));
    assert!(pool.take(AddressFamily::V6).is_none());
    assert_eq!((pool.free(AddressFamily::V6), pool.capacity(AddressFamily::V6)), (0, 0));
}

#[test]
fn sockets_are_bound_inside_and_seen_outside() {
    let mut pool = pool(&[address("10.0.0.5", "192.0.2.1")], 50_000..=50_000);
    let port = pool.take(AddressFamily::V4).unwrap();
    assert_eq!(port.bind(), "10.0.0.5:50000".parse().unwrap());
    assert_eq!(port.external(), "192.0.2.1:50000".parse().unwrap());
    assert_eq!(port.address(), address("10.0.0.5", "192.0.2.1"));
    assert_eq!(port.port(), 50_000);
}

#[test]
fn even_ports_are_even_and_pairs_are_neighbours_in_range() {
    let mut pool = pool(&[plain("192.0.2.1")], 50_001..=50_010);
    // 50002 to 50009 are four pairs; 50001 has no even partner below, 50010 none above.
    let pairs: Vec<_> = std::iter::from_fn(|| pool.take_pair(AddressFamily::V4)).collect();
    assert_eq!(pairs.len(), 4);
    for (even, next) in &pairs {
        assert_eq!((even.port() % 2, even.port() + 1), (0, next.port()));
        assert!((50_002..=50_009).contains(&even.port()));
    }
    assert_eq!(pool.take_even(AddressFamily::V4).map(|port| port.port()), Some(50_010));
    // That one was dropped at once; half a pair is no pair.
    let mut pairs = pairs;
    let (even, next) = pairs.remove(0);
    drop(next);
    assert!(pool.take_pair(AddressFamily::V4).is_none());
    drop(even);
    assert!(pool.take_pair(AddressFamily::V4).is_some());
}

#[test]
fn workers_do_not_get_each_others_ports() {
    let space = PortSpace::new();
    let addresses = [plain("192.0.2.1")];
    let worker = |seed| PortPool::new(space.clone(), &addresses, 50_000..=50_999, Random::new([seed; 32]));
    let taken: Vec<RelayPort> = std::thread::scope(|scope| {
        let work = |seed| {
            let mut pool = worker(seed);
            scope.spawn(move || drain(&mut pool, AddressFamily::V4))
        };
        let workers: Vec<_> = (0..4).map(work).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let distinct: HashSet<_> = taken.iter().map(RelayPort::port).collect();
    assert_eq!((taken.len(), distinct.len()), (1000, 1000));
    assert_eq!(worker(9).free(AddressFamily::V4), 0);
    drop(taken);
    assert_eq!(worker(9).free(AddressFamily::V4), 1000);
}

#[test]
fn a_reload_leaves_ports_in_use_alone() {
    let (first, second) = (plain("192.0.2.1"), plain("192.0.2.2"));
    let mut pool = pool(&[first], 50_000..=50_009);
    let old = drain(&mut pool, AddressFamily::V4);
    pool.replace(&[second, first], 50_008..=50_019);
    // The second is all free, of the first ten ports are new.
    assert_eq!(pool.free(AddressFamily::V4), 12 + 10);
    let new = drain(&mut pool, AddressFamily::V4);
    assert!(new.iter().all(|port| old.iter().all(|held| held.bind() != port.bind())));
    drop(old);
    assert_eq!(pool.free(AddressFamily::V4), 2);
    pool.replace(&[first], 50_000..=50_009);
    assert_eq!(pool.free(AddressFamily::V4), 8 + 2);
    drop(new);
    assert_eq!(pool.free(AddressFamily::V4), 10);
}

#[test]
fn an_address_that_left_and_came_back_still_knows_its_ports() {
    let (first, second) = (plain("192.0.2.1"), plain("192.0.2.2"));
    let mut pool = pool(&[first], 50_000..=50_009);
    let held = pool.take(AddressFamily::V4).unwrap();
    pool.replace(&[second], 50_000..=50_009);
    pool.replace(&[first], 50_000..=50_009);
    assert_eq!(pool.free(AddressFamily::V4), 9);
    drop(held);
    assert_eq!(pool.free(AddressFamily::V4), 10);
}

#[test]
fn a_changed_external_address_shares_the_ports_of_its_bind_address() {
    let mut pool = pool(&[address("10.0.0.5", "192.0.2.1")], 50_000..=50_001);
    let old = pool.take(AddressFamily::V4).unwrap();
    pool.replace(&[address("10.0.0.5", "192.0.2.9")], 50_000..=50_001);
    let new = pool.take(AddressFamily::V4).unwrap();
    assert_ne!(old.port(), new.port());
    assert_eq!(old.external().ip(), "192.0.2.1".parse::<IpAddr>().unwrap());
    assert_eq!(new.external().ip(), "192.0.2.9".parse::<IpAddr>().unwrap());
    assert!(pool.take(AddressFamily::V4).is_none());
}

#[test]
fn the_same_seed_gives_the_same_ports() {
    let draw = |seed| -> Vec<SocketAddr> {
        let addresses = [plain("192.0.2.1"), plain("192.0.2.2")];
        let mut pool = PortPool::new(PortSpace::new(), &addresses, 49_152..=65_535, Random::new([seed; 32]));
        let ports: Vec<_> = (0..50).map(|_| pool.take(AddressFamily::V4).unwrap()).collect();
        ports.iter().map(RelayPort::bind).collect()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn all_ports_are_equally_likely_when_few_are_used_and_when_most_are() {
    let addresses = [plain("192.0.2.1"), plain("192.0.2.2")];
    for occupied in [0, 90] {
        let mut pool = pool(&addresses, 50_000..=50_049);
        let held: Vec<_> = (0..occupied).map(|_| pool.take(AddressFamily::V4).unwrap()).collect();
        let mut counts = std::collections::HashMap::new();
        let free = 100 - held.len();
        for _ in 0..free * 400 {
            *counts.entry(pool.take(AddressFamily::V4).unwrap().bind()).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), free);
        // Chi-squared: its mean is about `free`, its deviation the root of twice that; four of them is plenty.
        let chi: f64 = counts.values().map(|n| (f64::from(*n) - 400.0).powi(2) / 400.0).sum();
        let free = f64::from(u32::try_from(free).unwrap());
        assert!(chi < free + 4.0 * (2.0 * free).sqrt(), "{occupied} in use: {chi}");
    }
}

#[test]
fn odd_ranges_are_served_to_their_ends() {
    for (range, ports) in [
        (0..=0, 0),
        (0..=1, 1),
        (1..=1, 1),
        (63..=64, 2),
        (64..=127, 64),
        (65_535..=65_535, 1),
        (0..=65_535, 65_535),
    ] {
        let mut pool = pool(&[plain("192.0.2.1")], range.clone());
        assert_eq!(
            (pool.free(AddressFamily::V4), pool.capacity(AddressFamily::V4)),
            (ports, ports),
            "{range:?}"
        );
        assert_eq!(drain(&mut pool, AddressFamily::V4).len(), ports, "{range:?}");
    }
    let (low, high) = (9, 8);
    let mut empty = pool(&[plain("192.0.2.1")], low..=high);
    assert!(empty.take(AddressFamily::V4).is_none());
    assert_eq!((empty.free(AddressFamily::V4), empty.capacity(AddressFamily::V4)), (0, 0));
}

#[test]
fn an_address_that_nobody_uses_is_forgotten() {
    let space = PortSpace::new();
    let mut pool = PortPool::new(space.clone(), &[plain("192.0.2.1")], 50_000..=50_009, Random::new([1; 32]));
    let held = pool.take(AddressFamily::V4);
    for last in 2..100 {
        pool.replace(&[plain(&format!("192.0.2.{last}"))], 50_000..=50_009);
    }
    assert!(space.known() <= 3, "{}", space.known());
    drop(held);
    pool.replace(&[], 1..=1);
    let _ = space.ports_of("192.0.2.200".parse().unwrap());
    assert_eq!(space.known(), 1);
    assert_eq!(size_of::<RelayPort>(), 16);
}

#[derive(Clone, Debug)]
enum Step {
    Take,
    TakeEven,
    TakePair,
    Drop(prop::sample::Index),
    Replace(usize, u16, u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Take),
        2 => Just(Step::TakeEven),
        2 => Just(Step::TakePair),
        4 => any::<prop::sample::Index>().prop_map(Step::Drop),
        1 => (0..4_usize, 100..140_u16, 100..140_u16).prop_map(|(n, a, b)| Step::Replace(n, a.min(b), a.max(b))),
    ]
}

/// What the pool may hand out, port by port.
struct Model {
    addresses: Vec<IpAddr>,
    range: RangeInclusive<u16>,
    used: HashSet<SocketAddr>,
}

impl Model {
    fn free(&self) -> Vec<SocketAddr> {
        let ports =
            |ip: &IpAddr| self.range.clone().map(move |port| SocketAddr::new(*ip, port)).collect::<Vec<_>>();
        self.addresses.iter().flat_map(ports).filter(|at| !self.used.contains(at)).collect()
    }

    fn has_pair(&self) -> bool {
        let free = self.free();
        free.iter().any(|at| at.port() % 2 == 0 && free.contains(&SocketAddr::new(at.ip(), at.port() + 1)))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn behaves_like_a_set_of_ports(steps in prop::collection::vec(step(), 1..200)) {
        let all = [plain("192.0.2.1"), plain("192.0.2.2"), plain("192.0.2.3")];
        let mut pool = pool(&all[..1], 100..=120);
        let mut model = Model { addresses: vec![all[0].bind], range: 100..=120, used: HashSet::new() };
        let mut held: Vec<RelayPort> = Vec::new();
        for step in steps {
            let before = held.len();
            match step {
                Step::Take => {
                    held.extend(pool.take(AddressFamily::V4));
                    prop_assert_eq!(held.len() > before, !model.free().is_empty());
                }
                Step::TakeEven => {
                    held.extend(pool.take_even(AddressFamily::V4));
                    prop_assert_eq!(held.len() > before, model.free().iter().any(|at| at.port() % 2 == 0));
                    prop_assert!(held[before..].iter().all(|port| port.port() % 2 == 0));
                }
                Step::TakePair => {
                    let pair = pool.take_pair(AddressFamily::V4);
                    prop_assert_eq!(pair.is_some(), model.has_pair());
                    held.extend(pair.into_iter().flat_map(|(even, next)| [even, next]));
                }
                Step::Drop(which) if !held.is_empty() => {
                    let port = held.swap_remove(which.index(held.len()));
                    model.used.remove(&port.bind());
                }
                Step::Drop(_) => {}
                Step::Replace(count, low, high) => {
                    pool.replace(&all[..count], low..=high);
                    model.addresses = all[..count].iter().map(|address| address.bind).collect();
                    model.range = low..=high;
                }
            }
            for port in held.get(before..).unwrap_or_default() {
                prop_assert!(model.free().contains(&port.bind()));
                model.used.insert(port.bind());
            }
            prop_assert_eq!(pool.free(AddressFamily::V4), model.free().len());
        }
    }
}
