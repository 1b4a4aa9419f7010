//! Words, tables and links as Markdown has them.

use std::fmt::Write as _;

/// The head of a document.
pub(super) fn head(title: &str, source: &str) -> String {
    format!("# {title}\n\n*Made of {source}; {}.*\n\n", super::ORIGIN)
}

/// A table; nothing if it has no rows.
pub(super) fn table<const N: usize>(titles: [&str; N], rows: &[[String; N]]) -> String {
    let mut text = String::new();
    if rows.is_empty() {
        return text;
    }
    let _ = writeln!(text, "| {} |\n|{}", titles.join(" | "), "---|".repeat(N));
    for row in rows {
        let cells = row.each_ref().map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text.push('\n');
    text
}

/// As code; nothing if there is nothing.
pub(super) fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

/// What a link to this heading has behind `#`.
pub(super) fn anchor(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let kept = lower.chars().filter(|sign| sign.is_alphanumeric() || " -_".contains(*sign));
    kept.map(|sign| if sign == ' ' { '-' } else { sign }).collect()
}

/// A link within the document.
pub(super) fn link(text: &str, heading: &str) -> String {
    format!("[{text}](#{})", anchor(heading))
}

/// What ends the span of code that begins a text; none if it begins with none.
fn span(text: &str) -> Option<usize> {
    let close = match text.chars().next()? {
        '{' => '}',
        '"' => '"',
        '`' => '`',
        '[' => ']',
        _ => return None,
    };
    let length = text[1..].find(close)? + 2;
    let inner = &text[1..length - 1];
    let is_code = match close {
        // Words between quotes are a title, not a value.
        '"' => !inner.contains(' ') || inner.starts_with(|sign: char| sign.is_ascii_digit()),
        _ => true,
    };
    is_code.then_some(length)
}

/// Prose of comments: values and tables as code, `[section]` as a link where the document has that section.
pub(super) fn prose(text: &str, sections: &[String]) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while !rest.is_empty() {
        if let Some(length) = span(rest) {
            let (found, after) = rest.split_at(length);
            let inner = found.trim_matches(['[', ']', '`']);
            if found.starts_with('[') && sections.iter().any(|section| section == inner) {
                out += &link(&format!("`[{inner}]`"), inner);
            } else if found.starts_with('`') {
                out += found;
            } else {
                out += &code(found);
            }
            rest = after;
        } else {
            let length = rest.chars().next().map_or(1, char::len_utf8);
            match &rest[..length] {
                "<" => out += "&lt;",
                sign => out += sign,
            }
            rest = &rest[length..];
        }
    }
    out
}
