//! Reports for people: two columns, and the rows that all scenarios share.

use crate::audit::Audit;
use crate::children::StorageFacts;
use crate::memory::MemoryFacts;
use crate::server_log::LogFacts;
use crate::system::{MachineFacts, PagingFacts};
use std::collections::BTreeMap;

/// Rows of a name and a text.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<(&'static str, String)>,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn row(&mut self, name: &'static str, text: String) {
        self.rows.push((name, text));
    }

    pub(crate) fn answers(&mut self, name: &'static str, answers: &BTreeMap<&'static str, u64>) {
        let list: Vec<String> = answers.iter().map(|(code, count)| format!("{code} {count}")).collect();
        self.row(name, if list.is_empty() { "none".to_owned() } else { list.join(" · ") });
    }

    pub(crate) fn cpu(&mut self, name: &'static str, us_each: f64, percent: f64) {
        self.row(name, format!("{us_each:.3} µs per reservation, {percent:.0} % of one core"));
    }

    /// The cost of the server's memory, and its state.
    pub(crate) fn paging(&mut self, paging: Option<&PagingFacts>) {
        let unknown = || "unknown: give the server's process with --server-pid".to_owned();
        self.row("server paging", paging.map_or_else(unknown, PagingFacts::text));
    }

    pub(crate) fn memory(&mut self, memory: &MemoryFacts) {
        self.row("memory", memory.text());
    }

    pub(crate) fn log(&mut self, log: &LogFacts) {
        let text = format!(
            "{} syncs of {:.0} ops, {} MiB written, {:.1} payload bytes per op, sync p50 {} µs · p99 {} µs",
            log.syncs,
            log.ops_per_sync,
            log.bytes >> 20,
            log.payload_bytes_per_op,
            log.sync_p50_us,
            log.sync_p99_us
        );
        self.row("log", text);
    }

    pub(crate) fn machine(&mut self, machine: &MachineFacts, storage: Option<&StorageFacts>) {
        let MachineFacts { cores, processor, steal_percent } = machine;
        self.row("machine", format!("{cores} cores ({processor}), steal {steal_percent:.1} % of one core"));
        if let Some(storage) = storage {
            self.row("storage", format!("{}, written by {}", storage.file_system, storage.write_path));
            if let Some(warning) = &storage.warning {
                self.row("warning", warning.clone());
            }
        }
    }

    pub(crate) fn audit(&mut self, audit: &Audit) {
        let text = format!(
            "oversold units {} · lost acknowledged {} · changed answers {} · wrong refusals {} · wrong checks {} · unexplained units {} \
             ({} ids asked again, {} SKUs added up)",
            audit.oversold_units,
            audit.lost_acknowledged,
            audit.changed_answers,
            audit.wrong_refusals,
            audit.wrong_checks,
            audit.unexplained_units,
            audit.checked_ids,
            audit.checked_skus
        );
        self.row("audit", text);
        for finding in &audit.findings {
            self.row("finding", finding.clone());
        }
    }

    /// The rows as they are.
    pub(crate) fn into_rows(self) -> Vec<(&'static str, String)> {
        self.rows
    }

    /// The rows as text, aligned.
    pub(crate) fn text(&self) -> String {
        let width = self.rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let mut out = String::new();
        for (name, text) in &self.rows {
            out.extend([&format!("{name:<width$}  {text}"), "\n"]);
        }
        out
    }
}

/// Columns with headings, right-aligned except the last one.
pub(crate) fn columns(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain(head.get(at).map(|name| name.chars().count())).max().unwrap_or(0)
    };
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.enumerate().map(|(at, cell)| {
            let width = if at + 1 == head.len() { 0 } else { width(at) };
            format!("{cell:>width$}")
        });
        padded.collect::<Vec<String>>().join("  ") + "\n"
    };
    let mut out = line(&mut head.iter().copied());
    for row in rows {
        out += &line(&mut row.iter().map(String::as_str));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        // Proves that widths count letters and not bytes, and that the last column is left-aligned.
        let rows = [vec!["5 µs".to_owned(), "good".to_owned()], vec!["500 µs".to_owned(), "bad".to_owned()]];
        assert_eq!(columns(&["p50", "verdict"], &rows), "   p50  verdict\n  5 µs  good\n500 µs  bad\n");
    }

    #[test]
    fn texts_line_up() {
        // Proves that the second column is aligned.
        let mut table = Table::new();
        table.row("a", "1".to_owned());
        table.row("longer", "2".to_owned());
        table.answers("codes", &BTreeMap::from([("ok", 2), ("busy", 1)]));
        assert_eq!(table.text(), "a       1\nlonger  2\ncodes   busy 1 · ok 2\n");
    }
}
