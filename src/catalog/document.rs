//! The contents of a catalog file as types, and their conversion to the fields of commands.
//!
//! A field that is left out keeps its value on the server. Tables may be written in the singular (`[[source]]`, natural
//! in TOML) or in the plural (`"sources": […]`, natural in JSON).

use super::amount::{Amount, Degrees};
use crate::calendar::Door;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use stockhold_protocol::command::{
    BackorderMode, Change, SettingScope, SettingsChange, SkuDefinition, SkuKind, SourceDefinition,
};
use stockhold_protocol::query::SettingsView;

/// A whole catalog file.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Settings for everything.
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
    /// The sources.
    #[serde(default, rename = "source", alias = "sources", skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// The stocks, with their links and channels.
    #[serde(default, rename = "stock", alias = "stocks", skip_serializing_if = "Vec::is_empty")]
    pub stocks: Vec<Stock>,
    /// SKUs that differ from the defaults. Other SKUs are created by importing source items.
    #[serde(default, rename = "sku", alias = "skus", skip_serializing_if = "Vec::is_empty")]
    pub skus: Vec<Sku>,
}

/// A source: a place that holds goods. A new one needs a name, a country and a postcode.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its permanent code, without white space.
    pub code: String,
    /// Its display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is enabled. A new one is, unless it says no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// A description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The latitude in degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<Degrees>,
    /// The longitude in degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<Degrees>,
    /// The country as two letters, ISO 3166-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The region or state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The city.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// The street.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street: Option<String>,
    /// The postcode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postcode: Option<String>,
    /// The contact at the source.
    #[serde(default, skip_serializing_if = "Contact::is_empty")]
    pub contact: Contact,
    /// Whether shoppers can pick up goods there. At a new one they cannot, unless it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pickup: Option<bool>,
    /// The name that shoppers see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pickup_name: Option<String>,
    /// What shoppers are told about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pickup_description: Option<String>,
}

/// The contact at a source.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contact {
    /// A name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// A fax number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fax: Option<String>,
}

/// A stock: a virtual pool of sources.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stock {
    /// Its permanent name.
    pub name: String,
    /// The codes of its sources. Their order gives the priorities, from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Sources with explicit priorities, in addition to `sources` or instead of it.
    #[serde(default, rename = "link", alias = "links", skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// The channels that sell from it, each as `type/code`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
}

/// A link: a source that supplies a stock.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The code of the source.
    pub source: String,
    /// The priority, from 1 to 65535. Lower is earlier.
    pub priority: u16,
}

/// A SKU with its differences from the defaults.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sku {
    /// The SKU, at most 64 characters and case-sensitive.
    pub sku: String,
    /// The kind of the SKU. Default: simple.
    #[serde(default, skip_serializing_if = "Kind::is_simple")]
    pub kind: Kind,
    /// Whether fractions of a unit may be sold. Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub decimals: bool,
    /// Settings of the SKU in all stocks.
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
    /// Values for single stocks, by the name of the stock.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stocks: BTreeMap<String, Position>,
}

/// The values of a SKU in one stock.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Position {
    /// The quota, a budget of promises.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<Amount>,
    /// Settings of the SKU in this stock.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

/// The kind of a SKU.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Physical goods.
    #[default]
    Simple,
    /// Nothing needs to be shipped.
    Virtual,
    /// Composed of other SKUs.
    Composite,
    /// Known from rows of reservations alone.
    Uncatalogued,
}

/// Whether a SKU may be sold beyond what is on hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backorders {
    /// Backorders are off.
    Off,
    /// Backorders are allowed.
    Allow,
    /// Backorders are allowed, and the shopper is notified.
    AllowAndNotify,
}

