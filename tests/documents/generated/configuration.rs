//! docs/configuration.md: every key with its type, its default, its meaning, and when a change of it takes effect.
//!
//! Keys, types, defaults and effects are asked of the code; meanings are those of tern.example.toml.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tern::config::Effect;

use super::discovery::{Defaults, Key, Table, tables};
use super::example::{Example, Meaning, Told};
use super::markdown::{code, head, prose, table};

/// States, each with the keys of the first.
const STATES: [&str; 5] = ["healthy", "degraded", "draining", "takeover", "last_resort"];

struct Writer {
    example: Example,
    tables: BTreeMap<String, Table>,
    defaults: Defaults,
    /// Of all tables.
    paths: Vec<String>,
    /// Of those that have a section of the document.
    sections: Vec<String>,
    /// Where the marks of the example are not those of the code.
    wrong: Vec<String>,
}

pub(super) fn document() -> String {
    let example = Example::read();
    let names = |told: &Told| told.keys.iter().map(|key| key.name.clone()).collect();
    let written = example.sections.iter().map(|(path, told)| (path.clone(), names(told))).collect();
    let tables: BTreeMap<_, _> =
        tables(&written).into_iter().map(|table| (table.path.clone(), table)).collect();
    for path in &example.order {
        assert!(tables.contains_key(path), "tern.example.toml has [{path}], which the code does not know");
    }
    let paths: Vec<_> = tables.keys().cloned().collect();
    let sections = paths.iter().filter(|path| !is_told_above(path)).cloned().collect();
    let defaults = Defaults::read();
    let mut writer = Writer { example, tables, defaults, paths, sections, wrong: Vec::new() };
    let text = writer.all();
    assert!(writer.wrong.is_empty(), "marks of [restart]: {}", writer.wrong.join("; "));
    text
}

/// The table whose keys `path` has as well, with what it says of them.
fn like(path: &str) -> Option<&'static str> {
    let last = path.rsplit('.').next().unwrap_or_default();
    match path {
        "announce.healthy" | "health.hook" => None,
        "health.self_test" => Some("health"),
        path if STATES.contains(&last) && path.contains('.') => Some("announce.healthy"),
        path if path.starts_with("health.") => Some("health.self_test"),
        _ => None,
    }
}

/// Tables within those that there can be several of are told of in a line.
fn is_told_above(path: &str) -> bool {
    like(path) == Some("announce.healthy") && !path.starts_with("announce.")
        || path.starts_with("announce.prefix.")
}

/// `[path]` or `[[path]]`.
fn title(table: &Table) -> String {
    if table.is_many { format!("[[{}]]", table.path) } else { format!("[{}]", table.path) }
}

/// The text without its mark, and whether it had one.
fn unmark(text: &str) -> (String, bool) {
    let marked = text.contains("[restart");
    let text = text.replace(" [restart]", "").replace("[restart]", "");
    (
        text.replace("[restart for other names]", "A restart is needed for files of other names.")
            .trim()
            .to_owned(),
        marked,
    )
}

