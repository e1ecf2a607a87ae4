//! The files of a merchant: a catalog as TOML or JSON (sources, stocks, links, channels, and SKUs with settings and
//! quotas), and Magento's list of source items as CSV.
//!
//! This module reads, checks and writes these files. It does *not* talk to a server: a catalog uses names, and the
//! importer resolves them to numbers.

mod amount;
mod check;
mod document;
mod file;
mod locate;
mod names;
mod row_lines;
mod stock_rows;
mod structure;

pub use amount::{Amount, Degrees};
pub use document::{
    Backorders, Catalog, Contact, Kind, Link, Position, Settings, Sku, Source, Stock, channel_parts,
};
pub use file::{CatalogError, CatalogFile, Problem};
pub use locate::{Format, Path, Places, Step};
pub use row_lines::{LineFault, LinesError, count_rows};
pub use stock_rows::{RowError, RowFault, StockFileError, StockReader, StockRow, StockWriter};
