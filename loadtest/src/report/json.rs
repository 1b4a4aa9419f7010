//! Results for programs. The schema is stable: a field may come to be, none changes its meaning or goes without `schema`
//! growing.
//!
//! ```json
//! { "schema": 1, "tool": "tern-loadtest", "version": "…", "started": 1767225600, "machine": {…}, "method": {…},
//!   "result": { "mode": "steady", … }, "notes": […], "missed": […], "passed": true }
//! ```
//!
//! Times are in the unit their names end in (`_us`, `_ns`, `seconds`), shares from 0 to 1, rates per second, memory in
//! bytes. What `result` holds is said in [`crate::outcome`], field by field.

use serde::Serialize;

use crate::failure::Failure;
use crate::outcome::Outcome;

/// Grows when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    tool: &'static str,
    #[serde(flatten)]
    outcome: &'a Outcome,
    /// Sentences about thresholds that were missed.
    missed: &'a [String],
    passed: bool,
}

/// The document, ending in a line break.
///
/// # Errors
/// None that is known: all of it are plain types.
pub fn document(outcome: &Outcome, missed: &[String]) -> Result<String, Failure> {
    let document =
        Document { schema: SCHEMA, tool: "tern-loadtest", outcome, missed, passed: missed.is_empty() };
    let mut text = serde_json::to_string_pretty(&document)
        .map_err(|error| Failure::machine("cannot write the result as JSON", &error))?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::outcome::{Machine, Measured, Method, Steady};

    #[test]
    fn the_document_says_what_it_is() {
        let outcome = Outcome {
            version: "0.1.0".to_owned(),
            started: 1_767_225_600,
            machine: Machine::default(),
            method: Method::default(),
            result: Measured::Steady(Steady::default()),
            notes: vec![],
        };
        let text = document(&outcome, &["too much".to_owned()]).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["schema"], &value["tool"]), (&Value::from(1), &Value::from("tern-loadtest")));
        assert_eq!(value["result"]["mode"], "steady");
        assert_eq!((&value["passed"], &value["missed"][0]), (&Value::from(false), &Value::from("too much")));
        for field in ["version", "started", "machine", "method", "notes"] {
            assert!(value.get(field).is_some(), "{field}");
        }
    }
}
