//! `[[health.check]]` and `[[health.hook]]`: files and commands of the operator.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::super::reader::Section;
use super::super::values::Period;
use super::kinds::Pace;

/// One `[[health.check]]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OwnCheck {
    /// Its name in logs and commands.
    pub name: String,
    /// What is looked at.
    #[serde(flatten)]
    pub probe: OwnProbe,
    /// When it runs and what it weighs.
    #[serde(flatten)]
    pub pace: Pace,
}

/// What a check of the operator looks at.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum OwnProbe {
    /// A program that ends with 0 if all is well.
    Command {
        /// The program and its arguments; no shell is between.
        command: Vec<String>,
    },
    /// A file.
    File {
        /// Which.
        file: PathBuf,
        /// Whether it must be there, or must not.
        present: bool,
    },
}

/// What stands in [`super::Health`] or begins the name of a check that the relay brings along.
const BUILT_IN: [&str; 11] = [
    "self test",
    "worker",
    "workers",
    "queue loss",
    "load",
    "packets",
    "ports",
    "quota",
    "certificates",
    "clock",
    "quality",
];

/// Whether a check of this name would be taken for one that the relay brings along: by a reload, or by people.
pub(in super::super) fn is_built_in(name: &str) -> bool {
    let name = name.trim().to_lowercase().replace(['-', '_'], " ");
    let is_numbered = name.strip_prefix("worker ").is_some_and(|rest| rest.parse::<u32>().is_ok());
    BUILT_IN.contains(&name.as_str()) || is_numbered || name.starts_with("self test ")
}

impl OwnCheck {
    pub(super) fn read(mut section: Section<'_>, base: &Pace) -> Option<Self> {
        let name: Option<String> = section.required("name");
        let command: Option<Vec<String>> = section.list("command");
        let file: Option<PathBuf> = section.optional("file");
        let mut present = true;
        section.read("present", &mut present);
        let mut pace = base.clone();
        pace.read(&mut section);
        if name.as_ref().is_some_and(|name| name.is_empty() || name.len() > 64) {
            section.error("name", "expected 1 to 64 bytes of text");
        }
        if let Some(name) = name.as_ref().filter(|name| is_built_in(name)) {
            let text = format!("{name:?} is the name of a check that the relay brings along; choose another");
            section.error("name", text);
        }
        let probe = match (command, file) {
            (Some(command), None) => {
                refuse_no_program(&section, &command);
                if section.is_written_key("present") {
                    section.error("present", "belongs to file");
                }
                Some(OwnProbe::Command { command })
            }
            (None, Some(file)) => Some(OwnProbe::File { file, present }),
            (Some(_), Some(_)) | (None, None) => {
                section.error(
                    "command",
                    "expected either command = [\"/path\", \"argument\"] or file = \"/path\"",
                );
                None
            }
        };
        section.finish();
        Some(Self { name: name?, probe: probe?, pace })
    }
}

/// One `[[health.hook]]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hook {
    /// The program and its arguments; no shell is between.
    pub command: Vec<String>,
    /// After that it is ended.
    pub timeout: Period,
}

impl Hook {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let command: Option<Vec<String>> = section.list("command");
        let mut timeout = Period::secs(10);
        section.read("timeout", &mut timeout);
        if !(Duration::from_millis(100)..=Duration::from_secs(600)).contains(&timeout.0) {
            section.error("timeout", "expected from 100ms to 10m");
        }
        match &command {
            Some(command) => refuse_no_program(&section, command),
            None => section.error("command", "is missing: expected [\"/path\", \"argument\"]"),
        }
        section.finish();
        Some(Self { command: command?, timeout })
    }
}

/// Without a shell nobody looks for it, and the working directory of a service is anywhere.
fn refuse_no_program(section: &Section<'_>, command: &[String]) {
    let Some(program) = command.first().filter(|program| program.starts_with('/')) else {
        section.error(
            "command",
            "expected the whole path of a program first, such as [\"/usr/local/bin/check\", \"-v\"]",
        );
        return;
    };
    // The configuration may be meant for another machine, or the program may come later.
    match std::fs::metadata(program) {
        Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => {}
        Ok(_) => section.warn("command", format!("{program} cannot be executed")),
        Err(error) => section.warn("command", format!("{program}: {error}")),
    }
}
