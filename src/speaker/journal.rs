//! The announcer's events as lines of the log: a constant text, and what it is about as fields.

use crate::announce::{Event, Level};

/// Every field of an event is one of the line; those that an event does not have are not there. A field of the log has to be
/// known when this is compiled, so one that is new to the announcer is told in `about` until it has its place here.
macro_rules! fields {
    (words: $($word:ident)*; numbers: $($number:ident)*;) => {
        const WORDS: &[&str] = &[$(stringify!($word)),*];
        const NUMBERS: &[&str] = &[$(stringify!($number)),*];

        pub(super) fn write(event: &Event) {
            macro_rules! line {
                ($level:ident) => {
                    tracing::event!(
                        tracing::Level::$level,
                        $($word = word(event, stringify!($word)),)*
                        $($number = number(event, stringify!($number)),)*
                        about = rest(event),
                        "{}", event.text
                    )
                };
            }
            match event.level {
                Level::Debug => line!(DEBUG),
                Level::Info => line!(INFO),
                Level::Warn => line!(WARN),
            }
        }
    };
}

fields! {
    words: neighbor address prefix check state previous reason detail attributes router_id families hold lasted flaw handling
        cache;
    numbers: asn records version more_since_last;
}

fn word<'e>(event: &'e Event, name: &str) -> Option<&'e str> {
    event.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str())
}

fn number(event: &Event, name: &str) -> Option<u64> {
    word(event, name)?.parse().ok()
}

fn rest(event: &Event) -> Option<String> {
    let rest = event.fields.iter().filter(|(name, _)| !WORDS.contains(name) && !NUMBERS.contains(name));
    let rest: Vec<String> = rest.map(|(name, value)| format!("{name}={value}")).collect();
    (!rest.is_empty()).then(|| rest.join(" "))
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The line of a JSON log, without its time and its origin.
    fn line(event: &Event) -> Value {
        let written = Written::default();
        let theirs = written.clone();
        let log = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || theirs.clone());
        tracing::subscriber::with_default(log.finish(), || write(event));
        let text = written.0.lock().unwrap().clone();
        let mut line: Value = serde_json::from_slice(&text).unwrap();
        for key in ["timestamp", "target"] {
            line.as_object_mut().unwrap().remove(key);
        }
        line
    }

    #[test]
    fn what_an_event_says_are_fields_of_the_line_and_nothing_else_is_there() {
        let event = Event::warn("check failed").with("check", "disk").with("detail", "exit code 1: \"full\"");
        let expected = json!({"level": "WARN", "message": "check failed", "check": "disk", "detail": "exit code 1: \"full\""});
        assert_eq!(line(&event), expected);
        let event = Event::info("x").with("cache", "a:1").with("records", 3).with("new", 4).with("too", "b");
        let expected =
            json!({"level": "INFO", "message": "x", "cache": "a:1", "records": 3, "about": "new=4 too=b"});
        assert_eq!(line(&event), expected);
    }

    /// Names of fields in the sources below `folder`.
    fn names(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                names(&path, found);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]").next().unwrap();
                let names = text.split(".with(\"").skip(1).filter_map(|rest| rest.split('"').next());
                found.extend(names.map(ToOwned::to_owned));
            }
        }
    }

    #[test]
    fn every_field_that_the_announcer_knows_has_its_place() {
        let mut found = Vec::new();
        names(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/announce"), &mut found);
        assert!(found.len() > 10, "{found:?}");
        let homeless: Vec<_> = found
            .iter()
            .filter(|name| !WORDS.contains(&name.as_str()) && !NUMBERS.contains(&name.as_str()))
            .collect();
        assert!(homeless.is_empty(), "{homeless:?}");
    }
}
