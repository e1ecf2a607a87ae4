//! What a catalog file may say, as types, and the commands' fields that it stands for.
//!
//! A field that is left out keeps what the server has. Tables may be written in the singular (`[[source]]`,
//! as TOML reads best) or in the plural (`"sources": […]`, as JSON reads best).

use super::amount::{Amount, Degrees};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use stockhold_protocol::command::{
    BackorderMode, Change, SettingScope, SettingsChange, SkuDefinition, SkuKind, SourceDefinition,
};

/// A whole catalog file.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Settings for everything.
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
    /// Places that hold goods.
    #[serde(default, rename = "source", alias = "sources", skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Virtual pools, with their links and channels.
    #[serde(default, rename = "stock", alias = "stocks", skip_serializing_if = "Vec::is_empty")]
    pub stocks: Vec<Stock>,
    /// SKUs that differ from the defaults; others come with the source items.
    #[serde(default, rename = "sku", alias = "skus", skip_serializing_if = "Vec::is_empty")]
    pub skus: Vec<Sku>,
}

/// A place that holds goods.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its lasting name, without white space.
    pub code: String,
    /// What people call it.
    pub name: String,
    /// Default: true.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// In degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<Degrees>,
    /// In degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<Degrees>,
    /// Two letters, ISO 3166-1.
    pub country: String,
    /// Region or state.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub region: String,
    /// City.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub city: String,
    /// Street.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub street: String,
    /// Postcode.
    pub postcode: String,
    /// Whom to call.
    #[serde(default, skip_serializing_if = "Contact::is_empty")]
    pub contact: Contact,
    /// Whether shoppers may pick up here. Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pickup: bool,
}

/// Whom to call at a source.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contact {
    /// A name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// An e-mail address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// A telephone number.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phone: String,
    /// A fax number.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fax: String,
}

/// A virtual pool of sources.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stock {
    /// Its lasting name.
    pub name: String,
    /// The codes of its sources; their places in the list are their priorities, from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Sources with priorities of one's own choice, beside or instead of `sources`.
    #[serde(default, rename = "link", alias = "links", skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// The channels that sell from it, each as `type/code`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
}

/// A source that feeds a stock.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The source's code.
    pub source: String,
    /// 1..=65535, smaller is earlier.
    pub priority: u16,
}

/// A SKU and what is special about it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sku {
    /// At most 64 bytes; case matters.
    pub sku: String,
    /// Default: simple.
    #[serde(default, skip_serializing_if = "Kind::is_simple")]
    pub kind: Kind,
    /// Whether parts of a unit may be sold. Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub decimals: bool,
    /// Settings of the SKU in all stocks.
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
    /// What holds in one stock only, by the stock's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stocks: BTreeMap<String, Position>,
}

/// A SKU in one stock.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Position {
    /// The budget of promises.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<Amount>,
    /// Settings of the SKU in this stock.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

/// What a SKU stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Goods on shelves.
    #[default]
    Simple,
    /// Nothing to ship.
    Virtual,
    /// Made of other SKUs.
    Composite,
}

/// Whether a SKU may be sold beyond what there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backorders {
    /// No.
    Off,
    /// Yes, silently.
    Allow,
    /// Yes, and the shopper is told.
    AllowAndNotify,
}

/// Settings at one level; what is left out stays as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether units are counted at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manage_stock: Option<bool>,
    /// Whether more may be sold than there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backorders: Option<Backorders>,
    /// The out-of-stock threshold; negative with backorders on: the allowance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_qty: Option<Amount>,
    /// Fewest units of an order line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_sale_qty: Option<Amount>,
    /// Most units of an order line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sale_qty: Option<Amount>,
    /// Whether increments are checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_qty_increments: Option<bool>,
    /// Sold only in multiples of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qty_increments: Option<Amount>,
    /// Low-stock notice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_stock_qty: Option<Amount>,
    /// Days until goods are shipped.
    #[cfg(feature = "next-release")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead_days: Option<u32>,
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls these with a reference")]
const fn is_true(value: &bool) -> bool {
    *value
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

    /// The protocol's word.
    #[must_use]
    pub const fn wire(self) -> SkuKind {
        match self {
            Self::Simple => SkuKind::Simple,
            Self::Virtual => SkuKind::Virtual,
            Self::Composite => SkuKind::Composite,
        }
    }
}

impl From<SkuKind> for Kind {
    fn from(kind: SkuKind) -> Self {
        match kind {
            SkuKind::Simple => Self::Simple,
            SkuKind::Virtual => Self::Virtual,
            SkuKind::Composite => Self::Composite,
        }
    }
}

impl Backorders {
    /// The protocol's word.
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
        match mode {
            BackorderMode::Off => Self::Off,
            BackorderMode::Allow => Self::Allow,
            BackorderMode::AllowAndNotify => Self::AllowAndNotify,
        }
    }
}

impl Contact {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Source {
    /// The command's fields.
    #[must_use]
    pub fn definition(&self) -> SourceDefinition {
        let Contact { name, email, phone, fax } = self.contact.clone();
        SourceDefinition {
            code: self.code.clone(),
            name: self.name.clone(),
            enabled: self.enabled,
            description: self.description.clone(),
            latitude_micro: self.latitude.unwrap_or_default().0,
            longitude_micro: self.longitude.unwrap_or_default().0,
            country: self.country.clone(),
            region: self.region.clone(),
            city: self.city.clone(),
            street: self.street.clone(),
            postcode: self.postcode.clone(),
            contact: [name, email, phone, fax],
            pickup: self.pickup,
        }
    }
}

impl From<SourceDefinition> for Source {
    fn from(source: SourceDefinition) -> Self {
        let located = source.latitude_micro != 0 || source.longitude_micro != 0;
        let [name, email, phone, fax] = source.contact;
        Self {
            code: source.code,
            name: source.name,
            enabled: source.enabled,
            description: source.description,
            latitude: located.then_some(Degrees(source.latitude_micro)),
            longitude: located.then_some(Degrees(source.longitude_micro)),
            country: source.country,
            region: source.region,
            city: source.city,
            street: source.street,
            postcode: source.postcode,
            contact: Contact { name, email, phone, fax },
            pickup: source.pickup,
        }
    }
}

impl Stock {
    /// All links: `sources` by their places, then `link` as written.
    pub fn all_links(&self) -> impl Iterator<Item = Link> + '_ {
        let listed = self.sources.iter().zip(1_u16..);
        listed
            .map(|(source, priority)| Link { source: source.clone(), priority })
            .chain(self.links.iter().cloned())
    }
}

impl Sku {
    /// The command's fields.
    #[must_use]
    pub fn definition(&self) -> SkuDefinition {
        SkuDefinition { sku: self.sku.clone(), kind: self.kind.wire(), decimals: self.decimals }
    }
}

impl Settings {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The change that these settings are at `scope`.
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
            #[cfg(feature = "next-release")]
            lead_days: set(self.lead_days),
        }
    }
}

/// The type and code of a channel written as `type/code`; both must say something.
#[must_use]
pub fn channel_parts(text: &str) -> Option<(&str, &str)> {
    text.split_once('/').filter(|(kind, code)| !kind.trim().is_empty() && !code.trim().is_empty())
}
