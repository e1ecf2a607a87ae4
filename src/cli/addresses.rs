//! Addresses on the command line.

use super::exit::Failure;
use crate::directory::ReadOnlyDirectory;
use crate::geonames::{self, AddressFileError, Country};
use crate::restore::Restored;
use crate::storage::ReadStorage;
use std::path::Path;
use stockhold_protocol::query::GeoAddress;

/// Parses an address such as `DE,10115,Berlin,Berlin`: country, postcode, city, region. All but the country may be empty or
/// left out.
pub(super) fn address(text: &str) -> Result<GeoAddress, String> {
    let parts: Vec<&str> = text.splitn(4, ',').map(str::trim).collect();
    let country = Country::parse(parts[0]).ok_or_else(|| {
        "write the country as two letters, then postcode, city and region, such as DE,10115,Berlin".to_owned()
    })?;
    let part = |at: usize| parts.get(at).copied().unwrap_or_default().to_owned();
    let address =
        GeoAddress { country: country.to_string(), postcode: part(1), city: part(2), region: part(3) };
    if [&address.postcode, &address.city, &address.region].iter().all(|part| part.is_empty()) {
        return Err("give a postcode, a city or a region behind the country, such as DE,10115".to_owned());
    }
    Ok(address)
}

/// Copies the addresses of a directory to one that was restored from it.
pub(super) fn bring(from: &ReadOnlyDirectory, restored: &Restored, to_dir: &Path) -> Result<(), Failure> {
    bring_from(from.files().as_ref(), restored, to_dir)
}

/// As [`bring`], from any files.
pub(super) fn bring_from(from: &dyn ReadStorage, restored: &Restored, to_dir: &Path) -> Result<(), Failure> {
    let copied = geonames::copy(from, restored.directory.storage().as_ref());
    copied.map(drop).map_err(|error| match error {
        AddressFileError::Storage(error) => super::exit::start_failure(error, to_dir),
        other @ (AddressFileError::Version { .. } | AddressFileError::Damaged(_) | AddressFileError::TooLarge) => {
            Failure::usage(format!(
                "the state was restored, but a file of addresses was not copied: {other}; import the addresses again"
            ))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_country_and_something_else() {
        // Proves the order of the parts, that parts may be left out, and what is refused.
        let read = address("de, 10115 ,Berlin").unwrap();
        assert_eq!(
            (read.country.as_str(), read.postcode.as_str(), read.city.as_str()),
            ("DE", "10115", "Berlin")
        );
        assert_eq!(address("US,,,New York, NY").unwrap().region, "New York, NY");
        for wrong in ["", "DE", "DE,", "Germany,10115", "DE,,,"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
