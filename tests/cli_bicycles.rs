//! The sample data of the bicycle merchant: its two files can be read and match each other.
#![expect(clippy::unwrap_used, reason = "what cannot be read fails the test")]

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use stockhold::catalog::{CatalogFile, StockReader, StockRow};

/// The maximum size of a sample file, so that clones stay small.
const FILE_BYTES_MAX: u64 = 400 << 10;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/bicycles").join(name)
}

fn rows() -> Vec<StockRow> {
    let reader = StockReader::new(File::open(sample("stock.csv")).unwrap()).unwrap();
    reader.map(|row| row.unwrap()).collect()
}

#[test]
fn the_catalog_is_clean_and_its_stocks_are_nested() {
    // Proves that the sample violates no rule, and that any two stocks are nested or have no source in common.
    let catalog = CatalogFile::read(&sample("catalog.toml")).unwrap().catalog;
    let codes: BTreeSet<&str> = catalog.sources.iter().map(|source| source.code.as_str()).collect();
    let pools: Vec<BTreeSet<String>> =
        catalog.stocks.iter().map(|stock| stock.all_links().map(|link| link.source).collect()).collect();
    for pool in &pools {
        assert!(pool.iter().all(|code| codes.contains(code.as_str())), "{pool:?} names an unknown source");
        for other in &pools {
            assert!(pool.is_subset(other) || pool.is_superset(other) || pool.is_disjoint(other));
        }
    }
    let stocks: BTreeSet<&str> = catalog.stocks.iter().map(|stock| stock.name.as_str()).collect();
    assert!(catalog.skus.iter().flat_map(|sku| sku.stocks.keys()).all(|name| stocks.contains(name.as_str())));
}

#[test]
fn the_source_items_fit_the_catalog() {
    // Proves that every row can be imported, that no pair occurs twice and that the size is as documented.
    let catalog = CatalogFile::read(&sample("catalog.toml")).unwrap().catalog;
    let codes: BTreeSet<String> = catalog.sources.into_iter().map(|source| source.code).collect();
    let (mut pairs, mut skus) = (BTreeSet::new(), BTreeSet::new());
    for row in rows() {
        assert!(codes.contains(&row.source_code), "line {}: {}", row.line, row.source_code);
        skus.insert(row.sku.clone());
        assert!(pairs.insert((row.source_code, row.sku)), "line {} repeats a pair", row.line);
    }
    assert_eq!((pairs.len(), skus.len()), (11_408, 2_066));
    assert!(std::fs::metadata(sample("stock.csv")).unwrap().len() < FILE_BYTES_MAX);
}
