//! `import geonames`: the postcode files of GeoNames become files of addresses in a data directory.

use super::context::Context;
use super::exit::{Exit, Failure, file_failure, start_failure};
use super::served_log::place_or_served;
use crate::config::WritePathChoice;
use crate::directory::read_manifest;
use crate::geonames::{AddressFileError, Country, ReadText, read_text, store};
use crate::server::open_storage;
use clap::Args;
use serde_json::json;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// `import geonames`
#[derive(Args, Debug)]
#[command(
    after_help = "A file has the columns of https://download.geonames.org/export/zip/ (country, postcode, place, …) with tabs between them. The addresses
of each country in the file replace those that the directory had of it; other countries stay. A server reads them when it starts.

Examples:
  stockhold import geonames DE.txt --data-dir data
  stockhold import geonames allCountries.txt --data-dir data --dry-run"
)]
pub(super) struct GeonamesArguments {
    /// The file to import, unpacked
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The data directory; without it, that of the running server
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Leave out rows that are malformed; without it, one of them refuses the file
    #[arg(long)]
    skip_malformed: bool,
    /// Only read and check the file
    #[arg(long)]
    dry_run: bool,
}

impl GeonamesArguments {
    /// Whether the server is asked where its data directory is.
    pub(super) const fn asks_the_server(&self) -> bool {
        self.data_dir.is_none() && !self.dry_run
    }
}

pub(super) fn import(context: Context<'_>, arguments: &GeonamesArguments) -> Result<Exit, Failure> {
    let read = read(context, &arguments.file)?;
    check(&arguments.file, &read)?;
    let is_refused = read.malformed > 0 && !arguments.skip_malformed;
    let stored = if is_refused || arguments.dry_run { None } else { Some(write(context, arguments, &read)?) };
    let countries: Vec<_> = read
        .countries
        .iter()
        .map(|(country, rows)| json!({"country": country.to_string(), "rows": rows.len()}))
        .collect();
    let malformed: Vec<_> =
        read.named.iter().map(|row| json!({"line": row.line, "reason": row.reason})).collect();
    let mut lines: Vec<String> =
        read.countries.iter().map(|(country, rows)| format!("{country}: {} rows", rows.len())).collect();
    lines.extend(read.named.iter().map(|row| format!("line {}: {}", row.line, row.reason)));
    let unnamed = read.malformed.saturating_sub(u64::try_from(read.named.len()).unwrap_or(u64::MAX));
    if unnamed > 0 {
        lines.push(format!("and {unnamed} further malformed rows"));
    }
    lines.push(match &stored {
        None if is_refused => {
            format!(
                "{} of {} rows are malformed, so nothing was imported; --skip-malformed leaves them out",
                read.malformed, read.rows
            )
        }
        None => format!("{} rows read, {} malformed; nothing was changed", read.rows, read.malformed),
        Some(place) => format!(
            "{} rows read, {} malformed; imported into {place}, where a server reads them when it starts",
            read.rows, read.malformed
        ),
    });
    let document = json!({
        "success": !is_refused, "rows": read.rows, "malformed": read.malformed, "countries": countries,
        "malformed_rows": malformed, "data_dir": stored,
    });
    context.output.result(&lines.join("\n"), &document)?;
    Ok(if is_refused { Exit::BadData } else { Exit::Ok })
}

fn read(context: Context<'_>, path: &Path) -> Result<ReadText, Failure> {
    let file = File::open(path).map_err(|error| file_failure(path, error))?;
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let bar = context.output.progress(bytes, "addresses");
    let counted = bar.wrap_read(file);
    let text = BufReader::with_capacity(1 << 20, counted);
    let read = read_text(text, |line| bar.set_message(format!("line {line}")));
    bar.finish_and_clear();
    read.map_err(|error| file_failure(path, error))
}

/// Counts the lines of the file again, independently of the parser: every row must have become an address or be malformed.
fn check(path: &Path, read: &ReadText) -> Result<(), Failure> {
    let mut file = File::open(path).map_err(|error| file_failure(path, error))?;
    let (mut lines, mut is_empty, mut piece) = (0_u64, true, vec![0; 1 << 20]);
    loop {
        let length = file.read(&mut piece).map_err(|error| file_failure(path, error))?;
        if length == 0 {
            break;
        }
        for byte in &piece[..length] {
            match byte {
                b'\n' => {
                    lines += u64::from(!is_empty);
                    is_empty = true;
                }
                b'\r' => {}
                _ => is_empty = false,
            }
        }
    }
    lines += u64::from(!is_empty);
    let accepted: usize = read.countries.values().map(Vec::len).sum();
    let counted = u64::try_from(accepted).unwrap_or(u64::MAX).saturating_add(read.malformed);
    if lines == read.rows && lines == counted {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{}: {lines} lines have text, but {} rows were read and {counted} counted; nothing was imported. The file may have \
         been changed meanwhile",
        path.display(),
        read.rows
    )))
}

/// Writes the addresses country by country. Returns the data directory.
fn write(context: Context<'_>, arguments: &GeonamesArguments, read: &ReadText) -> Result<String, Failure> {
    let place = place_or_served(context, arguments.data_dir.as_deref())?;
    let directory = Path::new(&place);
    let failed = |error| start_failure(error, directory);
    let files = open_storage(directory, WritePathChoice::Auto).map_err(failed)?;
    read_manifest(files.as_ref()).map_err(|error| start_failure(error, directory))?;
    let countries = u64::try_from(read.countries.len()).unwrap_or(u64::MAX);
    let bar = context.output.progress(countries, "countries");
    for (country, rows) in &read.countries {
        bar.set_message(country.to_string());
        store(files.as_ref(), *country, rows, stockhold_client::wall_clock_ms())
            .map_err(|error| not_stored(error, *country, directory))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(place)
}

fn not_stored(error: AddressFileError, country: Country, directory: &Path) -> Failure {
    match error {
        AddressFileError::Storage(error) => start_failure(error, directory),
        other @ (AddressFileError::Version { .. }
        | AddressFileError::Damaged(_)
        | AddressFileError::TooLarge) => {
            Failure::usage(format!("the addresses of {country} cannot be stored: {other}"))
        }
    }
}
