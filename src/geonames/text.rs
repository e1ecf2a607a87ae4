//! Reads the text files that GeoNames publishes for postcodes: one row a line, twelve columns with tabs between them, without a
//! header: country, postcode, place, then name and code of three subdivisions, latitude, longitude, accuracy.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use stockhold_protocol::query::GeoPoint;

use super::row::{AddressRow, Country};
use crate::catalog::Degrees;

/// The number of columns.
const COLUMNS: usize = 12;
/// The most bytes of a line.
const LINE_BYTES_MAX: u64 = 16 * 1024;
/// The most bytes of a text.
const TEXT_BYTES_MAX: usize = 1_024;
/// The most malformed rows that are named.
const NAMED_MAX: usize = 20;
/// The most rows of a country.
pub(super) const ROWS_MAX: usize = 4_194_304;

/// A row that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// Its line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// What a text contains.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReadText {
    /// The rows by country, in the order of the text.
    pub countries: BTreeMap<Country, Vec<AddressRow>>,
    /// The number of lines that are not empty.
    pub rows: u64,
    /// The number of rows that cannot be used.
    pub malformed: u64,
    /// The first of them.
    pub named: Vec<Malformed>,
}

/// Reads a text. `progress` receives the number of lines from time to time.
///
/// # Errors
/// The text cannot be read, or is no text.
pub fn read_text(mut text: impl BufRead, mut progress: impl FnMut(u64)) -> io::Result<ReadText> {
    let (mut read, mut line, mut bytes) = (ReadText::default(), 0, Vec::new());
    loop {
        bytes.clear();
        let length = io::Read::take(&mut text, LINE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
        if length == 0 {
            return Ok(read);
        }
        line += 1;
        if line % 65_536 == 0 {
            progress(line);
        }
        let is_cut = bytes.last() != Some(&b'\n') && bytes.len() as u64 == LINE_BYTES_MAX;
        if is_cut {
            let reason = format!(
                "line {line} has more than {LINE_BYTES_MAX} bytes: this is no postcode file of GeoNames"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        let row = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let row = row.strip_suffix(b"\r").unwrap_or(row);
        let row = if line == 1 { row.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(row) } else { row };
        if row.is_empty() {
            continue;
        }
        read.rows += 1;
        let parsed = row_of(row).and_then(|(country, row)| {
            let rows = read.countries.entry(country).or_default();
            if rows.len() >= ROWS_MAX {
                return Err(format!("a country has at most {ROWS_MAX} rows"));
            }
            rows.push(row);
            Ok(())
        });
        if let Err(reason) = parsed {
            read.malformed += 1;
            if read.named.len() < NAMED_MAX {
                read.named.push(Malformed { line, reason });
            }
        }
    }
}

fn row_of(row: &[u8]) -> Result<(Country, AddressRow), String> {
    let row = std::str::from_utf8(row).map_err(|_| "it is not UTF-8".to_owned())?;
    let columns: Vec<&str> = row.split('\t').collect();
    let [country, postcode, city, region, .., latitude, longitude, _] = columns.as_slice() else {
        return Err(format!("it has {} columns with tabs between them, not {COLUMNS}", columns.len()));
    };
    if columns.len() != COLUMNS {
        return Err(format!("it has {} columns with tabs between them, not {COLUMNS}", columns.len()));
    }
    let country =
        Country::parse(country).ok_or_else(|| format!("the country {country:?} is not two letters"))?;
    let text = |name: &str, text: &str| {
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("the {name} has more than {TEXT_BYTES_MAX} bytes"));
        }
        Ok(text.to_owned())
    };
    let (postcode, city) = (text("postcode", postcode)?, text("place", city)?);
    if postcode.is_empty() && city.is_empty() {
        return Err("it has neither a postcode nor a place".to_owned());
    }
    let point = GeoPoint {
        latitude_micro: degrees("latitude", latitude, 90_000_000)?,
        longitude_micro: degrees("longitude", longitude, 180_000_000)?,
    };
    Ok((country, AddressRow { point, postcode, city, region: text("region", region)? }))
}

fn degrees(name: &str, text: &str, most: u32) -> Result<i32, String> {
    match text.trim().parse() {
        Ok(Degrees(micro)) if micro.unsigned_abs() <= most => Ok(micro),
        Ok(Degrees(_)) | Err(_) => {
            Err(format!("the {name} {text:?} is not a number of degrees within {}", most / 1_000_000))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ReadText {
        read_text(text.as_bytes(), |_| ()).unwrap()
    }

    #[test]
    fn rows_are_read_country_by_country() {
        // Proves the columns, any line ends, an order mark in front, and the order of rows.
        let text = "\u{feff}NL\t1011\tCentrum\tNoord-Holland\tNH\t\t\t\t\t52.37\t4.9\t6\r\nBE\t1000\tBrussel\t\t\t\t\t\t\t50.85\t4.35\t\nnl\t1012\tDam\tNoord-Holland\tNH\t\t\t\t\t52.373\t-4.89\t6";
        let read = read(text);
        assert_eq!((read.rows, read.malformed), (3, 0));
        let (nl, be) = (Country::parse("NL").unwrap(), Country::parse("be").unwrap());
        let postcodes: Vec<&str> = read.countries[&nl].iter().map(|row| row.postcode.as_str()).collect();
        assert_eq!((postcodes, read.countries[&be].len()), (vec!["1011", "1012"], 1));
        let row = &read.countries[&nl][1];
        assert_eq!((row.city.as_str(), row.region.as_str()), ("Dam", "Noord-Holland"));
        assert_eq!(row.point, GeoPoint { latitude_micro: 52_373_000, longitude_micro: -4_890_000 });
    }

    #[test]
    fn malformed_rows_are_named_by_their_line() {
        // Proves each thing that can be wrong with a row, the count, and that the named ones are bounded.
        let good = "NL\t1\tA\t\t\t\t\t\t\t1\t2\t\n";
        let bad = [
            "NL\t1\tA\n",
            "NLD\t1\tA\t\t\t\t\t\t\t1\t2\t\n",
            "NL\t\t\t\t\t\t\t\t\t1\t2\t\n",
            "NL\t1\tA\t\t\t\t\t\t\t91\t2\t\n",
            "NL\t1\tA\t\t\t\t\t\t\t1\tx\t\n",
            "NL\t1\tA\t\t\t\t\t\t\t1\t2\t\textra\n",
        ];
        let read = read(&format!("{good}\n{}{good}", bad.concat()));
        assert_eq!((read.rows, read.malformed), (8, 6));
        assert_eq!(read.named.iter().map(|one| one.line).collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8]);
        assert!(read.named[3].reason.contains("latitude \"91\""), "{:?}", read.named[3]);
        let many = self::read(&bad[0].repeat(50));
        assert_eq!((many.malformed, many.named.len()), (50, NAMED_MAX));
        let long = "x".repeat(20_000);
        assert!(read_text(long.as_bytes(), |_| ()).is_err());
    }
}
