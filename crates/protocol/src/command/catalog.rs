//! The commands of merchants and operators: sources, stocks, SKUs, links, channels, settings, quantities
//! and the machine's own configuration. Their bodies are bincode (see [`crate::codec`]).
//!
//! Checks here are those of one field alone (msi.md calls them validators); whether a name is taken or a
//! link allowed depends on state and is the machine's to say.

use super::Command;
use crate::error::BadField;
use crate::id::{SkuId, SourceId, StockId};
use crate::limits::{NAME_BYTES_MAX, REFERENCE_BYTES_MAX, SKU_BYTES_MAX, TEXT_BYTES_MAX};
use crate::line::{Line, check_count, check_quantity};
use crate::quantity::Quantity;
use crate::tagged;
use wincode::{SchemaRead, SchemaWrite};

/// Make a source, or change all fields of the one with this code.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct SourceDefinition {
    /// Its lasting name: not empty, no white space.
    pub code: String,
    /// What people call it; not empty, unique.
    pub name: String,
    /// A disabled source contributes nothing, but its items stay assigned.
    pub enabled: bool,
    /// Free text.
    pub description: String,
    /// Latitude in millionths of a degree, within ±90,000,000; 0 together with longitude 0 means unknown.
    pub latitude_micro: i32,
    /// Longitude in millionths of a degree, within ±180,000,000.
    pub longitude_micro: i32,
    /// ISO 3166-1 alpha-2 country code; not empty.
    pub country: String,
    /// Region or state.
    pub region: String,
    /// City.
    pub city: String,
    /// Street.
    pub street: String,
    /// Postcode; not empty.
    pub postcode: String,
    /// Name, e-mail, phone and fax of the contact, each may be empty.
    pub contact: [String; 4],
    /// Whether shoppers may pick up here.
    pub pickup: bool,
}

tagged!(SourceDefinition {
    1 code value,
    2 name value,
    3 enabled value,
    4 description value,
    5 latitude_micro value,
    6 longitude_micro value,
    7 country value,
    8 region value,
    9 city value,
    10 street value,
    11 postcode value,
    12 contact value,
    13 pickup value,
});

/// Make a stock, or leave the one with this name as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct StockDefinition {
    /// Its lasting name; not empty, unique.
    pub name: String,
}

/// What kind of goods a SKU stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub enum SkuKind {
    /// Goods on shelves.
    #[default]
    Simple,
    /// Nothing to ship (a service plan), yet counted.
    Virtual,
    /// Made of other SKUs; has no source items and cannot be reserved itself.
    Composite,
}

/// Make a SKU, or change the one with this name.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct SkuDefinition {
    /// At most 64 bytes; no blank at either end; case matters.
    pub sku: String,
    /// What it stands for.
    pub kind: SkuKind,
    /// Whether parts of a unit may be sold.
    pub decimals: bool,
}

/// Let a source feed a stock, or change the priority of the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct LinkDefinition {
    /// The stock that is fed.
    pub stock: StockId,
    /// The source that feeds it.
    pub source: SourceId,
    /// 1..=65535; smaller is earlier; equal priorities go by link order.
    pub priority: u16,
}

/// Stop a source feeding a stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct LinkRemoval {
    /// The stock.
    pub stock: StockId,
    /// The source.
    pub source: SourceId,
}

/// Let a sales channel sell from a stock; a channel that exists moves.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct ChannelAssignment {
    /// Such as `website`; not empty.
    pub channel_type: String,
    /// Such as `eu_website`; not empty.
    pub code: String,
    /// The stock that it sells from.
    pub stock: StockId,
}

/// State what lies at a source: an absolute fact, accepted whatever it means for promises.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Count {
    /// Where.
    pub source: SourceId,
    /// What.
    pub sku: SkuId,
    /// How much there is; MSI allows a negative quantity.
    pub quantity: Quantity,
    /// The in-stock flag; `None` keeps it (a new source item is in stock).
    pub in_stock: Option<bool>,
    /// Why, for people.
    pub reason: String,
    /// A document number, at most 32 bytes.
    pub reference: String,
}

/// Change what lies at a source by a difference: a fact as well.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Adjust {
    /// Where.
    pub source: SourceId,
    /// What.
    pub sku: SkuId,
    /// How much came (positive) or went (negative); not zero.
    pub delta: Quantity,
    /// Why, for people.
    pub reason: String,
    /// A document number, at most 32 bytes.
    pub reference: String,
}

