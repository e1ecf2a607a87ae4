//! The checks of cold commands that need no state (msi.md calls them validators).
//!
//! Whether a name is taken or a link is allowed depends on state; the machine decides that.

use super::catalog::{
    Adjust, Change, ChannelAssignment, Configure, Count, LinkDefinition, LinkRemoval, Mark, MarkRemoval,
    QuotaChange, Readmit, SettingsChange, SkuDefinition, SourceDefinition, StockDefinition, Transfer,
};
use super::envelope::{Envelope, KIND_OFFSET};
use super::fingerprint::Scratch;
use super::table::Kind;
use crate::batch::ACTOR_BYTES_MAX;
use crate::error::BadField;
use crate::fields::{Tagged, encode_fields};
use crate::limits::{NAME_BYTES_MAX, REFERENCE_BYTES_MAX, SKU_CHARACTERS_MAX, TEXT_BYTES_MAX};
use crate::line::{check_count, check_quantity};
use crate::quantity::Quantity;
use crate::query::Name;
use crate::time::Timestamp;

/// The body of a cold command: tagged fields and the checks that they must pass.
pub(super) trait ColdBody: Tagged {
    /// Checks every field.
    fn check(&self) -> Result<(), BadField> {
        Ok(())
    }

    /// Appends the canonical form, by which a repeated id is compared.
    fn canonical(&self, scratch: &mut Scratch) {
        scratch.put_encoded(|out| encode_fields(self, out));
    }
}

impl ColdBody for Count {
    fn check(&self) -> Result<(), BadField> {
        check_range("quantity", self.quantity)?;
        check_notes(&self.reason, &self.reference)
    }
}

impl ColdBody for Adjust {
    fn check(&self) -> Result<(), BadField> {
        if self.delta == Quantity::ZERO {
            return Err(BadField::new("delta", "must not be zero"));
        }
        check_range("delta", self.delta)?;
        check_notes(&self.reason, &self.reference)
    }
}

impl ColdBody for Transfer {
    fn check(&self) -> Result<(), BadField> {
        check_transfer(self)
    }

    fn canonical(&self, scratch: &mut Scratch) {
        scratch.put_transfer(self);
    }
}

impl ColdBody for SourceDefinition {
    fn check(&self) -> Result<(), BadField> {
        check_source(self)
    }
}

impl ColdBody for StockDefinition {
    fn check(&self) -> Result<(), BadField> {
        check_name("name", &self.name)
    }
}

impl ColdBody for SkuDefinition {
    fn check(&self) -> Result<(), BadField> {
        check_sku(&self.sku)
    }
}

impl ColdBody for LinkDefinition {
    fn check(&self) -> Result<(), BadField> {
        if self.priority == 0 { Err(BadField::new("priority", "must be greater than 0")) } else { Ok(()) }
    }
}

impl ColdBody for LinkRemoval {}

impl ColdBody for ChannelAssignment {
    fn check(&self) -> Result<(), BadField> {
        check_name("channel_type", &self.channel_type)?;
        check_name("code", &self.code)
    }
}

impl ColdBody for SettingsChange {
    fn check(&self) -> Result<(), BadField> {
        check_settings(self)
    }
}

impl ColdBody for QuotaChange {
    fn check(&self) -> Result<(), BadField> {
        match self.limit {
            Some(limit) if limit < Quantity::ZERO => Err(BadField::new("limit", "must not be negative")),
            Some(limit) => check_range("limit", limit),
            None => Ok(()),
        }
    }
}

/// The ranges depend on the machine, which checks them.
impl ColdBody for Configure {}

impl ColdBody for Mark {
    fn check(&self) -> Result<(), BadField> {
        #[cfg(feature = "next-release")]
        self.note.as_ref().map_or(Ok(()), |note| check_text("note", note))?;
        check_name("name", &self.name)
    }
}

impl ColdBody for MarkRemoval {
    fn check(&self) -> Result<(), BadField> {
        check_name("name", &self.name)
    }
}

impl ColdBody for Readmit {
    fn check(&self) -> Result<(), BadField> {
        if self.actor.len() > ACTOR_BYTES_MAX {
            return Err(BadField::new("actor", "must be at most 255 bytes"));
        }
        // The kind is checked before the body, so that records cannot be nested.
        match self.record.get(KIND_OFFSET).copied().and_then(Kind::from_code) {
            Some(kind) if kind.is_of_servers() || kind == Kind::Readmit => {
                Err(BadField::new("record", "must not be a readmit or a command that servers make"))
            }
            Some(_) | None => Envelope::decode(&self.record).map(|_| ()),
        }
    }
}

fn check_name(field: &'static str, name: &str) -> Result<(), BadField> {
    if name.trim().is_empty() {
        Err(BadField::new(field, "must not be empty"))
    } else if name.len() > NAME_BYTES_MAX {
        Err(BadField::new(field, "must be at most 255 bytes"))
    } else {
        Ok(())
    }
}

pub(super) fn check_text(field: &'static str, text: &str) -> Result<(), BadField> {
    if text.len() > TEXT_BYTES_MAX {
        Err(BadField::new(field, "must be at most 1,024 bytes"))
    } else {
        Ok(())
    }
}

/// Checks the range of a decoded quantity: the format has 64 bits, the machine allows fewer.
pub(super) fn check_range(field: &'static str, quantity: Quantity) -> Result<(), BadField> {
    match Quantity::from_raw(quantity.raw()) {
        Ok(_) => Ok(()),
        Err(_) => Err(BadField::new(field, "must lie within ±100,000,000,000 units")),
    }
}

