//! A catalog file on disk: its formats, reading with problems by file, line and field, and writing.

use super::check::{Finding, findings};
use super::document::Catalog;
use super::locate::{Format, Path, Places, line_at};
use super::structure::unreadable;
use std::fmt;
use std::io;
use std::path::{Path as FilePath, PathBuf};

/// The maximum number of problems that are reported. More would hide the first ones.
const PROBLEMS_MAX: usize = 100;
/// The maximum length of a catalog file in bytes. A longer one is refused before it is read.
const FILE_BYTES_MAX: u64 = 512 << 20;

/// A catalog with its text, so that later problems can be located by line too.
#[derive(Clone, Debug)]
pub struct CatalogFile {
    /// The catalog.
    pub catalog: Catalog,
    name: PathBuf,
    format: Format,
    text: String,
}

/// A problem in a catalog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The field, such as `stock[0].channels[1]`; empty if the text itself cannot be parsed.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

/// Why a catalog could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file could not be read.
    #[error("{}: the catalog cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system error.
        source: io::Error,
    },
    /// The file is too long.
    #[error("{}: the catalog has {bytes} bytes, more than the limit of {FILE_BYTES_MAX}", file.display())]
    TooLong {
        /// The file.
        file: PathBuf,
        /// The length of the file.
        bytes: u64,
    },
    /// The file name does not show the format.
    #[error("{}: a catalog's name must end in .toml or .json", file.display())]
    UnknownFormat {
        /// The file.
        file: PathBuf,
    },
    /// The catalog has problems.
    #[error("{}", lines(problems, *more))]
    Problems {
        /// The problems, up to a hundred.
        problems: Vec<Problem>,
        /// The number of further ones.
        more: usize,
    },
}

fn lines(problems: &[Problem], more: usize) -> String {
    let mut lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if more > 0 {
        lines.push(format!("… and {more} more errors"));
    }
    lines.join("\n")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl Format {
    /// The format by the extension of the file name.
    #[must_use]
    pub fn of(file: &FilePath) -> Option<Self> {
        let ending = file.extension()?.to_str()?;
        match ending.to_ascii_lowercase().as_str() {
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl CatalogFile {
    /// Reads and checks a file. Its extension determines the format.
    ///
    /// # Errors
    /// [`CatalogError`] with the file, line and field of every problem.
    pub fn read(file: &FilePath) -> Result<Self, CatalogError> {
        let format = Format::of(file).ok_or_else(|| CatalogError::UnknownFormat { file: file.to_owned() })?;
        let failed = |source| CatalogError::Read { file: file.to_owned(), source };
        let bytes = std::fs::metadata(file).map_err(failed)?.len();
        if bytes > FILE_BYTES_MAX {
            return Err(CatalogError::TooLong { file: file.to_owned(), bytes });
        }
        let text = std::fs::read_to_string(file).map_err(failed)?;
        Self::parse(file, format, text)
    }

    /// Parses and checks a text. `name` is the file name in problems.
    ///
    /// # Errors
    /// [`CatalogError::Problems`].
    pub fn parse(name: &FilePath, format: Format, text: String) -> Result<Self, CatalogError> {
        let parsed = match format {
            Format::Toml => toml::from_str(&text).map_err(|error| {
                let line = error.span().map(|span| line_at(&text, span.start));
                (line, error.message().to_owned())
            }),
            Format::Json => serde_json::from_str(&text).map_err(|error| {
                let message = error.to_string();
                // The line is shown at the beginning of the message, as for all problems.
                let cut = message.rfind(" at line ").unwrap_or(message.len());
                (Some(error.line()), message[..cut].to_owned())
            }),
        };
        let (catalog, unreadable) = match parsed {
            Ok(catalog) => (catalog, Vec::new()),
            Err((line, message)) => {
                let (unreadable, rest) = unreadable_fields(format, &text);
                if unreadable.is_empty() {
                    let problem = unparsed(name, line, message, &text);
                    return Err(CatalogError::Problems { problems: vec![problem], more: 0 });
                }
                (rest.unwrap_or_default(), unreadable)
            }
        };
        let file = Self { catalog, name: name.to_owned(), format, text };
        let mut found: Vec<(Path, String)> =
            unreadable.into_iter().map(|finding| (finding.path, finding.message)).collect();
        for finding in findings(&file.catalog) {
            // Where something could not be read, there is something else now.
            if !found.iter().any(|(path, _)| finding.path.begins_with(path)) {
                found.push((finding.path, finding.message));
            }
        }
        let more = found.len().saturating_sub(PROBLEMS_MAX);
        found.truncate(PROBLEMS_MAX);
        let mut problems = file.problems(found);
        problems.sort_by_key(|problem| problem.line);
        if problems.is_empty() { Ok(file) } else { Err(CatalogError::Problems { problems, more }) }
    }

    /// Finds places in the file. It is parsed again for the first one.
    #[must_use]
    pub const fn places(&self) -> Places<'_> {
        Places::new(self.text.as_str(), self.format)
    }

    /// Problems at these places in the file.
    pub fn problems(&self, found: impl IntoIterator<Item = (Path, String)>) -> Vec<Problem> {
        let mut places = self.places();
        let problem = |(path, message): (Path, String)| {
            let line = places.line_of(&path);
            Problem { file: self.name.clone(), line, field: path.to_string(), message }
        };
        found.into_iter().map(problem).collect()
    }
}

/// Every field that cannot be read, and the rest of the catalog; nothing if the text is not in the format.
fn unreadable_fields(format: Format, text: &str) -> (Vec<Finding>, Option<Catalog>) {
    let root: Option<serde_json::Value> = match format {
        Format::Toml => {
            toml::from_str::<toml::Value>(text).ok().and_then(|root| serde_json::to_value(root).ok())
        }
        Format::Json => serde_json::from_str(text).ok(),
    };
    root.map(unreadable).unwrap_or_default()
}

/// The problem of a text that is not in its format.
fn unparsed(name: &FilePath, line: Option<usize>, message: String, text: &str) -> Problem {
    let shown = line.and_then(|line| text.lines().nth(line - 1)).map(str::trim).unwrap_or_default();
    let message = if shown.is_empty() { message } else { format!("{message} (`{shown}`)") };
    Problem { file: name.to_owned(), line, field: String::new(), message }
}

impl Catalog {
    /// The catalog as text.
    ///
    /// # Errors
    /// The error of the serializer. No catalog is known to cause one.
    pub fn to_text(&self, format: Format) -> Result<String, io::Error> {
        match format {
            Format::Toml => toml::to_string_pretty(self).map_err(io::Error::other),
            Format::Json => serde_json::to_string_pretty(self).map_err(io::Error::other),
        }
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
