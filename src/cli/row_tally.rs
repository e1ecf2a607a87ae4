//! What became of the rows of a file of source items: counts, errors and, in a dry run, the changes.

use super::exit::{Exit, Failure};
use super::old_names::Warnings;
use super::output::Text;
use super::row_changes::RowChanges;
use super::row_warnings::RowWarnings;
use crate::catalog::{RowError, RowFault};
use serde_json::{Value, json};
use std::path::Path;

/// The number of row errors that are kept and shown. All are counted.
const ERRORS_KEPT_MAX: usize = 1_000;

/// What the rows were compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Run {
    /// With the server, which was changed.
    #[default]
    Import,
    /// With the server, which was not changed.
    Dry,
    /// With nothing: only the file was read.
    Offline,
}

/// The result of an import.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) run: Run,
    pub(super) rows: u64,
    pub(super) created: u64,
    pub(super) updated: u64,
    pub(super) unchanged: u64,
    pub(super) deleted: u64,
    refused: u64,
    /// Rows that can be read, of which nothing else is known without a server.
    pub(super) readable: u64,
    pub(super) skus_created: u64,
    pub(super) shortfalls: u64,
    errors: Vec<RowError>,
    pub(super) changes: RowChanges,
    pub(super) warnings: Warnings,
    pub(super) row_warnings: RowWarnings,
    /// Rows of sources that the server does not know.
    unknown_sources: u64,
    pub(super) seconds: f64,
}

impl Tally {
    pub(super) fn error(&mut self, error: RowError) {
        self.refused += 1;
        self.unknown_sources += u64::from(matches!(error.fault, RowFault::UnknownSource { .. }));
        if self.errors.len() < ERRORS_KEPT_MAX {
            self.errors.push(error);
        }
    }

    pub(super) fn sort_errors(&mut self) {
        self.errors.sort_by_key(|error| error.line);
    }

    pub(super) const fn exit(&self) -> Exit {
        if self.refused == 0 { Exit::Ok } else { Exit::BadData }
    }

    pub(super) fn text(&self, file: &Path) -> String {
        let mut text = Text::default();
        self.changes.add_to_text(file, &mut text);
        for error in &self.errors {
            text.line(&format!("{}: {error}", file.display()));
        }
        let hidden = self.refused - u64::try_from(self.errors.len()).unwrap_or(u64::MAX);
        if hidden > 0 {
            text.line(&format!("… and {hidden} more errors"));
        }
        self.warnings.add_to_text(file, &mut text);
        self.row_warnings.add_to_text(file, &mut text);
        if self.unknown_sources > 0 {
            text.line("to do: import the catalog that defines the sources first, then this file again");
        }
        text.line(&self.summary(file));
        text.into_string()
    }

    fn summary(&self, file: &Path) -> String {
        let (file, rows, refused, seconds) = (file.display(), self.rows, self.refused, self.seconds);
        let happens = match self.run {
            Run::Offline => {
                let readable = self.readable;
                return format!(
                    "{file}: {rows} rows: {readable} can be read, {refused} are refused; only the file was checked \
                     (--offline), so sources, SKUs and changes are unknown"
                );
            }
            Run::Dry => "dry run, nothing was changed: ",
            Run::Import => "",
        };
        let Self { created, updated, unchanged, deleted, skus_created, .. } = self;
        format!(
            "{file}: {happens}{rows} rows: {created} source items created, {updated} updated, {unchanged} unchanged, \
             {deleted} deleted, {refused} refused; {skus_created} SKUs created, in {seconds:.1} s"
        )
    }

    pub(super) fn document(&self, file: &Path) -> Value {
        let errors: Vec<Value> = self
            .errors
            .iter()
            .map(|error| json!({"line": error.line, "message": error.fault.to_string()}))
            .collect();
        let mut document = json!({
            "file": file.display().to_string(),
            "dry_run": self.run != Run::Import,
            "rows": self.rows,
            "errors_total": self.refused,
            "errors": errors,
            "refused": self.refused,
            "seconds": self.seconds,
        });
        if self.run == Run::Offline {
            document["offline"] = json!(true);
            document["readable"] = json!(self.readable);
        } else {
            document["created"] = json!(self.created);
            document["updated"] = json!(self.updated);
            document["unchanged"] = json!(self.unchanged);
            document["deleted"] = json!(self.deleted);
            document["skus_created"] = json!(self.skus_created);
            document["shortfalls"] = json!(self.shortfalls);
        }
        if self.run == Run::Dry {
            self.changes.add_to_document(&mut document);
        }
        self.warnings.add_to_document(&mut document);
        self.row_warnings.add_to_document(&mut document);
        document
    }

    /// Proves that the file has no row that was lost on the way.
    pub(super) fn prove_complete(&self, file: &Path, rows: u64) -> Result<(), Failure> {
        let used = self.created + self.updated + self.unchanged + self.deleted + self.readable;
        let decided = used + self.refused;
        if self.rows == rows && decided == rows {
            return Ok(());
        }
        let name = file.display();
        Err(Failure {
            exit: Exit::BadData,
            error: anyhow::anyhow!(
                "{name}: the file has {rows} rows, but {} were read and {decided} were created, updated, unchanged, deleted or refused; this is an error of stockhold, please report it with the file",
                self.rows
            ),
        })
    }
}
