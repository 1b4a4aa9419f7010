//! What is announced, and why: the state of the relay, the operator's word, and what is known of the prefix's origin.
//!
//! [`decide`] is the only place that lets a prefix out. It is asked for each neighbour and prefix whenever something has
//! changed, remembers nothing, and gives its reason with the answer.

mod attributes;
mod overrides;

pub use attributes::{Attributes, Ladder, NextHop};
pub use overrides::{Override, Overrides, Word};

use super::health::{OnDown, State};

/// What holds for all prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// What the relay is.
    pub state: State,
    /// Down means failed, and not merely that nobody has looked yet.
    pub is_known: bool,
    /// How many other relays are healthy, if somebody knows.
    pub others: Option<u16>,
    /// What a relay does that is down.
    pub on_down: OnDown,
    /// The process is about to end.
    pub is_stopping: bool,
}

/// Whether a prefix's origin stands against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It does not.
    #[default]
    Free,
    /// Nobody has said yet, and somebody soon will.
    Awaited,
    /// It does.
    Refused,
}

/// What is known of a prefix's origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Whether that stands against the prefix.
    pub standing: Standing,
    /// In words; `None` if nobody asks.
    pub said: Option<String>,
}

/// What one neighbour is to hear of one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// With what; `None` if it is not announced.
    pub attributes: Option<Attributes>,
    /// The rule that made the difference.
    pub rule: String,
}

impl Decision {
    fn withhold(rule: impl Into<String>) -> Self {
        Self { attributes: None, rule: rule.into() }
    }
}

/// The rules, the strongest first: the end of the process, the operator's hold, the operator's force, the origin, the
/// state.
#[must_use]
pub fn decide(situation: &Situation, word: Option<Override>, origin: &Origin, ladder: &Ladder) -> Decision {
    if situation.is_stopping {
        return Decision::withhold("the relay is being stopped");
    }
    match word.map(|word| (word.word, word.since)) {
        Some((Word::Withdraw, since)) => {
            let rule = format!("withdrawn by the operator at {since} until `tern bgp announce`");
            return Decision::withhold(rule);
        }
        Some((Word::Force, since)) => return force(situation, since, ladder),
        None => {}
    }
    match (origin.standing, &origin.said) {
        (Standing::Free, _) => by_state(situation, ladder),
        (Standing::Awaited | Standing::Refused, Some(said)) => Decision::withhold(said.clone()),
        (Standing::Awaited | Standing::Refused, None) => {
            Decision::withhold("its origin is not known to be ours")
        }
    }
}

/// Announced whatever the state; a rung that is empty is taken from the state's next of kin.
fn force(situation: &Situation, since: crate::time::UnixTime, ladder: &Ladder) -> Decision {
    let rung = match situation.state {
        State::Healthy => &ladder.healthy,
        State::Degraded => &ladder.degraded,
        State::Draining => &ladder.draining,
        State::Takeover => &ladder.takeover,
        State::Down => &ladder.last_resort,
    };
    let attributes = rung.clone().or_else(|| ladder.healthy.clone()).unwrap_or_default();
    let rule = format!("announced by force since {since}, at the operator's word, while {}", situation.state);
    Decision { attributes: Some(attributes), rule }
}

fn by_state(situation: &Situation, ladder: &Ladder) -> Decision {
    match situation.state {
        State::Healthy => by_rung(situation.state.name(), &ladder.healthy),
        State::Degraded => by_rung(situation.state.name(), &ladder.degraded),
        State::Draining => by_rung(situation.state.name(), &ladder.draining),
        State::Takeover => by_rung(situation.state.name(), &ladder.takeover),
        State::Down => by_last_resort(situation, ladder),
    }
}

fn by_rung(name: &str, rung: &Option<Attributes>) -> Decision {
    match rung {
        Some(attributes) => {
            Decision { attributes: Some(attributes.clone()), rule: format!("announced as {name}") }
        }
        None => Decision::withhold(format!("not announced while {name}, as configured")),
    }
}

