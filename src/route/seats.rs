//! Which places of a list belong to a five-tuple.
//!
//! Whoever keeps the list has the five-tuples in it, so they are not kept here: a seat is a place and half a hash, eight
//! bytes, and a hash table that has just doubled costs 21 bytes per seat in place of a hundred. Nor is the list looked
//! at when the table grows.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

use super::FiveTuple;

/// Places by five-tuple; one five-tuple may have several.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    table: HashTable<Seat>,
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seat {
    hash: u32,
    place: u32,
}

impl Seats {
    /// The places that may belong to `tuple`: all that do, and one in four billion that does not. Compare.
    pub(crate) fn find(&self, tuple: &FiveTuple) -> impl Iterator<Item = usize> {
        let hash = self.hash(tuple);
        self.table
            .iter_hash(spread(hash))
            .filter(move |seat| seat.hash == hash)
            .map(|seat| seat.place as usize)
    }

    /// Seats `place` at `tuple`, where it is not yet.
    pub(crate) fn insert(&mut self, tuple: &FiveTuple, place: usize) {
        let Some(seat) = self.seat(tuple, place) else { return };
        self.table.insert_unique(spread(seat.hash), seat, |seat| spread(seat.hash));
    }

    /// Takes the seat away again.
    pub(crate) fn remove(&mut self, tuple: &FiveTuple, place: usize) {
        let Some(wanted) = self.seat(tuple, place) else { return };
        if let Ok(found) = self.table.find_entry(spread(wanted.hash), |seat| *seat == wanted) {
            found.remove();
        }
    }

    /// How many seats are taken.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// No list has a place that does not fit: the memory ends before.
    fn seat(&self, tuple: &FiveTuple, place: usize) -> Option<Seat> {
        Some(Seat { hash: self.hash(tuple), place: u32::try_from(place).ok()? })
    }

    fn hash(&self, tuple: &FiveTuple) -> u32 {
        (self.hasher.hash_one(tuple) >> 32) as u32
    }
}

/// The table looks at the uppermost bits and at the lowest.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::SocketAddr;

    use super::*;
    use crate::route::Transport;

    fn tuple(port: u16) -> FiveTuple {
        let client = SocketAddr::from(([192, 0, 2, 1], port)).into();
        FiveTuple { client, server: client, transport: Transport::Udp }
    }

    #[test]
    fn every_place_is_found_until_it_is_taken_away() {
        let mut seats = Seats::default();
        for place in 0..1000 {
            seats.insert(&tuple(7), place);
            seats.insert(&tuple(u16::try_from(1000 + place).unwrap()), place);
        }
        assert_eq!(seats.find(&tuple(7)).collect::<BTreeSet<_>>(), (0..1000).collect());
        seats.remove(&tuple(7), 500);
        seats.remove(&tuple(8), 501);
        assert_eq!((seats.len(), seats.find(&tuple(7)).count()), (1999, 999));
        assert!(seats.find(&tuple(1500)).any(|place| place == 500));
    }

    #[test]
    fn a_seat_takes_eight_bytes() {
        assert_eq!(size_of::<Seat>(), 8);
    }
}
