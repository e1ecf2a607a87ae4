//! Magento's list of source items: a CSV file with the header `source_code,sku,status,quantity`.
//!
//! Each row is read and checked by itself. A bad row is reported with its line number and does not stop the others. The
//! importer checks whether sources exist, and reports missing ones with the errors defined here.

use super::row_lines::{BYTE_ORDER_MARK, UnixLines};
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use stockhold_protocol::command::catalog::check_sku;
use stockhold_protocol::{BadField, Quantity};

const SOURCE_CODE: &str = "source_code";
const SKU: &str = "sku";
const STATUS: &str = "status";
const QUANTITY: &str = "quantity";

/// One source item of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StockRow {
    /// The line in the file; the header is line 1.
    pub line: u64,
    /// The code of the source.
    pub source_code: String,
    /// The SKU.
    pub sku: String,
    /// The in-stock flag; 1 if the column is missing or empty.
    pub in_stock: bool,
    /// The quantity.
    pub quantity: Quantity,
}

/// A row that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct RowError {
    /// The line in the file, from 1.
    pub line: u64,
    /// The reason.
    pub fault: RowFault,
}

/// Why a row cannot be used. The first two texts are Magento's own.
#[derive(Debug, thiserror::Error)]
pub enum RowFault {
    /// The source does not exist.
    #[error("Source code \"{code}\" does not exists")]
    UnknownSource {
        /// The code as written.
        code: String,
    },
    /// A required value is missing.
    #[error("Missing required column \"{column}\"")]
    MissingColumn {
        /// The column.
        column: &'static str,
    },
    /// The SKU does not exist, and creating SKUs was not requested.
    #[error("SKU \"{sku}\" does not exist, and --create-skus is no")]
    UnknownSku {
        /// The SKU as written.
        sku: String,
    },
    /// The status is neither 0 nor 1.
    #[error("status \"{value}\" must be 1 (in stock) or 0 (out of stock)")]
    Status {
        /// The value as written.
        value: String,
    },
    /// A field violates a rule.
    #[error("{column} \"{value}\": {}", source.rule)]
    Field {
        /// The column.
        column: &'static str,
        /// The value as written.
        value: String,
        /// The rule.
        source: BadField,
    },
    /// The line is not valid CSV.
    #[error("the line cannot be read as CSV")]
    Text {
        /// The error.
        source: csv::Error,
    },
    /// The server refused the row.
    #[error("{message}")]
    Refused {
        /// The answer of the server.
        message: String,
    },
}

/// Why a list of source items cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StockFileError {
    /// The header lacks a column.
    #[error("Missing required column \"{column}\"")]
    MissingColumn {
        /// The column.
        column: &'static str,
    },
    /// The header names a column twice.
    #[error("line 1: the column \"{column}\" occurs more than once: which of them is meant?")]
    RepeatedColumn {
        /// The column.
        column: String,
    },
    /// The file cannot be read or written.
    #[error("the list of source items cannot be read or written")]
    File {
        /// The error.
        #[from]
        source: csv::Error,
    },
    /// The file cannot be read or written.
    #[error("the list of source items cannot be read or written")]
    Disk {
        /// The error.
        #[from]
        source: io::Error,
    },
}

/// Reads rows one by one, with memory that does not depend on the length of the file.
#[derive(Debug)]
pub struct StockReader<R> {
    records: csv::Reader<UnixLines<R>>,
    record: csv::StringRecord,
    columns: Columns,
}

#[derive(Clone, Copy, Debug)]
struct Columns {
    source_code: usize,
    sku: usize,
    status: Option<usize>,
    quantity: usize,
}

