//! SKUs that a file would create, and that differ from another SKU by a slip: one character more, less or other, two that
//! are swapped, upper or lower case, width, or characters that look alike (Unicode's TS 39).
//!
//! The SKUs of a merchant are numbered and have variants, so many good ones are near to each other (`BIKE-01`, `BIKE-02`;
//! `SHIRT-S`, `SHIRT-M`). A SKU that differs by one digit or one letter from *two or more* others continues such a
//! series. If only one other SKU is so near, it is taken for a slip.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;

/// The number of new SKUs for which similar ones are looked for (about 16 bytes for each of their characters).
pub(super) const NEW_MAX: usize = 100_000;
/// The longest SKU of which all variants without one character are made, in characters.
const CHARACTERS_MAX: usize = 64;

/// The number of new SKUs that are compared because of one variant. Thousands of very short SKUs would share one.
const NEAR_MAX: usize = 256;

/// Why a new SKU is suspicious.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Likeness {
    /// It looks like another one.
    LooksLike(String),
    /// It is one slip away from another one.
    OneSlip(String),
}

#[derive(Debug, Default)]
struct Found {
    looks_like: Option<String>,
    /// A SKU that differs by more than a step within a series.
    slip: Option<String>,
    /// The first of the SKUs that differ by one step within a series, and how many there are.
    in_series: Option<String>,
    series: usize,
}

/// New SKUs, to be compared with all others.
#[derive(Debug)]
pub(super) struct NewSkus<'a> {
    skus: Vec<&'a str>,
    found: Vec<Found>,
    hasher: RandomState,
    /// The new SKUs by the hash of what they look like, and of each variant without one character; sorted.
    variants: Vec<(u64, u32)>,
    /// The first entry of each hash.
    first: HashMap<u64, u32>,
}

impl<'a> NewSkus<'a> {
    /// Prepares the comparison of up to [`NEW_MAX`] different SKUs.
    pub(super) fn new(skus: Vec<&'a str>) -> Self {
        let hasher = RandomState::new();
        let mut variants = Vec::new();
        for (sku, number) in skus.iter().zip(0_u32..) {
            each_variant(&hasher, sku, &mut |hash| variants.push((hash, number)));
        }
        variants.sort_unstable();
        variants.dedup();
        let mut first = HashMap::with_capacity(variants.len());
        for ((hash, _), at) in variants.iter().zip(0_u32..) {
            first.entry(*hash).or_insert(at);
        }
        let found = skus.iter().map(|_| Found::default()).collect();
        Self { skus, found, hasher, variants, first }
    }

    /// Compares the new SKUs with each other. They are evidence of a series, and of nothing else.
    pub(super) fn compare_with_each_other(&mut self) {
        for sku in self.skus.clone() {
            for number in self.near(sku) {
                let is_near = is_one_edit(self.skus[number], sku) && is_in_series(self.skus[number], sku);
                self.found[number].series += usize::from(is_near);
            }
        }
    }

    /// Compares the new SKUs with one that exists.
    pub(super) fn compare_with(&mut self, existing: &str) {
        for number in self.near(existing) {
            let (new, found) = (self.skus[number], &mut self.found[number]);
            if appearances(new).iter().any(|one| appearances(existing).contains(one)) {
                found.looks_like.get_or_insert_with(|| existing.to_owned());
            } else if is_one_edit(new, existing) && is_in_series(new, existing) {
                found.series += 1;
                found.in_series.get_or_insert_with(|| existing.to_owned());
            } else if is_one_edit(new, existing) {
                found.slip.get_or_insert_with(|| existing.to_owned());
            }
        }
    }

    /// The numbers of new SKUs that share a variant with this one.
    fn near(&self, sku: &str) -> Vec<usize> {
        let mut near = Vec::new();
        each_variant(&self.hasher, sku, &mut |hash| {
            let Some(first) = self.first.get(&hash) else { return };
            let entries = self.variants.iter().skip(*first as usize).take(NEAR_MAX);
            near.extend(entries.take_while(|(other, _)| *other == hash).map(|(_, number)| *number as usize));
        });
        near.sort_unstable();
        near.dedup();
        near
    }

    /// The suspicious SKUs with their numbers.
    pub(super) fn into_found(self) -> impl Iterator<Item = (usize, Likeness)> {
        self.found.into_iter().enumerate().filter_map(|(number, found)| {
            let Found { looks_like, slip, in_series, series } = found;
            let alone = in_series.filter(|_| series == 1);
            let likeness =
                looks_like.map(Likeness::LooksLike).or_else(|| slip.or(alone).map(Likeness::OneSlip));
            Some((number, likeness?))
        })
    }
}

