//! Settings in documents: one that is absent is kept, one that is null is inherited.

use serde::{Deserialize, Serialize};
use stockhold_protocol::command::{BackorderMode, Change};

/// A setting: kept if it is absent, inherited if it is null.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setting<T>(pub Change<T>);

impl<T> Default for Setting<T> {
    fn default() -> Self {
        Self(Change::Keep)
    }
}

impl<T: Serialize> Serialize for Setting<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Change::Keep | Change::Unset => serializer.serialize_none(),
            Change::Set(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Setting<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::deserialize(deserializer)?.map_or(Change::Unset, Change::Set)))
    }
}

/// Whether a SKU may be sold beyond the goods on hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backorders {
    /// No.
    Off,
    /// Yes, silently.
    Allow,
    /// Yes, and the shop informs the shopper.
    AllowAndNotify,
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

impl From<Backorders> for BackorderMode {
    fn from(mode: Backorders) -> Self {
        match mode {
            Backorders::Off => Self::Off,
            Backorders::Allow => Self::Allow,
            Backorders::AllowAndNotify => Self::AllowAndNotify,
        }
    }
}

impl<T> Setting<T> {
    /// The setting with another type of value.
    pub(super) fn map<U>(self, value: impl FnOnce(T) -> U) -> Setting<U> {
        use stockhold_protocol::command::Change::{Keep, Set, Unset};
        Setting(match self.0 {
            Keep => Keep,
            Unset => Unset,
            Set(old) => Set(value(old)),
        })
    }
}
