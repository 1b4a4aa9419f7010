//! How many instructions the hot operations take, counted by callgrind and held against the committed
//! `instructions.baseline`: more than 5 % above it is a failure. Instructions, unlike nanoseconds, are the same on a
//! busy machine as on a quiet one.
//!
//! ```sh
//! cargo bench --profile count --bench instructions                # compare
//! cargo bench --profile count --bench instructions -- --refresh   # write the baseline anew, to be committed
//! ```
//!
//! Without `--refresh` nothing is written. The compiler is pinned and seeds are fixed, but for those of hash tables, which
//! are the program's own: from run to run they move a count by less than one in ten thousand.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a bench that cannot go on must say so where it stands"
)]

use std::hint::black_box;

use calls::Calls;
use cycle::Office;
use messages::Samples;
use sessions::Sessions;
use streams::Streams;

#[path = "support/callgrind.rs"]
mod callgrind;
#[path = "support/calls.rs"]
mod calls;
#[path = "support/cycle.rs"]
mod cycle;
#[path = "support/messages.rs"]
mod messages;
#[path = "support/sessions.rs"]
mod sessions;
#[path = "../tests/support/engine/setup.rs"]
#[allow(dead_code, reason = "shared with the conformance tests")]
pub mod setup;
#[path = "../tests/support/skip.rs"]
#[allow(unused, reason = "shared with the tests")]
mod skip;
#[path = "support/streams.rs"]
mod streams;

/// How often each operation is carried out; what is reported is one of them.
const TIMES: u32 = 1_000;

fn main() {
    if callgrind::is_counting() {
        codec();
        routes();
        quality();
        engine();
    } else {
        callgrind::judge();
    }
}

/// What callgrind counts between entering and leaving; it finds this function by its name.
#[inline(never)]
fn measured_by_callgrind(run: &mut dyn FnMut()) {
    run();
}

fn count(name: &str, mut operation: impl FnMut()) {
    count_batch(name, TIMES, &mut || {
        for _ in 0..TIMES {
            operation();
        }
    });
}

/// `run` carries out an operation this many times.
fn count_batch(name: &str, times: u32, run: &mut dyn FnMut()) {
    measured_by_callgrind(run);
    callgrind::note(name, times);
}

fn codec() {
    let mut samples = Samples::new();
    let mut out = Vec::with_capacity(1024);
    count("read binding", || assert!(messages::read_binding(black_box(&samples.binding))));
    count("read signed allocate", || {
        assert!(messages::read_allocate(black_box(&samples.allocate), &samples.key));
    });
    count("read send indication", || {
        black_box(messages::read_send(black_box(&samples.send)));
    });
    count("read channel data", || {
        black_box(messages::read_channel_data(black_box(&samples.channel_data)));
    });
    count("write binding success", || messages::write_binding(black_box(&mut out)));
    count("write signed allocate", || messages::write_allocate(black_box(&mut out), &samples.key));
    count("write data indication", || {
        black_box(messages::write_data(black_box(&mut samples.frame)));
    });
    count("write channel data", || messages::write_channel_data(black_box(&mut samples.frame)));
}

/// Lookup and header, each of a thousand sessions once.
fn routes() {
    let mut sessions = Sessions::new(TIMES);
    let samples = Samples::new();
    let mut packet = samples.channel_data;
    packet[1] = 0;
    let mut buffer = samples.frame;
    count("channel to peer", || {
        let session = sessions.next();
        black_box(sessions.to_peer(&session, black_box(&packet)));
    });
    count("peer to channel", || {
        let session = sessions.next();
        black_box(sessions.to_client(&session, black_box(&mut buffer)));
    });
    assert_eq!(buffer.len(), sessions::HEADROOM + messages::PAYLOAD);
}

/// What it costs to listen to a packet, each of a thousand streams once.
fn quality() {
    let mut streams = Streams::new(TIMES as usize);
    count("hear a packet", || {
        black_box(streams.hear());
    });
    let mut calls = Calls::new(TIMES as usize);
    count("show a packet to its session", || calls.see());
}

fn engine() {
    let mut office = Office::new();
    for (name, steps) in [("challenge", 0..1), ("full cycle", 0..4)] {
        let times = TIMES / 10;
        let cycles: Vec<_> = (0..times).map(|_| office.next_cycle()).collect();
        count_batch(name, times, &mut || {
            for cycle in &cycles {
                black_box(office.run(cycle, steps.clone()));
            }
        });
    }
    assert_eq!(office.allocations(), 0);
}
