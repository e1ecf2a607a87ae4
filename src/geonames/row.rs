//! One postcode of a country, as GeoNames lists it.

use std::fmt;

use stockhold_protocol::query::GeoPoint;

/// A country as two capital letters, ISO 3166-1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Country([u8; 2]);

impl Country {
    /// A country by its letters, small ones too.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let &[first, second] = text.as_bytes() else { return None };
        let letters = [first, second].map(|letter| letter.to_ascii_uppercase());
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    pub(super) const fn bytes(self) -> [u8; 2] {
        self.0
    }
}

impl fmt::Display for Country {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([first, second]) = *self;
        write!(to, "{}{}", char::from(first), char::from(second))
    }
}

/// A postcode with its point.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressRow {
    /// Where it is.
    pub point: GeoPoint,
    /// The postcode.
    pub postcode: String,
    /// The city, or another place.
    pub city: String,
    /// The region; may be empty.
    pub region: String,
}
