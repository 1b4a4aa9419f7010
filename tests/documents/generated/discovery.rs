//! Which settings the code knows: asked by configurations that are wrong on purpose, of which it says what it expected.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tern::config::{self, Problems, Sources};

/// A key that there is not.
const UNKNOWN: &str = "zzzzq";
/// What no key takes.
const DAY: &str = "1979-05-27";

/// A table of the configuration.
#[derive(Debug)]
pub(super) struct Table {
    /// Such as `bgp.neighbor`.
    pub(super) path: String,
    /// Whether there can be several: `[[…]]`.
    pub(super) is_many: bool,
    /// Its keys, by name.
    pub(super) keys: BTreeMap<String, Key>,
}

/// What a key takes.
#[derive(Debug)]
pub(super) struct Key {
    /// Completes "expected …".
    pub(super) expected: String,
    pub(super) is_list: bool,
    pub(super) is_required: bool,
    /// The keys of the table that may stand here as well, with what they take.
    pub(super) table: BTreeMap<String, String>,
}

fn load(text: &str) -> Result<Value, Problems> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("tern.toml");
    std::fs::write(&file, text).unwrap();
    write_secret(&folder.path().join("secret"));
    let sources = Sources { file: Some(file), ..Sources::default() };
    config::load(&sources).map(|loaded| serde_json::to_value(loaded.config).unwrap())
}

/// Long enough for whatever is read from it, and base64 as well.
fn write_secret(path: &Path) {
    std::fs::write(path, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
}

/// What is wrong with `text`.
fn faults(text: &str) -> Vec<String> {
    load(text).expect_err("it is wrong on purpose").iter().map(|problem| problem.text.clone()).collect()
}

/// What is known instead of [`UNKNOWN`], by the table's name.
fn known(faults: &[String]) -> BTreeMap<String, Vec<String>> {
    let said = faults.iter().filter_map(|text| {
        let rest = text.strip_prefix("unknown key `")?.strip_prefix(UNKNOWN)?.strip_prefix("` ")?;
        let (place, known) = rest.split_once("; known are: ")?;
        let path = place.strip_prefix("in [").and_then(|path| path.strip_suffix(']')).unwrap_or_default();
        Some((path.to_owned(), known.split(", ").map(str::to_owned).collect()))
    });
    said.collect()
}

/// All tables; `written` are keys that the code asks for only where somebody writes them, by the table's path.
pub(super) fn tables(written: &BTreeMap<String, Vec<String>>) -> Vec<Table> {
    let mut tables = Vec::new();
    look("", "", false, written, &mut tables);
    tables
}

/// Notes the table `path` and those below. `headers` are those that come before its own.
fn look(
    path: &str,
    headers: &str,
    is_many: bool,
    written: &BTreeMap<String, Vec<String>>,
    tables: &mut Vec<Table>,
) {
    let header = match (path, is_many) {
        ("", _) => String::new(),
        (path, true) => format!("{headers}[[{path}]]\n"),
        (path, false) => format!("{headers}[{path}]\n"),
    };
    let said = faults(&format!("{header}{UNKNOWN} = 1\n"));
    let mut names: BTreeSet<_> =
        known(&said).remove(path).unwrap_or_else(|| panic!("[{path}]: {said:?}")).into_iter().collect();
    names.extend(written.get(path).into_iter().flatten().cloned());
    let full = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    let ask = |value: &str| {
        let mut text = header.clone();
        for name in &names {
            let _ = writeln!(text, "{name} = {value}");
        }
        faults(&text)
    };
    let (lists, insides) = (ask(&format!("[{DAY}]")), ask(&format!("{{ {UNKNOWN} = 1 }}")));
    let unwritten = faults(&format!("{header}{UNKNOWN} = 1\n"));
    let mut table = Table { path: path.to_owned(), is_many, keys: BTreeMap::new() };
    let mut below = Vec::new();
    for name in &names {
        let key = full(name);
        if let Some(found) = find(&lists, &format!("expected the section [{key}], found ")) {
            below.push((key, found == DAY));
            continue;
        }
        let start = format!("{key}: expected ");
        let fault = lists.iter().filter_map(|text| text.strip_prefix(&start)?.rsplit_once(", found "));
        let (expected, found) =
            fault.into_iter().next().unwrap_or_else(|| panic!("{key}: nothing is said of it in {lists:#?}"));
        let missing = format!("{key} is missing: ");
        let inside = known(&insides).remove(&key).map(|names| inside(&header, &key, name, &names));
        let key = Key {
            expected: expected.to_owned(),
            is_list: found == DAY,
            is_required: unwritten.iter().any(|text| text.starts_with(&missing)),
            table: inside.unwrap_or_default(),
        };
        table.keys.insert(name.clone(), key);
    }
    tables.push(table);
    for (path, is_many) in below {
        // Tables within one of which there are several come after its header.
        let headers = if header.contains("[[") { header.as_str() } else { "" };
        look(&path, headers, is_many, written, tables);
    }
}

fn find<'t>(said: &'t [String], start: &str) -> Option<&'t str> {
    said.iter().find_map(|text| text.strip_prefix(start))
}

