//! The addresses of some countries in memory, and how an address is looked up.

use std::collections::BTreeMap;

use stockhold_protocol::query::{GeoAddress, GeoPoint};

use super::row::{AddressRow, Country};

/// The most rows that an address may mean.
const POINTS_MAX: usize = 65_536;

/// A row with its texts in small letters, by which addresses are compared.
#[derive(Debug)]
struct Entry {
    point: GeoPoint,
    postcode: Box<str>,
    city: Box<str>,
    region: Box<str>,
}

/// The rows of a country in the order of its file, and their numbers in the order of each text. Rows with the same text are
/// in the order of the file.
#[derive(Debug)]
struct OfCountry {
    entries: Vec<Entry>,
    by_postcode: Vec<u32>,
    by_city: Vec<u32>,
    by_region: Vec<u32>,
}

/// The addresses of some countries.
#[derive(Debug, Default)]
pub struct Addresses {
    countries: BTreeMap<Country, OfCountry>,
}

impl OfCountry {
    fn new(rows: Vec<AddressRow>) -> Self {
        let fold = |text: &str| text.to_lowercase().into_boxed_str();
        let entry = |row: AddressRow| Entry {
            point: row.point,
            postcode: fold(&row.postcode),
            city: fold(&row.city),
            region: fold(&row.region),
        };
        let entries: Vec<Entry> = rows.into_iter().map(entry).collect();
        let sorted = |text_of: fn(&Entry) -> &str| {
            let mut numbers: Vec<u32> = (0..).zip(&entries).map(|(number, _)| number).collect();
            // The sort is stable.
            numbers.sort_by(|one, other| {
                text_of(&entries[*one as usize]).cmp(text_of(&entries[*other as usize]))
            });
            numbers
        };
        let by_postcode = sorted(|entry| &entry.postcode);
        let (by_city, by_region) = (sorted(|entry| &entry.city), sorted(|entry| &entry.region));
        Self { entries, by_postcode, by_city, by_region }
    }

    /// The numbers of the rows whose text is between two texts.
    fn range<'a>(
        &self,
        numbers: &'a [u32],
        text_of: fn(&Entry) -> &str,
        is_before: impl Fn(&str) -> bool,
        is_in: impl Fn(&str) -> bool,
    ) -> &'a [u32] {
        let text = |number: &u32| text_of(&self.entries[*number as usize]);
        let from = numbers.partition_point(|number| is_before(text(number)));
        let rest = &numbers[from..];
        &rest[..rest.partition_point(|number| is_in(text(number)))]
    }

    /// The rows that an address means: those of its postcode, or else those of cities that begin like its city, or else
    /// those of its region.
    fn find(&self, address: &GeoAddress) -> &[u32] {
        let fold = |text: &str| text.trim().to_lowercase();
        let (postcode, city, region) = (fold(&address.postcode), fold(&address.city), fold(&address.region));
        let equal = |numbers, text_of, wanted: &str| {
            self.range(numbers, text_of, |text| text < wanted, |text| text == wanted)
        };
        let mut found: &[u32] = &[];
        if !postcode.is_empty() {
            found = equal(&self.by_postcode, |entry| &entry.postcode, &postcode);
        }
        if found.is_empty() && !city.is_empty() {
            let begins = |text: &str| text.starts_with(city.as_str());
            found = self.range(&self.by_city, |entry| &entry.city, |text| text < city.as_str(), begins);
        }
        if found.is_empty() && !region.is_empty() {
            found = equal(&self.by_region, |entry| &entry.region, &region);
        }
        found
    }
}

impl Addresses {
    /// Takes the rows of a country, in place of those it had.
    pub fn insert(&mut self, country: Country, rows: Vec<AddressRow>) {
        self.countries.insert(country, OfCountry::new(rows));
    }

