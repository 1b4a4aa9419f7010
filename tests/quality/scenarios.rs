//! What happens in calls, one thing each, as schedules of some seconds.

use std::time::Duration;

use crate::dice::Gilbert;
use crate::impair::Impair as _;
use crate::schedule::{CN, Format, G722, OPUS, PCMU, Packet, RED, RTX, Sender, VP8, together};

/// Most scenarios have this one stream.
pub(crate) const VOICE: u32 = 0x00c0_ffee;
pub(crate) const OTHER_VOICE: u32 = 0x0dec_af00;
pub(crate) const PICTURE: u32 = 0xbeef_0001;
pub(crate) const REPAIR: u32 = 0xbeef_0002;

const MS: Duration = Duration::from_millis(1);
const FRAME: Duration = Duration::from_millis(20);

/// Expedited Forwarding.
pub(crate) const EF: u8 = 46 << 2;
pub(crate) const AF41: u8 = 34 << 2;
pub(crate) const CE: u8 = 3;
/// Also L4S.
pub(crate) const ECT1: u8 = 1;
pub(crate) const ECT0: u8 = 2;

fn voice() -> Sender {
    Sender::new(OPUS, VOICE)
}

pub(crate) fn quiet_line() -> Vec<Packet> {
    voice().talk(150).end()
}

/// Alone, in pairs, in runs of seven and of 25.
pub(crate) fn losses() -> Vec<Packet> {
    let runs: Vec<u32> = (80..87).chain(110..135).collect();
    voice().talk(200).end().lose(&[5, 40, 41]).lose(&runs)
}

pub(crate) fn gilbert_bursts() -> Vec<Packet> {
    voice().talk(250).end().lose_in_bursts(11, Gilbert::new(0.03, 0.3))
}

/// Less than a frame: nothing overtakes.
pub(crate) fn little_jitter() -> Vec<Packet> {
    voice().talk(200).end().jitter(12, 18 * MS)
}

/// More than three frames.
pub(crate) fn much_jitter() -> Vec<Packet> {
    voice().talk(200).end().jitter(13, 70 * MS)
}

/// By one, by three, by twelve, and two that change places behind others.
pub(crate) fn reordering() -> Vec<Packet> {
    let once = voice().talk(150).end().delay(&[20], 25 * MS).delay(&[40], 65 * MS);
    once.delay(&[70], 245 * MS).delay(&[100], 70 * MS).delay(&[101], 45 * MS)
}

/// At once, a moment later, behind five others; and of one that was itself late.
pub(crate) fn duplicates() -> Vec<Packet> {
    let packets = voice().talk(150).end().double(&[10, 11, 12], Duration::ZERO).double(&[30], 5 * MS);
    packets.double(&[60], 110 * MS).delay(&[90], 50 * MS).double(&[90], 3 * MS)
}

/// Losses and duplicates that cancel each other in RFC 3550's cumulative number.
pub(crate) fn losses_and_as_many_duplicates() -> Vec<Packet> {
    voice().talk(150).end().lose(&[30, 60, 61]).double(&[90, 91, 92], MS)
}

/// Sequence numbers begin again at zero; so do timestamps.
pub(crate) fn wrap() -> Vec<Packet> {
    voice().at_sequence(65_460).at_timestamp(u32::MAX - 960 * 40).talk(150).end()
}

/// Place 75 is sequence number 65 535: it comes behind 0 and 1; 0 was doubled, 65 534 and 2 are lost.
pub(crate) fn wrap_with_reordering() -> Vec<Packet> {
    let packets = voice().at_sequence(65_460).talk(150).end().lose(&[74, 78]);
    packets.delay(&[75], 45 * MS).double(&[76], 65 * MS)
}

/// Another sequence number and timestamp, far from those before.
pub(crate) fn restart() -> Vec<Packet> {
    voice().talk(80).restart(40_000, 0xdead_0000).talk(80).end().lose(&[30])
}

/// Speech, a comfort frame each 400 ms, speech: sequence numbers go on, timestamps jump.
pub(crate) fn discontinuous() -> Vec<Packet> {
    let mut sender = voice().talk(40);
    for _ in 0..3 {
        sender = sender.silence(380 * MS).talk(1);
    }
    sender.silence(200 * MS).talk(50).end()
}

