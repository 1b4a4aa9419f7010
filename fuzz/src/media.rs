//! Any bytes as RTP and RTCP: no panic, never both, and no more than the packet holds. Any sequence of packets as a stream:
//! no panic, the counts agree with one another and with what each packet was said to be, and intervals add up.

use std::time::Duration;

use tern::quality::stream::{Counts, Seen, Stream};
use tern::time::Time;
use tern::wire::demux::{Kind, classify};
use tern::wire::rtcp::RtcpHead;
use tern::wire::rtp::RtpHeader;

/// Checks `data` as one packet and as a list of packets.
pub fn check(data: &[u8]) {
    check_packet(data);
    check_stream(data);
}

fn check_packet(data: &[u8]) {
    let (rtp, rtcp) = (RtpHeader::parse(data), RtcpHead::parse(data));
    assert!(rtp.is_none() || rtcp.is_none());
    if let Some(header) = rtp {
        assert_eq!(classify(data, false), Kind::Rtp);
        assert!(header.payload_type < 128);
        assert!(!(64..96).contains(&header.payload_type) || !header.marker);
        assert_eq!(data.get(..12), Some(&written(&header, data)[..]));
    }
    if let Some(head) = rtcp {
        assert_eq!(classify(data, false), Kind::Rtp);
        assert!(head.count < 32 && (192..=223).contains(&head.packet_type));
    }
}

/// The header, with the first byte of `data`.
fn written(header: &RtpHeader, data: &[u8]) -> Vec<u8> {
    let second = header.payload_type | if header.marker { 0x80 } else { 0 };
    let mut bytes = vec![data.first().copied().unwrap_or_default(), second];
    bytes.extend(header.sequence.to_be_bytes());
    bytes.extend(header.timestamp.to_be_bytes());
    bytes.extend(header.ssrc.to_be_bytes());
    bytes
}

/// Four bytes a packet: how numbers, timestamps and arrivals go on from the one before.
fn check_stream(data: &[u8]) {
    let mut header = RtpHeader { marker: false, payload_type: 0, sequence: 65_500, timestamp: 0, ssrc: 1 };
    let mut arrival = Time::from_secs(1000);
    let mut stream = Stream::new(&header, arrival, None);
    let (mut sum, mut said) = (Counts::default(), Counts::default());
    for (index, packet) in data.chunks_exact(4).enumerate() {
        let &[kind, number, stamp, wait] = packet else { continue };
        header.sequence = header.sequence.wrapping_add(sequence_step(kind, number));
        header.timestamp = header.timestamp.wrapping_add(timestamp_step(kind, stamp));
        arrival = arrival + Duration::from_millis(u64::from(wait) * if kind & 0x40 == 0 { 1 } else { 40 });
        let clock = match kind >> 4 & 3 {
            1 => Some(8000),
            3 => Some(u32::from(stamp) * 400),
            _ => None,
        };
        note(stream.see(&header, arrival, 100, clock), &mut said);
        if index % 64 == 63 {
            check_counts(&stream.counts(), &said);
        }
        if kind & 0x80 != 0 && number & 0x80 != 0 {
            let heard = stream.take_interval().counts;
            check_sane(&heard);
            sum += heard;
        }
    }
    let whole = stream.counts();
    check_counts(&whole, &said);
    sum += stream.finish().counts;
    check_sane(&sum);
    assert_eq!((sum.received, sum.bytes), (whole.received, whole.bytes));
    assert_eq!((sum.timed, sum.discarded, sum.reordered), (whole.timed, whole.discarded, whole.reordered));
    assert!(sum.lost >= whole.lost && sum.lost <= whole.lost + whole.reordered);
}

fn sequence_step(kind: u8, number: u8) -> u16 {
    match kind & 3 {
        0 => 1,
        1 => u16::from(number & 7),
        2 => u16::from(number & 0x7F).wrapping_neg(),
        _ => u16::from(number) * 256,
    }
}

fn timestamp_step(kind: u8, stamp: u8) -> u32 {
    match kind >> 2 & 3 {
        0 => 160,
        1 => u32::from(stamp) * 8,
        2 => (u32::from(stamp) * 8).wrapping_neg(),
        _ => u32::from(stamp) << 24,
    }
}

/// What the stream said of its packets.
fn note(seen: Seen, said: &mut Counts) {
    match seen {
        Seen::New => said.received += 1,
        Seen::Late => {
            said.received += 1;
            said.reordered += 1;
        }
        Seen::Duplicate => said.duplicate += 1,
        Seen::Probation | Seen::Ignored => said.stray += 1,
        Seen::Restart => {
            // The one that was on probation counts now.
            said.stray -= 1;
            said.received += 2;
            said.restarts += 1;
        }
    }
}

fn check_counts(counts: &Counts, said: &Counts) {
    check_sane(counts);
    assert_eq!((counts.received, counts.reordered), (said.received, said.reordered));
    assert_eq!((counts.duplicate, counts.restarts), (said.duplicate, said.restarts));
    assert_eq!(counts.bytes, 100 * counts.received);
    // One may be on probation still.
    assert!(counts.stray == said.stray || counts.stray + 1 == said.stray);
    assert!(counts.timed <= counts.received);
    assert!(counts.discarded.iter().all(|late| *late <= counts.timed));
    assert!(counts.burst_lost <= counts.burst_packets && counts.burst_packets <= counts.expected);
    assert!(counts.burst_lost >= 2 * counts.bursts);
    // What comes back after an interval had reported it lost stays where it was counted.
    let once_lost = counts.lost + counts.reordered;
    assert!(counts.runs() <= once_lost && counts.burst_lost <= once_lost);
}

fn check_sane(counts: &Counts) {
    assert_eq!(counts.expected, counts.received + counts.lost);
    assert!(counts.discarded.is_sorted_by(|more, less| more >= less));
    assert!((0..4).all(|depth| (0.0..=1.0).contains(&counts.discard(depth))));
    assert!(counts.burst_ratio() >= 1.0 && (0.0..=1.0).contains(&counts.loss()));
}
