//! Imports source items from Magento's CSV row by row, with errors by line.
//!
//! Every row is an absolute count, so a repeated import ends in the same state. Rows are read in chunks: the names of a
//! chunk are resolved together, unknown SKUs are created, then the counts are sent.

use super::automatic_mark::AutomaticMark;
use super::bulk::Bulk;
use super::exit::{Exit, Failure, file_failure};
use super::old_names::{OldNames, Warnings};
use super::output::{Output, Text};
use super::report;
use super::row_warnings::RowWarnings;
use super::server_connection::ServerConnection;
use crate::catalog::{LinesError, RowError, RowFault, StockFileError, StockReader, StockRow, count_rows};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Instant;
use stockhold_protocol::command::{Count, SkuDefinition};
use stockhold_protocol::query::Name;
use stockhold_protocol::{Command, Detail, Outcome, Quantity, SkuId, SourceId};

/// The number of rows whose names are resolved together.
const CHUNK_ROWS: usize = 8_192;
/// The number of row errors that are kept and shown. All are counted.
const ERRORS_KEPT_MAX: usize = 1_000;
/// The maximum number of names of one kind that are cached between chunks.
const NAMES_KEPT_MAX: usize = 4_000_000;

/// The options of an import.
#[derive(Debug)]
pub(super) struct Options<'a> {
    pub(super) create_skus: bool,
    /// Whether warnings refuse the file.
    pub(super) strict: bool,
    pub(super) reason: &'a str,
    pub(super) mark: &'a mut AutomaticMark,
}

/// The result of an import.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) rows: u64,
    counted: u64,
    created: u64,
    skus_created: u64,
    shortfalls: u64,
    errors_total: u64,
    errors: Vec<RowError>,
    warnings: Warnings,
    row_warnings: RowWarnings,
    /// Rows of sources that the server does not know.
    unknown_sources: u64,
    seconds: f64,
}

impl Tally {
    fn error(&mut self, error: RowError) {
        self.errors_total += 1;
        self.unknown_sources += u64::from(matches!(error.fault, RowFault::UnknownSource { .. }));
        if self.errors.len() < ERRORS_KEPT_MAX {
            self.errors.push(error);
        }
    }

    pub(super) const fn exit(&self) -> Exit {
        if self.errors_total == 0 { Exit::Ok } else { Exit::BadData }
    }

    pub(super) fn text(&self, file: &Path) -> String {
        let mut text = Text::default();
        for error in &self.errors {
            text.line(&format!("{}: {error}", file.display()));
        }
        let hidden = self.errors_total - u64::try_from(self.errors.len()).unwrap_or(u64::MAX);
        if hidden > 0 {
            text.line(&format!("… and {hidden} more errors"));
        }
        self.warnings.add_to_text(file, &mut text);
        self.row_warnings.add_to_text(file, &mut text);
        if self.unknown_sources > 0 {
            text.line("to do: import the catalog that defines the sources first, then this file again");
        }
        text.line(&format!(
            "{}: {} rows: {} source items created, {} updated, {} SKUs created, {} errors, in {:.1} s",
            file.display(),
            self.rows,
            self.created,
            self.counted - self.created,
            self.skus_created,
            self.errors_total,
            self.seconds
        ));
        if self.shortfalls > 0 {
            text.line(&format!(
                "{} rows leave promises without goods; see `stockhold show sku`",
                self.shortfalls
            ));
        }
        text.into_string()
    }

    pub(super) fn document(&self, file: &Path) -> Value {
        let errors: Vec<Value> = self
            .errors
            .iter()
            .map(|error| json!({"line": error.line, "message": error.fault.to_string()}))
            .collect();
        let mut document = json!({
            "file": file.display().to_string(),
            "rows": self.rows,
            "created": self.created,
            "updated": self.counted - self.created,
            "skus_created": self.skus_created,
            "shortfalls": self.shortfalls,
            "errors_total": self.errors_total,
            "errors": errors,
            "seconds": self.seconds,
        });
        self.warnings.add_to_document(&mut document);
        self.row_warnings.add_to_document(&mut document);
        document
    }

    /// Proves that the file has no row that was lost on the way.
    fn prove_complete(&self, file: &Path, rows: u64) -> Result<(), Failure> {
        let decided = self.counted + self.errors_total;
        if self.rows == rows && decided == rows {
            return Ok(());
        }
        let name = file.display();
        Err(Failure {
            exit: Exit::BadData,
            error: anyhow::anyhow!(
                "{name}: the file has {rows} rows, but {} were read and {decided} were imported or refused; this is an error of stockhold, please report it with the file",
                self.rows
            ),
        })
    }
}

/// Imports one file. It is read to its end before the first change.
pub(super) fn import_file(
    server: &mut ServerConnection,
    output: Output,
    file: &Path,
    options: Options<'_>,
) -> Result<Tally, Failure> {
    let (rows, warnings) = inspect(file, options.strict)?;
    let input = File::open(file).map_err(|e| file_failure(file, e))?;
    let bytes = input.metadata().map_err(|e| file_failure(file, e))?.len();
    let mut tally = import(server, output, (file, input, bytes), options)?;
    tally.prove_complete(file, rows)?;
    tally.row_warnings = warnings;
    Ok(tally)
}

