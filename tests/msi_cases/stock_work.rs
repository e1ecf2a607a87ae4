//! The calls that change or read many source items.

use super::calls::{Answered, decimal, over_sorted_sources, refused, source_item};
use super::catalog::{backorders, list};
use super::expect::{CallError, exact};
use super::shop::Shop;
use super::text;
use serde_json::{Value, json};

const SAME_SOURCES: &str = "Validation Error: Select different sources for origin and destination.";
const TRANSFER_FAILED: &str = "Transfer validation failed";
const VALIDATION_FAILED: &str = "Validation Failed";

/// A flag with each value of a list.
fn flags<'a>(args: &'a Value, field: &str, flag: &'a str) -> impl Iterator<Item = &'a str> {
    list(args, field).filter_map(Value::as_str).flat_map(move |value| [flag, value])
}

/// Runs a command without a mark. Whatever refuses it, Magento has one message.
fn change(shop: &Shop, words: &[&str], message: &str) -> Answered {
    shop.call(&[words, &["--no-mark"]].concat()).map_err(|error| match error {
        CallError::Refused { .. } => refused(400, message),
        CallError::Unknown(_) | CallError::Broken(_) => error,
    })
}

/// SKUs that Magento's catalog does not know are passed over, as it does.
fn assign(shop: &Shop, args: &Value) -> Answered {
    let words: Vec<&str> = ["assign", "--skip-unknown"]
        .into_iter()
        .chain(flags(args, "skus", "--sku"))
        .chain(flags(args, "source_codes", "--source"))
        .collect();
    Ok(change(shop, &words, VALIDATION_FAILED)?["value"].clone())
}

fn unassign(shop: &Shop, args: &Value) -> Answered {
    let words: Vec<&str> = ["unassign", "--skip-unknown"]
        .into_iter()
        .chain(flags(args, "skus", "--sku"))
        .chain(flags(args, "source_codes", "--source"))
        .collect();
    Ok(change(shop, &words, VALIDATION_FAILED)?["value"].clone())
}

fn transfer(shop: &Shop, args: &Value) -> Answered {
    let ends = ["transfer-many", "--skip-unknown", "--from", text(args, "origin")];
    let unassign = if args["unassign_from_origin"] == true { &["--unassign"][..] } else { &[] };
    let words: Vec<&str> = ends
        .into_iter()
        .chain(["--to", text(args, "destination")])
        .chain(unassign.iter().copied())
        .chain(flags(args, "skus", "--sku"))
        .collect();
    change(shop, &words, SAME_SOURCES)?;
    Ok(true.into())
}

fn partial_transfer(shop: &Shop, args: &Value) -> Answered {
    let line = |item: &Value| format!("--line={}={}", text(item, "sku"), item["qty"]);
    let lines: Vec<String> = list(args, "items").map(line).collect();
    let ends = ["transfer-lines", "--from", text(args, "origin"), "--to", text(args, "destination")];
    let words: Vec<&str> = ends.into_iter().chain(lines.iter().map(String::as_str)).collect();
    change(shop, &words, TRANSFER_FAILED)?;
    Ok(Value::Null)
}

/// A page of the source items of a SKU. The server has no sorted lists of items yet: it gives all items of the SKU, and only
/// their order and the page are made here.
fn search(shop: &Shop, args: &Value) -> Answered {
    if args["sort"] != "quantity DESC" {
        return Err(CallError::Unknown(format!("the order {}", args["sort"])));
    }
    let shown = shop.call(&["show", "sku", text(args, "sku")])?;
    let mut items: Vec<&Value> = list(&shown, "items").collect();
    items.sort_by_key(|item| std::cmp::Reverse(exact(&item["on_hand"])));
    let number =
        |field: &str| args[field].as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(1);
    let (page, size) = (number("page").saturating_sub(1), number("size"));
    let page = items.iter().skip(page * size).take(size);
    let rows: Vec<Value> = page.map(|item| json!([item["source"], item["on_hand"]])).collect();
    Ok(json!({"total_count": items.len(), "items": rows}))
}

/// What source selection sees of SKUs at sources in their order.
fn in_stock_items(shop: &Shop, args: &Value) -> Answered {
    let lines: Vec<Value> = list(args, "skus").map(|sku| json!({"sku": sku, "qty": 1})).collect();
    let selected = over_sorted_sources(shop, &json!({"sources": args["sources"], "items": lines}))?;
    let row = |item: &Value| json!([item["source_code"], item["sku"], item["qty_available"]]);
    Ok(list(&selected, "items").map(row).collect())
}

/// Quantity and status of a source item after units have left it or have come. Here the status is the merchant's alone.
fn deduct(shop: &mut Shop, args: &Value) -> Answered {
    let sources = shop.call(&["list", "sources"])?;
    let (sku, source) = ("DEDUCTED", text(&sources["sources"][0], "code"));
    shop.call(&["define", "sku", sku])?;
    let minimum = args["min_qty"].to_string();
    let mode = backorders(&args["backorders"]);
    shop.call(&["settings", "--sku", sku, "--min-qty", &minimum, "--backorders", mode])?;
    let (quantity, status) = (args["source_qty"].to_string(), (args["legacy_is_in_stock"] == 1).to_string());
    let item = ["--source", source, "--sku", sku];
    shop.call(&[&["count"], &item[..], &["--quantity", &quantity, "--in-stock", &status]].concat())?;
    let delta = decimal(-exact(&args["qty_to_deduct"]).unwrap_or_default());
    let delta = delta.as_str().unwrap_or_default();
    shop.call(&[&["adjust"], &item[..], &["--delta", delta]].concat())?;
    source_item(shop, &json!({"sku": sku, "source_code": source}))
}

/// Runs one of these calls; `None`: it is none of them.
pub(crate) fn answer(shop: &mut Shop, call: &str, args: &Value) -> Option<Answered> {
    Some(match call {
        "bulk_product_source_assign" => assign(shop, args),
        "bulk_product_source_unassign" => unassign(shop, args),
        "bulk_product_source_transfer" => transfer(shop, args),
        "bulk_partial_source_transfer" => partial_transfer(shop, args),
        "search_source_items" => search(shop, args),
        "in_stock_source_items_sorted" => in_stock_items(shop, args),
        "deduction_status" => deduct(shop, args),
        _ => return None,
    })
}
