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

/// Declares a type that holds one thing for each value of an enum of two.
macro_rules! one_for_each {
    ($(#[$doc:meta])* $name:ident, $key:ident, $first:ident = $one:ident, $second:ident = $other:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name<T> {
            #[doc = concat!("For [`", stringify!($key), "::", stringify!($one), "`].")]
            pub $first: T,
            #[doc = concat!("For [`", stringify!($key), "::", stringify!($other), "`].")]
            pub $second: T,
        }

        impl<T> $name<T> {
            /// What `make` says for each.
            pub fn from_fn(mut make: impl FnMut($key) -> T) -> Self {
                Self { $first: make($key::$one), $second: make($key::$other) }
            }

            /// Both, with what they are for.
            pub fn iter(&self) -> impl Iterator<Item = ($key, &T)> {
                $key::ALL.into_iter().map(|key| (key, &self[key]))
            }
        }

        impl<T> Index<$key> for $name<T> {
            type Output = T;

            #[inline]
            fn index(&self, key: $key) -> &T {
                match key {
                    $key::$one => &self.$first,
                    $key::$other => &self.$second,
                }
            }
        }

        impl<T> IndexMut<$key> for $name<T> {
            #[inline]
            fn index_mut(&mut self, key: $key) -> &mut T {
                match key {
                    $key::$one => &mut self.$first,
                    $key::$other => &mut self.$second,
                }
            }
        }
    };
}

one_for_each! {
    /// One thing for each direction.
    Directions, Direction, client_to_peer = ClientToPeer, peer_to_client = PeerToClient
}

one_for_each! {
    /// One thing for each leg.
    Legs, Leg, client = Client, peer = Peer
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