impl Writer {
    fn all(&mut self) -> String {
        let mut out = head(
            "Configuration",
            "the configuration's types and the comments of [tern.example.toml](../tern.example.toml)",
        );
        let paragraphs = self.example.head.clone();
        for paragraph in paragraphs.iter().filter(|text| !text.starts_with("Configuration of")) {
            // They speak of the file that they stand in.
            let text = paragraph.replace("What is marked [restart]", "What says *restart* below");
            let _ = writeln!(out, "{}\n", prose(&text.replace("this file", "the file"), &[]));
        }
        out += "Neither a default nor \"required\" means: left out, the feature is off, or what the meaning says.\n\n";
        let order = self.order();
        out += "| Section | About |\n|---|---|\n";
        for path in order.iter().filter(|path| !path.contains('.')) {
            let about = self.intro(path);
            let first = about.split_inclusive(". ").next().unwrap_or_default().trim();
            let table = &self.tables[path];
            let _ = writeln!(out, "| {} | {first} |", super::markdown::link(&code(&title(table)), path));
        }
        out.push('\n');
        for path in order {
            self.section(&path, &mut out);
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }

    /// The tables that have a section, in the order of the example, each before those within it.
    fn order(&self) -> Vec<String> {
        let mut order: Vec<String> = Vec::new();
        let listed = self.example.order.iter().chain(&self.paths);
        for path in listed.filter(|path| !path.is_empty() && !is_told_above(path)) {
            let top = path.split('.').next().unwrap_or_default();
            for path in [top, path] {
                if !order.iter().any(|there| there == path) {
                    let same = |there: &String| there.split('.').next() == Some(top);
                    let end = order.iter().rposition(same).map_or(order.len(), |at| at + 1);
                    order.insert(end, path.to_owned());
                }
            }
        }
        order
    }

    fn intro(&self, path: &str) -> String {
        let intro = self.example.sections.get(path).map(|told| told.intro.as_str()).unwrap_or_default();
        prose(&unmark(intro).0, &self.sections)
    }

    fn section(&mut self, path: &str, out: &mut String) {
        let level = if path.contains('.') { "###" } else { "##" };
        let title = title(&self.tables[path]);
        let _ = writeln!(out, "{level} {}\n", code(&title));
        let intro = self.intro(path);
        if !intro.is_empty() {
            let _ = writeln!(out, "{intro}\n");
        }
        let base = like(path);
        let rows = self.rows(path, base);
        if let Some(base) = base.filter(|base| *base != "health") {
            let link = super::markdown::link(&code(&format!("[{base}]")), base);
            let more = if rows.is_empty() { "" } else { "; below is what it has besides, or otherwise" };
            let _ = writeln!(out, "The keys of {link}{more}.\n");
        }
        *out += &table(["Key", "Type", "Default", "Change", "Meaning"], &rows);
        let notes = self.example.sections.get(path).map(|told| told.notes.clone()).unwrap_or_default();
        for note in notes {
            let _ = writeln!(out, "{}\n", prose(&note, &self.sections));
        }
        if self
            .paths
            .iter()
            .any(|below| is_told_above(below) && below.starts_with(&format!("{path}.healthy")))
        {
            let names: Vec<_> = STATES.iter().map(|state| code(&format!("[{path}.{state}]"))).collect();
            let link = super::markdown::link("`[announce.healthy]`", "announce.healthy");
            let _ = writeln!(out, "Tables within it, each with the keys of {link}: {}.\n", names.join(", "));
        }
    }

    /// Keys in the order of the example, then those that it does not have here.
    fn rows(&mut self, path: &str, base: Option<&str>) -> Vec<[String; 5]> {
        let told = self.example.sections.get(path);
        let mut names: Vec<String> =
            told.map(|told| told.keys.iter().map(|key| key.name.clone()).collect()).unwrap_or_default();
        let more: Vec<_> =
            self.tables[path].keys.keys().filter(|name| !names.contains(name)).cloned().collect();
        names.extend(more);
        let mut rows = Vec::new();
        for name in names {
            let full = format!("{path}.{name}");
            let default = self.defaults.of(&full);
            let inherited = base.filter(|base| *base != "health");
            let is_same = inherited.is_some_and(|base| {
                self.tables[base].keys.contains_key(&name)
                    && (default.is_none() || self.defaults.of(&format!("{base}.{name}")) == default)
            });
            if !is_same {
                rows.extend(self.row(path, &name, default));
            }
        }
        rows
    }

    /// A key, and those of the table that may stand there.
    fn row(&mut self, path: &str, name: &str, default: Option<String>) -> Vec<[String; 5]> {
        let full = format!("{path}.{name}");
        let place = match path {
            "listener" => format!("listener[0].{name}"),
            _ => full.clone(),
        };
        let needs_restart = Effect::of(&place) == Effect::NeedsRestart;
        let effect = if needs_restart { "restart" } else { "at once" };
        let meaning = self.meaning(path, name, needs_restart);
        let key = &self.tables[path].keys[name];
        let default = match default {
            _ if key.is_required => "required".to_owned(),
            // The rows of the table's own keys.
            Some(_) if !key.table.is_empty() => "as below".to_owned(),
            Some(text) => code(&text),
            None => String::new(),
        };
        let mut rows = vec![[code(name), kind(key), default, effect.to_owned(), meaning]];
        for (inner, expected) in &key.table {
            let default = self.defaults.of(&format!("{full}.{inner}"));
            rows.push([
                code(&format!("{name}.{inner}")),
                short(expected),
                default.map(|text| code(&text)).unwrap_or_default(),
                effect.to_owned(),
                format!("Within the table of {}.", code(name)),
            ]);
        }
        rows
    }

    fn meaning(&mut self, path: &str, name: &str, needs_restart: bool) -> String {
        let mut from = Some(path);
        while let Some(place) = from {
            let told = self.example.sections.get(place);
            let key = told.and_then(|told| told.keys.iter().find(|key| key.name == name));
            match key.map(|key| &key.meaning) {
                Some(Meaning::Own(text)) => {
                    let (text, marked) = unmark(text);
                    let marked = marked || told.is_some_and(|told| unmark(&told.intro).1);
                    if place == path && marked != needs_restart {
                        self.wrong.push(format!("{path}.{name} has{} one", if marked { "" } else { " not" }));
                    }
                    return prose(&text, &self.sections);
                }
                Some(Meaning::With(above)) if place == path => {
                    return format!("With {}: see there.", code(above));
                }
                Some(Meaning::With(_)) => {
                    let section = super::markdown::link(&code(&format!("[{place}]")), place);
                    return format!("As in {section}.");
                }
                Some(Meaning::Silent) | None => from = like(place),
            }
        }
        // A paragraph below speaks of it.
        let notes = self.example.sections.get(path).map(|told| told.notes.as_slice()).unwrap_or_default();
        let word = |note: &String| {
            note.split(|sign: char| !sign.is_alphanumeric() && sign != '_').any(|word| word == name)
        };
        if notes.iter().any(word) { "See below.".to_owned() } else { "See above.".to_owned() }
    }
}

/// Without examples of what the head of the document has examples of.
fn short(expected: &str) -> String {
    let is_known = ["a length of time", "a bit rate"].iter().any(|start| expected.starts_with(start));
    match expected.split_once(" such as ").filter(|_| is_known) {
        Some((kind, _)) => kind.trim_end_matches(',').to_owned(),
        None => prose(expected, &[]),
    }
}

fn kind(key: &Key) -> String {
    let expected = short(&key.expected);
    let kind = if key.is_list { format!("list: {expected}") } else { expected };
    if key.table.is_empty() { kind } else { format!("{kind}; or a table") }
}
