//! Streams with a known truth.

use std::time::Duration;

use super::*;

mod counting;
mod timing;

const START: Time = Time::from_secs(86_400);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn header(sequence: u16, timestamp: u32) -> RtpHeader {
    RtpHeader { marker: false, payload_type: 0, sequence, timestamp, ssrc: 7 }
}

#[test]
fn what_every_packet_touches_fits_two_cache_lines() {
    assert!(std::mem::offset_of!(Stream, cold) <= 128, "{}", std::mem::offset_of!(Stream, cold));
    assert_eq!(align_of::<Stream>(), 64);
    assert!(size_of::<Stream>() <= 768, "{}", size_of::<Stream>());
}
