//! Quantities on the command line: what is wrong with one, and what is allowed in its place.

use stockhold_protocol::Quantity;

/// A quantity that is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the quantity \"{text}\" {rule}")]
pub(super) struct QuantityError {
    text: String,
    rule: &'static str,
}

fn read(text: &str, allowed: fn(Quantity) -> bool, rule: &'static str) -> Result<Quantity, QuantityError> {
    let refused = |rule| QuantityError { text: text.to_owned(), rule };
    let quantity: Quantity =
        text.parse().map_err(|error: stockhold_protocol::BadField| refused(error.rule))?;
    if allowed(quantity) { Ok(quantity) } else { Err(refused(rule)) }
}

/// A quantity above 0.
pub(super) fn positive(text: &str) -> Result<Quantity, QuantityError> {
    read(text, |quantity| quantity > Quantity::ZERO, "must be more than 0, such as 2 or 0.5")
}

/// A quantity of 0 or more.
pub(super) fn not_negative(text: &str) -> Result<Quantity, QuantityError> {
    read(text, |quantity| quantity >= Quantity::ZERO, "must be 0 or more, such as 0, 2 or 0.5")
}

/// Any quantity, also a negative one.
pub(super) fn any(text: &str) -> Result<Quantity, QuantityError> {
    read(text, |_| true, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_is_wrong_and_what_is_allowed() {
        // Proves every reason in the words that a person reads.
        for (text, read, told) in [
            ("-2", positive as fn(&str) -> _, "the quantity \"-2\" must be more than 0, such as 2 or 0.5"),
            ("0", positive, "the quantity \"0\" must be more than 0, such as 2 or 0.5"),
            ("-0.5", not_negative, "the quantity \"-0.5\" must be 0 or more, such as 0, 2 or 0.5"),
            ("abc", any, "the quantity \"abc\" must be a number, such as 12 or 3.5"),
            ("", any, "the quantity \"\" must be a number, such as 12 or 3.5"),
            ("1,5", any, "the quantity \"1,5\" must be a number, such as 12 or 3.5"),
            ("1.23456", any, "the quantity \"1.23456\" must have at most 4 decimals, such as 3.5 or 0.0001"),
            ("100000000001", any, "the quantity \"100000000001\" must lie within ±100,000,000,000 units"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), told);
        }
        assert_eq!(any("-2").unwrap().raw(), -20_000);
        assert_eq!(not_negative("0").unwrap(), Quantity::ZERO);
        assert_eq!(positive("0.0001").unwrap().raw(), 1);
    }
}
