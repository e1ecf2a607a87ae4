//! The calls about reservation rows and about what an order should have open.

use super::calls::{Answered, refused};
use super::catalog::list;
use super::expect::{CallError, exact};
use super::orders;
use super::shop::Shop;
use super::text;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NOT_ASSIGNED: &str = "The requested sku is not assigned to given stock.";
const EMPTY: &str = "Input data is empty";

/// Runs a call of this file. `None`: it is none.
pub(crate) fn answer(shop: &mut Shop, call: &str, args: &Value) -> Option<Answered> {
    Some(match call {
        "append_reservations" => append(shop, args),
        "count_reservations" => count(shop).map(Value::from),
        // Nothing is ever cleaned up: see `decided`.
        "cleanup_reservations" => Ok(0.into()),
        "delete_all_reservations" => give_all_back(shop),
        "set_order_state" => {
            let words = ["order", "state", text(args, "order_id"), text(args, "state")];
            shop.call(&words).map(|_| Value::Null)
        }
        "list_inconsistencies" => inconsistencies(shop),
        _ => return None,
    })
}

/// Rows that name an order are rows of it. Others are of none, whatever Magento knows about them.
fn append(shop: &mut Shop, args: &Value) -> Answered {
    let mut rows = Vec::new();
    for row in list(args, "reservations") {
        let metadata = &row["metadata"];
        let number = metadata["object_increment_id"].as_str().unwrap_or_default();
        let is_of_order = metadata["object_type"] == "order" && !number.is_empty();
        let event = if is_of_order { text(metadata, "event_type") } else { "manual_compensation" };
        let order = if is_of_order { number } else { "" };
        let stock = super::calls::stock(shop, row)?;
        rows.push(json!({
            "order": order, "event": event, "stock": stock, "sku": row["sku"], "quantity": row["quantity"].to_string(),
        }));
    }
    if rows.is_empty() {
        let refusal = shop.append("[]");
        assert!(refusal.is_err(), "no rows are refused");
        return Err(refused(400, EMPTY));
    }
    let appended = shop.append(&Value::from(rows.clone()).to_string()).map_err(|error| match error {
        CallError::Refused { message, .. } if message.contains("not_assigned") => refused(400, NOT_ASSIGNED),
        CallError::Refused { .. } | CallError::Unknown(_) | CallError::Broken(_) => error,
    })?;
    for row in &rows {
        shop.orders.extend(Some(text(row, "order").to_owned()).filter(|order| !order.is_empty()));
        // What a row of an order gives back beyond its open units belongs to no order.
        shop.loose.insert((text(row, "sku").to_owned(), text(row, "stock").to_owned()));
        shop.rows += usize::from(!text(row, "order").is_empty());
    }
    Ok(appended["appended"].clone())
}

/// The rows of the histories of all orders, and one for each sum of rows without an order that is not 0.
fn count(shop: &Shop) -> Result<usize, CallError> {
    let of_orders = orders::count_rows(shop)?;
    let mut sums = 0;
    for (sku, stock) in &shop.loose {
        let shown = shop.call(&["show", "sku", sku])?;
        let position = list(&shown, "positions").find(|position| position["stock"] == stock.as_str());
        let sum = position.and_then(|position| exact(&position["unattributed"]));
        sums += usize::from(sum.is_some_and(|sum| sum != 0));
    }
    Ok(of_orders + sums)
}

/// Orders keep their rows here, so what deletes them all gives back everything that is open.
fn give_all_back(shop: &mut Shop) -> Answered {
    for order in shop.orders.clone() {
        let shown = shop.ask(&["show", "order", &order])?;
        for line in list(&shown, "lines").filter(|line| exact(&line["open"]).is_some_and(|open| open != 0)) {
            let row = format!("--line={}={}@{}", text(line, "sku"), text(line, "open"), text(line, "stock"));
            shop.call(&["order", "compensate", &order, &row])?;
        }
    }
    Ok(Value::Null)
}

fn inconsistencies(shop: &Shop) -> Answered {
    let listed = shop.call(&["list", "inconsistencies"])?;
    let numbers: BTreeMap<&str, u64> =
        shop.stocks.iter().map(|(number, name)| (name.as_str(), *number)).collect();
    let item = |item: &Value| {
        let state = if item["final"] == true { "complete" } else { "incomplete" };
        json!({
            "order": item["order"], "sku": item["sku"], "stock_id": numbers.get(text(item, "stock")),
            "qty": item["quantity"], "state": state,
        })
    };
    Ok(list(&listed, "inconsistencies").map(item).collect())
}