/// What a SKU looks like: regardless of width, and as written or regardless of case. Capital I and small l look alike as
/// written and capital I and small i regardless of case, so no single form has both.
fn appearances(sku: &str) -> [String; 2] {
    let plain: String = sku.nfkc().collect();
    [skeleton(&plain).collect(), skeleton(&plain.to_lowercase()).collect()]
}

/// Passes on the hashes by which similar SKUs find each other.
fn each_variant(hasher: &RandomState, sku: &str, take: &mut impl FnMut(u64)) {
    for appearance in appearances(sku) {
        take(hasher.hash_one(("appearance", appearance)));
    }
    take(hasher.hash_one(("text", sku)));
    let mut without = String::with_capacity(sku.len());
    for (at, one) in sku.char_indices().take(CHARACTERS_MAX) {
        without.clear();
        without.push_str(sku.get(..at).unwrap_or_default());
        without.push_str(sku.get(at + one.len_utf8()..).unwrap_or_default());
        take(hasher.hash_one(("text", without.as_str())));
    }
}

fn is_one_edit(one: &str, other: &str) -> bool {
    strsim::osa_distance(one, other) == 1
}

/// Whether SKUs that are one edit apart differ by a digit, or by one letter instead of another.
fn is_in_series(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let begin = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let rest = one.len().min(other.len()) - begin;
    let end = one.iter().rev().zip(other.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (a, b) = (&one[begin..one.len() - end], &other[begin..other.len() - end]);
    let is_digits = a.iter().chain(b).all(char::is_ascii_digit);
    let is_letter = |part: &[char]| matches!(part, [one] if one.is_alphabetic());
    is_digits || (is_letter(a) && is_letter(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(new: &[&str], existing: &[&str]) -> Vec<Option<Likeness>> {
        let mut skus = NewSkus::new(new.to_vec());
        skus.compare_with_each_other();
        for sku in existing {
            skus.compare_with(sku);
        }
        let mut all = vec![None; new.len()];
        for (number, likeness) in skus.into_found() {
            all[number] = Some(likeness);
        }
        all
    }

    #[test]
    fn slips_are_told_from_series() {
        // Proves each kind of slip and of look-alike, and that numbers and variants beside two others are none.
        let existing =
            ["LAMP-BLUE", "BIKE-0001", "BIKE-0002", "BIKE-0010", "SHIRT-S", "SHIRT-L", "4006381333931"];
        let looks = |sku: &str| Some(Likeness::LooksLike(sku.to_owned()));
        let slip = |sku: &str| Some(Likeness::OneSlip(sku.to_owned()));
        for (new, expected) in [
            ("LAMP-BLU", slip("LAMP-BLUE")),
            ("LAMP_BLUE", slip("LAMP-BLUE")),
            ("LAPM-BLUE", slip("LAMP-BLUE")),
            ("LAMP--BLUE", slip("LAMP-BLUE")),
            ("lamp-blue", looks("LAMP-BLUE")),
            ("ＬＡＭＰ-BLUE", looks("LAMP-BLUE")),
            ("LАMP-BLUE", looks("LAMP-BLUE")),
            ("LAMP\u{200b}-BLUE", looks("LAMP-BLUE")),
            ("BIKE-OOO1", looks("BIKE-0001")),
            ("BlKE-0001", looks("BIKE-0001")),
            ("BIKE-0003", None),
            ("BIKEE-0001", slip("BIKE-0001")),
            ("BIKE-000x", slip("BIKE-0001")),
            ("SHIRT-M", None),
            ("4006381333932", slip("4006381333931")),
            ("TABLE-1", None),
        ] {
            assert_eq!(likeness(&[new], &existing), [expected], "{new}");
        }
    }

    #[test]
    fn new_skus_show_a_series_together() {
        // Proves that the new numbers of one file are no slips of the only number that exists, and that none of them is
        // compared with itself.
        assert_eq!(likeness(&["M2", "M3"], &["M1"]), [None, None]);
        assert_eq!(likeness(&["M2"], &["M1"]), [Some(Likeness::OneSlip("M1".to_owned()))]);
        assert_eq!(likeness(&["lamp", "LAMP"], &[]), [None, None]);
    }
}
