//! What an import of a catalog would change: a list with old and new values, and counts.

use super::exit::Exit;
use super::old_names::Warnings;
use super::output::Text;
use crate::catalog::{CatalogFile, Path as Place, Places, Problem};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The number of changes that are kept and shown. All are counted.
const CHANGES_KEPT_MAX: usize = 100;
/// The number of problems that are kept and shown. All are counted.
const PROBLEMS_KEPT_MAX: usize = 1_000;

/// A field with its old value, if there was one, and its new one.
pub(super) type FieldChange = (String, Option<Value>, Value);

/// The entries of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    created: u64,
    updated: u64,
    unchanged: u64,
    refused: u64,
}

#[derive(Debug)]
struct Change {
    line: Option<usize>,
    field: String,
    /// Its kind and name.
    thing: String,
    is_new: bool,
    fields: Vec<FieldChange>,
}

/// See the module.
pub(super) struct CatalogPlan<'a> {
    file: &'a CatalogFile,
    places: Places<'a>,
    counts: BTreeMap<&'static str, Counts>,
    changes_total: u64,
    changes: Vec<Change>,
    refused: u64,
    problems: Vec<Problem>,
    pub(super) warnings: Warnings,
}

impl<'a> CatalogPlan<'a> {
    pub(super) fn new(file: &'a CatalogFile, warnings: Warnings) -> Self {
        let kinds = ["sources", "stocks", "links", "channels", "skus", "settings", "quotas"];
        Self {
            file,
            places: file.places(),
            counts: kinds.into_iter().map(|kind| (kind, Counts::default())).collect(),
            changes_total: 0,
            changes: Vec::new(),
            refused: 0,
            problems: Vec::new(),
            warnings,
        }
    }

    fn count(&mut self, kind: &'static str) -> &mut Counts {
        self.counts.entry(kind).or_default()
    }

    /// An entry that would be created.
    pub(super) fn create(&mut self, kind: &'static str, place: &Place, thing: String) {
        self.count(kind).created += 1;
        self.change(place, thing, true, Vec::new());
    }

    /// An entry that exists. It would be updated if a field differs.
    pub(super) fn compare(
        &mut self,
        kind: &'static str,
        place: &Place,
        thing: String,
        fields: Vec<FieldChange>,
    ) {
        if fields.is_empty() {
            self.count(kind).unchanged += 1;
        } else {
            self.count(kind).updated += 1;
            self.change(place, thing, false, fields);
        }
    }

    /// An entry that would be refused.
    pub(super) fn refuse(&mut self, kind: &'static str, place: Place, message: String) {
        self.count(kind).refused += 1;
        self.refused += 1;
        if self.problems.len() < PROBLEMS_KEPT_MAX {
            self.problems.extend(self.file.problems([(place, message)]));
        }
    }

    fn change(&mut self, place: &Place, thing: String, is_new: bool, fields: Vec<FieldChange>) {
        self.changes_total += 1;
        if self.changes.len() < CHANGES_KEPT_MAX {
            let line = self.places.line_of(place);
            self.changes.push(Change { line, field: place.to_string(), thing, is_new, fields });
        }
    }

    pub(super) const fn exit(&self) -> Exit {
        if self.refused == 0 { Exit::Ok } else { Exit::BadData }
    }

    pub(super) fn text(&self, file: &Path) -> String {
        let mut text = Text::default();
        for Change { line, field, thing, is_new, fields } in &self.changes {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            let verb = if *is_new { "created" } else { "updated" };
            let fields: Vec<String> = fields.iter().map(field_text).collect();
            let values = if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) };
            text.line(&format!("{}{line}: {field}: {thing}: {verb}{values}", file.display()));
        }
        hidden(&mut text, self.changes_total, self.changes.len(), "changes");
        self.problems.iter().for_each(|problem| text.line(&problem.to_string()));
        hidden(&mut text, self.refused, self.problems.len(), "errors");
        self.warnings.add_to_text(file, &mut text);
        text.line(&format!("{}: dry run, nothing was changed:", file.display()));
        for (kind, counts) in &self.counts {
            let Counts { created, updated, unchanged, refused } = counts;
            if created + updated + unchanged + refused > 0 {
                text.line(&format!(
                    "  {kind}: {created} created, {updated} updated, {unchanged} unchanged, {refused} refused"
                ));
            }
        }
        text.into_string()
    }

    pub(super) fn document(&self, file: &Path) -> Value {
        let changes: Vec<Value> = self.changes.iter().map(Change::document).collect();
        let errors: Vec<Value> = self
            .problems
            .iter()
            .map(|one| json!({"line": one.line, "field": one.field, "message": one.message}))
            .collect();
        let mut document = json!({
            "file": file.display().to_string(),
            "dry_run": true,
            "changes_total": self.changes_total,
            "changes": changes,
            "errors_total": self.refused,
            "errors": errors,
        });
        for (kind, Counts { created, updated, unchanged, refused }) in &self.counts {
            document[*kind] = json!({
                "created": created, "updated": updated, "unchanged": unchanged, "refused": refused,
            });
        }
        self.warnings.add_to_document(&mut document);
        document
    }
}

impl Change {
    fn document(&self) -> Value {
        let Self { line, field, thing, is_new, fields } = self;
        let fields: Vec<Value> =
            fields.iter().map(|(name, old, new)| json!({"field": name, "old": old, "new": new})).collect();
        let change = if *is_new { "created" } else { "updated" };
        json!({"line": line, "field": field, "thing": thing, "change": change, "fields": fields})
    }
}

fn field_text((name, old, new): &FieldChange) -> String {
    match old {
        Some(old) => format!("{name} {old} → {new}"),
        None => format!("{name} is set to {new}"),
    }
}

fn hidden(text: &mut Text, total: u64, kept: usize, what: &str) {
    let hidden = total - u64::try_from(kept).unwrap_or(u64::MAX);
    if hidden > 0 {
        text.line(&format!("… and {hidden} more {what}"));
    }
}
