//! What each neighbour is to hear at present, and how that differs from before.

use super::policy::{Attributes, Decision, Origin, Overrides, Situation, Standing, decide};
use super::settings::Settings;
use super::{Event, NeighborId};
use crate::wire::bgp::Prefix;

/// One neighbour and prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) neighbor: NeighborId,
    /// By it a neighbour is known again after a reload.
    name: Box<str>,
    pub(super) prefix: Prefix,
    pub(super) origin: Origin,
    pub(super) decision: Decision,
}

impl Row {
    fn is_announced(&self) -> bool {
        self.decision.attributes.is_some()
    }

    fn is_refused(&self) -> bool {
        self.origin.standing == Standing::Refused
    }
}

/// All neighbours and prefixes, in the order of the settings.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// Decides anew for every neighbour and prefix.
    pub(super) fn decide(
        settings: &Settings,
        situation: &Situation,
        overrides: &Overrides,
        origin: impl Fn(&Prefix) -> Origin,
    ) -> Self {
        let mut rows = Vec::new();
        for (id, neighbor) in (0..).zip(&settings.bgp.neighbors) {
            for export in &neighbor.exports {
                let origin = origin(&export.prefix);
                let word = overrides.on(&export.prefix);
                let decision = decide(situation, word, &origin, &export.ladder);
                let (neighbor, name) = (NeighborId(id), neighbor.name.clone());
                rows.push(Row { neighbor, name, prefix: export.prefix, origin, decision });
            }
        }
        Self { rows }
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What a neighbour is to hear.
    pub(super) fn routes(&self, neighbor: NeighborId) -> Vec<(Prefix, Option<Attributes>)> {
        let rows = self.rows.iter().filter(|row| row.neighbor == neighbor);
        rows.map(|row| (row.prefix, row.decision.attributes.clone())).collect()
    }

    /// What at least one neighbour is to hear.
    pub(super) fn announced(&self) -> Vec<Prefix> {
        let mut prefixes: Vec<Prefix> =
            self.rows.iter().filter(|row| row.is_announced()).map(|row| row.prefix).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        prefixes
    }

    /// What at least one neighbour is to hear, and not only by force.
    pub(super) fn announced_freely(&self) -> Vec<Prefix> {
        let rows = self.rows.iter().filter(|row| row.is_announced() && row.origin.standing == Standing::Free);
        rows.map(|row| row.prefix).collect()
    }

    fn refuses(&self, prefix: &Prefix) -> bool {
        self.rows.iter().any(|row| row.prefix == *prefix && row.is_refused())
    }

    /// What the log should know of the way from `before` to here.
    pub(super) fn changes_since(&self, before: &Self) -> Vec<Event> {
        let told = |row: &Row| {
            let mut known = before.rows.iter().filter(|known| known.prefix == row.prefix);
            known.find(|known| known.name == row.name).and_then(|known| known.decision.attributes.as_ref())
        };
        let refused = self.rows.iter().filter(|row| row.is_refused() && !before.refuses(&row.prefix));
        let refused = refused.map(|row| {
            let said = row.origin.said.as_deref().unwrap_or_default();
            Event::warn("prefix refused for its origin").with("prefix", row.prefix).with("reason", said)
        });
        let changed = self.rows.iter().filter_map(|row| describe(row, told(row)));
        refused.chain(changed).collect()
    }
}

fn describe(row: &Row, before: Option<&Attributes>) -> Option<Event> {
    let after = row.decision.attributes.as_ref();
    let event = match (before, after) {
        (None, Some(_)) => Event::info("prefix is to be announced"),
        (Some(_), None) => Event::info("prefix is to be withdrawn"),
        (Some(before), Some(after)) if before != after => Event::info("prefix is to be announced otherwise"),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    let event = event.with("neighbor", &row.name).with("prefix", row.prefix);
    let event = match after {
        Some(after) => event.with("attributes", after),
        None => event,
    };
    Some(event.with("reason", &row.decision.rule))
}