/// Checks the lines of a file and looks at its rows. Returns the number of rows. With `strict`, warnings refuse the file.
fn inspect(file: &Path, strict: bool) -> Result<(u64, RowWarnings), Failure> {
    let open = || File::open(file).map_err(|e| file_failure(file, e));
    let rows = count_rows(open()?).map_err(|error| match error {
        LinesError::Disk(error) => file_failure(file, error),
        LinesError::Fault(_) => bad_data(file, error),
    })?;
    let mut warnings = RowWarnings::default();
    for row in StockReader::new(open()?).map_err(|e| naming_bad(file, e))?.flatten() {
        warnings.look_at(&row);
    }
    let warnings = warnings.finish();
    if strict && warnings.total() > 0 {
        let mut text = Text::default();
        warnings.add_to_text(file, &mut text);
        let error = anyhow::anyhow!("{}nothing was imported, because of --strict", text.into_string());
        return Err(Failure { exit: Exit::BadData, error });
    }
    Ok((rows, warnings))
}

/// Imports rows from `input`: a name, a reader and its length in bytes.
pub(super) fn import(
    server: &mut ServerConnection,
    output: Output,
    (name, input, bytes): (&Path, impl Read, u64),
    options: Options<'_>,
) -> Result<Tally, Failure> {
    let started = Instant::now();
    let bar = output.progress(bytes, "import");
    let reader = StockReader::new(bar.wrap_read(input)).map_err(|e| naming_bad(name, e))?;
    let mut import = Import {
        options,
        bulk: Bulk::new(),
        sources: BTreeMap::new(),
        skus: BTreeMap::new(),
        refused_skus: BTreeMap::new(),
        old_names: OldNames::load(server)?,
        tally: Tally::default(),
    };
    let mut chunk = Vec::with_capacity(CHUNK_ROWS);
    for row in reader {
        import.tally.rows += 1;
        match row {
            Ok(row) => chunk.push(row),
            Err(RowError { fault: RowFault::Text { source }, .. }) if source.is_io_error() => {
                return Err(file_failure(name, io_error(source)));
            }
            Err(error) => import.tally.error(error),
        }
        if chunk.len() == CHUNK_ROWS {
            import.chunk(server, &chunk)?;
            chunk.clear();
            bar.set_message(format!("{} rows", import.tally.rows));
        }
    }
    import.chunk(server, &chunk)?;
    bar.finish_and_clear();
    let mut tally = import.tally;
    tally.warnings = import.old_names.into_warnings();
    tally.errors.sort_by_key(|error| error.line);
    tally.seconds = started.elapsed().as_secs_f64();
    Ok(tally)
}

/// Reads and checks a file without a server.
pub(super) fn check(file: &Path, strict: bool) -> Result<Tally, Failure> {
    let (rows, row_warnings) = inspect(file, strict)?;
    let input = File::open(file).map_err(|e| file_failure(file, e))?;
    let mut tally = Tally { row_warnings, ..Tally::default() };
    let mut sound = 0;
    for row in StockReader::new(input).map_err(|e| naming_bad(file, e))? {
        tally.rows += 1;
        match row {
            Ok(_) => sound += 1,
            Err(RowError { fault: RowFault::Text { source }, .. }) if source.is_io_error() => {
                return Err(file_failure(file, io_error(source)));
            }
            Err(error) => tally.error(error),
        }
    }
    let checked =
        Tally { counted: sound, rows: tally.rows, errors_total: tally.errors_total, ..Tally::default() };
    checked.prove_complete(file, rows)?;
    Ok(tally)
}

/// The system error in an error of CSV that is one.
fn io_error(error: csv::Error) -> io::Error {
    let text = error.to_string();
    if let csv::ErrorKind::Io(error) = error.into_kind() { error } else { io::Error::other(text) }
}

fn naming_bad(file: &Path, error: StockFileError) -> Failure {
    match error {
        StockFileError::File { source } if source.is_io_error() => file_failure(file, io_error(source)),
        StockFileError::MissingColumn { .. }
        | StockFileError::RepeatedColumn { .. }
        | StockFileError::File { .. }
        | StockFileError::Disk { .. } => bad_data(file, error),
    }
}

fn bad_data(file: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    let error = anyhow::Error::new(error).context(file.display().to_string());
    Failure { exit: Exit::BadData, error }
}

struct Import<'a> {
    options: Options<'a>,
    bulk: Bulk,
    sources: BTreeMap<String, Option<SourceId>>,
    skus: BTreeMap<String, SkuId>,
    /// The SKUs of a chunk whose definitions the server refused, with its reasons.
    refused_skus: BTreeMap<String, String>,
    old_names: OldNames,
    tally: Tally,
}

