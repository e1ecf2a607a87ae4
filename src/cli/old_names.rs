//! Warnings of old names in files that are imported: names that renamed things had. In its grace an old name still
//! means the renamed thing. After that it means nothing, and a definition by it makes another thing.

use super::exit::Failure;
use super::output::Text;
use super::questions::wrong_answer;
use super::server_connection::ServerConnection;
use super::times::utc;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use stockhold_client::wall_clock_ms;
use stockhold_protocol::query::{LIST_MAX, Name, OldNameView, Query, QueryAnswer};

/// The number of warnings that are kept and shown. All are counted.
const WARNINGS_KEPT_MAX: usize = 100;

/// The old names that a file has not used so far.
#[derive(Debug, Default)]
pub(super) struct OldNames {
    unused: BTreeMap<Name, OldNameView>,
    now: Now,
    warnings: Warnings,
}

/// When the server was asked.
#[derive(Clone, Copy, Debug, Default)]
struct Now {
    /// The server's time, by which names have their grace.
    server_ms: u64,
    /// The wall clock, by which people are told of it.
    wall_ms: u64,
}

/// What a file is warned of: each old name once, where it is used first.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    total: u64,
    kept: Vec<Warning>,
}

#[derive(Debug)]
struct Warning {
    line: Option<u64>,
    /// The field of a catalog. It is empty for rows.
    field: String,
    old: OldNameView,
    now: Now,
}

impl OldNames {
    /// Asks the server for all old names that it keeps.
    pub(super) fn load(server: &mut ServerConnection) -> Result<Self, Failure> {
        let mut old_names = Self::default();
        let mut after = None;
        loop {
            let QueryAnswer::OldNames(page) = server.query(&Query::OldNames { after, limit: LIST_MAX })?
            else {
                return Err(wrong_answer());
            };
            let Some(last) = page.last() else { break };
            after = Some(last.op);
            old_names.unused.extend(page.into_iter().map(|view| (view.name.clone(), view)));
        }
        old_names.now = Now { server_ms: server.now_ms(), wall_ms: wall_clock_ms() };
        Ok(old_names)
    }

    /// Whether no name of a file can be an old one that it has not been warned of.
    pub(super) fn is_empty(&self) -> bool {
        self.unused.is_empty()
    }

    /// Notes that a file uses a name. `place` gives the line and the field.
    pub(super) fn note(&mut self, name: &Name, place: impl FnOnce() -> (Option<u64>, String)) {
        let Some(old) = self.unused.remove(name) else { return };
        self.warnings.total += 1;
        if self.warnings.kept.len() < WARNINGS_KEPT_MAX {
            let (line, field) = place();
            self.warnings.kept.push(Warning { line, field, old, now: self.now });
        }
    }

    pub(super) fn into_warnings(self) -> Warnings {
        self.warnings
    }
}

impl Warnings {
    pub(super) fn add_to_text(&self, file: &Path, text: &mut Text) {
        let file = file.display();
        for warning in &self.kept {
            let Warning { line, field, .. } = warning;
            let sentence = warning.sentence();
            text.line(&match line {
                Some(line) if field.is_empty() => format!("{file}: line {line}: warning: {sentence}"),
                Some(line) => format!("{file}:{line}: {field}: warning: {sentence}"),
                None => format!("{file}: {field}: warning: {sentence}"),
            });
        }
        let hidden = self.total - u64::try_from(self.kept.len()).unwrap_or(u64::MAX);
        if hidden > 0 {
            text.line(&format!("… and {hidden} more old names"));
        }
    }

    /// Adds the warnings to the document of a file.
    pub(super) fn add_to_document(&self, document: &mut Value) {
        document["warnings_total"] = json!(self.total);
        document["warnings"] = self.kept.iter().map(Warning::document).collect();
    }
}

