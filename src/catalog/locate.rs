//! Finds the lines of places in a catalog, so that a problem can be found in an editor.
//!
//! The file is parsed a second time for this, but only if there is a problem, and once for all of them.

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

    /// Whether it is this place or one within it.
    pub(super) fn begins_with(&self, outer: &Self) -> bool {
        self.0.starts_with(&outer.0)
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

/// Finds places in a text, which is parsed for the first of them.
#[derive(Debug)]
pub struct Places<'a> {
    text: &'a str,
    format: Format,
    parsed: Option<Parsed<'a>>,
}

#[derive(Debug)]
struct Parsed<'a> {
    tree: Tree<'a>,
    /// The offset of the first byte of each line.
    lines: Vec<usize>,
}

#[derive(Debug)]
enum Tree<'a> {
    Toml(Option<Spanned<DeTable<'a>>>),
    /// The values that were parsed so far, by their paths.
    Json(BTreeMap<Vec<Step>, JsonValue<'a>>),
}

/// A value of JSON, whose own values are not parsed.
#[derive(Debug)]
enum JsonValue<'a> {
    Table(BTreeMap<String, &'a RawValue>),
    List(Vec<&'a RawValue>),
    Other,
}

impl<'a> Places<'a> {
    pub(super) const fn new(text: &'a str, format: Format) -> Self {
        Self { text, format, parsed: None }
    }

    /// The line (from 1) of the place, or of the deepest part of its path that exists.
    pub fn line_of(&mut self, path: &Path) -> Option<usize> {
        let (text, format) = (self.text, self.format);
        let Parsed { tree, lines } = self.parsed.get_or_insert_with(|| Parsed::new(text, format));
        let offset = match tree {
            Tree::Toml(root) => toml_offset(root.as_ref()?, &path.0),
            Tree::Json(values) => json_offset(text, values, &path.0),
        };
        Some(lines.partition_point(|start| *start <= offset))
    }
}

impl<'a> Parsed<'a> {
    fn new(text: &'a str, format: Format) -> Self {
        let tree = match format {
            Format::Toml => Tree::Toml(DeTable::parse(text).ok()),
            Format::Json => Tree::Json(BTreeMap::new()),
        };
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { tree, lines: std::iter::once(0).chain(ends).collect() }
    }
}

/// The line (from 1) of a byte offset.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Both spellings of the name of a table.
fn spellings(key: &str) -> [String; 2] {
    [key.to_owned(), format!("{key}s")]
}

fn toml_offset(root: &Spanned<DeTable<'_>>, steps: &[Step]) -> usize {
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
    offset
}

fn json_offset<'a>(text: &'a str, values: &mut BTreeMap<Vec<Step>, JsonValue<'a>>, steps: &[Step]) -> usize {
    let mut rest = text;
    for (depth, step) in steps.iter().enumerate() {
        let value = values.entry(steps[..depth].to_vec()).or_insert_with(|| JsonValue::parse(rest));
        let next = match (step, value) {
            (Step::Key(key), JsonValue::Table(table)) => {
                spellings(key).into_iter().find_map(|key| table.get(&key).copied())
            }
            (Step::Index(index), JsonValue::List(list)) => list.get(*index).copied(),
            (Step::Key(_) | Step::Index(_), _) => None,
        };
        let Some(next) = next else { break };
        rest = next.get();
    }
    // A raw value is a slice of the text, so the distance of the two addresses is its offset.
    rest.as_ptr().addr() - text.as_ptr().addr()
}

impl<'a> JsonValue<'a> {
    fn parse(text: &'a str) -> Self {
        let table = serde_json::from_str(text).map(Self::Table);
        table.or_else(|_| serde_json::from_str(text).map(Self::List)).unwrap_or(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_in_both_formats() {
        // Proves the lines of places in singular and plural tables, and of a place that exists only partly.
        let toml = "[[stock]]\nname = \"a\"\n\n[[stock]]\nname = \"b\"\nchannels = [\"website/us\"]\n";
        let json = "{\n \"stocks\": [\n  {\"name\": \"a\"},\n  {\n   \"name\": \"b\",\n   \"channels\": [\n    \"website/us\"]}]}";
        let (mut toml, mut json) = (Places::new(toml, Format::Toml), Places::new(json, Format::Json));
        let channel = Path::entry("stock", 1).key("channels").index(0);
        let missing = Path::entry("stock", 1).key("quota");
        // The second round reads what the first one has parsed.
        for _ in 0..2 {
            assert_eq!((toml.line_of(&channel), json.line_of(&channel)), (Some(6), Some(7)));
            assert_eq!((toml.line_of(&missing), json.line_of(&missing)), (Some(4), Some(4)));
            let (first, root) = (Path::entry("stock", 0), Path::default());
            assert_eq!((toml.line_of(&first), json.line_of(&first)), (Some(1), Some(3)));
            assert_eq!((toml.line_of(&root), json.line_of(&root)), (Some(1), Some(1)));
            assert_eq!(json.line_of(&Path::entry("stock", 9)), Some(2));
        }
        assert_eq!(channel.to_string(), "stock[1].channels[0]");
    }
}