    /// Whether no country is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.countries.is_empty()
    }

    /// The countries with the number of their rows.
    pub fn countries(&self) -> impl Iterator<Item = (Country, usize)> {
        self.countries.iter().map(|(country, of)| (*country, of.entries.len()))
    }

    /// The point of an address: that of the first row that it means.
    ///
    /// # Errors
    /// A sentence that says what is not known.
    pub fn first(&self, address: &GeoAddress) -> Result<GeoPoint, String> {
        let (of_country, found) = self.find(address)?;
        let first = found.iter().take(POINTS_MAX).min().copied().unwrap_or_default();
        Ok(of_country.entries[first as usize].point)
    }

    /// The points of all rows that an address means, in the order of the file.
    ///
    /// # Errors
    /// A sentence that says what is not known, or that there are too many.
    pub fn all(&self, address: &GeoAddress) -> Result<Vec<GeoPoint>, String> {
        let (of_country, found) = self.find(address)?;
        let mut numbers = found.to_vec();
        numbers.sort_unstable();
        Ok(numbers.into_iter().map(|number| of_country.entries[number as usize].point).collect())
    }

    fn find(&self, address: &GeoAddress) -> Result<(&OfCountry, &[u32]), String> {
        let country = Country::parse(address.country.trim())
            .ok_or_else(|| format!("the country {:?} is not two letters", address.country))?;
        let Some(of_country) = self.countries.get(&country) else {
            return Err(format!(
                "no addresses of {country} are known: `stockhold import geonames` brings them, and the server reads them when it starts"
            ));
        };
        let found = of_country.find(address);
        if found.is_empty() {
            let GeoAddress { postcode, city, region, .. } = address;
            return Err(format!(
                "no address of {country} has the postcode {postcode:?}, a city that begins with {city:?}, or the region {region:?}"
            ));
        }
        if found.len() > POINTS_MAX {
            return Err(format!(
                "{} rows of {country} match, at most {POINTS_MAX} are looked at: name the postcode or the whole city",
                found.len()
            ));
        }
        Ok((of_country, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Addresses {
        let row = |latitude_micro, postcode: &str, city: &str, region: &str| AddressRow {
            point: GeoPoint { latitude_micro, longitude_micro: 1 },
            postcode: postcode.into(),
            city: city.into(),
            region: region.into(),
        };
        let mut addresses = Addresses::default();
        let rows = vec![
            row(1, "9000", "Gent", "Vlaanderen"),
            row(2, "9000", "Gentbrugge", "Vlaanderen"),
            row(3, "4000", "Liège", "Wallonie"),
            row(4, "3500", "Genk", "Vlaanderen"),
        ];
        addresses.insert(Country::parse("BE").unwrap(), rows);
        addresses
    }

    fn address(postcode: &str, city: &str, region: &str) -> GeoAddress {
        GeoAddress {
            country: "be".into(),
            postcode: postcode.into(),
            city: city.into(),
            region: region.into(),
        }
    }

    #[test]
    fn postcode_city_and_region_are_tried_in_this_order() {
        // Proves the three steps, that capital letters do not matter, that a city is found by its beginning, and that the
        // first row of the file wins and the others are candidates.
        let known = addresses();
        let all = |postcode, city, region| -> Vec<i32> {
            let address = address(postcode, city, region);
            let points = known.all(&address).unwrap_or_default();
            let first = known.first(&address).ok();
            assert_eq!(points.first().copied(), first);
            points.iter().map(|point| point.latitude_micro).collect()
        };
        assert_eq!(all("9000", "Genk", "Wallonie"), [1, 2]);
        assert_eq!(all("1", "GEN", "Wallonie"), [1, 2, 4]);
        assert_eq!(all("", "liÈ", ""), [3]);
        assert_eq!(all("1", "Brussel", "vlaanderen"), [1, 2, 4]);
        assert_eq!(all("900", "", ""), Vec::<i32>::new());
        assert_eq!(all("", "", ""), Vec::<i32>::new());
    }

    #[test]
    fn what_is_not_known_is_said() {
        // Proves the sentence for a country that is none, one without addresses, and an address that no row has.
        let known = addresses();
        let refused = |country: &str, postcode| {
            known.first(&GeoAddress { country: country.into(), ..address(postcode, "", "") }).unwrap_err()
        };
        assert!(refused("Belgium", "1").contains("two letters"));
        assert!(refused("NL", "9000").contains("import geonames"));
        assert!(refused("BE", "1").contains("postcode \"1\""));
    }

    #[test]
    fn too_many_matches_are_refused() {
        // Proves the limit at it and one above it.
        let row = |city: &str| AddressRow {
            point: GeoPoint { latitude_micro: 1, longitude_micro: 1 },
            postcode: String::new(),
            city: city.into(),
            region: String::new(),
        };
        let mut known = Addresses::default();
        let mut rows = vec![row("Ab"); POINTS_MAX];
        rows.push(row("Ac"));
        known.insert(Country::parse("BE").unwrap(), rows);
        assert_eq!(known.all(&address("", "Ab", "")).map(|all| all.len()), Ok(POINTS_MAX));
        assert!(known.all(&address("", "A", "")).unwrap_err().contains("65537 rows"));
    }
}
