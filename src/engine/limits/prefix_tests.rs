use std::net::Ipv4Addr;
use std::sync::Arc;

use super::*;
use crate::engine::random::Random;

const SECOND: Duration = Duration::from_secs(1);

fn limiter(burst: u32) -> PrefixLimiter {
    PrefixLimiter::new(Pace::new(10, SECOND, burst), PrefixLengths::default(), 1 << 12, 7)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn allowed(limiter: &PrefixLimiter, now: Time, source: IpAddr, asked: usize) -> usize {
    (0..asked).filter(|_| limiter.allow(now, source)).count()
}

#[test]
fn a_network_has_its_burst_and_then_its_pace() {
    let limiter = limiter(5);
    let (start, source) = (Time::from_secs(1), ip("192.0.2.1"));
    assert_eq!(allowed(&limiter, start, source, 100), 5);
    let next = start + Duration::from_millis(100);
    assert!(!limiter.allow(next - Duration::from_nanos(1), source));
    assert_eq!(allowed(&limiter, next, source, 100), 1);
    assert_eq!(allowed(&limiter, start + Duration::from_secs(60), source, 100), 5);
}

#[test]
fn it_works_from_the_origin_of_time() {
    assert_eq!(allowed(&limiter(2), Time::ZERO, ip("192.0.2.1"), 10), 2);
}

#[test]
fn the_same_network_is_known_in_every_notation_and_from_every_host() {
    for (first, second, same) in [
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("2001:db8:0:1200::1", "2001:db8:0:12ff:1:2:3:4", true),
        ("2001:db8:0:1200::1", "2001:db8:0:1300::1", false),
    ] {
        let limiter = limiter(1);
        assert!(limiter.allow(Time::from_secs(1), ip(first)));
        assert_eq!(limiter.allow(Time::from_secs(1), ip(second)), !same, "{first} {second}");
    }
}

#[test]
fn lengths_are_the_operators() {
    let lengths = PrefixLengths { v4: 24, v6: 0 };
    assert_eq!(lengths.key(ip("192.0.2.1")), lengths.key(ip("192.0.2.255")));
    assert_ne!(lengths.key(ip("192.0.2.1")), lengths.key(ip("192.0.3.1")));
    assert_eq!(lengths.key(ip("2001:db8::1")), lengths.key(ip("fe80::1")));
    let silly = PrefixLengths { v4: 200, v6: 200 };
    assert_ne!(silly.key(ip("192.0.2.1")), silly.key(ip("192.0.2.0")));
    assert_ne!(silly.key(ip("2001:db8::1")), silly.key(ip("2001:db8::")));
}

#[test]
fn many_quiet_networks_do_not_stand_in_each_others_way() {
    let limiter = limiter(5);
    let start = Time::from_secs(1);
    // A quarter as many networks as cells in a row, each asking for what it may.
    let refused = (0..1024_u32)
        .filter(|host| allowed(&limiter, start, Ipv4Addr::from_bits(0x0A00_0000 + host).into(), 5) < 5)
        .count();
    assert!(refused < 1024 / 10, "{refused}");
}

#[test]
fn a_few_noisy_networks_do_not_silence_the_others() {
    let limiter = limiter(5);
    let start = Time::from_secs(1);
    for noisy in 0..256_u32 {
        assert!(allowed(&limiter, start, Ipv4Addr::from_bits(0x0B00_0000 + noisy).into(), 1000) <= 5);
    }
    // One in sixteen cells of each row is used up, so one network in 256 finds both of its own so.
    let silenced = (0..200_u32)
        .filter(|host| !limiter.allow(start, Ipv4Addr::from_bits(0x0C00_0000 + host * 7).into()))
        .count();
    assert!(silenced <= 5, "{silenced}");
}

#[test]
fn a_flood_of_spoofed_sources_is_bounded_and_takes_no_memory() {
    let limiter = limiter(5);
    let cells = limiter.cells.len();
    let mut random = Random::new([1; 32]);
    let start = Time::from_secs(1);
    let answered =
        (0..200_000).filter(|_| limiter.allow(start, Ipv4Addr::from_bits(random.next_u32()).into())).count();
    // At worst each cell is filled on its own.
    assert!(answered <= 5 * cells, "{answered}");
    assert_eq!(limiter.cells.len(), cells);
    // A second later the pace has made room again.
    assert!(limiter.allow(start + SECOND, ip("192.0.2.1")));
}

#[test]
fn different_seeds_put_networks_together_differently() {
    let pairs = |seed| -> Vec<u32> {
        let limiter = PrefixLimiter::new(Pace::new(1, SECOND, 1), PrefixLengths::default(), 16, seed);
        (0..64).filter(|host| !limiter.allow(Time::from_secs(1), Ipv4Addr::from_bits(*host).into())).collect()
    };
    assert_eq!(pairs(1), pairs(1));
    assert_ne!(pairs(1), pairs(2));
}

#[test]
fn workers_that_share_it_admit_no_more_together_than_one() {
    const WORKERS: usize = 4;
    for round in 0..50 {
        let limiter = Arc::new(limiter(1000));
        let admitted: usize = std::thread::scope(|scope| {
            let work = |_| {
                let limiter = Arc::clone(&limiter);
                scope.spawn(move || allowed(&limiter, Time::from_secs(1), ip("192.0.2.1"), 1000))
            };
            let workers: Vec<_> = (0..WORKERS).map(work).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!(admitted, 1000, "in round {round}");
    }
}

#[test]
fn settings_of_zero_mean_the_least() {
    let limiter = PrefixLimiter::new(Pace::new(0, Duration::ZERO, 0), PrefixLengths::default(), 0, 0);
    assert!(limiter.allow(Time::from_secs(1), ip("192.0.2.1")));
    assert_eq!(limiter.cells.len(), 2);
}
