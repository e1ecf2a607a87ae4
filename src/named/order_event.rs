//! What an event of an order says, with names.

use super::is_default;
use super::text::Text;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use stockhold_protocol::Quantity;
use stockhold_protocol::command::OrderAction;
use stockhold_protocol::event::{EventKind, OrderState};

/// What happens to an order. Documents have its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Action(pub OrderAction);

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let action = OrderAction::ALL.iter().find(|action| action.name() == name);
        action
            .map(|action| Self(*action))
            .ok_or_else(|| de::Error::custom(format!("an event of an order has no action {name:?}")))
    }
}

/// Why a signed row changes what is promised. Documents have its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowEvent(pub EventKind);

impl Serialize for RowEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for RowEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let mut of_rows = EventKind::ALL.iter().filter(|event| event.is_of_rows());
        let event = of_rows.find(|event| event.name() == name);
        event
            .map(|event| Self(*event))
            .ok_or_else(|| de::Error::custom(format!("a row of reservations has no event {name:?}")))
    }
}

/// How a shop sees an order. Documents have its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State(pub OrderState);

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let state = OrderState::ALL.iter().find(|state| state.name() == name);
        state
            .map(|state| Self(*state))
            .ok_or_else(|| de::Error::custom(format!("an order has no state {name:?}")))
    }
}

/// Units that should be open.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedLine {
    /// The stock.
    pub stock: String,
    /// The SKU.
    pub sku: String,
    /// Units.
    pub quantity: Text<Quantity>,
}

/// A signed row of reservations.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The order; empty = none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub order: String,
    /// Why.
    pub event: RowEvent,
    /// The stock.
    pub stock: String,
    /// The SKU.
    pub sku: String,
    /// Units. Negative ones are promised.
    pub quantity: Text<Quantity>,
}

/// Units of a SKU in an event of an order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLine {
    /// The SKU.
    pub sku: String,
    /// The stock; none means every stock of the order.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stock: Option<String>,
    /// Units.
    pub quantity: Text<Quantity>,
    /// Whether refunded units are returned to stock.
    #[serde(default, skip_serializing_if = "is_default")]
    pub is_returned: bool,
}
