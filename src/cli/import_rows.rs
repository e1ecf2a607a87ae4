//! Imports source items from Magento's CSV row by row, with errors by line.
//!
//! A file is read twice: first to its end, by `inspect`, so that a file that cannot be trusted changes nothing; then row
//! by row. What becomes of the rows is in `import_chunks`.

use super::automatic_mark::AutomaticMark;
use super::exit::{Exit, Failure, file_failure};
use super::import_chunks::Import;
use super::import_options::Options;
use super::new_skus;
use super::output::{Output, Text};
use super::present_items::Foreseen;
use super::row_tally::{Run, Tally};
use super::row_warnings::RowWarnings;
use super::server_connection::ServerConnection;
use crate::catalog::{LinesError, RowError, RowFault, StockFileError, StockReader, count_rows};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Instant;

/// The number of rows whose names are resolved together.
const CHUNK_ROWS: usize = 8_192;

/// A file that was read to its end once.
#[derive(Debug)]
pub(super) struct Inspected<'a> {
    file: &'a Path,
    rows: u64,
    warnings: RowWarnings,
}

/// Imports one file, or finds what that would change.
pub(super) fn import_file(
    server: &mut ServerConnection,
    output: Output,
    inspected: Inspected<'_>,
    options: Options<'_>,
) -> Result<Tally, Failure> {
    let Inspected { file, rows, mut warnings } = inspected;
    if options.create_skus {
        let input = File::open(file).map_err(|e| file_failure(file, e))?;
        let reader = StockReader::new(input).map_err(|e| naming_bad(file, e))?;
        new_skus::look_for_similar(server, reader.flatten(), options.dry.as_deref(), &mut warnings)?;
        if options.strict {
            refuse_warned(file, &warnings)?;
        }
    }
    let input = File::open(file).map_err(|e| file_failure(file, e))?;
    let bytes = input.metadata().map_err(|e| file_failure(file, e))?.len();
    if options.strict && options.dry.is_none() {
        // What the rows would do to promises is known only when all are compared with the server.
        let mut foreseen = Foreseen::default();
        let mark = &mut AutomaticMark::none();
        let dry = Options { dry: Some(&mut foreseen), mark, ..options };
        let input = File::open(file).map_err(|e| file_failure(file, e))?;
        refuse_warned(file, &import(server, output, (file, input, bytes), rows, dry)?.row_warnings)?;
    }
    let strict_dry = options.strict && options.dry.is_some();
    let mut tally = import(server, output, (file, input, bytes), rows, options)?;
    tally.prove_complete(file, rows)?;
    if strict_dry {
        refuse_warned(file, &tally.row_warnings)?;
    }
    warnings.add(std::mem::take(&mut tally.row_warnings));
    tally.row_warnings = warnings;
    Ok(tally)
}

/// Checks the lines of a file and looks at its rows. With `strict`, warnings refuse the file.
pub(super) fn inspect(file: &Path, strict: bool) -> Result<Inspected<'_>, Failure> {
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
    if strict {
        refuse_warned(file, &warnings)?;
    }
    Ok(Inspected { file, rows, warnings })
}

/// Fails if there are warnings.
fn refuse_warned(file: &Path, warnings: &RowWarnings) -> Result<(), Failure> {
    if warnings.total() == 0 {
        return Ok(());
    }
    let mut text = Text::default();
    warnings.add_to_text(file, &mut text);
    let error = anyhow::anyhow!("{}nothing was imported, because of --strict", text.into_string());
    Err(Failure { exit: Exit::BadData, error })
}

/// Imports `rows` rows, about, from `input`: a name, a reader and its length in bytes.
pub(super) fn import(
    server: &mut ServerConnection,
    output: Output,
    (name, input, bytes): (&Path, impl Read, u64),
    rows: u64,
    options: Options<'_>,
) -> Result<Tally, Failure> {
    let started = Instant::now();
    let bar = output.progress(bytes, "import");
    let reader = StockReader::new(bar.wrap_read(input)).map_err(|e| naming_bad(name, e))?;
    let mut import = Import::new(server, rows, options)?;
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
    let mut tally = import.finish();
    tally.seconds = started.elapsed().as_secs_f64();
    Ok(tally)
}

/// Reads the rows of a file without a server.
pub(super) fn check(inspected: Inspected<'_>) -> Result<Tally, Failure> {
    let Inspected { file, rows, warnings } = inspected;
    let input = File::open(file).map_err(|e| file_failure(file, e))?;
    let mut tally = Tally::default();
    (tally.run, tally.row_warnings) = (Run::Offline, warnings);
    for row in StockReader::new(input).map_err(|e| naming_bad(file, e))? {
        tally.rows += 1;
        match row {
            Ok(_) => tally.readable += 1,
            Err(RowError { fault: RowFault::Text { source }, .. }) if source.is_io_error() => {
                return Err(file_failure(file, io_error(source)));
            }
            Err(error) => tally.error(error),
        }
    }
    tally.prove_complete(file, rows)?;
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
