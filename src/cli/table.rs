//! What people read on a terminal: columns that line up, lengths of time at a glance.

/// What a line is not to exceed, as far as its last column can be wrapped.
const WIDTH: usize = 120;
/// The last column gets that much in any case.
const LEAST: usize = 40;

/// Rows under headings, two spaces between columns, nothing behind the last. What is in the last one may be a sentence,
/// which goes on below itself if it is long.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headings.get(column).map(|heading| heading.chars().count())).max().unwrap_or(0)
    };
    let last = headings.len().saturating_sub(1);
    let widths: Vec<usize> = (0..last).map(width).collect();
    let margin: usize = widths.iter().map(|width| width + 2).sum();
    let room = WIDTH.saturating_sub(margin).max(LEAST);
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line: String = widths
            .iter()
            .zip(&mut *cells)
            .fold(String::new(), |line, (width, cell)| format!("{line}{cell:<width$}  "));
        let text = cells.next().unwrap_or_default();
        line.push_str(&wrap(text, room).join(&format!("\n{:margin$}", "")));
        format!("{}\n", line.trim_end())
    };
    let mut text = line(&mut headings.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// The same words in lines of so many characters at most; what is longer than a line is cut.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for (place, part) in letters.chunks(room).enumerate() {
            let part: String = part.iter().collect();
            match lines.last_mut() {
                Some(line) if place == 0 && line.chars().count() + 1 + part.chars().count() <= room => {
                    line.push(' ');
                    line.push_str(&part);
                }
                _ => lines.push(part),
            }
        }
    }
    lines
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
    fn a_long_sentence_goes_on_below_itself_and_loses_nothing() {
        let says = "the disk is nearly full ".repeat(8) + &"x".repeat(300);
        let rows = [
            vec!["disk".to_owned(), says.clone(), "bad".to_owned()],
            vec!["other".to_owned(), "fine".to_owned(), says.clone()],
        ];
        let text = table(&["Check", "Says"], &[rows[0][..2].to_vec()]);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.lines().skip(2).all(|line| line.starts_with("       ")), "{text}");
        let written = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(written(&text), format!("CheckSaysdisk{}", written(&says)));
        // Where the other columns leave no room, the last one has some all the same.
        let text = table(&["Check", "What", "Says"], &rows);
        let wrapped = text.lines().last().unwrap().trim_start();
        assert_eq!(wrapped, "x".repeat(300 % LEAST));
        assert_eq!(table(&["One"], &[]), "One\n");
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