/// Checks the threshold of a low-stock configuration.
pub(super) fn check_threshold(is_set: bool, threshold: Option<Quantity>) -> Result<(), BadField> {
    match threshold {
        Some(_) if !is_set => {
            Err(BadField::new("threshold", "must not be given when the configuration is removed"))
        }
        Some(threshold) if threshold < Quantity::ZERO => {
            Err(BadField::new("threshold", "must not be negative"))
        }
        Some(threshold) => check_range("threshold", threshold),
        None => Ok(()),
    }
}

pub(super) fn check_notes(reason: &str, reference: &str) -> Result<(), BadField> {
    check_text("reason", reason)?;
    if reference.len() > REFERENCE_BYTES_MAX {
        return Err(BadField::new("reference", "must be at most 32 bytes"));
    }
    Ok(())
}

/// Checks the spelling of a SKU: 1..=64 characters, no blank at either end.
///
/// # Errors
/// [`BadField`] with the rule.
pub fn check_sku(sku: &str) -> Result<(), BadField> {
    if sku.trim().is_empty() {
        Err(BadField::new("sku", "must not be empty"))
    } else if sku.trim() != sku {
        Err(BadField::new("sku", "must not begin or end with a blank"))
    } else if sku.chars().count() > SKU_CHARACTERS_MAX {
        Err(BadField::new("sku", "must be at most 64 characters"))
    } else {
        Ok(())
    }
}

/// Checks a name that something is to get, as its definition does.
///
/// # Errors
/// [`BadField`] with the rule.
pub fn check_new_name(name: &Name) -> Result<(), BadField> {
    match name {
        Name::Sku(sku) => check_sku(sku),
        Name::Stock(name) => check_name("name", name),
        Name::Source(code) => check_code(code),
        Name::Channel(channel_type, code) => {
            check_name("channel_type", channel_type)?;
            check_name("code", code)
        }
    }
}

fn check_code(code: &str) -> Result<(), BadField> {
    check_name("code", code)?;
    if code.contains(char::is_whitespace) {
        return Err(BadField::new("code", "must not hold white space"));
    }
    Ok(())
}

fn check_source(source: &SourceDefinition) -> Result<(), BadField> {
    check_name("name", &source.name)?;
    if source.name.contains("${") {
        return Err(BadField::new("name", "must not hold template text such as ${...}"));
    }
    check_code(&source.code)?;
    check_name("postcode", &source.postcode)?;
    check_name("country", &source.country)?;
    if source.country.len() != 2 || !source.country.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Err(BadField::new("country", "must be a two-letter ISO 3166-1 code"));
    }
    if source.latitude_micro.unsigned_abs() > 90_000_000 {
        return Err(BadField::new("latitude", "must lie within ±90 degrees"));
    }
    if source.longitude_micro.unsigned_abs() > 180_000_000 {
        return Err(BadField::new("longitude", "must lie within ±180 degrees"));
    }
    let texts = [
        ("pickup_name", &source.pickup_name),
        ("pickup_description", &source.pickup_description),
        ("description", &source.description),
        ("region", &source.region),
        ("city", &source.city),
        ("street", &source.street),
        ("contact.name", &source.contact[0]),
        ("contact.email", &source.contact[1]),
        ("contact.phone", &source.contact[2]),
        ("contact.fax", &source.contact[3]),
    ];
    texts.into_iter().try_for_each(|(field, text)| check_text(field, text))
}

fn check_transfer(transfer: &Transfer) -> Result<(), BadField> {
    check_text("reason", &transfer.reason)?;
    if transfer.from == transfer.to {
        return Err(BadField::new("to", "must not be the source from which the goods come"));
    }
    check_count("lines", transfer.lines.len(), 1)?;
    transfer.lines.iter().try_for_each(|line| check_quantity(line.quantity.raw()))
}

fn check_settings(change: &SettingsChange) -> Result<(), BadField> {
    let not_negative = [
        ("min_sale_qty", change.min_sale_qty),
        ("max_sale_qty", change.max_sale_qty),
        ("notify_stock_qty", change.notify_stock_qty),
    ];
    for (field, value) in not_negative {
        if matches!(value, Change::Set(quantity) if quantity < Quantity::ZERO) {
            return Err(BadField::new(field, "must not be negative"));
        }
    }
    for (field, value) in [("opens_at", change.opens_at), ("closes_at", change.closes_at)] {
        if matches!(value, Change::Set(time) if time > Timestamp::MAX) {
            return Err(BadField::new(field, "must not be after 2106-02-07T06:28:15Z"));
        }
    }
    if let (Change::Set(opens_at), Change::Set(closes_at)) = (change.opens_at, change.closes_at)
        && closes_at != Timestamp::default()
        && closes_at <= opens_at
    {
        return Err(BadField::new("closes_at", "must be after opens_at"));
    }
    if matches!(change.qty_increments, Change::Set(quantity) if quantity <= Quantity::ZERO) {
        return Err(BadField::new("qty_increments", "must be greater than 0"));
    }
    let ranged = [("min_qty", change.min_qty), ("qty_increments", change.qty_increments)];
    for (field, value) in ranged.into_iter().chain(not_negative) {
        if let Change::Set(quantity) = value {
            check_range(field, quantity)?;
        }
    }
    Ok(())
}
