//! Finds the line of a place in a catalog, so that a problem can be found in an editor.
//!
//! The file is parsed a second time for this, but only if there is a problem.

use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The formats of catalog files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// `.toml`
    Toml,
    /// `.json`
    Json,
}

/// One step on the path to a value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Step {
    /// A key of a table.
    Key(String),
    /// An index of a list, from 0.
    Index(usize),
}

/// The path to a value, such as `stock[2].channels[0]`. It uses the singular names of tables.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Path(Vec<Step>);

impl Path {
    /// The `index`-th entry of the table list `name`.
    #[must_use]
    pub fn entry(name: &str, index: usize) -> Self {
        Self(vec![Step::Key(name.to_owned()), Step::Index(index)])
    }

    /// Appends a key.
    #[must_use]
    pub fn key(mut self, name: &str) -> Self {
        self.0.push(Step::Key(name.to_owned()));
        self
    }

    /// Appends an index.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// The line (from 1) of the place, or of the deepest part of its path that exists.
pub(super) fn line_of(text: &str, format: Format, path: &Path) -> Option<usize> {
    let offset = match format {
        Format::Toml => toml_offset(text, &path.0)?,
        Format::Json => json_offset(text, &path.0),
    };
    Some(line_at(text, offset))
}

/// The line (from 1) of a byte offset.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Both spellings of the name of a table.
fn spellings(key: &str) -> [String; 2] {
    [key.to_owned(), format!("{key}s")]
}

fn toml_offset(text: &str, steps: &[Step]) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let mut offset = root.span().start;
    let mut table: Option<&DeTable<'_>> = Some(root.get_ref());
    let mut value: Option<&Spanned<DeValue<'_>>> = None;
    for step in steps {
        let next = match step {
            Step::Key(key) => table
                .or_else(|| value?.get_ref().as_table())
                .and_then(|table| spellings(key).into_iter().find_map(|key| table.get(key.as_str()))),
            Step::Index(index) => value.and_then(|value| value.get_ref().as_array()?.get(*index)),
        };
        let Some(next) = next else { break };
        offset = next.span().start;
        (table, value) = (None, Some(next));
    }
    Some(offset)
}

fn json_offset(text: &str, steps: &[Step]) -> usize {
    let mut rest: &str = text;
    for step in steps {
        let next = match step {
            Step::Key(key) => serde_json::from_str::<BTreeMap<String, &RawValue>>(rest)
                .ok()
                .and_then(|table| spellings(key).into_iter().find_map(|key| table.get(&key).copied())),
            Step::Index(index) => {
                serde_json::from_str::<Vec<&RawValue>>(rest).ok().and_then(|list| list.get(*index).copied())
            }
        };
        let Some(next) = next else { break };
        rest = next.get();
    }
    // A raw value is a slice of the text, so the distance of the two addresses is its offset.
    rest.as_ptr().addr() - text.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_in_both_formats() {
        // Proves the lines of places in singular and plural tables, and of a place that exists only partly.
        let toml = "[[stock]]\nname = \"a\"\n\n[[stock]]\nname = \"b\"\nchannels = [\"website/us\"]\n";
        let json = "{\n \"stocks\": [\n  {\"name\": \"a\"},\n  {\n   \"name\": \"b\",\n   \"channels\": [\n    \"website/us\"]}]}";
        let channel = Path::entry("stock", 1).key("channels").index(0);
        assert_eq!(line_of(toml, Format::Toml, &channel), Some(6));
        assert_eq!(line_of(json, Format::Json, &channel), Some(7));
        let missing = Path::entry("stock", 1).key("quota");
        assert_eq!(line_of(json, Format::Json, &missing), Some(4));
        assert_eq!(line_of(toml, Format::Toml, &missing), Some(4));
        assert_eq!(channel.to_string(), "stock[1].channels[0]");
    }
}