fn by_last_resort(situation: &Situation, ladder: &Ladder) -> Decision {
    match (situation.on_down, situation.others) {
        _ if !situation.is_known => Decision::withhold("the relay has not been checked yet"),
        (OnDown::Withdraw, _) => Decision::withhold("the relay is down"),
        (OnDown::LastResort, Some(others @ 1..)) => {
            let rule =
                format!("the relay is down, and {others} other(s) are healthy: no last resort is needed");
            Decision::withhold(rule)
        }
        (OnDown::LastResort, Some(0) | None) => by_rung("down, as a last resort", &ladder.last_resort),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixTime;

    fn rung(med: u32) -> Option<Attributes> {
        Some(Attributes { med: Some(med), ..Attributes::default() })
    }

    fn ladder() -> Ladder {
        Ladder {
            healthy: rung(10_200),
            degraded: rung(20_400),
            draining: rung(40_800),
            takeover: rung(0),
            last_resort: rung(61_200),
        }
    }

    fn situation(state: State) -> Situation {
        Situation { state, is_known: true, others: None, on_down: OnDown::Withdraw, is_stopping: false }
    }

    fn last_resort(others: Option<u16>) -> Situation {
        Situation { on_down: OnDown::LastResort, others, ..situation(State::Down) }
    }

    fn word(word: Word) -> Option<Override> {
        Some(Override { word, since: UnixTime(0) })
    }

    fn med(situation: &Situation, word: Option<Override>, origin: &Origin) -> Option<u32> {
        decide(situation, word, origin, &ladder()).attributes.map(|attributes| attributes.med.unwrap())
    }

    #[test]
    fn each_state_has_its_rung_and_down_has_none() {
        let expected = [
            (State::Takeover, Some(0)),
            (State::Healthy, Some(10_200)),
            (State::Degraded, Some(20_400)),
            (State::Draining, Some(40_800)),
            (State::Down, None),
        ];
        for (state, expected) in expected {
            assert_eq!(med(&situation(state), None, &Origin::default()), expected, "{state}");
        }
    }

    #[test]
    fn a_state_whose_rung_is_empty_announces_nothing() {
        let ladder = Ladder { degraded: None, ..ladder() };
        let decision = decide(&situation(State::Degraded), None, &Origin::default(), &ladder);
        assert_eq!(decision, Decision::withhold("not announced while degraded, as configured"));
    }

    #[test]
    fn the_last_resort_is_for_a_relay_that_knows_of_no_better_one() {
        let announced = [None, Some(0), Some(1), Some(7)]
            .map(|others| med(&last_resort(others), None, &Origin::default()));
        assert_eq!(announced, [Some(61_200), Some(61_200), None, None]);
        let unknown = Situation { is_known: false, ..last_resort(None) };
        assert_eq!(med(&unknown, None, &Origin::default()), None);
    }

    #[test]
    fn the_operators_hold_is_stronger_than_health_and_the_end_is_stronger_than_force() {
        let origin = Origin::default();
        assert_eq!(med(&situation(State::Healthy), word(Word::Withdraw), &origin), None);
        assert_eq!(med(&last_resort(None), word(Word::Withdraw), &origin), None);
        let stopping = Situation { is_stopping: true, ..situation(State::Healthy) };
        assert_eq!(med(&stopping, word(Word::Force), &origin), None);
    }

    #[test]
    fn force_announces_what_health_or_the_origin_would_not() {
        let refused = Origin { standing: Standing::Refused, said: Some("RPKI says invalid".to_owned()) };
        assert_eq!(med(&situation(State::Healthy), None, &refused), None);
        assert_eq!(med(&situation(State::Healthy), word(Word::Force), &refused), Some(10_200));
        assert_eq!(med(&situation(State::Down), word(Word::Force), &refused), Some(61_200));
        let ladder = Ladder { last_resort: None, ..ladder() };
        let forced = decide(&situation(State::Down), word(Word::Force), &refused, &ladder);
        assert_eq!(forced.attributes, rung(10_200));
    }

    #[test]
    fn a_refused_origin_is_the_reason_that_is_given() {
        let refused = Origin { standing: Standing::Refused, said: Some("RPKI says invalid".to_owned()) };
        let decision = decide(&last_resort(None), None, &refused, &ladder());
        assert_eq!(decision, Decision::withhold("RPKI says invalid"));
    }
}
