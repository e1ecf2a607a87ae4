//! What the commands about an order have in common.

use clap::Args;

/// The number of an order.
#[derive(Args, Debug)]
pub(super) struct Number {
    /// The number of the order, at most 32 bytes
    #[arg(value_name = "NUMBER", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) number: String,
}

/// The stock of lines that name none.
#[derive(Args, Debug)]
pub(super) struct InStock {
    /// The stock of lines without @STOCK; by default the units of all stocks of the order are meant
    #[arg(long, value_name = "NAME")]
    pub(super) stock: Option<String>,
}
