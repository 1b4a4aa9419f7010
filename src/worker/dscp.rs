//! Which DSCP relayed packets leave with: a policy of the relay, or of the listener that their client came through.

/// The lower two bits of the octet are ECN, the others DSCP.
pub(super) const ECN: u8 = 0b11;

/// How many values there are.
const VALUES: usize = 64;

/// Which DSCP a relayed packet leaves with (RFC 8656 sections 13 to 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DscpPolicy {
    /// The one it came with.
    Copy,
    /// Always this one, 0 to 63.
    Fixed(u8),
    /// One for each that it may come with.
    Map(DscpMap),
}

impl DscpPolicy {
    /// What becomes of this octet's DSCP; ECN is left out.
    #[must_use]
    pub fn apply(&self, tos: u8) -> u8 {
        match self {
            Self::Copy => tos & !ECN,
            Self::Fixed(dscp) => dscp << 2,
            Self::Map(map) => map.leaving(tos >> 2) << 2,
        }
    }
}

/// What becomes of each DSCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DscpMap {
    default: Option<u8>,
    leaving: [u8; VALUES],
}

impl DscpMap {
    /// Every value becomes `default`, or stays what it is without one, save those of `changes`: what comes with the first
    /// leaves with the second. Values above 63 are cut to six bits.
    #[must_use]
    pub fn new(default: Option<u8>, changes: impl IntoIterator<Item = (u8, u8)>) -> Self {
        let default = default.map(|value| value & 63);
        let mut leaving = [0; VALUES];
        for (came, left) in (0u8..).zip(&mut leaving) {
            *left = default.unwrap_or(came);
        }
        for (came, left) in changes {
            if let Some(place) = leaving.get_mut(usize::from(came & 63)) {
                *place = left & 63;
            }
        }
        Self { default, leaving }
    }

    /// What a packet leaves with that came with `dscp`.
    #[must_use]
    pub fn leaving(&self, dscp: u8) -> u8 {
        self.leaving.get(usize::from(dscp)).copied().unwrap_or(0)
    }

    /// What holds for values that are not among [`Self::changes`]; none leaves them as they are.
    #[must_use]
    pub const fn default_value(&self) -> Option<u8> {
        self.default
    }

    /// Every value that does not leave as the default says, and what it leaves with.
    pub fn changes(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        let all = (0u8..).zip(self.leaving);
        all.filter(|(came, left)| *left != self.default.unwrap_or(*came))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_leaves_ecn_out() {
        assert_eq!(DscpPolicy::Copy.apply(0xbb), 0xb8);
        assert_eq!(DscpPolicy::Fixed(34).apply(0xbb), 34 << 2);
        let map = DscpMap::new(None, [(46, 34)]);
        assert_eq!(DscpPolicy::Map(map).apply(0xbb), 34 << 2);
        assert_eq!(DscpPolicy::Map(map).apply(0x23), 0x20);
    }

    #[test]
    fn a_map_names_what_it_changes_and_nothing_else() {
        let copy = DscpMap::new(None, [(46, 34), (8, 1), (10, 10)]);
        assert_eq!(copy.changes().collect::<Vec<_>>(), [(8, 1), (46, 34)]);
        assert_eq!((copy.leaving(46), copy.leaving(0), copy.leaving(63)), (34, 0, 63));
        let strict = DscpMap::new(Some(0), [(46, 46), (34, 46)]);
        assert_eq!(strict.changes().collect::<Vec<_>>(), [(34, 46), (46, 46)]);
        assert_eq!((strict.leaving(46), strict.leaving(8), strict.leaving(63)), (46, 0, 0));
        assert_eq!(DscpMap::new(strict.default_value(), strict.changes()), strict);
    }
}