/// Settings of one level. A setting that is left out keeps its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether stock is managed, that is, whether units are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manage_stock: Option<bool>,
    /// Whether more may be sold than is on hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backorders: Option<Backorders>,
    /// The out-of-stock threshold. If it is negative and backorders are on, it is the allowance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_qty: Option<Amount>,
    /// The minimum number of units in an order line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_sale_qty: Option<Amount>,
    /// The maximum number of units in an order line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sale_qty: Option<Amount>,
    /// Whether increments are checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_qty_increments: Option<bool>,
    /// Units are sold only in multiples of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qty_increments: Option<Amount>,
    /// The quantity at which a low stock is reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_stock_qty: Option<Amount>,
    /// Whether nothing new may be promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<bool>,
    /// When the sale opens, as text: a time of RFC 3339, or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Door>,
    /// When the sale closes, as text: a time of RFC 3339, or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<Door>,
    /// The number of days until goods are shipped.
    #[cfg(feature = "next-release")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead_days: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls these with a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Kind {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls this with a reference")]
    fn is_simple(&self) -> bool {
        *self == Self::Simple
    }

    /// The corresponding protocol value.
    #[must_use]
    pub const fn wire(self) -> SkuKind {
        match self {
            Self::Simple => SkuKind::Simple,
            Self::Virtual => SkuKind::Virtual,
            Self::Composite => SkuKind::Composite,
            Self::Uncatalogued => SkuKind::Uncatalogued,
        }
    }
}

impl From<SkuKind> for Kind {
    fn from(kind: SkuKind) -> Self {
        match kind {
            SkuKind::Simple => Self::Simple,
            SkuKind::Virtual => Self::Virtual,
            SkuKind::Composite => Self::Composite,
            SkuKind::Uncatalogued => Self::Uncatalogued,
        }
    }
}

impl Backorders {
    const fn of(mode: BackorderMode) -> Self {
        match mode {
            BackorderMode::Off => Self::Off,
            BackorderMode::Allow => Self::Allow,
            BackorderMode::AllowAndNotify => Self::AllowAndNotify,
        }
    }

    /// The corresponding protocol value.
    #[must_use]
    pub const fn wire(self) -> BackorderMode {
        match self {
            Self::Off => BackorderMode::Off,
            Self::Allow => BackorderMode::Allow,
            Self::AllowAndNotify => BackorderMode::AllowAndNotify,
        }
    }
}

impl From<BackorderMode> for Backorders {
    fn from(mode: BackorderMode) -> Self {
        Self::of(mode)
    }
}

impl Contact {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Source {
    /// The fields that a new source needs and that the file omits.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let needed = [("name", &self.name), ("country", &self.country), ("postcode", &self.postcode)];
        needed.into_iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect()
    }

    /// The fields of the command. What the file omits is as in `present`, or has its default. The code is the present one,
    /// because an old code means the same source.
    #[must_use]
    pub fn definition_over(&self, present: Option<&SourceDefinition>) -> SourceDefinition {
        fn set<T: Clone>(field: &mut T, value: Option<&T>) {
            if let Some(value) = value {
                field.clone_from(value);
            }
        }
        let mut next = present.cloned().unwrap_or_else(|| SourceDefinition {
            code: self.code.clone(),
            enabled: true,
            ..SourceDefinition::default()
        });
        set(&mut next.name, self.name.as_ref());
        set(&mut next.enabled, self.enabled.as_ref());
        set(&mut next.description, self.description.as_ref());
        set(&mut next.latitude_micro, self.latitude.map(|degrees| degrees.0).as_ref());
        set(&mut next.longitude_micro, self.longitude.map(|degrees| degrees.0).as_ref());
        set(&mut next.country, self.country.as_ref());
        set(&mut next.region, self.region.as_ref());
        set(&mut next.city, self.city.as_ref());
        set(&mut next.street, self.street.as_ref());
        set(&mut next.postcode, self.postcode.as_ref());
        set(&mut next.pickup, self.pickup.as_ref());
        set(&mut next.pickup_name, self.pickup_name.as_ref());
        set(&mut next.pickup_description, self.pickup_description.as_ref());
        let Contact { name, email, phone, fax } = &self.contact;
        for (field, value) in next.contact.iter_mut().zip([name, email, phone, fax]) {
            set(field, value.as_ref());
        }
        next
    }
}

