//! The operator's word on prefixes, which outlives reloads.

use std::collections::BTreeMap;

use crate::time::UnixTime;
use crate::wire::bgp::Prefix;

/// What the operator wants of a prefix, against what health says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It is not announced.
    Withdraw,
    /// It is announced.
    Force,
}

/// A word that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Override {
    /// What the operator wants.
    pub word: Word,
    /// Since when.
    pub since: UnixTime,
}

/// The words that stand: one for all prefixes, and others for some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    all: Option<Override>,
    /// `None` for a prefix that the word for all does not reach.
    some: BTreeMap<Prefix, Option<Override>>,
}

impl Overrides {
    /// The word on a prefix.
    #[must_use]
    pub fn on(&self, prefix: &Prefix) -> Option<Override> {
        self.some.get(prefix).copied().unwrap_or(self.all)
    }

    /// A new word on one prefix, or on all; `None` takes it back. What is said of all ends what was said of some.
    pub fn say(&mut self, now: UnixTime, prefix: Option<Prefix>, word: Option<Word>) {
        let said = word.map(|word| Override { word, since: now });
        match prefix {
            Some(prefix) if said == self.all => drop(self.some.remove(&prefix)),
            Some(prefix) => drop(self.some.insert(prefix, said)),
            None => {
                self.some.clear();
                self.all = said;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(overrides: &Overrides) -> [Option<Word>; 2] {
        ["10.0.0.1/32", "10.0.0.2/32"]
            .map(|prefix| overrides.on(&prefix.parse().unwrap()).map(|found| found.word))
    }

    #[test]
    fn a_word_on_one_prefix_stands_against_the_word_on_all_until_that_is_said_again() {
        let first: Prefix = "10.0.0.1/32".parse().unwrap();
        let mut overrides = Overrides::default();
        overrides.say(UnixTime(1), None, Some(Word::Withdraw));
        assert_eq!(words(&overrides), [Some(Word::Withdraw); 2]);
        overrides.say(UnixTime(2), Some(first), None);
        assert_eq!(words(&overrides), [None, Some(Word::Withdraw)]);
        overrides.say(UnixTime(3), Some(first), Some(Word::Force));
        assert_eq!(words(&overrides), [Some(Word::Force), Some(Word::Withdraw)]);
        overrides.say(UnixTime(4), None, None);
        assert_eq!(words(&overrides), [None, None]);
    }
}
