//! What people read on a terminal: columns that line up, lengths of time at a glance.

/// Rows under headings, two spaces between columns, nothing behind the last.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headings.get(column).map(|heading| heading.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    let mut text = line(&mut headings.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// A length of time by its two largest units: "2d 3h", "4m 10s", "12s".
pub(super) fn age(seconds: u64) -> String {
    let parts =
        [("d", seconds / 86_400), ("h", seconds / 3_600 % 24), ("m", seconds / 60 % 60), ("s", seconds % 60)];
    let first = parts.iter().position(|(_, count)| *count > 0).unwrap_or(3);
    let shown = parts.iter().skip(first).take(2).filter(|(_, count)| *count > 0);
    let text: Vec<String> = shown.map(|(unit, count)| format!("{count}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text.join(" ") }
}

/// A short length of time: "300ms", "1.5s", "50us".
pub(super) fn short(microseconds: u64) -> String {
    match microseconds {
        0..1_000 => format!("{microseconds}us"),
        1_000..1_000_000 => fraction(microseconds, 1_000, "ms"),
        1_000_000.. => fraction(microseconds, 1_000_000, "s"),
    }
}

fn fraction(number: u64, of: u64, unit: &str) -> String {
    let tenths = number % of * 10 / of;
    if tenths == 0 { format!("{}{unit}", number / of) } else { format!("{}.{tenths}{unit}", number / of) }
}

/// A dash for what is not there.
pub(super) fn or_dash(text: Option<String>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["longer".to_owned(), "22".to_owned()]];
        assert_eq!(table(&["Name", "N"], &rows), "Name    N\na       1\nlonger  22\n");
    }

    #[test]
    fn an_age_has_its_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (250, "4m 10s"),
            (7_203, "2h"),
            (183_600, "2d 3h"),
            (86_400, "1d"),
        ] {
            assert_eq!(age(seconds), text);
        }
    }

    #[test]
    fn short_lengths_keep_their_precision() {
        for (micros, text) in
            [(50, "50us"), (50_000, "50ms"), (1_500, "1.5ms"), (1_500_000, "1.5s"), (3_000_000, "3s")]
        {
            assert_eq!(short(micros), text);
        }
    }
}
