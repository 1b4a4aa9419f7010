//! Replays the committed fuzz corpora on a stable compiler: what the fuzzer once found interesting stays right.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed assertion is what this file is for")]

use std::fs;
use std::path::Path;

#[path = "../fuzz/src/announcer_fsm.rs"]
pub mod announcer_fsm;
#[path = "../fuzz/src/bfd.rs"]
pub mod bfd;
#[path = "../fuzz/src/bgp.rs"]
pub mod bgp;
#[path = "../fuzz/src/engine.rs"]
pub mod engine;
#[path = "../fuzz/src/framing.rs"]
pub mod framing;
#[path = "../fuzz/src/media.rs"]
pub mod media;
#[path = "support/engine/mod.rs"]
#[allow(dead_code, reason = "shared with the conformance tests")]
pub mod rig;
#[path = "../fuzz/src/rtr.rs"]
pub mod rtr;
#[path = "../fuzz/src/stun.rs"]
pub mod stun;

fn replay(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut replayed = 0;
    for entry in fs::read_dir(&corpus).unwrap() {
        let path = entry.unwrap().path();
        // Shown only if the check fails.
        println!("{}", path.display());
        check(&fs::read(&path).unwrap());
        replayed += 1;
    }
    assert!(replayed > 0, "no corpus in {}", corpus.display());
}

#[test]
fn announcer_fsm_corpus_still_holds() {
    replay("announcer_fsm", announcer_fsm::check);
}

#[test]
fn stun_corpus_still_holds() {
    replay("stun", stun::check);
}

#[test]
fn framing_corpus_still_holds() {
    replay("framing", framing::check);
}

#[test]
fn engine_corpus_still_holds() {
    replay("engine", engine::check);
}

#[test]
fn media_corpus_still_holds() {
    replay("media", media::check);
}

#[test]
fn bgp_corpus_still_holds() {
    replay("bgp", bgp::check);
}

#[test]
fn bfd_corpus_still_holds() {
    replay("bfd", bfd::check);
}

#[test]
fn rtr_corpus_still_holds() {
    replay("rtr", rtr::check);
}
