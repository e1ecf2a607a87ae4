//! Parses the values of the command line: lines of a cart, refund parts, channels, addresses.

use super::quantity::{self, QuantityError, any, positive};
use crate::catalog::channel_parts;
use crate::config::ListenAddress;
use std::str::FromStr;
use stockhold_protocol::Quantity;

/// `SKU=QTY`, or `SKU` for one unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct CartLine {
    pub(super) sku: String,
    pub(super) quantity: Quantity,
}

/// `SKU=QTY@SOURCE`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RefundLine {
    pub(super) line: CartLine,
    pub(super) source: String,
}

/// `SKU=QTY`, `SKU=QTY@STOCK`, or `SKU` for one unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct UnitLine {
    pub(super) sku: String,
    pub(super) quantity: Quantity,
    pub(super) stock: Option<String>,
}

/// `SKU=QTY` or `SKU=QTY@SOURCE`, with any quantity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct CountedLine {
    pub(super) sku: String,
    pub(super) quantity: Quantity,
    pub(super) source: Option<String>,
}

/// `type/code`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ChannelName {
    pub(super) kind: String,
    pub(super) code: String,
}

/// A value that cannot be parsed, with what is wrong or the expected form.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum ParseError {
    /// The quantity of a line.
    #[error(transparent)]
    Quantity(#[from] QuantityError),
    /// A cart line.
    #[error("write SKU=QUANTITY, such as BIKE-0001=2, or only the SKU for one unit")]
    Line,
    /// A refund part with its source.
    #[error("write SKU=QUANTITY@SOURCE, such as BIKE-0001=2@shop-nyc")]
    Placed,
    /// A line of an event of an order.
    #[error(
        "write SKU=QUANTITY or SKU=QUANTITY@STOCK, such as BIKE-0001=2@web-us, or only the SKU for one unit"
    )]
    Unit,
    /// A counted quantity.
    #[error("write SKU=QUANTITY, such as BIKE-0001=18, or SKU=QUANTITY@SOURCE")]
    Counted,
    /// A channel.
    #[error("write TYPE/CODE, such as website/us")]
    Channel,
    /// The address of a server.
    #[error("write HOST:PORT, such as 127.0.0.1:7411, db-1.internal:7411 or [::1]:7411")]
    Server,
}

impl FromStr for CartLine {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        // A SKU may contain "=" itself. The last one separates the quantity, if a number follows.
        let (sku, quantity) = match text.rsplit_once('=') {
            Some(("", _)) => return Err(ParseError::Line),
            Some((sku, quantity)) => (sku, positive(quantity)?),
            None => (text, Quantity::units(1).ok_or(ParseError::Line)?),
        };
        if sku.is_empty() {
            return Err(ParseError::Line);
        }
        Ok(Self { sku: sku.to_owned(), quantity })
    }
}

impl FromStr for RefundLine {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (line, source) = text.rsplit_once('@').ok_or(ParseError::Placed)?;
        if source.is_empty() {
            return Err(ParseError::Placed);
        }
        let line = line.parse().map_err(|error| match error {
            ParseError::Quantity(_) => error,
            ParseError::Line
            | ParseError::Placed
            | ParseError::Unit
            | ParseError::Counted
            | ParseError::Channel
            | ParseError::Server => ParseError::Placed,
        })?;
        Ok(Self { line, source: source.to_owned() })
    }
}

impl FromStr for UnitLine {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        unit_line(text, positive)
    }
}

/// A line whose quantity may be 0.
pub(super) fn total_line(text: &str) -> Result<UnitLine, ParseError> {
    unit_line(text, quantity::not_negative)
}

/// A line whose quantity may be negative.
pub(super) fn signed_line(text: &str) -> Result<UnitLine, ParseError> {
    unit_line(text, quantity::any)
}

fn unit_line(text: &str, parse: fn(&str) -> Result<Quantity, QuantityError>) -> Result<UnitLine, ParseError> {
    let (sku, amount) = match text.rsplit_once('=') {
        Some((sku, amount)) => (sku, Some(amount)),
        None => (text, None),
    };
    let (amount, stock) = match amount.and_then(|amount| amount.split_once('@')) {
        Some((amount, stock)) => (Some(amount), Some(stock)),
        None => (amount, None),
    };
    if sku.is_empty() || stock == Some("") {
        return Err(ParseError::Unit);
    }
    let quantity = match amount {
        Some(amount) => parse(amount)?,
        None => Quantity::units(1).ok_or(ParseError::Unit)?,
    };
    Ok(UnitLine { sku: sku.to_owned(), quantity, stock: stock.map(str::to_owned) })
}

