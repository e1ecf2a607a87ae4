//! Names for people, and the bodies of commands on one line.
//!
//! The machine knows the names. A number that it does not know is shown as `#7`.

use serde_json::Value;
use stockhold_machine::Machine;
use stockhold_protocol::batch::{Actor, ActorKind};
use stockhold_protocol::{SkuId, SourceId, StockId};

/// The name of a SKU.
#[must_use]
pub fn sku(machine: &Machine, number: SkuId) -> String {
    machine.sku_name(number).unwrap_or_else(|| format!("#{}", number.0))
}

/// The code of a source.
#[must_use]
pub fn source(machine: &Machine, number: SourceId) -> String {
    machine.source_code(number).map_or_else(|| format!("#{}", number.0), str::to_owned)
}

/// The name of a stock.
#[must_use]
pub fn stock(machine: &Machine, number: StockId) -> String {
    machine.stock_name(number).map_or_else(|| format!("#{}", number.0), str::to_owned)
}

/// An actor: its name, or what it is if it has none.
#[must_use]
pub fn actor(actor: Option<Actor<'_>>) -> String {
    match actor {
        Some(Actor { kind: ActorKind::Server, .. }) => "(server)".to_owned(),
        Some(Actor { name: "", .. }) => "(unnamed)".to_owned(),
        Some(Actor { name, .. }) => name.to_owned(),
        None => "(others)".to_owned(),
    }
}

/// A body on one line: `source west, sku BIKE, quantity 0`. Empty values are left out.
#[must_use]
pub fn line(body: &Value) -> String {
    let Value::Object(fields) = body else { return plain(body) };
    let shown = fields.iter().filter(|(_, value)| !is_empty(value));
    shown.map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(", ")
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Number(number) => number.as_u64() == Some(0),
        Value::Bool(true) | Value::Object(_) => false,
    }
}

fn plain(value: &Value) -> String {
    match value {
        // Clients choose the text, so what could steer a terminal is escaped.
        Value::String(text) if text.contains(|one: char| one.is_control() || one == '"') => {
            format!("{text:?}")
        }
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            let items = list.iter().map(|item| match item {
                Value::Object(fields) => match (fields.get("sku"), fields.get("quantity")) {
                    (Some(sku), Some(quantity)) => {
                        let is_returned = fields.get("is_returned") == Some(&Value::Bool(true));
                        let returned = if is_returned { " returned" } else { "" };
                        let kind = fields
                            .get("kind")
                            .map_or(returned.to_owned(), |kind| format!(" {}", plain(kind)));
                        let place = ["source", "stock"].into_iter().find_map(|name| fields.get(name));
                        let place = place.filter(|place| !place.is_null());
                        let place = place.map_or(String::new(), |place| format!("@{}", plain(place)));
                        format!("{}={}{place}{kind}", plain(sku), plain(quantity))
                    }
                    _ => line(item),
                },
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                    plain(item)
                }
            });
            items.collect::<Vec<_>>().join(" ")
        }
        Value::Object(_) => line(value),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
