//! Finds all fields of a catalog that cannot be read, not only the first one. It is used when reading the whole has failed.
//!
//! Each field is read by itself, beside what its table needs. What cannot be read is removed, so that the rest can be
//! checked too.

use super::check::Finding;
use super::document::{Catalog, Link, Position, Settings, Sku, Source, Stock};
use super::locate::Path;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The unreadable fields of a catalog, and the rest of it, if that is one.
pub(super) fn unreadable(mut root: Value) -> (Vec<Finding>, Option<Catalog>) {
    let mut findings = Vec::new();
    let Some(tables) = root.as_object_mut() else { return (findings, None) };
    settings_of(&mut findings, &Path::default(), tables);
    for key in ["source", "sources"] {
        entries::<Source>(&mut findings, tables, (key, "source"), "code", &mut |_, _, _| {});
    }
    for key in ["stock", "stocks"] {
        entries::<Stock>(&mut findings, tables, (key, "stock"), "name", &mut stock);
    }
    for key in ["sku", "skus"] {
        entries::<Sku>(&mut findings, tables, (key, "sku"), "sku", &mut sku);
    }
    fields::<Catalog>(&mut findings, &Path::default(), tables, None);
    let rest = serde_json::from_value(root).ok();
    (findings, rest)
}

type Deeper<'a> = &'a mut dyn FnMut(&mut Vec<Finding>, &Path, &mut Map<String, Value>);

/// Reads the entries of a list of tables.
fn entries<T: DeserializeOwned>(
    findings: &mut Vec<Finding>,
    tables: &mut Map<String, Value>,
    (key, singular): (&str, &str),
    needed: &'static str,
    deeper: Deeper<'_>,
) {
    let Some(Value::Array(entries)) = tables.get_mut(key) else { return };
    for (at, entry) in entries.iter_mut().enumerate() {
        let path = Path::entry(singular, at);
        let Some(entry) = entry.as_object_mut() else {
            let message = "must be a table".to_owned();
            findings.push(Finding { path, message });
            *entry = serde_json::json!({needed: format!("{singular}-{at}")});
            continue;
        };
        deeper(findings, &path, entry);
        fields::<T>(findings, &path, entry, Some(needed));
        if !entry.contains_key(needed) {
            // Something else in its place lets the other entries be checked.
            entry.insert(needed.to_owned(), Value::String(format!("{singular}-{at}")));
        }
    }
}

/// Reads each field of a table, beside the one that the table needs, and removes those that cannot be read.
fn fields<T: DeserializeOwned>(
    findings: &mut Vec<Finding>,
    path: &Path,
    table: &mut Map<String, Value>,
    needed: Option<&'static str>,
) {
    if let Some(needed) = needed.filter(|needed| !table.contains_key(*needed)) {
        findings.push(Finding { path: path.clone(), message: format!("missing field `{needed}`") });
    }
    let mut bad = Vec::new();
    for (key, value) in &*table {
        let mut alone = Map::new();
        if let Some(needed) = needed {
            alone.insert(needed.to_owned(), Value::String("x".to_owned()));
        }
        alone.insert(key.clone(), value.clone());
        if let Err(error) = T::deserialize(Value::Object(alone)) {
            findings.push(Finding { path: path.clone().key(key), message: error.to_string() });
            bad.push(key.clone());
        }
    }
    for key in bad {
        table.remove(&key);
    }
}

fn settings_of(findings: &mut Vec<Finding>, path: &Path, table: &mut Map<String, Value>) {
    if let Some(Value::Object(settings)) = table.get_mut("settings") {
        fields::<Settings>(findings, &path.clone().key("settings"), settings, None);
    }
}

fn stock(findings: &mut Vec<Finding>, path: &Path, table: &mut Map<String, Value>) {
    for key in ["link", "links"] {
        let Some(Value::Array(links)) = table.get_mut(key) else { continue };
        let (mut at, path) = (0, path.clone().key("link"));
        links.retain(|link| {
            let place = path.clone().index(at);
            at += 1;
            let read = serde_json::from_value::<Link>(link.clone());
            read.map_err(|error| findings.push(Finding { path: place, message: error.to_string() })).is_ok()
        });
    }
}

fn sku(findings: &mut Vec<Finding>, path: &Path, table: &mut Map<String, Value>) {
    settings_of(findings, path, table);
    let Some(Value::Object(stocks)) = table.get_mut("stocks") else { return };
    for (name, position) in stocks {
        if let Value::Object(position) = position {
            let path = path.clone().key("stocks").key(name);
            settings_of(findings, &path, position);
            fields::<Position>(findings, &path, position, None);
        }
    }
}
