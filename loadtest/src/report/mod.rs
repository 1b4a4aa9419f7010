//! What people and programs get to see: progress while it runs, then text or Markdown, JSON, a page with charts, and a
//! verdict by the thresholds given.

mod blocks;
mod charts;
pub mod json;
mod judge;
mod number;
pub mod plot;
pub mod progress;
mod table;

use std::io::Write;
use std::path::Path;

pub use judge::judge;

use crate::cli::OutputArgs;
use crate::failure::{Exit, Failure};
use crate::outcome::Outcome;
use crate::plan::Plan;

/// Writes the result where it was asked for, and judges it by the thresholds given.
///
/// # Errors
/// When a file cannot be written.
pub fn deliver(outcome: &Outcome, plan: &Plan, output: &OutputArgs) -> Result<Exit, Failure> {
    let missed = judge(&outcome.result, &plan.thresholds);
    let is_json = output.json.as_deref() == Some(Path::new("-"));
    if is_json {
        print(&json::document(outcome, &missed)?)?;
    } else {
        print(&text(outcome, output.markdown))?;
        if let Some(file) = &output.json {
            write(file, &json::document(outcome, &missed)?)?;
        }
    }
    if let Some(file) = &output.plot {
        let page = charts::page(outcome);
        let is_picture = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("svg"));
        write(file, &if is_picture { page.svg() } else { page.html() })?;
    }
    for text in &missed {
        // With standard error closed nobody is left to tell.
        let _ = writeln!(std::io::stderr(), "tern-loadtest: missed: {text}");
    }
    Ok(if missed.is_empty() { Exit::Ok } else { Exit::Failed })
}

/// The result for people.
fn text(outcome: &Outcome, is_markdown: bool) -> String {
    let mut out = String::new();
    for table in blocks::tables(outcome) {
        if is_markdown {
            table.write_markdown(&mut out);
        } else {
            table.write_text(&mut out);
        }
    }
    for note in &outcome.notes {
        out.push_str("Note: ");
        out.push_str(note);
        out.push('\n');
    }
    out
}

/// A reader that went away (`… | head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::machine("cannot write to standard output", &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text)
        .map_err(|error| Failure::machine(&format!("cannot write {}", file.display()), &error))
}

/// Writes why there is no result to standard error.
pub fn tell(failure: &Failure) {
    // With standard error closed nobody is left to tell.
    let _ = writeln!(std::io::stderr(), "tern-loadtest: {failure}");
}
