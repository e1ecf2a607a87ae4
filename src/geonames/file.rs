//! The file with the addresses of one country. Its contents never change: a later import makes another file, whose name has
//! a later time, and then removes the earlier one. FORMAT.md, "Address files", has the bytes.

use std::collections::BTreeMap;

use stockhold_protocol::query::GeoPoint;

use super::row::{AddressRow, Country};
use crate::storage::checksum::checksum;
use crate::storage::layout::CHECKSUM_BYTES;
use crate::storage::width::{index, length};
use crate::storage::{FileEntry, ReadFrom, ReadStorage, Storage, StorageError};

/// The beginning of each file.
const MAGIC: [u8; 8] = *b"STKHGEON";
/// The version of the format.
const VERSION: u32 = 1;
/// The bytes before the first row.
const HEAD_BYTES: usize = 24;
/// The most bytes of a file.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// The end of a name.
const SUFFIX: &str = ".geonames";

/// Why a file of addresses cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AddressFileError {
    /// The storage failed.
    #[error("the storage failed")]
    Storage(#[from] StorageError),
    /// The file has another version.
    #[error("it has version {found}, but this program reads version {VERSION}")]
    Version {
        /// The version that was found.
        found: u32,
    },
    /// The file is damaged.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// The addresses are too many for a file.
    #[error("the addresses of a country may have at most {FILE_BYTES_MAX} bytes")]
    TooLarge,
}

/// The name of a file of addresses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct AddressFile {
    /// The country.
    pub country: Country,
    /// When it was imported, in milliseconds since 1970.
    pub time_ms: u64,
}

/// Parses a name such as `DE-0001763800000123.geonames`.
#[must_use]
pub fn parse_address_file_name(name: &str) -> Option<AddressFile> {
    let (country, time_ms) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let file = AddressFile { country: Country::parse(country)?, time_ms: time_ms.parse().ok()? };
    (file.name() == name).then_some(file)
}

/// The files of addresses that are in use: of each country the latest.
#[must_use]
pub fn addresses_of(entries: &[FileEntry]) -> Vec<AddressFile> {
    let mut latest: BTreeMap<Country, AddressFile> = BTreeMap::new();
    for file in entries.iter().filter_map(|entry| parse_address_file_name(&entry.name)) {
        let known = latest.entry(file.country).or_insert(file);
        if known.time_ms < file.time_ms {
            *known = file;
        }
    }
    latest.into_values().collect()
}

/// Stores the addresses of a country, and removes the earlier ones. After a crash the country has either the old or the new
/// ones. The time is later than that of the file that is replaced.
///
/// # Errors
/// [`AddressFileError`].
pub fn store(
    files: &dyn Storage,
    country: Country,
    rows: &[AddressRow],
    now_ms: u64,
) -> Result<AddressFile, AddressFileError> {
    let entries = files.list()?;
    let earlier: Vec<AddressFile> = entries
        .iter()
        .filter_map(|entry| parse_address_file_name(&entry.name))
        .filter(|file| file.country == country)
        .collect();
    let time_ms = earlier.iter().map(|file| file.time_ms.saturating_add(1)).fold(now_ms, u64::max);
    let file = AddressFile { country, time_ms };
    let bytes = encode(country, rows);
    if length(bytes.len()) > FILE_BYTES_MAX {
        return Err(AddressFileError::TooLarge);
    }
    files.replace(&file.name(), &bytes)?;
    for old in earlier {
        files.remove(&old.name())?;
    }
    files.sync_dir()?;
    Ok(file)
}

impl AddressFile {
    /// The name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{:016}{SUFFIX}", self.country, self.time_ms)
    }

    /// Reads and checks the whole file.
    ///
    /// # Errors
    /// [`AddressFileError`].
    pub fn read(&self, files: &dyn ReadStorage) -> Result<Vec<AddressRow>, AddressFileError> {
        decode(self.country, &self.read_bytes(files)?)
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// [`AddressFileError`].
    pub fn read_bytes(&self, files: &dyn ReadStorage) -> Result<Vec<u8>, AddressFileError> {
        let file = files.open_to_read(&self.name(), ReadFrom::Cache)?;
        let have = file.bytes()?;
        if have > FILE_BYTES_MAX {
            return Err(AddressFileError::TooLarge);
        }
        let mut bytes = vec![0; index(have)];
        let mut read = 0;
        while read < bytes.len() {
            let more = file.read_at(length(read), &mut bytes[read..])?;
            if more == 0 {
                return Err(AddressFileError::Damaged("it ends too early"));
            }
            read += more;
        }
        Ok(bytes)
    }
}