/// Comfort noise (RFC 3389) in the same stream.
pub(crate) fn comfort_noise() -> Vec<Packet> {
    let mut sender = Sender::new(PCMU, VOICE).talk(40);
    for _ in 0..4 {
        sender = sender.insert(CN, 5).silence(180 * MS);
    }
    sender.talk(60).end()
}

/// A second and a half in which timestamps stand still too.
pub(crate) fn hold() -> Vec<Packet> {
    voice().talk(60).hold(1_500 * MS).talk(60).end()
}

/// A voice and a picture of three packets a frame, which share an address.
pub(crate) fn two_streams() -> Vec<Packet> {
    let picture = Sender::new(VP8, PICTURE).at_sequence(9).show(90, 3).end().lose(&[50, 51, 100]);
    together([voice().talk(150).end().lose(&[70]), picture])
}

/// What of a picture was lost comes again in a stream of its own, 60 ms later.
pub(crate) fn retransmissions() -> Vec<Packet> {
    let lost = [50, 51, 100, 101, 150, 200];
    let picture = Sender::new(VP8, PICTURE).show(90, 3).end();
    let again = picture.iter().filter(|packet| lost.contains(&packet.place)).enumerate();
    let repair = again.map(|(place, packet)| Packet {
        at: packet.at + 60 * MS,
        payload_type: RTX,
        sequence: 500 + place as u16,
        ssrc: REPAIR,
        size: packet.size + 2,
        place: place as u32,
        ..packet.clone()
    });
    let repair = repair.collect();
    together([picture.lose(&lost), repair])
}

/// Every other second with redundancy: another payload type, the same stream.
pub(crate) fn redundancy() -> Vec<Packet> {
    let sender = voice().switch(RED).talk(50).switch(OPUS).talk(50).switch(RED).talk(50);
    sender.end().lose(&[60, 120, 121])
}

/// Two keys are pressed in the middle of a sentence.
pub(crate) fn telephone_events() -> Vec<Packet> {
    voice().talk(40).press(8).talk(30).press(5).talk(40).end()
}

/// A sender whose clock is 200 millionths fast, and one whose is slow.
pub(crate) fn drift() -> Vec<Packet> {
    let fast = voice().talk(200).end().drift(200);
    together([fast, Sender::new(OPUS, OTHER_VOICE).talk(200).end().drift(-200)])
}

/// 8 kHz in the timestamps though the name says 16.
pub(crate) fn g722() -> Vec<Packet> {
    Sender::new(G722, VOICE).talk(150).end().jitter(14, 12 * MS)
}

/// A payload type that nobody has told the relay about, at 16 kHz.
pub(crate) fn unknown_payload_type() -> Vec<Packet> {
    let format = Format { payload_type: 105, clock: 16_000, frame: FRAME, size: 60 };
    Sender::new(format, VOICE).talk(200).end().jitter(15, 10 * MS)
}

/// Marked at first, and from the middle on not any more.
pub(crate) fn bleached() -> Vec<Packet> {
    voice().mark(EF).talk(150).end().remark(1_500 * MS, 0)
}

/// Two classes, both ECN bits in every combination.
pub(crate) fn marks() -> Vec<Packet> {
    let sender = voice().mark(EF | ECT0).talk(50).mark(AF41 | ECT1).talk(40).mark(AF41 | CE).talk(10);
    sender.mark(EF).talk(20).end()
}

