//! What a client's life costs the engine, and what a look into the route table costs as it grows.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a bench that cannot go on must say so where it stands"
)]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use cycle::Office;
use sessions::{HEADROOM, Sessions};
use tern::wire::stun::Class;

#[path = "support/cycle.rs"]
mod cycle;
#[path = "support/sessions.rs"]
mod sessions;
#[path = "../tests/support/engine/setup.rs"]
#[allow(dead_code, reason = "shared with the conformance tests")]
pub mod setup;

/// 401, Allocate, ChannelBind, Refresh 0.
fn cycles(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    for (name, steps) in [("challenge", 0..1), ("full cycle", 0..4)] {
        let office = std::cell::RefCell::new(Office::new());
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || office.borrow_mut().next_cycle(),
                |cycle| {
                    let class = office.borrow_mut().run(&cycle, steps.clone());
                    assert_eq!(class == Class::Success, steps.end == 4);
                },
                BatchSize::SmallInput,
            );
        });
        assert_eq!(office.borrow().allocations(), 0);
    }
    group.finish();
}

/// One packet each way through tables of growing size, clients in random order.
fn lookups(criterion: &mut Criterion) {
    let packet = [[0x40, 0x00, 0, 160].as_slice(), &[7; 160]].concat();
    let mut buffer = vec![7; HEADROOM + 160];
    for count in [1, 1_000, 10_000, 100_000] {
        let mut sessions = Sessions::new(count);
        let mut group = criterion.benchmark_group("table");
        group.bench_function(BenchmarkId::new("channel to peer", count), |bencher| {
            bencher.iter(|| {
                let session = sessions.next();
                black_box(sessions.to_peer(&session, black_box(&packet)))
            });
        });
        group.bench_function(BenchmarkId::new("peer to channel", count), |bencher| {
            bencher.iter(|| {
                let session = sessions.next();
                black_box(sessions.to_client(&session, black_box(&mut buffer)))
            });
        });
        group.finish();
    }
}

criterion_group!(benches, cycles, lookups);
criterion_main!(benches);