fn encode(country: Country, rows: &[AddressRow]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&country.bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&length(rows.len()).to_le_bytes());
    for row in rows {
        bytes.extend_from_slice(&row.point.latitude_micro.to_le_bytes());
        bytes.extend_from_slice(&row.point.longitude_micro.to_le_bytes());
        for text in [&row.postcode, &row.city, &row.region] {
            // The texts of a row are at most 1,024 bytes.
            let length = u16::try_from(text.len()).unwrap_or_default();
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
        }
    }
    let sum = checksum(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

fn decode(country: Country, bytes: &[u8]) -> Result<Vec<AddressRow>, AddressFileError> {
    let damaged = AddressFileError::Damaged;
    let at = bytes.len().checked_sub(CHECKSUM_BYTES).filter(|at| *at >= HEAD_BYTES);
    let (body, sum) = bytes.split_at(at.ok_or(damaged("it is too short"))?);
    let Some((magic, rest)) = body.split_first_chunk::<8>() else { return Err(damaged("it is too short")) };
    if *magic != MAGIC {
        return Err(damaged("it does not begin as a file of addresses does"));
    }
    let mut parts = Parts(rest);
    let version = u32::from_le_bytes(parts.take()?);
    if version != VERSION {
        return Err(AddressFileError::Version { found: version });
    }
    if checksum(body).to_le_bytes() != *sum {
        return Err(damaged("its checksum is wrong"));
    }
    if parts.take::<2>()? != country.bytes() || parts.take::<2>()? != [0; 2] {
        return Err(damaged("it is of another country"));
    }
    let count = u64::from_le_bytes(parts.take()?);
    let mut rows = Vec::new();
    for _ in 0..count {
        let point = GeoPoint {
            latitude_micro: i32::from_le_bytes(parts.take()?),
            longitude_micro: i32::from_le_bytes(parts.take()?),
        };
        let (postcode, city, region) = (parts.text()?, parts.text()?, parts.text()?);
        rows.push(AddressRow { point, postcode, city, region });
    }
    if parts.0.is_empty() { Ok(rows) } else { Err(damaged("it has bytes after its last row")) }
}

/// The bytes that are still to be read.
struct Parts<'a>(&'a [u8]);

impl Parts<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], AddressFileError> {
        let split = self.0.split_first_chunk::<N>();
        let (taken, rest) = split.ok_or(AddressFileError::Damaged("it ends within a row"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn text(&mut self) -> Result<String, AddressFileError> {
        let length = u16::from_le_bytes(self.take()?);
        let split = self.0.split_at_checked(usize::from(length));
        let (text, rest) = split.ok_or(AddressFileError::Damaged("it ends within a row"))?;
        self.0 = rest;
        let text = std::str::from_utf8(text).map_err(|_| AddressFileError::Damaged("a text is not UTF-8"))?;
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<AddressRow> {
        let row = |latitude_micro, city: &str| AddressRow {
            point: GeoPoint { latitude_micro, longitude_micro: -7 },
            postcode: "1011".into(),
            city: city.into(),
            region: String::new(),
        };
        vec![row(52_000_000, "Dam"), row(-1, "Centrum")]
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        // Proves the bytes of a file, and that each byte of it that is changed or missing is found.
        let country = Country::parse("NL").unwrap();
        let bytes = encode(country, &rows());
        assert_eq!(bytes.len(), HEAD_BYTES + 2 * 8 + 6 * 2 + 4 + 3 + 4 + 7 + CHECKSUM_BYTES);
        assert_eq!(bytes[..HEAD_BYTES], *b"STKHGEON\x01\0\0\0NL\0\0\x02\0\0\0\0\0\0\0");
        assert_eq!(decode(country, &bytes).unwrap(), rows());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            assert!(decode(country, &changed).is_err(), "byte {at}");
            assert!(decode(country, &bytes[..at]).is_err(), "{at} bytes");
        }
        assert!(decode(Country::parse("BE").unwrap(), &bytes).is_err());
    }

    #[test]
    fn the_latest_file_of_a_country_is_used() {
        // Proves the names, and which of several files counts.
        let entry = |name: &str| FileEntry { name: name.into(), bytes: 1 };
        let names =
            ["NL-0000000000000009.geonames", "NL-0000000000000010.geonames", "BE-0000000000000003.geonames"];
        let entries: Vec<FileEntry> = names.iter().map(|name| entry(name)).collect();
        let used: Vec<String> = addresses_of(&entries).iter().map(AddressFile::name).collect();
        assert_eq!(used, [names[2], names[1]]);
        for wrong in
            ["nl-0000000000000009.geonames", "NL-9.geonames", "NL.geonames", "NLD-0000000000000009.geonames"]
        {
            assert_eq!(parse_address_file_name(wrong), None, "{wrong}");
        }
    }
}
