//! Magento's list of source items. Accepted rows are written and read again.

use stockhold::catalog::{StockReader, StockRow, StockWriter};

/// Rows after this many are ignored, because an input is small.
const ROWS_MAX: usize = 10_000;

/// Reads a list. Accepted rows survive being written, and every refusal can be displayed.
pub fn run(bytes: &[u8]) {
    let rows = match StockReader::new(bytes) {
        Ok(rows) => rows,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let mut taken = Vec::new();
    for row in rows.take(ROWS_MAX) {
        match row {
            Ok(row) => taken.push(row),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    let mut written = Vec::new();
    let mut writer = StockWriter::new(&mut written, true).expect("memory does not fail");
    for row in &taken {
        writer.write(&row.source_code, &row.sku, row.in_stock, row.quantity).expect("memory does not fail");
    }
    writer.finish().expect("memory does not fail");
    let again = StockReader::new(written.as_slice()).expect("our own header");
    let mut count = 0;
    for (before, after) in taken.iter().zip(again) {
        let after = after.expect("a row that was written can be read");
        assert_eq!(StockRow { line: before.line, ..after }, *before);
        count += 1;
    }
    assert_eq!(count, taken.len(), "no row is lost");
}
