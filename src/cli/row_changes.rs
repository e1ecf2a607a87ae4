//! What a dry run would change: source items with their old and new quantities.

use super::output::Text;
use super::present_items::Item;
use serde_json::{Value, json};
use std::path::Path;

/// The number of changes that are kept and shown. All are counted.
const KEPT_MAX: usize = 100;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct RowChanges {
    total: u64,
    kept: Vec<RowChange>,
}

/// A row that would change a source item.
#[derive(Debug)]
pub(super) struct RowChange {
    pub(super) line: u64,
    pub(super) source: String,
    pub(super) sku: String,
    /// Whether the SKU would be created too.
    pub(super) is_new_sku: bool,
    pub(super) old: Option<Item>,
    /// `None`: the item is removed.
    pub(super) new: Option<Item>,
}

impl RowChanges {
    /// Notes a change, which `change` makes if there is room for it.
    pub(super) fn note(&mut self, change: impl FnOnce() -> RowChange) {
        self.total += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(change());
        }
    }

    pub(super) fn add_to_text(&self, file: &Path, text: &mut Text) {
        for change in &self.kept {
            let RowChange { line, source, sku, old, new, .. } = change;
            let new_sku = if change.is_new_sku { ", a new SKU" } else { "" };
            let verb = change.verb();
            let values = match (old, new) {
                (Some(old), Some(new)) => format!("{old} → {new}"),
                (None, Some(item)) | (Some(item), None) => item.to_string(),
                (None, None) => String::new(),
            };
            text.line(&format!(
                "{}: line {line}: {sku} in {source}{new_sku}: {verb}: {values}",
                file.display()
            ));
        }
        let hidden = self.total - u64::try_from(self.kept.len()).unwrap_or(u64::MAX);
        if hidden > 0 {
            text.line(&format!("… and {hidden} more changes"));
        }
    }

    pub(super) fn add_to_document(&self, document: &mut Value) {
        document["changes_total"] = json!(self.total);
        document["changes"] = self.kept.iter().map(RowChange::document).collect();
    }
}

impl RowChange {
    const fn verb(&self) -> &'static str {
        match self.old {
            Some(_) if self.new.is_none() => "deleted",
            Some(_) => "updated",
            None => "created",
        }
    }

    fn document(&self) -> Value {
        let item = |item: Item| json!({"quantity": item.quantity.to_string(), "in_stock": item.in_stock});
        json!({
            "line": self.line,
            "source": self.source,
            "sku": self.sku,
            "new_sku": self.is_new_sku,
            "change": self.verb(),
            "old": self.old.map(item),
            "new": self.new.map(item),
        })
    }
}
