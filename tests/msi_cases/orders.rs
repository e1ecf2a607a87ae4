//! The calls about orders: placements, events, and the reservation rows that they leave.

use super::calls::{Answered, lines, refused, stock, with_lines};
use super::catalog::list;
use super::expect::{CallError, exact};
use super::shop::Shop;
use super::text;
use serde_json::{Value, json};

const NOT_AVAILABLE: &str = "Not all of your products are available in the requested quantity.";
/// More events than a case makes.
const EVENTS: &str = "1000";

/// Places an order, confirmed at once. With `fail_after_reserve` the shop could not save the order and reports that.
pub(crate) fn place(shop: &mut Shop, args: &Value) -> Answered {
    let channel = format!("website/{}", args["channel"].as_str().unwrap_or("base"));
    let number = text(args, "order_id");
    let placed = with_lines(shop, &["order", "place", number, "--channel", &channel], args)?;
    shop.orders.insert(number.to_owned());
    if args["fail_after_reserve"] == true {
        shop.call(&["order", "failed", number, "--placement", text(&placed, "id")])?;
        return Err(refused(400, "The order could not be saved."));
    }
    Ok(Value::Null)
}

pub(crate) fn cancel(shop: &Shop, args: &Value) -> Answered {
    shop.call(&["order", "cancel", text(args, "order_id")]).map(|_| Value::Null)
}

pub(crate) fn ship(shop: &Shop, args: &Value) -> Answered {
    let words = ["order", "ship", text(args, "order_id"), "--source", text(args, "source_code")];
    match with_lines(shop, &words, args) {
        Ok(_) => Ok(Value::Null),
        Err(CallError::Refused { status: 400, .. }) => Err(refused(400, NOT_AVAILABLE)),
        Err(error) => Err(error),
    }
}

pub(crate) fn invoice(shop: &Shop, args: &Value) -> Answered {
    with_lines(shop, &["order", "invoice", text(args, "order_id")], args).map(|_| Value::Null)
}

/// A memo whose lines say one by one whether they are returned to stock.
pub(crate) fn refund(shop: &Shop, args: &Value) -> Answered {
    let mut words = ["order", "refund", text(args, "order_id")].map(str::to_owned).to_vec();
    let is_returned = |item: &&Value| item["return_to_stock"] == true;
    for item in list(args, "items").filter(is_returned) {
        words.extend(["--returned".to_owned(), format!("{}={}", text(item, "sku"), item["qty"])]);
    }
    let others: Vec<&Value> = list(args, "items").filter(|item| !is_returned(item)).collect();
    if !others.is_empty() {
        words.push("--no-return".to_owned());
        words.extend(lines(&json!({"items": others})));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    shop.call(&words).map(|_| Value::Null)
}

/// A row of the history of an order that changed what is promised.
struct Row {
    op: u64,
    order: String,
    event: Value,
    stock: String,
    quantity: Value,
}

/// How many rows the histories of all orders have.
pub(crate) fn count_rows(shop: &Shop) -> Result<usize, CallError> {
    let mut count = 0;
    for order in &shop.orders {
        let shown = shop.ask(&["show", "order", order, "--limit", EVENTS])?;
        let rows = list(&shown, "history").flat_map(|event| list(event, "rows"));
        count += rows.filter(|row| exact(&row["reservation"]) != Some(0)).count();
    }
    Ok(count)
}

/// The rows about a SKU in the histories of all orders, in the order of their ops.
fn rows(shop: &Shop, sku: &str) -> Result<Vec<Row>, CallError> {
    let mut rows = Vec::new();
    for order in &shop.orders {
        let shown = shop.ask(&["show", "order", order, "--limit", EVENTS])?;
        for event in list(&shown, "history") {
            let of_sku = list(event, "rows").filter(|row| row["sku"] == sku);
            rows.extend(of_sku.filter(|row| exact(&row["reservation"]) != Some(0)).map(|row| Row {
                op: event["op"].as_u64().unwrap_or_default(),
                order: order.clone(),
                event: event["event"].clone(),
                stock: text(row, "stock").to_owned(),
                quantity: row["reservation"].clone(),
            }));
        }
    }
    rows.sort_by_key(|row| row.op);
    Ok(rows)
}

/// Event and quantity of each row.
pub(crate) fn events(shop: &Shop, args: &Value) -> Answered {
    let rows = rows(shop, text(args, "sku"))?;
    Ok(rows.iter().map(|row| json!([row.event, row.quantity])).collect())
}

/// The rows of a stock as Magento stores them.
pub(crate) fn reservations(shop: &Shop, args: &Value) -> Answered {
    let (sku, stock) = (text(args, "sku"), stock(shop, args)?);
    let document = |row: &Row| {
        json!({
            "stock_id": args["stock_id"], "sku": sku, "quantity": row.quantity,
            "metadata": {
                "event_type": row.event, "object_type": "order", "object_id": "", "object_increment_id": row.order,
            },
        })
    };
    Ok(rows(shop, sku)?.iter().filter(|row| row.stock == stock).map(document).collect())
}