impl From<SourceDefinition> for Source {
    /// All fields that are not empty.
    fn from(source: SourceDefinition) -> Self {
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        let located = source.latitude_micro != 0 || source.longitude_micro != 0;
        let [name, email, phone, fax] = source.contact.map(filled);
        Self {
            code: source.code,
            name: Some(source.name),
            enabled: Some(source.enabled),
            description: filled(source.description),
            latitude: located.then_some(Degrees(source.latitude_micro)),
            longitude: located.then_some(Degrees(source.longitude_micro)),
            country: Some(source.country),
            region: filled(source.region),
            city: filled(source.city),
            street: filled(source.street),
            postcode: Some(source.postcode),
            contact: Contact { name, email, phone, fax },
            pickup: Some(source.pickup),
            pickup_name: filled(source.pickup_name),
            pickup_description: filled(source.pickup_description),
        }
    }
}

impl Stock {
    /// All links: `sources` in order, then `link` as written.
    pub fn all_links(&self) -> impl Iterator<Item = Link> + '_ {
        let listed = self.sources.iter().zip(1_u16..);
        listed
            .map(|(source, priority)| Link { source: source.clone(), priority })
            .chain(self.links.iter().cloned())
    }
}

impl Sku {
    /// The fields of the command.
    #[must_use]
    pub fn definition(&self) -> SkuDefinition {
        SkuDefinition { sku: self.sku.clone(), kind: self.kind.wire(), decimals: self.decimals }
    }
}

impl Settings {
    /// Whether no setting is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All settings as they are in force somewhere.
    #[must_use]
    pub const fn in_force(view: &SettingsView) -> Self {
        Self {
            manage_stock: Some(view.manage_stock),
            backorders: Some(Backorders::of(view.backorders)),
            min_qty: Some(Amount(view.min_qty)),
            min_sale_qty: Some(Amount(view.min_sale_qty)),
            max_sale_qty: Some(Amount(view.max_sale_qty)),
            enable_qty_increments: Some(view.qty_increments.raw() > 0),
            qty_increments: Some(Amount(view.qty_increments)),
            notify_stock_qty: Some(Amount(view.notify_stock_qty)),
            frozen: Some(view.frozen),
            opens_at: Some(Door(view.opens_at)),
            closes_at: Some(Door(view.closes_at)),
            #[cfg(feature = "next-release")]
            lead_days: view.lead_days,
        }
    }

    /// The change of settings at `scope`.
    #[must_use]
    pub fn change(&self, scope: SettingScope) -> SettingsChange {
        const fn set<T: Copy>(value: Option<T>) -> Change<T> {
            match value {
                None => Change::Keep,
                Some(value) => Change::Set(value),
            }
        }
        SettingsChange {
            scope,
            manage_stock: set(self.manage_stock),
            backorders: set(self.backorders.map(Backorders::wire)),
            min_qty: set(self.min_qty.map(|amount| amount.0)),
            min_sale_qty: set(self.min_sale_qty.map(|amount| amount.0)),
            max_sale_qty: set(self.max_sale_qty.map(|amount| amount.0)),
            enable_qty_increments: set(self.enable_qty_increments),
            qty_increments: set(self.qty_increments.map(|amount| amount.0)),
            notify_stock_qty: set(self.notify_stock_qty.map(|amount| amount.0)),
            frozen: set(self.frozen),
            opens_at: set(self.opens_at.map(|door| door.0)),
            closes_at: set(self.closes_at.map(|door| door.0)),
            #[cfg(feature = "next-release")]
            lead_days: set(self.lead_days),
        }
    }
}

/// The type and code of a channel written as `type/code`. Both must be non-empty.
#[must_use]
pub fn channel_parts(text: &str) -> Option<(&str, &str)> {
    text.split_once('/').filter(|(kind, code)| !kind.trim().is_empty() && !code.trim().is_empty())
}