/// Move goods between sources: a decision, all lines or none.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Transfer {
    /// Where the goods are.
    pub from: SourceId,
    /// Where they go; another source.
    pub to: SourceId,
    /// 1..=256 lines.
    pub lines: Vec<Line>,
    /// Why, for people.
    pub reason: String,
}

/// How a setting changes at one level. "Unset" inherits from the level above and differs from zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub enum Change<T> {
    /// Leave it as it is.
    #[default]
    Keep,
    /// Inherit from the level above.
    Unset,
    /// Set it here.
    Set(T),
}

/// Whether a SKU may be sold beyond what there is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, SchemaRead, SchemaWrite)]
pub enum BackorderMode {
    /// No.
    #[default]
    Off,
    /// Yes, silently.
    Allow,
    /// Yes, and the shopper is told.
    AllowAndNotify,
}

/// Where a setting is set: global → SKU → (SKU, stock), each inheriting what it leaves unset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum SettingScope {
    /// For everything.
    Global,
    /// For one SKU in all stocks.
    Sku(SkuId),
    /// For one SKU in one stock.
    SkuStock(SkuId, StockId),
}

/// Change settings at one level. Names and meanings are MSI's (msi.md 2.5).
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct SettingsChange {
    /// Where.
    pub scope: SettingScope,
    /// Whether units are counted at all (default yes).
    pub manage_stock: Change<bool>,
    /// Default off.
    pub backorders: Change<BackorderMode>,
    /// The out-of-stock threshold; negative with backorders on: the allowance (default 0).
    pub min_qty: Change<Quantity>,
    /// Fewest units of an order line; 0 = no check (default 1).
    pub min_sale_qty: Change<Quantity>,
    /// Most units of an order line; 0 = no check (default 10,000).
    pub max_sale_qty: Change<Quantity>,
    /// Whether increments are checked (default no).
    pub enable_qty_increments: Change<bool>,
    /// Sold only in multiples of this (default 1).
    pub qty_increments: Change<Quantity>,
    /// Low-stock notice (default 1); reporting only.
    pub notify_stock_qty: Change<Quantity>,
}

impl SettingsChange {
    /// A change of nothing at `scope`, to be filled in.
    #[must_use]
    pub const fn at(scope: SettingScope) -> Self {
        Self {
            scope,
            manage_stock: Change::Keep,
            backorders: Change::Keep,
            min_qty: Change::Keep,
            min_sale_qty: Change::Keep,
            max_sale_qty: Change::Keep,
            enable_qty_increments: Change::Keep,
            qty_increments: Change::Keep,
            notify_stock_qty: Change::Keep,
        }
    }
}

/// Set or lift the budget of promises of a SKU in a stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct QuotaChange {
    /// Which SKU.
    pub sku: SkuId,
    /// In which stock.
    pub stock: StockId,
    /// The budget; `None` lifts it. What is already taken stays taken.
    pub limit: Option<Quantity>,
}

/// Whether promises of stocks that share sources limit each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub enum Sharing {
    /// They do: nothing is promised twice.
    #[default]
    Exact,
    /// MSI's per-stock figure: no promise across stocks.
    Independent,
}

/// Change the machine's limits and modes; `None` keeps a field. Ranges stand in `machine::config`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct Configure {
    /// Exact or independent.
    pub sharing: Option<Sharing>,
    /// Shortest TTL of a hold, in milliseconds.
    pub ttl_min_ms: Option<u64>,
    /// Longest TTL of a hold, in milliseconds.
    pub ttl_max_ms: Option<u64>,
    /// Longest time from a hold's first reserve to its deadline, in milliseconds.
    pub ttl_total_max_ms: Option<u64>,
    /// Most lines of a cart.
    pub lines_max: Option<u32>,
    /// How long an expired hold can still be confirmed and a closed reservation refunded, in milliseconds.
    pub late_confirm_window_ms: Option<u64>,
    /// How long outcomes are kept when memory allows, in milliseconds.
    pub id_retention_ms: Option<u64>,
    /// How long outcomes are kept at least, in milliseconds: younger ids are never dropped.
    pub id_retention_min_ms: Option<u64>,
    /// Memory for outcomes, in bytes.
    pub outcome_bytes_max: Option<u64>,
    /// Most open reservations.
    pub reservations_max: Option<u64>,
    /// A longer time between two ops, in milliseconds, does not count against holds and ids.
    pub gap_max_ms: Option<u64>,
    /// How far a start may follow the wall clock, in milliseconds.
    pub clock_jump_max_ms: Option<u64>,
}

