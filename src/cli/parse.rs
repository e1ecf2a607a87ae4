//! Parses the values of the command line: lines of a cart, refund parts, channels, times.

use crate::catalog::channel_parts;
use crate::config::ListenAddress;
use std::str::FromStr;
use std::time::Duration;
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

/// `type/code`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ChannelName {
    pub(super) kind: String,
    pub(super) code: String,
}

/// A value that cannot be parsed, with the expected form.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum ParseError {
    /// A cart line.
    #[error("write SKU=QUANTITY, such as BIKE-0001=2, or only the SKU for one unit")]
    Line,
    /// A refund part with its source.
    #[error("write SKU=QUANTITY@SOURCE, such as BIKE-0001=2@shop-nyc")]
    Placed,
    /// A channel.
    #[error("write TYPE/CODE, such as website/us")]
    Channel,
    /// The address of a server.
    #[error("write HOST:PORT, such as 127.0.0.1:7411, db-1.internal:7411 or [::1]:7411")]
    Server,
    /// A time span.
    #[error("write a time such as 1500ms, 90s, 15m, 2h or 1d")]
    Duration,
}

impl FromStr for CartLine {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        // A SKU may contain "=" itself. The last one separates the quantity, if a number follows.
        let (sku, quantity) = match text.rsplit_once('=') {
            Some((sku, quantity)) => (sku, quantity.parse().map_err(|_| ParseError::Line)?),
            None => (text, Quantity::units(1).ok_or(ParseError::Line)?),
        };
        if sku.is_empty() || quantity <= Quantity::ZERO {
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
        Ok(Self { line: line.parse().map_err(|_| ParseError::Placed)?, source: source.to_owned() })
    }
}

impl FromStr for ChannelName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (kind, code) = channel_parts(text).ok_or(ParseError::Channel)?;
        Ok(Self { kind: kind.to_owned(), code: code.to_owned() })
    }
}

/// Parses `1500ms`, `90s`, `15m`, `2h` or `1d`. A number without a unit means seconds.
pub(super) fn duration(text: &str) -> Result<Duration, ParseError> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(ParseError::Duration),
    };
    let count: u64 = digits.parse().map_err(|_| ParseError::Duration)?;
    count.checked_mul(unit_ms).map(Duration::from_millis).ok_or(ParseError::Duration)
}

/// The address of a server: a host and a port.
pub(super) fn server_address(text: &str) -> Result<String, ParseError> {
    match text.parse::<ListenAddress>() {
        Ok(address) if !address.is_any() && address.port() != 0 => Ok(text.to_owned()),
        Ok(_) | Err(_) => Err(ParseError::Server),
    }
}

/// Converts to whole milliseconds, at most the highest number of 64 bits.
pub(super) fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Formats seconds since the Unix epoch as `2026-11-22T03:04:05Z`.
pub(super) fn utc(seconds: u64) -> String {
    crate::calendar::rfc3339(seconds.saturating_mul(1_000))
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
        for text in ["", "=2", "A=", "A=x", "A=0", "A=-1"] {
            assert!(text.parse::<CartLine>().is_err(), "{text} was accepted");
        }
        let placed: RefundLine = "A=2@shop".parse().unwrap();
        assert_eq!((placed.line.sku.as_str(), placed.source.as_str()), ("A", "shop"));
        assert!("A=2".parse::<RefundLine>().is_err());
        assert_eq!("pos/nyc".parse::<ChannelName>().unwrap().code, "nyc");
        assert!("pos".parse::<ChannelName>().is_err());
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

    #[test]
    fn times_are_read_and_written() {
        // Proves units, bounds, and dates on both sides of a leap day and a century.
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1_500)));
        assert_eq!(duration("15m"), Ok(Duration::from_mins(15)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        for text in ["", "m", "5 m", "1y", "-3s", "99999999999999999999s", "999999999999999999d"] {
            assert!(duration(text).is_err(), "{text} was accepted");
        }
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_795_316_645), "2026-11-22T03:04:05Z");
        assert_eq!(utc(4_107_542_400), "2100-03-01T00:00:00Z");
    }
}