impl FromStr for CountedLine {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        // A SKU may contain "@" itself. The last one separates a source, if a quantity precedes it.
        let (item, source) = match text.rsplit_once('@') {
            Some((item, source)) if item.contains('=') && !source.is_empty() => {
                (item, Some(source.to_owned()))
            }
            Some(_) | None => (text, None),
        };
        match item.rsplit_once('=') {
            Some((sku, quantity)) if !sku.is_empty() => {
                Ok(Self { sku: sku.to_owned(), quantity: any(quantity)?, source })
            }
            Some(_) | None => Err(ParseError::Counted),
        }
    }
}

impl FromStr for ChannelName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (kind, code) = channel_parts(text).ok_or(ParseError::Channel)?;
        Ok(Self { kind: kind.to_owned(), code: code.to_owned() })
    }
}

/// The address of a server: a host and a port.
pub(super) fn server_address(text: &str) -> Result<String, ParseError> {
    match text.parse::<ListenAddress>() {
        Ok(address) if !address.is_any() && address.port() != 0 => Ok(text.to_owned()),
        Ok(_) | Err(_) => Err(ParseError::Server),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_parsed() {
        // Proves each form, including a SKU with "=" inside, and that invalid text is refused.
        let line: CartLine = "BIKE-0001=2.5".parse().unwrap();
        assert_eq!((line.sku.as_str(), line.quantity.raw()), ("BIKE-0001", 25_000));
        assert_eq!("A=B=3".parse::<CartLine>().unwrap().sku, "A=B");
        assert_eq!("BIKE".parse::<CartLine>().unwrap().quantity.raw(), 10_000);
        for text in ["", "=2", "="] {
            assert_eq!(text.parse::<CartLine>(), Err(ParseError::Line), "{text}");
        }
        for text in ["A=", "A=x", "A=0", "A=-1", "A=1.00001"] {
            for text in [text.to_owned(), format!("{text}@shop")] {
                let error = text.parse::<CartLine>().err().filter(|_| !text.contains('@'));
                let error = error.or_else(|| text.parse::<RefundLine>().err());
                assert!(matches!(error, Some(ParseError::Quantity(_))), "{text}: {error:?}");
            }
        }
        assert_eq!("=1@shop".parse::<RefundLine>(), Err(ParseError::Placed));
        let placed: RefundLine = "A=2@shop".parse().unwrap();
        assert_eq!((placed.line.sku.as_str(), placed.source.as_str()), ("A", "shop"));
        assert!("A=2".parse::<RefundLine>().is_err());
        let counted =
            |text: &str| text.parse::<CountedLine>().map(|line| (line.sku, line.quantity.raw(), line.source));
        assert_eq!(counted("A=-2.5@shop"), Ok(("A".to_owned(), -25_000, Some("shop".to_owned()))));
        assert_eq!(counted("A@B=0"), Ok(("A@B".to_owned(), 0, None)));
        assert!(["A", "=1", "A=x", "A=1@", ""].into_iter().all(|text| counted(text).is_err()));
        assert_eq!("pos/nyc".parse::<ChannelName>().unwrap().code, "nyc");
        assert!("pos".parse::<ChannelName>().is_err());
    }

    #[test]
    fn a_line_of_an_event_may_name_its_stock() {
        // Proves each form, which quantities each kind of line accepts, and that invalid text is refused.
        let line: UnitLine = "BIKE-0001=2.5@web".parse().unwrap();
        assert_eq!((line.sku.as_str(), line.quantity.raw()), ("BIKE-0001", 25_000));
        assert_eq!(line.stock.as_deref(), Some("web"));
        let line: UnitLine = "A@B=3".parse().unwrap();
        assert_eq!((line.sku.as_str(), line.stock), ("A@B", None));
        assert_eq!("BIKE".parse::<UnitLine>().unwrap().quantity.raw(), 10_000);
        for text in ["", "=2", "A=2@", "=2@web"] {
            assert_eq!(text.parse::<UnitLine>(), Err(ParseError::Unit), "{text}");
        }
        for (text, positive, total, signed) in
            [("A=1", true, true, true), ("A=0", false, true, true), ("A=-1@web", false, false, true)]
        {
            let parsed = [text.parse::<UnitLine>(), total_line(text), signed_line(text)];
            assert_eq!(parsed.map(|line| line.is_ok()), [positive, total, signed], "{text}");
        }
    }

    #[test]
    fn a_server_has_a_host_and_a_port() {
        // Proves that an address at which no server can be is refused at once, and not after the timeout.
        for text in ["127.0.0.1:7411", "localhost:1", "[::1]:7411"] {
            assert_eq!(server_address(text), Ok(text.to_owned()));
        }
        for text in [":7411", "localhost", "127.0.0.1:0", "http://localhost:7411", ""] {
            assert_eq!(server_address(text), Err(ParseError::Server), "{text}");
        }
    }
}