/// Name this moment, so that a restore can go back to it.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Mark {
    /// 1..=255 bytes.
    pub name: String,
}

impl Command<'_> {
    /// The checks of catalog fields that need no state; hot commands are checked while they are read.
    pub(super) fn check_catalog(&self) -> Result<(), BadField> {
        match self {
            Command::DefineSource(source) => check_source(source),
            Command::DefineStock(stock) => check_name("name", &stock.name),
            Command::DefineSku(sku) => check_sku(&sku.sku),
            Command::Link(link) if link.priority == 0 => {
                Err(BadField::new("priority", "should be greater than 0"))
            }
            Command::Channel(channel) => {
                check_name("channel_type", &channel.channel_type)?;
                check_name("code", &channel.code)
            }
            Command::Count(count) => {
                check_range("quantity", count.quantity)?;
                check_notes(&count.reason, &count.reference)
            }
            Command::Adjust(adjust) if adjust.delta == Quantity::ZERO => {
                Err(BadField::new("delta", "must not be zero"))
            }
            Command::Adjust(adjust) => {
                check_range("delta", adjust.delta)?;
                check_notes(&adjust.reason, &adjust.reference)
            }
            Command::Transfer(transfer) => check_transfer(transfer),
            Command::Quota(quota) if quota.limit.is_some_and(|limit| limit < Quantity::ZERO) => {
                Err(BadField::new("limit", "must not be negative"))
            }
            Command::Quota(quota) => quota.limit.map_or(Ok(()), |limit| check_range("limit", limit)),
            Command::Mark(mark) => check_name("name", &mark.name),
            Command::Settings(change) => check_settings(change),
            Command::Link(_)
            | Command::Unlink(_)
            | Command::Configure(_)
            | Command::ActivateRules(_)
            | Command::WallOffset(_)
            | Command::AcceptClock(_)
            | Command::Tick
            | Command::Reserve(_)
            | Command::Confirm(_)
            | Command::Release(_)
            | Command::Extend(_)
            | Command::Replace(_)
            | Command::Ship(_)
            | Command::Sell(_)
            | Command::Refund(_) => Ok(()),
        }
    }
}

fn check_name(field: &'static str, name: &str) -> Result<(), BadField> {
    if name.trim().is_empty() {
        Err(BadField::new(field, "can not be empty"))
    } else if name.len() > NAME_BYTES_MAX {
        Err(BadField::new(field, "must be at most 255 bytes"))
    } else {
        Ok(())
    }
}

fn check_text(field: &'static str, text: &str) -> Result<(), BadField> {
    if text.len() > TEXT_BYTES_MAX {
        Err(BadField::new(field, "must be at most 1,024 bytes"))
    } else {
        Ok(())
    }
}

/// Checks a quantity that bincode has read: the format knows 64 bits, the machine fewer.
fn check_range(field: &'static str, quantity: Quantity) -> Result<(), BadField> {
    match Quantity::from_raw(quantity.raw()) {
        Ok(_) => Ok(()),
        Err(_) => Err(BadField::new(field, "must lie within ±100,000,000,000 units")),
    }
}

fn check_notes(reason: &str, reference: &str) -> Result<(), BadField> {
    check_text("reason", reason)?;
    if reference.len() > REFERENCE_BYTES_MAX {
        return Err(BadField::new("reference", "must be at most 32 bytes"));
    }
    Ok(())
}

/// Checks a SKU's spelling: 1..=64 bytes, no blank at either end.
///
/// # Errors
/// [`BadField`] with the rule.
pub fn check_sku(sku: &str) -> Result<(), BadField> {
    if sku.trim().is_empty() {
        Err(BadField::new("sku", "can not be empty"))
    } else if sku.trim() != sku {
        Err(BadField::new("sku", "can not begin or end with a blank"))
    } else if sku.len() > SKU_BYTES_MAX {
        Err(BadField::new("sku", "must be at most 64 bytes"))
    } else {
        Ok(())
    }
}

fn check_source(source: &SourceDefinition) -> Result<(), BadField> {
    check_name("name", &source.name)?;
    if source.name.contains("${") {
        return Err(BadField::new("name", "can not hold template text such as ${...}"));
    }
    check_name("code", &source.code)?;
    if source.code.contains(char::is_whitespace) {
        return Err(BadField::new("code", "can not contain white space"));
    }
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
        return Err(BadField::new("to", "must be another source: cannot transfer a source on itself"));
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