/// What the keys of a table within a line take.
fn inside(header: &str, path: &str, name: &str, names: &[String]) -> BTreeMap<String, String> {
    let pairs: Vec<_> = names.iter().map(|name| format!("{name} = [{DAY}]")).collect();
    let said = faults(&format!("{header}{name} = {{ {} }}\n", pairs.join(", ")));
    let expected = |name: &String| {
        let start = format!("{path}.{name}: expected ");
        let fault = find(&said, &start).and_then(|text| text.rsplit_once(", found "));
        (name.clone(), fault.unwrap_or_else(|| panic!("{path}.{name}: {said:#?}")).0.to_owned())
    };
    names.iter().map(expected).collect()
}

/// The least that works.
const LEAST: &str = r#"
[[listener]]
address = "127.0.0.1:3478"
[[auth.shared_secret]]
id = "a"
secret_file = "secret"
"#;

/// One of whatever there can be several of, and of what may be left out.
const MORE: &str = r#"
[[auth.nonce_key]]
id = "a"
key_file = "secret"
[auth]
oauth_server_name = "turn.example.org"
[[auth.oauth_key]]
id = "a"
key_file = "secret"
[nat_discovery]
addresses = ["127.0.0.1", "127.0.0.2"]
[[announce.prefix]]
prefix = "192.0.2.0/24"
[bgp]
asn = 64512
router_id = "10.0.0.5"
[[bgp.neighbor]]
address = "10.0.0.1"
asn = 64600
bfd = true
[[health.check]]
name = "mine"
file = "/run/tern/mine"
[[health.hook]]
command = ["/bin/true"]
[[admin.token]]
id = "a"
role = "viewer"
token_file = "secret"
"#;

/// What these write has no default.
const NO_DEFAULT: [&str; 9] = [
    "auth.oauth_server_name",
    "bgp.neighbor.name",
    "bgp.neighbor.families",
    "nat_discovery.addresses",
    "bgp.neighbor.bfd",
    "health.check.file",
    "health.hook.command",
    "bgp.asn",
    "bgp.router_id",
];

/// What holds where nothing is written.
pub(super) struct Defaults {
    least: Value,
    more: Value,
}

impl Defaults {
    pub(super) fn read() -> Self {
        let must = |text: &str| load(text).unwrap_or_else(|problems| panic!("{problems}"));
        Self { least: must(LEAST), more: must(&format!("{LEAST}{MORE}")) }
    }

    /// As TOML; none if the key has none.
    pub(super) fn of(&self, path: &str) -> Option<String> {
        if NO_DEFAULT.contains(&path) {
            return None;
        }
        toml(at(&self.least, path).or_else(|| at(&self.more, path))?)
    }
}

/// What stands at `path`, of the first where there are several.
fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, key| {
        let value = value.get(key)?;
        let first = value.as_array().and_then(|items| items.first());
        Some(first.filter(|item| item.is_object()).unwrap_or(value))
    })
}

fn toml(value: &Value) -> Option<String> {
    let all = |items: Vec<Option<String>>| items.into_iter().collect::<Option<Vec<_>>>();
    match value {
        Value::Null => None,
        Value::Array(items) => Some(format!("[{}]", all(items.iter().map(toml).collect())?.join(", "))),
        Value::Object(fields) => {
            let pairs = fields.iter().map(|(key, value)| Some(format!("{key} = {}", toml(value)?)));
            Some(format!("{{ {} }}", all(pairs.collect())?.join(", ")))
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(value.to_string()),
    }
}
