//! Servers beside one another.

use super::super::number::{Unit, digits};
use super::super::table::Table;
use super::unit;
use crate::outcome::{Compare, Spread};

/// Figures with their spread, and how many times better the first server is.
pub(super) fn tables(compare: &Compare) -> Vec<Table> {
    let mut header = vec![String::new()];
    header.extend(compare.servers.iter().cloned());
    let first = compare.servers.first().map_or("the first", String::as_str);
    let rows = compare.rows.iter().map(|row| {
        let unit = unit(&row.unit);
        let mut cells = vec![row.figure.clone()];
        cells.extend(row.values.iter().map(|value| value.map_or_else(dash, |spread| show(&spread, unit))));
        cells
    });
    let values = Table {
        title: format!("{}, medians of {} rounds (lowest to highest)", compare.what, compare.rounds.len()),
        header,
        rows: rows.collect(),
    };
    let mut header = vec![String::new()];
    header.extend(compare.servers.iter().skip(1).map(|name| format!("than {name}")));
    let rows = compare.rows.iter().map(|row| {
        let mut cells = vec![row.figure.clone()];
        cells.extend(
            row.advantage
                .iter()
                .skip(1)
                .map(|advantage| advantage.map_or_else(dash, |spread| times(&spread))),
        );
        cells
    });
    let advantage = Table {
        title: format!("How many times better {first} is, round by round (above 1: better)"),
        header,
        rows: rows.collect(),
    };
    vec![advantage, values]
}

fn dash() -> String {
    "–".to_owned()
}

fn show(spread: &Spread, unit: Unit) -> String {
    if spread.rounds < 2 {
        return unit.show(spread.median);
    }
    format!("{} ({} to {})", unit.show(spread.median), unit.show(spread.min), unit.show(spread.max))
}

fn times(spread: &Spread) -> String {
    if spread.rounds < 2 {
        return format!("{} ×", digits(spread.median));
    }
    format!("{} × ({} to {})", digits(spread.median), digits(spread.min), digits(spread.max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Row;

    #[test]
    fn ratios_stand_beside_their_spread() {
        let spread = |median, min, max| Some(Spread { median, min, max, rounds: 3 });
        let row = Row {
            figure: "server CPU per packet".to_owned(),
            unit: "ns".to_owned(),
            more_is_better: false,
            values: vec![spread(4_800.0, 4_700.0, 5_000.0), spread(6_480.0, 6_400.0, 6_600.0)],
            advantage: vec![None, spread(1.35, 1.28, 1.4)],
        };
        let compare = Compare {
            what: "steady".to_owned(),
            servers: vec!["tern".to_owned(), "coturn".to_owned()],
            rows: vec![row],
            rounds: vec![vec![], vec![], vec![]],
        };
        let mut out = String::new();
        for table in tables(&compare) {
            table.write_text(&mut out);
        }
        assert!(out.contains("1.35 × (1.28 to 1.40)"), "{out}");
        assert!(out.contains("6480 ns (6400 ns to 6600 ns)"), "{out}");
    }
}