/// Too late for shallow jitter buffers, and some for deep ones.
pub(crate) fn late() -> Vec<Packet> {
    let packets = voice().talk(200).end().delay(&[20, 50], 50 * MS).delay(&[80, 81, 82], 80 * MS);
    packets.delay(&[110, 140], 150 * MS).delay(&[170], 270 * MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::{Arrived, Burst, Span, Truth, count, discarded, jitter};

    fn of(ssrc: u32, packets: &[Packet]) -> Truth {
        count(packets.iter().filter(|packet| packet.ssrc == ssrc))
    }

    fn arrived(packets: &[Packet]) -> Vec<Arrived<'_>> {
        let span = |at: f64| Span { from: at, to: at };
        packets.iter().map(|packet| (packet, span(packet.at.as_secs_f64()))).collect()
    }

    /// Expected, lost, duplicate, reordered, restarts.
    fn numbers(packets: &[Packet]) -> [u64; 5] {
        let truth = of(VOICE, packets);
        assert_eq!(truth.expected, truth.received + truth.lost);
        [truth.expected, truth.lost, truth.duplicate, truth.reordered, truth.restarts]
    }

    #[test]
    fn each_scenario_is_what_its_name_says() {
        for (name, packets, expected) in [
            ("quiet line", quiet_line(), [150, 0, 0, 0, 0]),
            ("losses", losses(), [200, 35, 0, 0, 0]),
            ("little jitter", little_jitter(), [200, 0, 0, 0, 0]),
            ("reordering", reordering(), [150, 0, 0, 5, 0]),
            ("duplicates", duplicates(), [150, 0, 6, 1, 0]),
            ("losses and as many duplicates", losses_and_as_many_duplicates(), [150, 3, 3, 0, 0]),
            ("wrap", wrap(), [150, 0, 0, 0, 0]),
            ("wrap with reordering", wrap_with_reordering(), [150, 2, 1, 1, 0]),
            ("restart", restart(), [160, 2, 0, 0, 1]),
            ("discontinuous", discontinuous(), [93, 0, 0, 0, 0]),
            ("comfort noise", comfort_noise(), [104, 0, 0, 0, 0]),
            ("hold", hold(), [120, 0, 0, 0, 0]),
            ("redundancy", redundancy(), [150, 3, 0, 0, 0]),
            ("telephone events", telephone_events(), [127, 0, 0, 0, 0]),
            ("drift", drift(), [200, 0, 0, 0, 0]),
            ("late", late(), [200, 0, 0, 8, 0]),
        ] {
            assert_eq!(numbers(&packets), expected, "{name}");
            let last = packets.last().unwrap().at;
            assert!(last < Duration::from_secs(6), "{name}: {last:?}");
        }
    }

    #[test]
    fn losses_come_in_the_runs_that_were_wanted() {
        let truth = of(VOICE, &losses());
        assert_eq!(truth.loss_runs, [1, 2, 7, 25]);
        let bursts =
            [Burst { packets: 2, lost: 2 }, Burst { packets: 7, lost: 7 }, Burst { packets: 25, lost: 25 }];
        assert_eq!(truth.bursts, bursts);
        let gilbert = of(VOICE, &gilbert_bursts());
        assert!(
            (10..50).contains(&gilbert.lost) && gilbert.loss_runs.iter().any(|run| *run > 3),
            "{gilbert:?}"
        );
    }

    #[test]
    fn much_jitter_overtakes_and_little_does_not() {
        assert!(of(VOICE, &much_jitter()).reordered > 50);
        let value = |packets: &[Packet]| jitter(&arrived(packets)).last().unwrap().middle();
        assert!((0.003..0.009).contains(&value(&little_jitter())));
        assert!(value(&drift()[..200]) < 0.000_01);
    }

    #[test]
    fn streams_of_one_address_are_counted_apart() {
        let packets = two_streams();
        assert_eq!((of(VOICE, &packets).lost, of(PICTURE, &packets).lost), (1, 3));
        assert_eq!((of(VOICE, &packets).expected, of(PICTURE, &packets).expected), (150, 270));
        let repaired = retransmissions();
        assert_eq!((of(PICTURE, &repaired).lost, of(REPAIR, &repaired).expected), (6, 6));
        assert_eq!(of(REPAIR, &repaired).lost, 0);
    }

    #[test]
    fn what_is_late_is_late_for_the_depths_that_were_wanted() {
        assert_eq!(discarded(&arrived(&late())), [8..=8, 6..=6, 3..=3, 1..=1]);
    }

    #[test]
    fn marks_are_on_as_many_packets_as_were_wanted() {
        let counts = |packets: &[Packet]| Vec::from_iter(of(VOICE, packets).marks);
        assert_eq!(counts(&bleached()), [(0, 75), (EF, 75)]);
        assert_eq!(counts(&marks()), [(AF41 | ECT1, 40), (AF41 | CE, 10), (EF, 20), (EF | ECT0, 50)]);
    }
}