impl Warning {
    fn document(&self) -> Value {
        let Self { line, field, old, .. } = self;
        let (kind, old_name) = kind_and_text(&old.name);
        let (_, present_name) = kind_and_text(&old.present);
        let mut document = json!({
            "line": line,
            "kind": kind,
            "old_name": old_name,
            "present_name": present_name,
            "until": self.until(),
            "in_grace": self.is_in_grace(),
            "message": self.sentence(),
        });
        if !field.is_empty() {
            document["field"] = json!(field);
        }
        document
    }

    /// Whether the old name still means what had it.
    const fn is_in_grace(&self) -> bool {
        self.now.server_ms < self.old.until_ms
    }

    /// When the grace ends or ended, by the wall clock.
    fn until(&self) -> String {
        let until_ms = self.now.wall_ms.saturating_add(self.old.until_ms).saturating_sub(self.now.server_ms);
        utc(until_ms / 1_000)
    }

    fn sentence(&self) -> String {
        let (kind, old_name) = kind_and_text(&self.old.name);
        let ((_, present), until) = (kind_and_text(&self.old.present), self.until());
        let old_name_now = if self.is_in_grace() {
            format!("the old name means it until {until}")
        } else {
            format!("the old name meant it until {until} and is free now")
        };
        format!("{kind} \"{old_name}\" is now called \"{present}\"; {old_name_now}")
    }
}

fn kind_and_text(name: &Name) -> (&'static str, String) {
    match name {
        Name::Sku(sku) => ("SKU", sku.clone()),
        Name::Stock(stock) => ("stock", stock.clone()),
        Name::Source(code) => ("source", code.clone()),
        Name::Channel(channel_type, code) => ("channel", format!("{channel_type}/{code}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn old(number: u32) -> OldNameView {
        OldNameView {
            op: u64::from(number),
            name: Name::Channel("website".into(), format!("us-{number}")),
            number,
            present: Name::Channel("store".into(), format!("usa-{number}")),
            until_ms: 86_400_000 + u64::from(number.is_multiple_of(2)),
        }
    }

    #[test]
    fn each_old_name_is_warned_of_once_and_all_are_counted() {
        // Proves the first use of a name, the limit of what is kept, and the texts for both kinds of files.
        let views = (0..150).map(old);
        let unused = views.map(|view| (view.name.clone(), view)).collect();
        let mut old_names = OldNames {
            unused,
            now: Now { server_ms: 86_400_000, wall_ms: 86_398_500 },
            ..OldNames::default()
        };
        old_names.note(&Name::Sku("us-0".into()), || panic!("a SKU was never called so"));
        for round in 0..2 {
            for number in 0..150_u32 {
                let field = if number == 0 { "stock[0].channels[0]".to_owned() } else { String::new() };
                let line = Some(u64::from(number) + 1 + 1_000 * round);
                old_names.note(&old(number).name, || (line, field));
            }
        }
        assert!(old_names.is_empty());
        let warnings = old_names.into_warnings();
        let (mut text, mut document) = (Text::default(), json!({}));
        warnings.add_to_text(Path::new("a.toml"), &mut text);
        warnings.add_to_document(&mut document);
        let text = text.into_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..2],
            [
                "a.toml:1: stock[0].channels[0]: warning: channel \"website/us-0\" is now called \"store/usa-0\"; the old \
                 name means it until 1970-01-01T23:59:58Z",
                "a.toml: line 2: warning: channel \"website/us-1\" is now called \"store/usa-1\"; the old name meant it \
                 until 1970-01-01T23:59:58Z and is free now",
            ]
        );
        assert_eq!((lines.len(), lines[100]), (101, "… and 50 more old names"));
        assert_eq!(document["warnings_total"], 150);
        assert_eq!(document["warnings"].as_array().unwrap().len(), 100);
        assert_eq!(document["warnings"][0]["field"], "stock[0].channels[0]");
        let second = &document["warnings"][1];
        assert_eq!((&second["line"], second.get("field")), (&json!(2), None));
        assert_eq!((&second["old_name"], &second["in_grace"]), (&json!("website/us-1"), &json!(false)));
    }
}
