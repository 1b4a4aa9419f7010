//! Classes of traffic: with which mark datagrams of sessions came, and with which they left.
//!
//! What came is counted. What left follows from it by the configuration, where that is the same for all listeners: no packet
//! is looked at twice for it.

use super::LeavingDscp;
use crate::control::admin::DscpClass;
use crate::metrics::Source;
use crate::quality::{Direction, Leg, Legs};

/// Six bits, and one place for marks that the system did not tell.
const PLACES: usize = 65;
const UNKNOWN: usize = PLACES - 1;

/// The names of the IANA registry.
const NAMES: &[(u8, &str)] = &[
    (0, "CS0"),
    (1, "LE"),
    (8, "CS1"),
    (10, "AF11"),
    (12, "AF12"),
    (14, "AF13"),
    (16, "CS2"),
    (18, "AF21"),
    (20, "AF22"),
    (22, "AF23"),
    (24, "CS3"),
    (26, "AF31"),
    (28, "AF32"),
    (30, "AF33"),
    (32, "CS4"),
    (34, "AF41"),
    (36, "AF42"),
    (38, "AF43"),
    (40, "CS5"),
    (44, "VA"),
    (46, "EF"),
    (48, "CS6"),
    (56, "CS7"),
];

/// Those that something came with or left with.
pub(super) fn classes(workers: &[Source], leaving: &LeavingDscp) -> Vec<DscpClass> {
    let mut received = Legs { client: [0u64; PLACES], peer: [0; PLACES] };
    for worker in workers {
        for direction in Direction::ALL {
            for (dscp, packets) in worker.counters.quality.dscp(direction) {
                add(&mut received[direction.leg()], dscp, packets);
            }
        }
    }
    let mut sent = Legs { client: [0; PLACES], peer: [0; PLACES] };
    let mut is_known = true;
    for leg in Leg::ALL {
        for (place, packets) in (0u8..).zip(received[leg]).filter(|(_, packets)| *packets > 0) {
            let dscp = (usize::from(place) != UNKNOWN).then_some(place);
            let left = dscp.map(|dscp| leaving(dscp));
            is_known &= left != Some(None);
            add(&mut sent[leg], left.flatten(), packets);
        }
    }
    let class = |place: u8| {
        let at = |list: &[u64; PLACES]| list.get(usize::from(place)).copied().unwrap_or(0);
        let dscp = (usize::from(place) != UNKNOWN).then_some(place);
        DscpClass {
            dscp,
            class: dscp.map_or_else(|| "unknown".to_owned(), name),
            client_received: at(&received.client),
            peer_received: at(&received.peer),
            client_sent: is_known.then_some(at(&sent.client)),
            peer_sent: is_known.then_some(at(&sent.peer)),
        }
    };
    let is_there = |class: &DscpClass| {
        let sent = class.client_sent.unwrap_or(0).saturating_add(class.peer_sent.unwrap_or(0));
        class.client_received.saturating_add(class.peer_received).saturating_add(sent) > 0
    };
    (0..=64).map(class).filter(is_there).collect()
}

fn add(list: &mut [u64; PLACES], dscp: Option<u8>, packets: u64) {
    if let Some(sum) = list.get_mut(dscp.map_or(UNKNOWN, usize::from)) {
        *sum = sum.saturating_add(packets);
    }
}

fn name(dscp: u8) -> String {
    let known = NAMES.iter().find(|(number, _)| *number == dscp);
    known.map_or_else(|| dscp.to_string(), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use super::*;
    use crate::metrics::Counters;
    use crate::quality::codec::Codecs;
    use crate::quality::{Glance, Session, Settings, What};
    use crate::time::Time;
    use crate::wire::rtp::RtpHeader;

    /// A worker that has heard ten packets of EF from a client.
    fn worker() -> Source {
        let counters = Arc::<Counters>::default();
        let (settings, mut now) = (Settings::default(), Time::from_secs(1));
        let mut session = Session::new(now);
        for sequence in 0..10 {
            let header = RtpHeader { marker: false, payload_type: 111, sequence, timestamp: 0, ssrc: 9 };
            let glance = Glance { arrival: now, length: 100, tos: Some(184), what: What::Rtp(header) };
            session.see(&settings, Direction::ClientToPeer, 7, &glance);
            now = now + Duration::from_millis(20);
        }
        counters.quality.add(&session.close_interval(&settings, now), &Codecs::default());
        Source { counters, alive: Arc::new(AtomicBool::new(true)) }
    }

    #[test]
    fn what_came_as_one_class_left_as_another() {
        let leaving: LeavingDscp = Arc::new(|dscp| Some(if dscp == 46 { 34 } else { dscp }));
        let found = classes(&[worker(), worker()], &leaving);
        let rows: Vec<_> =
            found.iter().map(|row| (row.class.as_str(), row.client_received, row.client_sent)).collect();
        assert_eq!(rows, [("AF41", 0, Some(20)), ("EF", 20, Some(0))]);
        assert!(found.iter().all(|row| row.peer_received == 0 && row.peer_sent == Some(0)));
    }

    #[test]
    fn where_listeners_differ_nothing_is_said_of_what_left() {
        let found = classes(&[worker()], &(Arc::new(|_| None) as LeavingDscp));
        let rows: Vec<_> = found.iter().map(|row| (row.dscp, row.client_received, row.client_sent)).collect();
        assert_eq!(rows, [(Some(46), 10, None)]);
    }
}
