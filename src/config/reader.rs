//! Typed reading of the tree. Every key that a section asks for is known from then on; what is left over
//! at the end is an unknown key, and the nearest known name is suggested.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use super::problem::{Place, Problems};
use super::tree::{Entry, Node, Table, Value};

/// A type that can be read from one value.
pub(super) trait FromNode: Sized {
    /// Completes "expected …" in a message.
    const EXPECTED: &'static str;

    /// The value, if it is one.
    fn from_node(node: &Node) -> Option<Self>;
}

/// One table of the configuration while it is read.
pub(super) struct Section<'a> {
    /// Its name as a user would write it, such as `limits` or `listener`.
    name: String,
    table: Option<&'a Table>,
    place: Place,
    known: Vec<&'static str>,
    problems: &'a RefCell<Problems>,
}

impl<'a> Section<'a> {
    /// The top of the tree.
    pub(super) fn root(node: &'a Node, problems: &'a RefCell<Problems>) -> Self {
        Self::new(String::new(), node, problems)
    }

    fn new(name: String, node: &'a Node, problems: &'a RefCell<Problems>) -> Self {
        let table = match &node.value {
            Value::Table(table) => Some(table),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Bool(_)
            | Value::Datetime(_)
            | Value::Raw(_)
            | Value::List(_) => {
                let text = format!("expected the section [{name}], found {}", node.describe());
                problems.borrow_mut().error(&node.place, text);
                None
            }
        };
        Self { name, table, place: node.place.clone(), known: Vec::new(), problems }
    }

    fn find(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        Some(&self.table?.get(key)?.node)
    }

    /// Where `key` has its value; the section's own place if nobody wrote it.
    pub(super) fn place_of(&self, key: &str) -> Place {
        self.table
            .and_then(|table| table.get(key))
            .map_or_else(|| self.place.clone(), |e| e.node.place.clone())
    }

    /// Notes an error at `key`.
    pub(super) fn error(&self, key: &str, text: impl AsRef<str>) {
        let text = format!("{}: {}", self.full_name(key), text.as_ref());
        self.problems.borrow_mut().error(&self.place_of(key), text);
    }

    /// Notes a warning at `key`.
    pub(super) fn warn(&self, key: &str, text: impl AsRef<str>) {
        let text = format!("{}: {}", self.full_name(key), text.as_ref());
        self.problems.borrow_mut().warn(&self.place_of(key), text);
    }

    /// How many errors there are so far, in the whole configuration.
    pub(super) fn errors(&self) -> usize {
        self.problems.borrow().errors()
    }

    fn full_name(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn wrong<T: FromNode>(&self, key: &str, node: &Node) {
        let text = format!("{}: expected {}, found {}", self.full_name(key), T::EXPECTED, node.describe());
        self.problems.borrow_mut().error(&node.place, text);
    }

    /// The value of `key` if somebody wrote one.
    pub(super) fn optional<T: FromNode>(&mut self, key: &'static str) -> Option<T> {
        let node = self.find(key)?;
        let value = T::from_node(node);
        if value.is_none() {
            self.wrong::<T>(key, node);
        }
        value
    }

    /// Overwrites `target` if somebody wrote `key`.
    pub(super) fn read<T: FromNode>(&mut self, key: &'static str, target: &mut T) {
        if let Some(value) = self.optional(key) {
            *target = value;
        }
    }

    /// Like [`Self::read`], for a key without which the section makes no sense.
    pub(super) fn required<T: FromNode>(&mut self, key: &'static str) -> Option<T> {
        let Some(node) = self.find(key) else {
            let text = format!("{} is missing: expected {}", self.full_name(key), T::EXPECTED);
            self.problems.borrow_mut().error(&self.place, text);
            return None;
        };
        let value = T::from_node(node);
        if value.is_none() {
            self.wrong::<T>(key, node);
        }
        value
    }

    /// A number that must lie within `range`.
    pub(super) fn integer<T>(&mut self, key: &'static str, range: RangeInclusive<T>, target: &mut T)
    where
        T: TryFrom<i64> + PartialOrd + std::fmt::Display,
    {
        let Some(node) = self.find(key) else { return };
        let number = i64::from_node(node).and_then(|number| T::try_from(number).ok());
        match number.filter(|number| range.contains(number)) {
            Some(number) => *target = number,
            None => {
                let (low, high) = (range.start(), range.end());
                self.error(key, format!("expected a number from {low} to {high}, found {}", node.describe()));
            }
        }
    }

    /// A number with or without a fraction, that must lie within `range`.
    pub(super) fn number(&mut self, key: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let node = self.find(key)?;
        let number = f64::from_node(node).filter(|number| range.contains(number));
        if number.is_none() {
            let (low, high) = (range.start(), range.end());
            self.error(key, format!("expected a number from {low} to {high}, found {}", node.describe()));
        }
        number
    }

    /// Notes an error if a period that has to be one is none.
    pub(super) fn refuse_zero(&self, key: &str, period: super::values::Period) {
        if period.0.is_zero() {
            self.error(key, "expected more than zero");
        }
    }

    /// A list; one plain value stands for a list of one. In the environment, items are separated by commas.
    pub(super) fn list<T: FromNode>(&mut self, key: &'static str) -> Option<Vec<T>> {
        let node = self.find(key)?;
        let split: Vec<Node>;
        let items: &[Node] = match &node.value {
            Value::List(items) => items,
            Value::Raw(text) => {
                split = text
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| Node { place: node.place.clone(), value: Value::Raw(item.to_owned()) })
                    .collect();
                &split
            }
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Bool(_)
            | Value::Datetime(_)
            | Value::Table(_) => std::slice::from_ref(node),
        };
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            match T::from_node(item) {
                Some(value) => values.push(value),
                None => self.wrong::<T>(key, item),
            }
        }
        Some(values)
    }

