//! A fixture of cases as the files that `stockhold import` reads.

use super::text;
use serde_json::{Map, Value, json};

/// The catalog of a fixture: sources, stocks with links and channels, SKUs and settings.
pub(crate) fn catalog(fixture: &Value) -> Value {
    let sources: Vec<Value> = list(fixture, "sources").map(source).collect();
    let stocks: Vec<Value> = list(fixture, "stocks").map(|stock| with_links(stock, fixture)).collect();
    let skus: Vec<Value> = list(fixture, "products").map(sku).collect();
    json!({"settings": settings(&fixture["config"]), "sources": sources, "stocks": stocks, "skus": skus})
}

/// The source items of a fixture as CSV.
pub(crate) fn rows(fixture: &Value) -> String {
    let row = |item: &Value| {
        let (source, sku) = (text(item, "source_code"), text(item, "sku"));
        format!("{source},{sku},{},{}\n", item["status"], item["quantity"])
    };
    let rows = list(fixture, "source_items").map(row);
    std::iter::once("source_code,sku,status,quantity\n".to_owned()).chain(rows).collect()
}

/// The addresses of a fixture, in the columns of GeoNames.
pub(crate) fn geonames(fixture: &Value) -> String {
    let row = |row: &Value| {
        let part = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let [country, postcode, city, region] = ["country_code", "postcode", "city", "region"].map(part);
        let (latitude, longitude) = (&row["latitude"], &row["longitude"]);
        format!("{country}\t{postcode}\t{city}\t{region}\t\t\t\t\t\t{latitude}\t{longitude}\t\n")
    };
    list(fixture, "geonames").map(row).collect()
}

/// The elements of a list that may be missing.
pub(crate) fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}

fn source(source: &Value) -> Value {
    let or = |field: &str, other: &str| source[field].as_str().unwrap_or(other).to_owned();
    let mut fields = json!({
        "code": text(source, "source_code"), "name": or("name", text(source, "source_code")),
        "enabled": source["enabled"].as_bool().unwrap_or(true), "country": or("country_id", "US"),
        "postcode": or("postcode", "1"),
    });
    for (field, of) in [("city", "city"), ("region", "region"), ("street", "street"), ("pickup", "pickup")] {
        if !source[of].is_null() {
            fields[field] = source[of].clone();
        }
    }
    for field in ["latitude", "longitude"] {
        if !source[field].is_null() {
            fields[field] = source[field].to_string().into();
        }
    }
    fields
}

fn with_links(stock: &Value, fixture: &Value) -> Value {
    let of_stock = |link: &&Value| link["stock_id"] == stock["stock_id"];
    let link = |link: &Value| json!({"source": link["source_code"], "priority": link["priority"]});
    let links: Vec<Value> = list(fixture, "links").filter(of_stock).map(link).collect();
    let channel = |channel: &Value| format!("{}/{}", text(channel, "type"), text(channel, "code"));
    let channels: Vec<String> = list(stock, "sales_channels").map(channel).collect();
    json!({"name": stock["name"], "links": links, "channels": channels})
}

fn sku(product: &Value) -> Value {
    let kind = match product["type"].as_str().unwrap_or("simple") {
        "simple" => "simple",
        "virtual" | "downloadable" => "virtual",
        "configurable" | "bundle" | "grouped" => "composite",
        other => panic!("the type {other:?} is unknown"),
    };
    let config = &product["config"];
    json!({
        "sku": product["sku"], "kind": kind, "decimals": is_set(&config["is_qty_decimal"]), "settings": settings(config),
    })
}

/// A value that Magento writes as 0 or 1.
pub(crate) fn is_set(value: &Value) -> bool {
    value == 1 || value == "1" || *value == true
}

/// Magento's settings by the names of the catalog.
fn settings(config: &Value) -> Value {
    let mut settings = Map::new();
    for (name, value) in config.as_object().into_iter().flatten() {
        let value = match name.as_str() {
            "is_qty_decimal" => continue,
            "manage_stock" | "enable_qty_increments" => is_set(value).into(),
            "backorders" => backorders(value).replace('-', "_").into(),
            _ => value.to_string().into(),
        };
        settings.insert(name.clone(), value);
    }
    settings.into()
}

/// Magento's modes of backorders by their names.
pub(crate) fn backorders(value: &Value) -> &'static str {
    match value.as_u64() {
        Some(0) => "off",
        Some(1) => "allow",
        Some(2) => "allow-and-notify",
        _ => panic!("the backorders {value} are unknown"),
    }
}
