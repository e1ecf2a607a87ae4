//! What is suspicious in a file of source items, although each row can be read: rows that repeat another one, negative
//! counts, and SKUs with characters that nobody sees.

use super::output::Text;
use crate::catalog::StockRow;
use serde_json::{Value, json};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::path::Path;
use stockhold_protocol::Quantity;

/// The number of warnings that are kept and shown. All are counted.
const KEPT_MAX: usize = 100;
/// The number of rows among which repeated ones are found.
const ROWS_COMPARED_MAX: usize = 10_000_000;

/// What rows are warned of.
#[derive(Debug, Default)]
pub(super) struct RowWarnings {
    total: u64,
    by_kind: BTreeMap<&'static str, u64>,
    kept: Vec<Warning>,
    /// What was not looked at, and why.
    notes: Vec<String>,
    /// The first line of each pair of source and SKU, by a hash of the pair.
    first_lines: HashMap<u64, u64>,
}

#[derive(Debug)]
struct Warning {
    line: u64,
    kind: &'static str,
    message: String,
}

impl RowWarnings {
    /// Looks at a row.
    pub(super) fn look_at(&mut self, row: &StockRow) {
        if let Some(first) = self.repeated(row) {
            let message =
                format!("{} in {} is on line {first} too; the later row counts", row.sku, row.source_code);
            self.warn(row.line, "repeated_row", message);
        }
        if row.quantity < Quantity::ZERO {
            let message = format!("the count of {} in {} is negative", row.sku, row.source_code);
            self.warn(row.line, "negative_count", message);
        }
        if let Some(unseen) = row.sku.chars().find(|one| is_unseen(*one)) {
            let message = format!(
                "the SKU \"{}\" contains a character that is not seen, U+{:04X}; it is another SKU than the one without",
                shown(&row.sku),
                u32::from(unseen)
            );
            self.warn(row.line, "unseen_character", message);
        }
    }

    /// The first line of the same pair, if this is not the first.
    fn repeated(&mut self, row: &StockRow) -> Option<u64> {
        let hash = self.first_lines.hasher().hash_one((&row.source_code, &row.sku));
        let is_full = self.first_lines.len() >= ROWS_COMPARED_MAX;
        match self.first_lines.entry(hash) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(new) if !is_full => {
                new.insert(row.line);
                None
            }
            Entry::Vacant(_) => None,
        }
    }

    /// Says what was not looked at, and why. It is no warning.
    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Warns of a row.
    pub(super) fn warn(&mut self, line: u64, kind: &'static str, message: String) {
        self.total += 1;
        *self.by_kind.entry(kind).or_default() += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(Warning { line, kind, message });
        }
    }

    /// Forgets the rows, which were all looked at.
    pub(super) fn finish(mut self) -> Self {
        self.first_lines = HashMap::new();
        self
    }

    /// Adds warnings that were found later.
    pub(super) fn add(&mut self, later: Self) {
        self.total += later.total;
        for (kind, count) in later.by_kind {
            *self.by_kind.entry(kind).or_default() += count;
        }
        let room = KEPT_MAX.saturating_sub(self.kept.len());
        self.kept.extend(later.kept.into_iter().take(room));
        self.notes.extend(later.notes);
    }

    /// Warns of a count after which promised units are missing.
    pub(super) fn warn_of_shortfall(&mut self, line: u64, sku: &str, source: &str) {
        let message = format!(
            "{sku} in {source}: promises are left without goods; `stockhold show sku` and `stockhold explain` tell which"
        );
        self.warn(line, "promises_without_goods", message);
    }

    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn add_to_text(&self, file: &Path, text: &mut Text) {
        for Warning { line, message, .. } in &self.kept {
            text.line(&format!("{}: line {line}: warning: {message}", file.display()));
        }
        let hidden = self.total - u64::try_from(self.kept.len()).unwrap_or(u64::MAX);
        if hidden > 0 {
            let kept = |kind: &str| self.kept.iter().filter(|one| one.kind == kind).count();
            let hidden_of = |(kind, total): (&&'static str, &u64)| {
                let hidden = total - u64::try_from(kept(kind)).unwrap_or(u64::MAX);
                (hidden > 0).then(|| format!("{hidden} {kind}"))
            };
            let groups: Vec<String> = self.by_kind.iter().filter_map(hidden_of).collect();
            text.line(&format!("… and {hidden} more warnings: {}", groups.join(", ")));
        }
        for note in &self.notes {
            text.line(&format!("{}: {note}", file.display()));
        }
    }

    /// Adds the warnings to those in the document of a file.
    pub(super) fn add_to_document(&self, document: &mut Value) {
        let before = document["warnings_total"].as_u64().unwrap_or_default();
        document["warnings_total"] = json!(before + self.total);
        document["warnings_by_kind"] = json!(self.by_kind);
        document["notes"] = json!(self.notes);
        let kept = self
            .kept
            .iter()
            .map(|Warning { line, kind, message }| json!({"line": line, "kind": kind, "message": message}));
        if let Some(warnings) = document["warnings"].as_array_mut() {
            warnings.extend(kept);
        }
    }
}

/// Whether a character has no width or looks like a space, so that two names look the same.
fn is_unseen(one: char) -> bool {
    one.is_control()
        || (one.is_whitespace() && one != ' ')
        || matches!(one, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// A text with these characters escaped.
fn shown(text: &str) -> String {
    text.chars()
        .map(|one| if is_unseen(one) { one.escape_unicode().to_string() } else { one.to_string() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u64, sku: &str, quantity: &str) -> StockRow {
        let (source_code, quantity) = ("east".to_owned(), quantity.parse().unwrap());
        StockRow { line, source_code, sku: sku.to_owned(), in_stock: true, quantity }
    }

    #[test]
    fn suspicious_rows_are_told_up_to_a_bound_and_counted_beyond() {
        // Proves each kind with its line, that a clean file is silent, and that no more than the bound is kept.
        let mut warnings = RowWarnings::default();
        for (line, sku, quantity) in
            [(2, "A", "1"), (3, "B", "-1"), (4, "A", "2"), (5, "A\u{200b}", "1"), (6, "a", "1")]
        {
            warnings.look_at(&row(line, sku, quantity));
        }
        let told: Vec<_> = warnings.kept.iter().map(|one| (one.line, one.kind)).collect();
        assert_eq!(told, [(3, "negative_count"), (4, "repeated_row"), (5, "unseen_character")]);
        assert!(warnings.kept[1].message.contains("line 2"), "{:?}", warnings.kept[1]);
        assert!(warnings.kept[2].message.contains("A\\u{200b}"), "{:?}", warnings.kept[2]);
        for line in 7..=300 {
            warnings.look_at(&row(line, "B", "1"));
        }
        let warnings = warnings.finish();
        assert_eq!((warnings.total(), warnings.kept.len()), (3 + 294, KEPT_MAX));
        let mut text = Text::default();
        warnings.add_to_text(Path::new("f.csv"), &mut text);
        assert!(text.into_string().contains("… and 197 more warnings: 197 repeated_row\n"));
    }
}
