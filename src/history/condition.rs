//! Conditions on entries of a history, by the fields of their documents: `kind=reserve`, `sku=BIKE-RED`.

use std::str::FromStr;

use serde_json::Value;

/// What a condition is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// The kind of command.
    Kind,
    /// Who sent it.
    Actor,
    /// A SKU that it names.
    Sku,
    /// A stock that it names or that its channel means.
    Stock,
    /// A source that it names.
    Source,
    /// A reservation that it makes or changes, or the id of any command.
    Reservation,
    /// The reference of a cart or a movement of goods.
    Reference,
}

impl Key {
    const NAMES: [(&str, Self); 7] = [
        ("kind", Self::Kind),
        ("actor", Self::Actor),
        ("sku", Self::Sku),
        ("stock", Self::Stock),
        ("source", Self::Source),
        ("reservation", Self::Reservation),
        ("reference", Self::Reference),
    ];
}

/// An entry has a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Condition {
    /// What the value is of.
    pub key: Key,
    /// The value.
    pub value: String,
}

impl Condition {
    /// A condition.
    pub fn new(key: Key, value: impl Into<String>) -> Self {
        Self { key, value: value.into() }
    }

    /// Whether a document has the value.
    #[must_use]
    pub fn holds(&self, entry: &Value) -> bool {
        let (value, body) = (self.value.as_str(), &entry["body"]);
        let is = |name: &str| entry[name].as_str() == Some(value);
        match self.key {
            Key::Kind => is("kind"),
            Key::Actor => is("actor"),
            Key::Sku => contains(body, &["sku", "skus"], value),
            Key::Stock => {
                is("stock") || contains(body, &["stock"], value) || is_defined(entry, "name", value)
            }
            Key::Source => {
                contains(body, &["source", "sources", "from", "to"], value)
                    || is_defined(entry, "code", value)
            }
            Key::Reservation => is("id") || contains(body, &["reservation", "old"], value),
            Key::Reference => contains(body, &["reference"], value),
        }
    }

    /// Whether a document meets conditions: for each key that they name, one of its values.
    #[must_use]
    pub fn all_hold(conditions: &[Self], entry: &Value) -> bool {
        conditions.iter().all(|one| {
            let mut same_key = conditions.iter().filter(|other| other.key == one.key);
            same_key.any(|other| other.holds(entry))
        })
    }
}

/// Whether the command defines the stock or source.
fn is_defined(entry: &Value, field: &str, value: &str) -> bool {
    let kind = if field == "code" { "define_source" } else { "define_stock" };
    entry["kind"].as_str() == Some(kind) && entry["body"][field].as_str() == Some(value)
}

/// Whether a field with one of the names has the value, at any depth.
fn contains(body: &Value, names: &[&str], value: &str) -> bool {
    match body {
        Value::Object(fields) => fields.iter().any(|(name, field)| {
            let is = |field: &Value| field.as_str() == Some(value);
            let is_named = is(field) || field.as_array().is_some_and(|list| list.iter().any(is));
            (names.contains(&name.as_str()) && is_named) || contains(field, names, value)
        }),
        Value::Array(items) => items.iter().any(|item| contains(item, names, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let keys = || Key::NAMES.map(|(name, _)| name).join(", ");
        let Some((name, value)) = text.split_once('=') else {
            return Err(format!("a condition is KEY=VALUE, such as kind=reserve; keys are {}", keys()));
        };
        match Key::NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, key)) if !value.is_empty() => Ok(Self::new(*key, value)),
            Some(_) => Err(format!("{name} needs a value, such as {name}=X")),
            None => Err(format!("there is no key {name:?}; keys are {}", keys())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_condition_finds_names_at_any_depth() {
        // Proves that each key finds its names where commands have them, and nothing else.
        let reserve = json!({
            "op": 7, "actor": "shop", "id": "x", "kind": "reserve", "stock": "web",
            "body": {"target": {"channel": {"type": "website", "code": "eu"}}, "reference": "A-1",
                     "lines": [{"sku": "BIKE", "quantity": "2"}]},
        });
        let rename =
            json!({"op": 8, "kind": "rename", "body": {"from": {"sku": "BIKE"}, "to": {"sku": "CYCLE"}}});
        let assign =
            json!({"op": 9, "kind": "assign", "body": {"skus": ["BELL", "BIKE"], "sources": ["east"]}});
        for (text, holds) in [("sku=BIKE", true), ("source=east", true), ("source=BIKE", false)] {
            let condition: Condition = text.parse().unwrap();
            assert_eq!(condition.holds(&assign), holds, "{text}");
        }
        for (text, holds) in [
            ("kind=reserve", [true, false]),
            ("actor=shop", [true, false]),
            ("sku=BIKE", [true, true]),
            ("sku=CYCLE", [false, true]),
            ("stock=web", [true, false]),
            ("source=BIKE", [false, false]),
            ("reservation=x", [true, false]),
            ("reference=A-1", [true, false]),
        ] {
            let condition: Condition = text.parse().unwrap();
            assert_eq!([condition.holds(&reserve), condition.holds(&rename)], holds, "{text}");
        }
    }

    #[test]
    fn values_of_one_key_are_alternatives_and_keys_add_up() {
        // Proves how several conditions are combined.
        let entry = json!({"kind": "count", "actor": "erp", "body": {"sku": "A", "source": "east"}});
        let all = |texts: &[&str]| {
            let conditions: Vec<Condition> = texts.iter().map(|text| text.parse().unwrap()).collect();
            Condition::all_hold(&conditions, &entry)
        };
        assert!(all(&[]));
        assert!(all(&["kind=reserve", "kind=count", "sku=A"]));
        assert!(!all(&["kind=count", "sku=B"]));
    }

    #[test]
    fn a_refused_condition_names_the_keys() {
        // Proves the texts that a person reads.
        for (text, told) in [
            (
                "kind",
                "a condition is KEY=VALUE, such as kind=reserve; keys are kind, actor, sku, stock, source, reservation, reference",
            ),
            (
                "kid=x",
                "there is no key \"kid\"; keys are kind, actor, sku, stock, source, reservation, reference",
            ),
            ("sku=", "sku needs a value, such as sku=X"),
        ] {
            assert_eq!(text.parse::<Condition>().unwrap_err(), told);
        }
    }
}
