//! The documents, taken apart: sections, fenced blocks, links.

use std::path::{Path, PathBuf};

/// One document of the checkout.
pub(crate) struct Page {
    /// From the root of the checkout.
    pub(crate) path: PathBuf,
    text: String,
}

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// The words behind the fence.
    pub(crate) info: String,
    pub(crate) text: String,
    /// The line of its fence.
    pub(crate) line: usize,
    /// The second-level heading that it stands under.
    pub(crate) section: String,
}

impl Block {
    pub(crate) fn language(&self) -> &str {
        self.info.split(' ').next().unwrap_or_default()
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document that is part of the project, not of what it has fetched or built.
pub(crate) fn all() -> Vec<Page> {
    let mut found = Vec::new();
    look(root(), &mut found);
    assert!(found.len() > 10, "only {} documents", found.len());
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn look(folder: &Path, found: &mut Vec<Page>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().expect("names are text");
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules", "corpus"].contains(&name) {
                look(&path, found);
            }
        } else if name.ends_with(".md") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push(Page { path: path.strip_prefix(root()).unwrap().to_owned(), text });
        }
    }
}

impl Page {
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut section = String::new();
        // The block that is open, with the width of its indentation.
        let mut open: Option<(Block, usize)> = None;
        for (number, line) in self.text.lines().enumerate() {
            let inner = line.trim_start();
            match (&mut open, inner.strip_prefix("```")) {
                (Some((block, _)), Some(_)) => {
                    assert!(inner == "```", "{}:{}: a fence within a fence", self.path.display(), number + 1);
                    let _ = block;
                    blocks.extend(open.take().map(|(block, _)| block));
                }
                (Some((block, width)), None) => {
                    let indented = line.len() - inner.len();
                    block.text.push_str(&line[indented.min(*width)..]);
                    block.text.push('\n');
                }
                (None, Some(info)) => {
                    let block = Block {
                        info: info.trim().to_owned(),
                        text: String::new(),
                        line: number + 1,
                        section: section.clone(),
                    };
                    open = Some((block, line.len() - inner.len()));
                }
                (None, None) => {
                    if let Some(title) = line.strip_prefix("## ") {
                        title.clone_into(&mut section);
                    }
                }
            }
        }
        assert!(open.is_none(), "{}: a block does not end", self.path.display());
        blocks
    }

    /// The lines outside of blocks, with their numbers.
    pub(crate) fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut inside = false;
        self.text.lines().enumerate().filter_map(move |(number, line)| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            (!inside && !fence).then_some((number + 1, line))
        })
    }

    /// What a link may name behind `#`: headings in lower case, without punctuation, with hyphens.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let headings = self.prose().filter(|(_, line)| line.starts_with('#'));
        headings
            .map(|(_, line)| {
                let title = line.trim_start_matches('#').trim().to_lowercase();
                let kept = title.chars().filter(|sign| sign.is_alphanumeric() || " -_".contains(*sign));
                kept.map(|sign| if sign == ' ' { '-' } else { sign }).collect()
            })
            .collect()
    }
}
