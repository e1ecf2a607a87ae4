//! A catalog file on disk: its format, its reading with findings by file, line and field, its writing.

use super::check::findings;
use super::document::Catalog;
use super::locate::{Format, Path, line_at, line_of};
use std::fmt;
use std::io;
use std::path::{Path as FilePath, PathBuf};

/// Most findings that one reading reports; more would bury the first.
const PROBLEMS_MAX: usize = 100;
/// Longest catalog file in bytes; a longer one is refused before it is read.
const FILE_BYTES_MAX: u64 = 512 << 20;

/// A catalog and the text that it came from, so that later findings can name their line as well.
#[derive(Clone, Debug)]
pub struct CatalogFile {
    /// What it says.
    pub catalog: Catalog,
    name: PathBuf,
    format: Format,
    text: String,
}

/// One thing that is wrong with a catalog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The field, such as `stock[0].channels[1]`; empty when the text itself cannot be read.
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
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is longer than can be held.
    #[error("{}: the catalog has {bytes} bytes, more than the limit of {FILE_BYTES_MAX}", file.display())]
    TooLong {
        /// Which.
        file: PathBuf,
        /// How long.
        bytes: u64,
    },
    /// The name does not tell the format.
    #[error("{}: a catalog's name must end in .toml or .json", file.display())]
    UnknownFormat {
        /// Which.
        file: PathBuf,
    },
    /// The catalog breaks rules.
    #[error("{}", lines(problems))]
    Problems {
        /// All of them, up to a hundred.
        problems: Vec<Problem>,
    },
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
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
    /// The format that a file name's ending tells.
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
    /// Reads and checks a file; its ending tells the format.
    ///
    /// # Errors
    /// [`CatalogError`], with every problem's file, line and field.
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

    /// Checks a text; `name` is what findings call it.
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
                // The position is said in front, as for all problems.
                let cut = message.rfind(" at line ").unwrap_or(message.len());
                (Some(error.line()), message[..cut].to_owned())
            }),
        };
        let catalog: Catalog = parsed.map_err(|(line, message)| {
            let shown = line.and_then(|line| text.lines().nth(line - 1)).map(str::trim).unwrap_or_default();
            let message = if shown.is_empty() { message } else { format!("{message} (`{shown}`)") };
            let problem = Problem { file: name.to_owned(), line, field: String::new(), message };
            CatalogError::Problems { problems: vec![problem] }
        })?;
        let file = Self { catalog, name: name.to_owned(), format, text };
        let problems: Vec<Problem> = findings(&file.catalog)
            .into_iter()
            .take(PROBLEMS_MAX)
            .map(|finding| file.problem(&finding.path, finding.message))
            .collect();
        if problems.is_empty() { Ok(file) } else { Err(CatalogError::Problems { problems }) }
    }

    /// A problem at a place in this file.
    #[must_use]
    pub fn problem(&self, path: &Path, message: String) -> Problem {
        let line = line_of(&self.text, self.format, path);
        Problem { file: self.name.clone(), line, field: path.to_string(), message }
    }
}

impl Catalog {
    /// The text of a file that says the same.
    ///
    /// # Errors
    /// The serialiser's own, which no catalog of this type is known to cause.
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
