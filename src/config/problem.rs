//! What is wrong with a configuration, where, and what to write instead.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

/// Where a value came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Nobody wrote it.
    #[default]
    Default,
    /// A line and column of a file, counted from one.
    File {
        /// As the user named it.
        file: Arc<str>,
        /// Line.
        line: usize,
        /// Column, in characters.
        column: usize,
    },
    /// A file as a whole.
    WholeFile(Arc<str>),
    /// An environment variable.
    Env(Arc<str>),
    /// An argument of the command line.
    Flag(Arc<str>),
}

impl Place {
    /// The place of byte `offset` in `text`.
    #[must_use]
    pub fn at(file: &Arc<str>, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self::File {
            file: Arc::clone(file),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }

    /// The file at `path`, all of it.
    #[must_use]
    pub fn whole(path: &Path) -> Self {
        Self::WholeFile(path.display().to_string().into())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("defaults"),
            Self::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::WholeFile(file) => f.write_str(file),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::Flag(text) => write!(f, "argument {text}"),
        }
    }
}

/// Whether the configuration can be used in spite of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but somebody should look.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// How bad.
    pub severity: Severity,
    /// What is wrong and what to write instead.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}: {severity}: {}", self.place, self.text)
    }
}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut out = serializer.serialize_struct("Problem", 5)?;
        let (file, line, column) = match &self.place {
            Place::File { file, line, column } => (file.to_string(), Some(line), Some(column)),
            Place::Default | Place::WholeFile(_) | Place::Env(_) | Place::Flag(_) => {
                (self.place.to_string(), None, None)
            }
        };
        out.serialize_field("severity", &self.severity)?;
        out.serialize_field("place", &file)?;
        out.serialize_field("line", &line)?;
        out.serialize_field("column", &column)?;
        out.serialize_field("text", &self.text)?;
        out.end()
    }
}

/// Everything found wrong so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes an error.
    pub fn error(&mut self, place: &Place, text: impl Into<String>) {
        self.push(place, Severity::Error, text.into());
    }

    /// Notes a warning.
    pub fn warn(&mut self, place: &Place, text: impl Into<String>) {
        self.push(place, Severity::Warning, text.into());
    }

    fn push(&mut self, place: &Place, severity: Severity, text: String) {
        let problem = Problem { place: place.clone(), severity, text };
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// Whether any of them forbids to use the configuration.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// How many of them do.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Brings them into the order of the files.
    pub fn sort(&mut self) {
        self.0.sort_by(|a, b| (&a.place, a.severity).cmp(&(&b.place, b.severity)));
    }

    /// All, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}
