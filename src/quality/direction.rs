//! The two ways through the relay, and the two legs of its path.

use std::ops::{Index, IndexMut};

/// Which way media goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the relay's client to its peer.
    ClientToPeer,
    /// From the peer to the relay's client.
    PeerToClient,
}

impl Direction {
    /// Both, in the order of [`Direction::index`].
    pub const ALL: [Self; 2] = [Self::ClientToPeer, Self::PeerToClient];

    /// The leg that its packets have come by when the relay sees them: what is missing then was lost there.
    #[must_use]
    pub const fn leg(self) -> Leg {
        match self {
            Self::ClientToPeer => Leg::Client,
            Self::PeerToClient => Leg::Peer,
        }
    }

    /// The way back.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::ClientToPeer => Self::PeerToClient,
            Self::PeerToClient => Self::ClientToPeer,
        }
    }

    /// Its place in a list of both.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name it is exported under.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientToPeer => "client_to_peer",
            Self::PeerToClient => "peer_to_client",
        }
    }
}

/// One half of a relayed path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leg {
    /// Between the client and the relay.
    Client,
    /// Between the relay and the peer.
    Peer,
}

impl Leg {
    /// Both, in the order of [`Leg::index`].
    pub const ALL: [Self; 2] = [Self::Client, Self::Peer];

    /// Its place in a list of both.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name it is exported under.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Peer => "peer",
        }
    }
}

/// One thing for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directions<T> {
    /// For [`Direction::ClientToPeer`].
    pub client_to_peer: T,
    /// For [`Direction::PeerToClient`].
    pub peer_to_client: T,
}

impl<T> Directions<T> {
    /// What `make` says for each.
    pub fn from_fn(mut make: impl FnMut(Direction) -> T) -> Self {
        Self { client_to_peer: make(Direction::ClientToPeer), peer_to_client: make(Direction::PeerToClient) }
    }

    /// Both, with their directions.
    pub fn iter(&self) -> impl Iterator<Item = (Direction, &T)> {
        Direction::ALL.into_iter().map(|direction| (direction, &self[direction]))
    }
}

impl<T> Index<Direction> for Directions<T> {
    type Output = T;

    #[inline]
    fn index(&self, direction: Direction) -> &T {
        match direction {
            Direction::ClientToPeer => &self.client_to_peer,
            Direction::PeerToClient => &self.peer_to_client,
        }
    }
}

impl<T> IndexMut<Direction> for Directions<T> {
    #[inline]
    fn index_mut(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::ClientToPeer => &mut self.client_to_peer,
            Direction::PeerToClient => &mut self.peer_to_client,
        }
    }
}

/// One thing for each leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Legs<T> {
    /// For [`Leg::Client`].
    pub client: T,
    /// For [`Leg::Peer`].
    pub peer: T,
}

impl<T> Legs<T> {
    /// What `make` says for each.
    pub fn from_fn(mut make: impl FnMut(Leg) -> T) -> Self {
        Self { client: make(Leg::Client), peer: make(Leg::Peer) }
    }

    /// Both, with their legs.
    pub fn iter(&self) -> impl Iterator<Item = (Leg, &T)> {
        Leg::ALL.into_iter().map(|leg| (leg, &self[leg]))
    }
}

impl<T> Index<Leg> for Legs<T> {
    type Output = T;

    #[inline]
    fn index(&self, leg: Leg) -> &T {
        match leg {
            Leg::Client => &self.client,
            Leg::Peer => &self.peer,
        }
    }
}

impl<T> IndexMut<Leg> for Legs<T> {
    #[inline]
    fn index_mut(&mut self, leg: Leg) -> &mut T {
        match leg {
            Leg::Client => &mut self.client,
            Leg::Peer => &mut self.peer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_has_come_by_the_leg_of_its_sender() {
        assert_eq!(Direction::ClientToPeer.leg(), Leg::Client);
        assert_eq!(Direction::PeerToClient.leg(), Leg::Peer);
        for direction in Direction::ALL {
            assert_eq!(direction.opposite().opposite(), direction);
            assert_ne!(direction.opposite().leg(), direction.leg());
        }
    }

    #[test]
    fn places_are_those_of_the_lists() {
        for (place, direction) in Direction::ALL.into_iter().enumerate() {
            assert_eq!(direction.index(), place);
            assert_eq!(Directions::from_fn(|it| it)[direction], direction);
        }
        for (place, leg) in Leg::ALL.into_iter().enumerate() {
            assert_eq!(leg.index(), place);
            assert_eq!(Legs::from_fn(|it| it)[leg], leg);
        }
    }
}
