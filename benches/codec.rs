//! What it costs to read and write messages, beside the `stun` crate's codec where that can do the same.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot go on must say so where it stands"
)]

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime};
use messages::{PAYLOAD, Samples};

#[path = "support/messages.rs"]
mod messages;
#[path = "support/yardstick.rs"]
mod yardstick;

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mut run: impl FnMut()) {
    group.bench_function(name, |bencher| bencher.iter(&mut run));
}

fn reading(criterion: &mut Criterion) {
    let samples = Samples::new();
    let mut group = criterion.benchmark_group("read binding");
    bench(&mut group, "tern", || assert!(messages::read_binding(black_box(&samples.binding))));
    bench(&mut group, "stun crate", || assert!(yardstick::read_binding(black_box(&samples.binding))));
    group.finish();

    let mut group = criterion.benchmark_group("read signed allocate");
    let (bytes, key) = (&samples.allocate, &samples.key);
    bench(&mut group, "tern", || assert!(messages::read_allocate(black_box(bytes), key)));
    bench(&mut group, "stun crate", || assert!(yardstick::read_allocate(black_box(bytes), key)));
    group.finish();

    let mut group = criterion.benchmark_group("read send indication");
    bench(&mut group, "tern", || assert_eq!(messages::read_send(black_box(&samples.send)).1, PAYLOAD));
    bench(&mut group, "stun crate", || {
        assert_eq!(yardstick::read_send(black_box(&samples.send)).1, PAYLOAD);
    });
    group.finish();

    let mut group = criterion.benchmark_group("read channel data");
    bench(&mut group, "tern", || {
        assert_eq!(messages::read_channel_data(black_box(&samples.channel_data)).1, PAYLOAD);
    });
    group.finish();
}

fn writing(criterion: &mut Criterion) {
    let mut samples = Samples::new();
    let mut out = Vec::new();
    let mut group = criterion.benchmark_group("write binding success");
    bench(&mut group, "tern", || messages::write_binding(black_box(&mut out)));
    bench(&mut group, "stun crate", || drop(black_box(yardstick::write_binding())));
    group.finish();

    let mut group = criterion.benchmark_group("write signed allocate");
    bench(&mut group, "tern", || messages::write_allocate(black_box(&mut out), &samples.key));
    bench(&mut group, "stun crate", || drop(black_box(yardstick::write_allocate(&samples.key))));
    group.finish();

    let mut group = criterion.benchmark_group("write data indication");
    bench(&mut group, "tern", || {
        black_box(messages::write_data(black_box(&mut samples.frame)));
    });
    bench(&mut group, "stun crate", || drop(black_box(yardstick::write_data(&[7; PAYLOAD]))));
    group.finish();

    let mut group = criterion.benchmark_group("write channel data");
    bench(&mut group, "tern", || messages::write_channel_data(black_box(&mut samples.frame)));
    group.finish();
}

criterion_group!(benches, reading, writing);
criterion_main!(benches);