impl<R: Read> StockReader<R> {
    /// Reads the header. The columns may be in any order, and other columns are ignored.
    ///
    /// # Errors
    /// [`StockFileError::MissingColumn`] with Magento's text, or the error of the file.
    pub fn new(input: R) -> Result<Self, StockFileError> {
        let input = UnixLines::new(input);
        let mut records = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::Fields).from_reader(input);
        let header = records.headers()?.clone();
        let find = |name: &str| header.iter().position(|column| is_called(column, name));
        let mut seen = BTreeSet::new();
        for column in header.iter().map(|column| column.trim().trim_start_matches(BYTE_ORDER_MARK)) {
            if !column.is_empty() && !seen.insert(column) {
                return Err(StockFileError::RepeatedColumn { column: column.to_owned() });
            }
        }
        let need = |column| find(column).ok_or(StockFileError::MissingColumn { column });
        let columns = Columns {
            source_code: need(SOURCE_CODE)?,
            sku: need(SKU)?,
            status: find(STATUS),
            quantity: need(QUANTITY)?,
        };
        Ok(Self { records, record: csv::StringRecord::new(), columns })
    }

    fn row(&self, line: u64) -> Result<StockRow, RowFault> {
        let get = |at: usize| self.record.get(at).unwrap_or_default();
        let need = |at: usize, column: &'static str| match get(at) {
            "" => Err(RowFault::MissingColumn { column }),
            value => Ok(value),
        };
        let source_code = need(self.columns.source_code, SOURCE_CODE)?;
        let sku = need(self.columns.sku, SKU)?;
        let quantity = need(self.columns.quantity, QUANTITY)?;
        check_sku(sku).map_err(|source| RowFault::Field { column: SKU, value: sku.to_owned(), source })?;
        let field = |source| RowFault::Field { column: QUANTITY, value: quantity.to_owned(), source };
        let quantity: Quantity = quantity.parse().map_err(field)?;
        let in_stock = match self.columns.status.map(get).unwrap_or_default() {
            "" | "1" => true,
            "0" => false,
            value => return Err(RowFault::Status { value: value.to_owned() }),
        };
        Ok(StockRow { line, source_code: source_code.to_owned(), sku: sku.to_owned(), in_stock, quantity })
    }
}

impl<R: Read> Iterator for StockReader<R> {
    type Item = Result<StockRow, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.records.read_record(&mut self.record);
        // The reader is after the end of the row's line. The position of the record is before the empty lines before it.
        let line = self.records.position().line().saturating_sub(1);
        match read {
            Ok(false) => None,
            Ok(true) => Some(self.row(line).map_err(|fault| RowError { line, fault })),
            Err(source) => Some(Err(RowError { line, fault: RowFault::Text { source } })),
        }
    }
}

/// Whether a column of the header has this name.
fn is_called(column: &str, name: &str) -> bool {
    column.trim().trim_start_matches(BYTE_ORDER_MARK) == name
}

/// Writes rows as Magento does: quantities with four decimals.
#[derive(Debug)]
pub struct StockWriter<W: Write> {
    has_status: bool,
    records: csv::Writer<W>,
}

impl<W: Write> StockWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// The error of the file.
    pub fn new(output: W, has_status: bool) -> Result<Self, StockFileError> {
        let mut writer = Self { has_status, records: csv::Writer::from_writer(output) };
        writer.record([SOURCE_CODE, SKU, STATUS, QUANTITY])?;
        Ok(writer)
    }

    fn record(&mut self, [code, sku, status, quantity]: [&str; 4]) -> Result<(), StockFileError> {
        if self.has_status {
            Ok(self.records.write_record([code, sku, status, quantity])?)
        } else {
            Ok(self.records.write_record([code, sku, quantity])?)
        }
    }

    /// Writes one source item.
    ///
    /// # Errors
    /// The error of the file.
    pub fn write(
        &mut self,
        source_code: &str,
        sku: &str,
        in_stock: bool,
        quantity: Quantity,
    ) -> Result<(), StockFileError> {
        let status = if in_stock { "1" } else { "0" };
        self.record([source_code, sku, status, &four_decimals(quantity)])
    }

    /// Writes the buffered rows.
    ///
    /// # Errors
    /// The error of the file.
    pub fn finish(mut self) -> Result<(), StockFileError> {
        Ok(self.records.flush()?)
    }
}

