//! What the comments of tern.example.toml say of sections and keys.

use std::collections::BTreeMap;

use crate::pages::root;

/// One section, all its places taken together.
#[derive(Default)]
pub(super) struct Told {
    /// What stands above its header.
    pub(super) intro: String,
    /// What stands below its keys.
    pub(super) notes: Vec<String>,
    /// Its keys in their order.
    pub(super) keys: Vec<Key>,
}

pub(super) struct Key {
    pub(super) name: String,
    pub(super) meaning: Meaning,
}

pub(super) enum Meaning {
    /// Nothing is said.
    Silent,
    /// By a comment of its own.
    Own(String),
    /// By the comment of the key of this name, which is above.
    With(String),
}

/// What the whole file says.
pub(super) struct Example {
    /// The paragraphs at its top.
    pub(super) head: Vec<String>,
    pub(super) sections: BTreeMap<String, Told>,
    /// Their names in the order of the file.
    pub(super) order: Vec<String>,
}

impl Example {
    pub(super) fn read() -> Self {
        let text = std::fs::read_to_string(root().join("tern.example.toml")).unwrap();
        let mut out = Self { head: Vec::new(), sections: BTreeMap::new(), order: Vec::new() };
        let (mut pending, mut above) = (Vec::new(), None);
        let mut section: Option<String> = None;
        for line in text.lines() {
            let bare = line.strip_prefix('#').unwrap_or(line);
            if line.is_empty() || line == "#" {
                out.leave(section.as_deref(), &mut pending);
                above = None;
            } else if let Some(name) = header(bare) {
                let told = out.section(&name);
                if told.intro.is_empty() {
                    told.intro = pending.join(" ");
                }
                (pending, above, section) = (Vec::new(), None, Some(name));
            } else if let Some(name) = key(bare) {
                let comment = std::mem::take(&mut pending).join(" ");
                let meaning = match &above {
                    _ if !comment.is_empty() => {
                        above = Some(name.clone());
                        Meaning::Own(comment)
                    }
                    Some(above) => Meaning::With(above.clone()),
                    None => Meaning::Silent,
                };
                let told = out.section(section.as_deref().expect("keys stand in sections"));
                if told.keys.iter().all(|key| key.name != name) {
                    told.keys.push(Key { name, meaning });
                }
            } else {
                pending.push(bare.trim().to_owned());
            }
        }
        out.leave(section.as_deref(), &mut pending);
        out
    }

    fn section(&mut self, name: &str) -> &mut Told {
        if !self.sections.contains_key(name) {
            self.order.push(name.to_owned());
        }
        self.sections.entry(name.to_owned()).or_default()
    }

    /// Comments that no key and no header follows.
    fn leave(&mut self, section: Option<&str>, pending: &mut Vec<String>) {
        if pending.is_empty() {
            return;
        }
        let text = std::mem::take(pending).join(" ");
        match section {
            Some(name) => self.section(name).notes.push(text),
            None => self.head.push(text),
        }
    }
}

/// The name of the section that this line begins.
fn header(line: &str) -> Option<String> {
    let name = line.strip_prefix('[')?.trim_start_matches('[').trim_end_matches(']');
    let is_name = name.chars().all(|sign| sign.is_ascii_alphanumeric() || "._".contains(sign));
    (is_name && line.ends_with(']')).then(|| name.to_owned())
}

/// The key that this line gives a value.
fn key(line: &str) -> Option<String> {
    let (name, _) = line.split_once(" = ")?;
    let is_name = name.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_');
    (is_name && !name.is_empty()).then(|| name.to_owned())
}
