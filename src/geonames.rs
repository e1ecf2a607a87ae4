//! Where addresses are: postcodes, cities and regions with their points, as GeoNames publishes them, country by country.
//! They are files beside the log and no part of the state: no command depends on them. The search of sources uses them.

mod file;
mod row;
mod table;
mod text;

pub use file::{AddressFile, AddressFileError, addresses_of, parse_address_file_name, store};
pub use row::{AddressRow, Country};
pub use table::Addresses;
pub use text::{Malformed, ReadText, read_text};

use crate::storage::{ReadStorage, Storage, StorageError};

/// Reads the addresses of a directory. A file that is damaged is left out, because a server without the addresses of a
/// country is better than none; it is logged.
///
/// # Errors
/// [`StorageError`] if the files cannot be listed.
pub fn load(files: &dyn ReadStorage) -> Result<Addresses, StorageError> {
    let mut addresses = Addresses::default();
    for file in addresses_of(&files.list()?) {
        match file.read(files) {
            Ok(rows) => addresses.insert(file.country, rows),
            Err(error) => {
                tracing::error!(file = file.name(), %error, "A FILE OF ADDRESSES CANNOT BE READ AND IS NOT USED; import it again");
            }
        }
    }
    Ok(addresses)
}

/// Copies the files of addresses that are in use to another directory. Returns their number.
///
/// # Errors
/// [`AddressFileError`].
pub fn copy(from: &dyn ReadStorage, to: &dyn Storage) -> Result<usize, AddressFileError> {
    let files = addresses_of(&from.list()?);
    for file in &files {
        let bytes = file.read_bytes(from)?;
        to.replace(&file.name(), &bytes)?;
    }
    Ok(files.len())
}
