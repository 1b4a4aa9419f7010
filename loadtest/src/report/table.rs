//! Tables of text: aligned for a terminal, as Markdown, as HTML. Pure.

use std::fmt::Write as _;

/// Lines of cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Above it.
    pub title: String,
    /// Names of the columns; empty where names and values explain themselves.
    pub header: Vec<String>,
    /// The first cell of each line is its name.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of names and values.
    pub fn pairs(title: &str, pairs: Vec<(&str, String)>) -> Self {
        let rows = pairs.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
        Self { title: title.to_owned(), header: Vec::new(), rows }
    }

    /// A table with named columns.
    pub fn columns(title: &str, header: &[&str], rows: Vec<Vec<String>>) -> Self {
        Self { title: title.to_owned(), header: header.iter().map(|&name| name.to_owned()).collect(), rows }
    }

    fn lines(&self) -> impl Iterator<Item = &Vec<String>> {
        std::iter::once(&self.header).filter(|header| !header.is_empty()).chain(&self.rows)
    }

    /// For a terminal: names to the left; values to the right if there are columns of them.
    pub(super) fn write_text(&self, out: &mut String) {
        if self.rows.is_empty() {
            return;
        }
        let _ = writeln!(out, "{}", self.title);
        let mut widths: Vec<usize> = Vec::new();
        for line in self.lines() {
            for (column, cell) in line.iter().enumerate() {
                let width = cell.chars().count();
                match widths.get_mut(column) {
                    Some(known) => *known = width.max(*known),
                    None => widths.push(width),
                }
            }
        }
        for line in self.lines() {
            let mut text = String::from(" ");
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                let pad = " ".repeat(width - cell.chars().count());
                let _ = if column > 0 && !self.header.is_empty() {
                    write!(text, " {pad}{cell} ")
                } else {
                    write!(text, " {cell}{pad} ")
                };
            }
            let _ = writeln!(out, "{}", text.trim_end());
        }
        out.push('\n');
    }

    /// As Markdown.
    pub(super) fn write_markdown(&self, out: &mut String) {
        if self.rows.is_empty() {
            return;
        }
        let _ = writeln!(out, "**{}**\n", self.title);
        let columns = self.lines().map(Vec::len).max().unwrap_or(0);
        let cells = |line: &[String]| {
            let mut cells: Vec<String> = line.iter().map(|cell| cell.replace('|', "\\|")).collect();
            cells.resize(columns, String::new());
            format!("| {} |\n", cells.join(" | "))
        };
        out.push_str(&cells(&self.header));
        let right = if self.header.is_empty() { "---" } else { "---:" };
        let _ = writeln!(out, "|---|{}", format!("{right}|").repeat(columns.saturating_sub(1)));
        for row in &self.rows {
            out.push_str(&cells(row));
        }
        out.push('\n');
    }

    /// As HTML, by a function that makes text harmless.
    pub(super) fn write_html(&self, out: &mut String, escape: impl Fn(&str) -> String) {
        if self.rows.is_empty() {
            return;
        }
        let class = if self.header.is_empty() { "" } else { " class=\"grid\"" };
        let _ = write!(out, "<h2>{}</h2>\n<table{class}>", escape(&self.title));
        if !self.header.is_empty() {
            out.push_str("<tr>");
            for cell in &self.header {
                let _ = write!(out, "<th scope=\"col\">{}</th>", escape(cell));
            }
            out.push_str("</tr>\n");
        }
        for row in &self.rows {
            out.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                let _ = match column {
                    0 => write!(out, "<th scope=\"row\">{}</th>", escape(cell)),
                    _ => write!(out, "<td>{}</td>", escape(cell)),
                };
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</table>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let rows = vec![vec!["p99 µs".to_owned(), "284".to_owned(), "9".to_owned()]];
        Table::columns("Latency", &["", "up", "down"], rows)
    }

    #[test]
    fn columns_are_aligned_by_characters_and_not_by_bytes() {
        let mut out = String::new();
        table().write_text(&mut out);
        assert_eq!(out, "Latency\n           up  down\n  p99 µs  284     9\n\n");
    }

    #[test]
    fn names_and_values_stand_to_the_left() {
        let mut out = String::new();
        Table::pairs("Machine", vec![("CPU", "x".to_owned()), ("kernel", "y".to_owned())])
            .write_text(&mut out);
        assert_eq!(out, "Machine\n  CPU     x\n  kernel  y\n\n");
    }

    #[test]
    fn markdown_has_as_many_cells_in_each_line() {
        let mut table = table();
        table.rows.push(vec!["a|b".to_owned()]);
        let mut out = String::new();
        table.write_markdown(&mut out);
        assert_eq!(
            out,
            "**Latency**\n\n|  | up | down |\n|---|---:|---:|\n| p99 µs | 284 | 9 |\n| a\\|b |  |  |\n\n"
        );
    }

    #[test]
    fn an_empty_table_is_left_out() {
        let mut out = String::new();
        let table = Table::default();
        table.write_text(&mut out);
        table.write_markdown(&mut out);
        table.write_html(&mut out, str::to_owned);
        assert_eq!(out, "");
    }
}
