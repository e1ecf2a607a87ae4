//! The files of a merchant: a catalog (sources, stocks, links, channels, SKUs with settings and quotas, as
//! TOML or JSON) and Magento's list of source items (CSV).
//!
//! This is for reading, checking and writing those files. It is *not* for talking to a server and knows no
//! dense number: a catalog speaks in names, and whoever imports it resolves them.

mod amount;
mod check;
mod document;
mod file;
mod locate;
mod stock_rows;

pub use amount::{Amount, Degrees};
pub use document::{
    Backorders, Catalog, Contact, Kind, Link, Position, Settings, Sku, Source, Stock, channel_parts,
};
pub use file::{CatalogError, CatalogFile, Problem};
pub use locate::{Format, Path, Step};
pub use stock_rows::{RowError, RowFault, StockFileError, StockReader, StockRow, StockWriter};