    /// The entries of a table whose keys are the user's; none if there is no table at `key`, which is then still to be read.
    pub(super) fn entries(
        &mut self,
        key: &'static str,
    ) -> Option<impl Iterator<Item = (&'a str, &'a Entry)> + use<'a>> {
        let Value::Table(table) = &self.table?.get(key)?.node.value else { return None };
        self.known.push(key);
        Some(table.iter().map(|(word, entry)| (word.as_str(), entry)))
    }

    /// Notes an error in one of those.
    pub(super) fn error_in(&self, key: &str, word: &str, place: &Place, text: impl AsRef<str>) {
        let text = format!("{}.{word}: {}", self.full_name(key), text.as_ref());
        self.problems.borrow_mut().error(place, text);
    }

    /// The section `key`; an empty one if nobody wrote it.
    pub(super) fn section(&mut self, key: &'static str) -> Self {
        match self.find(key) {
            Some(node) => Section::new(self.full_name(key), node, self.problems),
            None => Section {
                name: self.full_name(key),
                table: None,
                place: self.place.clone(),
                known: Vec::new(),
                problems: self.problems,
            },
        }
    }

    /// Every `[[key]]`.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Self> {
        let name = self.full_name(key);
        match self.find(key) {
            None => Vec::new(),
            Some(Node { value: Value::List(items), .. }) => {
                items.iter().map(|item| Section::new(name.clone(), item, self.problems)).collect()
            }
            Some(node) => {
                let text = format!("expected [[{name}]] with two brackets: there can be several");
                self.problems.borrow_mut().error(&node.place, text);
                Vec::new()
            }
        }
    }

    /// Whether anything was written here at all.
    pub(super) const fn is_written(&self) -> bool {
        self.table.is_some()
    }

    /// Whether anything was written under `key`.
    pub(super) fn is_written_key(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Whether there is a table under `key`.
    pub(super) fn is_table(&self, key: &str) -> bool {
        let found = self.table.and_then(|table| table.get(key));
        found.is_some_and(|entry| matches!(entry.node.value, Value::Table(_)))
    }

    /// Notes an error about `key` at a place that is known from elsewhere.
    pub(super) fn error_at(&self, key: &str, place: &Place, text: impl AsRef<str>) {
        let text = format!("{}: {}", self.full_name(key), text.as_ref());
        self.problems.borrow_mut().error(place, text);
    }

    /// Refuses every key that was not asked for.
    pub(super) fn finish(self) {
        let Some(table) = self.table else { return };
        for (key, entry) in table.iter().filter(|(key, _)| !self.known.contains(&key.as_str())) {
            let place =
                if self.name.is_empty() { "at the top level".into() } else { format!("in [{}]", self.name) };
            let help = match nearest(key, &self.known) {
                Some(name) => format!("did you mean `{name}`?"),
                None => {
                    let mut known = self.known.clone();
                    known.sort_unstable();
                    format!("known are: {}", known.join(", "))
                }
            };
            self.problems.borrow_mut().error(&entry.key, format!("unknown key `{key}` {place}; {help}"));
        }
    }
}

/// The known name that `key` was most likely meant to be.
pub(super) fn nearest<'n>(key: &str, known: &[&'n str]) -> Option<&'n str> {
    let score = |name: &str| strsim::jaro_winkler(key, name);
    let best = known.iter().copied().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(best) > 0.8).then_some(best)
}

impl FromNode for i64 {
    const EXPECTED: &'static str = "a whole number";

    fn from_node(node: &Node) -> Option<Self> {
        match &node.value {
            Value::Integer(number) => Some(*number),
            Value::Raw(text) => text.replace('_', "").parse().ok(),
            Value::Text(_)
            | Value::Float(_)
            | Value::Bool(_)
            | Value::Datetime(_)
            | Value::List(_)
            | Value::Table(_) => None,
        }
    }
}

impl FromNode for f64 {
    const EXPECTED: &'static str = "a number";

    fn from_node(node: &Node) -> Option<Self> {
        match &node.value {
            Value::Float(number) => Some(*number),
            Value::Raw(text) => text.parse().ok(),
            Value::Integer(number) => i32::try_from(*number).ok().map(Self::from),
            Value::Text(_) | Value::Bool(_) | Value::Datetime(_) | Value::List(_) | Value::Table(_) => None,
        }
    }
}

impl FromNode for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_node(node: &Node) -> Option<Self> {
        match &node.value {
            Value::Bool(value) => Some(*value),
            Value::Raw(text) => text.parse().ok(),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Datetime(_)
            | Value::List(_)
            | Value::Table(_) => None,
        }
    }
}

impl FromNode for String {
    const EXPECTED: &'static str = "text in quotes";

    fn from_node(node: &Node) -> Option<Self> {
        text(node).map(ToOwned::to_owned)
    }
}

/// The node as text, if it is.
pub(super) fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) | Value::Raw(text) => Some(text),
        Value::Integer(_)
        | Value::Float(_)
        | Value::Bool(_)
        | Value::Datetime(_)
        | Value::List(_)
        | Value::Table(_) => None,
    }
}