/// A quantity as in Magento's export, such as `5.5000`.
fn four_decimals(quantity: Quantity) -> String {
    let scale = stockhold_protocol::limits::QUANTITY_SCALE;
    let sign = if quantity.raw() < 0 { "-" } else { "" };
    let magnitude = quantity.raw().abs();
    format!("{sign}{}.{:04}", magnitude / scale, magnitude % scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<StockRow, String>> {
        let reader = StockReader::new(text.as_bytes()).unwrap();
        reader.map(|row| row.map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn rows_and_their_faults_come_with_line_numbers() {
        // Proves that bad rows are reported by line in Magento's words and do not stop the others.
        let rows = read(
            "source_code,sku,status,quantity\n\
             east,BIKE-1,1,10\n\
             east,,1,5\n\
             east,BIKE-2,2,5\n\
             east,BIKE-3,0,5.5000\n\
             east,BIKE-4,1,five\n\
             ,BIKE-5,1,5\n\
             east,BIKE-6,1\n\
             east,BIKE-7,,-2\n",
        );
        let texts: Vec<String> = rows
            .into_iter()
            .map(|row| match row {
                Ok(row) => format!("{} {} {} {}", row.line, row.sku, row.in_stock, row.quantity),
                Err(error) => error,
            })
            .collect();
        assert_eq!(
            texts,
            [
                "2 BIKE-1 true 10",
                "line 3: Missing required column \"sku\"",
                "line 4: status \"2\" must be 1 (in stock) or 0 (out of stock)",
                "5 BIKE-3 false 5.5",
                "line 6: quantity \"five\": must be a number, such as 12 or 3.5",
                "line 7: Missing required column \"source_code\"",
                "line 8: Missing required column \"quantity\"",
                "9 BIKE-7 true -2",
            ]
        );
        let unknown = RowFault::UnknownSource { code: "moon".into() };
        assert_eq!(unknown.to_string(), "Source code \"moon\" does not exists");
    }

    #[test]
    fn columns_may_be_in_any_order_and_status_may_be_missing() {
        // Proves that files of other tools are read by their header, with a byte order mark.
        let rows = read("\u{feff}sku,note,quantity,source_code\nBIKE-1,hello,3,east\n");
        assert_eq!(rows.len(), 1);
        let row = rows[0].as_ref().unwrap();
        assert_eq!((row.source_code.as_str(), row.sku.as_str(), row.in_stock), ("east", "BIKE-1", true));
        let error = StockReader::new("source_code,quantity\n".as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "Missing required column \"sku\"");
    }

    #[test]
    fn the_line_of_a_row_is_that_of_the_file() {
        // Proves the line numbers with every kind of line end and with empty lines, and that a repeated column is refused.
        for ends in ["\n", "\r\n", "\r"] {
            let text = ["source_code,sku,quantity", "A,M1,1", "", "A,M2,2", "A,M3,3"].join(ends);
            let lines: Vec<u64> = read(&text).into_iter().map(|row| row.unwrap().line).collect();
            assert_eq!(lines, [2, 4, 5], "{ends:?}");
        }
        let error = StockReader::new("source_code,sku,quantity,sku\n".as_bytes()).unwrap_err();
        assert!(error.to_string().contains("the column \"sku\" occurs more than once"), "{error}");
    }

    #[test]
    fn an_export_is_an_import() {
        // Proves that written rows are read back, with four decimals in the file.
        let mut bytes = Vec::new();
        let mut writer = StockWriter::new(&mut bytes, true).unwrap();
        writer.write("east", "A,B\"C", true, "5.5".parse().unwrap()).unwrap();
        writer.write("west", "007", false, "-0.25".parse().unwrap()).unwrap();
        writer.finish().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("east,\"A,B\"\"C\",1,5.5000"), "{text}");
        assert!(text.contains("west,007,0,-0.2500"), "{text}");
        let rows = read(&text);
        assert_eq!(rows[0].as_ref().unwrap().sku, "A,B\"C");
        assert_eq!(rows[1].as_ref().unwrap().quantity.raw(), -2_500);
    }
}
