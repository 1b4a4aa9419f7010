//! The configuration as a tree of values that know where they were written: the file first, then the
//! environment, then the command line laid over it.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use super::problem::{Place, Problems};

/// The prefix of environment variables that set configuration keys.
pub const ENV_PREFIX: &str = "TERN__";

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Datetime(Datetime),
    /// From the environment or the command line: its type is whatever the key wants.
    Raw(String),
    List(Vec<Node>),
    Table(Table),
}

/// A key's own place and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Place,
    pub(super) node: Node,
}

pub(super) type Table = BTreeMap<String, Entry>;

impl Node {
    pub(super) const fn empty_table(place: Place) -> Self {
        Self { place, value: Value::Table(Table::new()) }
    }

    /// What the user wrote, for messages.
    pub(super) fn describe(&self) -> String {
        match &self.value {
            Value::Text(text) | Value::Raw(text) => format!("{text:?}"),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Datetime(date) => date.to_string(),
            Value::List(_) => "a list".into(),
            Value::Table(_) => "a table".into(),
        }
    }
}

/// Reads TOML. Syntax errors are noted, and what could be understood is returned.
pub(super) fn parse(file: &Arc<str>, text: &str, problems: &mut Problems) -> Node {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let offset = error.span().map_or(0, |span| span.start);
        problems.error(&Place::at(file, text, offset), error.message());
    }
    let place = |offset: usize| Place::at(file, text, offset);
    Node {
        place: Place::WholeFile(Arc::clone(file)),
        value: Value::Table(convert_table(table.get_ref(), &place)),
    }
}

fn convert_table(table: &DeTable<'_>, place: &dyn Fn(usize) -> Place) -> Table {
    table
        .iter()
        .map(|(key, value)| {
            let node = Node { place: place(value.span().start), value: convert(value.get_ref(), place) };
            (key.get_ref().to_string(), Entry { key: place(key.span().start), node })
        })
        .collect()
}

fn convert(value: &DeValue<'_>, place: &dyn Fn(usize) -> Place) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::Text(number.to_string()), Value::Integer),
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| Value::Text(number.to_string()), Value::Float)
        }
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(date) => Value::Datetime(*date),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| Node { place: place(item.span().start), value: convert(item.get_ref(), place) })
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(convert_table(table, place)),
    }
}

/// Lays one tree over another: tables are merged, everything else is replaced.
pub(super) fn overlay(below: &mut Node, above: Node) {
    below.place = above.place;
    match (&mut below.value, above.value) {
        (Value::Table(below), Value::Table(above)) => {
            for (key, entry) in above {
                match below.entry(key) {
                    std::collections::btree_map::Entry::Vacant(vacant) => {
                        vacant.insert(entry);
                    }
                    std::collections::btree_map::Entry::Occupied(occupied) => {
                        overlay(&mut occupied.into_mut().node, entry.node);
                    }
                }
            }
        }
        (below, above) => *below = above,
    }
}

/// A value from outside the file. Text that is a TOML list or inline table is read as such.
fn raw(place: &Place, text: &str) -> Node {
    let value = if text.starts_with(['[', '{']) {
        DeValue::parse(text).map_or_else(
            |_| Value::Raw(text.to_owned()),
            |parsed| convert(parsed.get_ref(), &|_| place.clone()),
        )
    } else {
        Value::Raw(text.to_owned())
    };
    Node { place: place.clone(), value }
}

/// Lays the variables `TERN__SECTION__KEY` over the tree. `TERN__LISTENER__0__REALM` reaches into a list
/// of tables; the number behind the last adds one.
pub(super) fn apply_env(
    root: &mut Node,
    env: impl Iterator<Item = (String, String)>,
    problems: &mut Problems,
) {
    let mut variables: Vec<_> = env.filter(|(name, _)| name.starts_with(ENV_PREFIX)).collect();
    variables.sort();
    for (name, text) in variables {
        let place = Place::Env(name.as_str().into());
        let lower = name.trim_start_matches(ENV_PREFIX).to_ascii_lowercase();
        let path: Vec<&str> = lower.split("__").collect();
        set(root, &path, &place, raw(&place, &text), problems);
    }
}

/// Lays `section.key=value` over the tree.
pub(super) fn apply_flag(root: &mut Node, assignment: &str, problems: &mut Problems) {
    let place = Place::Flag(format!("--set {assignment}").into());
    let Some((name, text)) = assignment.split_once('=') else {
        problems.error(&place, "expected SECTION.KEY=VALUE, such as limits.max_allocations=1000");
        return;
    };
    let path: Vec<&str> = name.trim().split('.').collect();
    set(root, &path, &place, raw(&place, text.trim()), problems);
}

fn set(node: &mut Node, path: &[&str], place: &Place, new: Node, problems: &mut Problems) {
    let Some((first, rest)) = path.split_first() else {
        *node = new;
        return;
    };
    if first.is_empty() {
        problems.error(place, "a part of the name is empty; expected TERN__SECTION__KEY");
        return;
    }
    match &mut node.value {
        Value::Table(table) => {
            let entry = table.entry((*first).to_owned()).or_insert_with(|| Entry {
                key: place.clone(),
                node: match rest.first().map(|next| next.parse::<usize>()) {
                    Some(Ok(_)) => Node { place: place.clone(), value: Value::List(Vec::new()) },
                    Some(Err(_)) | None => Node::empty_table(place.clone()),
                },
            });
            set(&mut entry.node, rest, place, new, problems);
        }
        Value::List(items) => {
            let count = items.len();
            match first.parse::<usize>() {
                Ok(index) if index == count => {
                    let mut item = Node::empty_table(place.clone());
                    set(&mut item, rest, place, new, problems);
                    items.push(item);
                }
                Ok(index) if index < count => {
                    if let Some(item) = items.get_mut(index) {
                        set(item, rest, place, new, problems);
                    }
                }
                Ok(_) | Err(_) => problems.error(
                    place,
                    format!("expected a number from 0 to {count} (the next free one) in place of `{first}`"),
                ),
            }
        }
        Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Bool(_)
        | Value::Datetime(_)
        | Value::Raw(_) => {
            problems.error(place, format!("`{first}` lies below a key that holds a plain value"));
        }
    }
}