impl Import<'_> {
    fn chunk(&mut self, server: &mut ServerConnection, rows: &[StockRow]) -> Result<(), Failure> {
        if self.skus.len() > NAMES_KEPT_MAX {
            self.skus.clear();
        }
        if server.take_names() {
            self.skus.clear();
            self.sources.clear();
        }
        self.note_names(rows);
        self.resolve_sources(server, rows)?;
        self.resolve_skus(server, rows)?;
        let mut pairs = BTreeSet::new();
        for row in rows {
            let line = row.line;
            let Some(source) = self.sources.get(&row.source_code).copied().flatten() else {
                let fault = RowFault::UnknownSource { code: row.source_code.clone() };
                self.tally.error(RowError { line, fault });
                continue;
            };
            let Some(sku) = self.skus.get(&row.sku).copied() else {
                let fault = match self.refused_skus.get(&row.sku) {
                    Some(message) => RowFault::Refused { message: message.clone() },
                    None => RowFault::UnknownSku { sku: row.sku.clone() },
                };
                self.tally.error(RowError { line, fault });
                continue;
            };
            if !pairs.insert((source, sku)) {
                // The later of two rows for the same pair must win, also after retries.
                self.bulk.drain(server)?;
            }
            let count = Count {
                source,
                sku,
                quantity: row.quantity,
                in_stock: Some(row.in_stock),
                reason: self.options.reason.to_owned(),
                reference: String::new(),
            };
            self.push(server, line, Command::Count(count))?;
        }
        self.bulk.drain(server)?;
        for (line, outcome) in self.bulk.take_answers() {
            self.counted(server, line, &outcome);
        }
        Ok(())
    }

    /// Notes the old names that rows use.
    fn note_names(&mut self, rows: &[StockRow]) {
        for row in rows {
            if self.old_names.is_empty() {
                return;
            }
            for name in [Name::Source(row.source_code.clone()), Name::Sku(row.sku.clone())] {
                self.old_names.note(&name, || (Some(row.line), String::new()));
            }
        }
    }

    fn push(
        &mut self,
        server: &mut ServerConnection,
        line: u64,
        command: Command<'_>,
    ) -> Result<(), Failure> {
        self.options.mark.set(server)?;
        self.bulk.push(server, line, command)
    }

    fn counted(&mut self, server: &mut ServerConnection, line: u64, outcome: &Outcome) {
        if !outcome.code.is_success() {
            let message = report::sentence(server, outcome);
            self.tally.error(RowError { line, fault: RowFault::Refused { message } });
            return;
        }
        self.tally.counted += 1;
        if let Detail::Item { version, shortfall, .. } = outcome.detail {
            self.tally.created += u64::from(version <= 1);
            self.tally.shortfalls += u64::from(shortfall > Quantity::ZERO);
        }
    }

    fn resolve_sources(&mut self, server: &mut ServerConnection, rows: &[StockRow]) -> Result<(), Failure> {
        let new: BTreeSet<&String> = rows
            .iter()
            .map(|row| &row.source_code)
            .filter(|code| !self.sources.contains_key(*code))
            .collect();
        let names: Vec<Name> = new.iter().map(|code| Name::Source((*code).clone())).collect();
        let numbers = server.resolve(&names)?;
        self.sources.extend(new.into_iter().cloned().zip(numbers.into_iter().map(|n| n.map(SourceId))));
        Ok(())
    }

    fn resolve_skus(&mut self, server: &mut ServerConnection, rows: &[StockRow]) -> Result<(), Failure> {
        // Only SKUs of rows with a known source are created: a row that fails must not create a SKU.
        let usable =
            rows.iter().filter(|row| self.sources.get(&row.source_code).copied().flatten().is_some());
        let mut first_lines: BTreeMap<&String, u64> = BTreeMap::new();
        for row in usable.filter(|row| !self.skus.contains_key(&row.sku)) {
            first_lines.entry(&row.sku).or_insert(row.line);
        }
        let names: Vec<Name> = first_lines.keys().map(|sku| Name::Sku((*sku).clone())).collect();
        let numbers = server.resolve(&names)?;
        let mut missing: BTreeMap<u64, &String> = BTreeMap::new();
        for ((sku, line), number) in first_lines.iter().zip(numbers) {
            match number {
                Some(number) => {
                    self.skus.insert((*sku).clone(), SkuId(number));
                }
                None if self.options.create_skus => {
                    let definition = SkuDefinition { sku: (*sku).clone(), ..SkuDefinition::default() };
                    self.push(server, *line, Command::DefineSku(definition))?;
                    missing.insert(*line, sku);
                }
                None => {}
            }
        }
        self.bulk.drain(server)?;
        self.refused_skus.clear();
        for (line, outcome) in self.bulk.take_answers() {
            match missing.get(&line) {
                Some(sku) if outcome.code.is_success() => {
                    self.tally.skus_created += 1;
                    self.skus.insert((*sku).clone(), SkuId(outcome.value));
                }
                Some(sku) => {
                    let message = report::sentence(server, &outcome);
                    self.refused_skus.insert((*sku).clone(), message);
                }
                None => unreachable!("the tags are those of the definitions"),
            }
        }
        // A new SKU may have got a name that another one had. The numbers of these rows were resolved just now.
        server.take_names();
        Ok(())
    }
}
