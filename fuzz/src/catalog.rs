//! Catalog files, TOML or JSON by the first byte. An accepted file is written in both formats and read again.

use super::draw::Draw;
use std::path::Path;
use stockhold::catalog::{CatalogFile, Format};

/// Reads a catalog. An accepted one is equal in both formats, and every refusal can be displayed.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let format = if draw.byte().is_multiple_of(2) { Format::Toml } else { Format::Json };
    let text = String::from_utf8_lossy(draw.rest()).into_owned();
    let name = Path::new("catalog");
    match CatalogFile::parse(name, format, text) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(file) => {
            for format in [Format::Toml, Format::Json] {
                let text = file.catalog.to_text(format).expect("a catalog can be written");
                match CatalogFile::parse(name, format, text) {
                    Ok(again) => assert_eq!(again.catalog, file.catalog),
                    Err(error) => panic!("what was written is refused: {error}"),
                }
            }
        }
    }
}
