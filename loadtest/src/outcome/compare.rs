//! What several servers in turn give.

use serde::Serialize;

use super::Measured;

/// Several servers in turn, A B A B, so that what happens to the machine happens to all of them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Compare {
    /// The mode that was carried out each time.
    pub what: String,
    /// Their names, in order; ratios are those of the first to each of the others.
    pub servers: Vec<String>,
    /// Figures with their spread.
    pub rows: Vec<Row>,
    /// Everything: for each round, one result per server.
    pub rounds: Vec<Vec<Measured>>,
}

/// One figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// Of what.
    pub figure: String,
    /// `ns`, `us`, `/s`, `share`, `B`.
    pub unit: String,
    /// Whether more is better.
    pub more_is_better: bool,
    /// One per server; none of one that did not give it in any round.
    pub values: Vec<Option<Spread>>,
    /// One per server: how many times better the first server is, round by round (above 1: the first is). None for the
    /// first itself, and where one of the two gave nothing or 0.
    pub advantage: Vec<Option<Spread>>,
}

/// A figure over the rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
    /// How many rounds gave one.
    pub rounds: usize,
}
