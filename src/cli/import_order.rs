//! Refuses files in a wrong order: rows before the catalog that defines their sources or SKUs.

use super::exit::Failure;
use super::server_connection::ServerConnection;
use crate::catalog::{CatalogFile, Format, StockReader};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use stockhold_protocol::query::Name;

/// What a row uses before its definition.
struct Early<'a> {
    line: u64,
    catalog: &'a Path,
}

/// Fails if rows use something that only a later catalog defines. Files that cannot be read are told when it is their turn.
pub(super) fn check(server: &mut ServerConnection, files: &[PathBuf]) -> Result<(), Failure> {
    let is_catalog = |file: &&PathBuf| Format::of(file).is_some();
    for (at, rows) in files.iter().enumerate().filter(|(_, file)| !is_catalog(file)) {
        let later = files.iter().skip(at + 1).filter(is_catalog);
        let early = early(rows, later.map(PathBuf::as_path));
        let (names, places): (Vec<Name>, Vec<Early<'_>>) = early.into_iter().unzip();
        let numbers = server.resolve(&names)?;
        let unknown = names.iter().zip(places).zip(numbers).filter(|(_, number)| number.is_none());
        let first = unknown.min_by_key(|((name, early), _)| (early.line, matches!(name, Name::Sku(_))));
        let Some(((name, Early { line, catalog }), _)) = first else { continue };
        let name = match name {
            Name::Source(code) => format!("source \"{code}\""),
            Name::Sku(name) | Name::Stock(name) | Name::Channel(_, name) => format!("SKU \"{name}\""),
        };
        let (catalogs, others): (Vec<&PathBuf>, Vec<&PathBuf>) = files.iter().partition(is_catalog);
        let ordered: Vec<String> =
            catalogs.into_iter().chain(others).map(|file| file.display().to_string()).collect();
        return Err(Failure::usage(format!(
            "{}: line {line} uses the {name}, which {} defines, but after it; nothing was imported. Name catalogs first: stockhold import {}",
            rows.display(),
            catalog.display(),
            ordered.join(" ")
        )));
    }
    Ok(())
}

/// The names that these catalogs define and that the rows use, each with its first line.
fn early<'a>(rows: &Path, catalogs: impl Iterator<Item = &'a Path>) -> BTreeMap<Name, Early<'a>> {
    let mut defined = BTreeMap::new();
    for catalog in catalogs {
        let Ok(read) = CatalogFile::read(catalog) else { continue };
        for source in read.catalog.sources {
            defined.entry(Name::Source(source.code)).or_insert(catalog);
        }
        for sku in read.catalog.skus {
            defined.entry(Name::Sku(sku.sku)).or_insert(catalog);
        }
    }
    let mut early = BTreeMap::new();
    if defined.is_empty() {
        return early;
    }
    let Ok(reader) = File::open(rows).map_err(drop).and_then(|file| StockReader::new(file).map_err(drop))
    else {
        return early;
    };
    for row in reader.flatten() {
        for name in [Name::Source(row.source_code), Name::Sku(row.sku)] {
            if let Some(catalog) = defined.remove(&name) {
                early.insert(name, Early { line: row.line, catalog });
            }
        }
    }
    early
}
