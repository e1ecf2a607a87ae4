//! What this server does otherwise on purpose, and what it does then. The reasons are in `docs/msi-compatibility.md`.

use super::shop::Shop;
use serde_json::{Value, json};

/// The expected result of a call that is decided otherwise. `None`: it is as the file says.
pub(crate) fn expected(shop: &Shop, call: &Value) -> Option<Value> {
    let args = &call["args"];
    match call["call"].as_str()? {
        // Clean-up never changes a sum, and orders keep their rows.
        "cleanup_reservations" => Some(json!(0)),
        "count_reservations" if shop.rows > 0 => Some(json!(shop.rows)),
        // The in-stock flag is the merchant's. No shipment, return or adjustment changes it.
        "deduction_status" => {
            let quantity = args["source_qty"].as_i64()? - args["qty_to_deduct"].as_i64()?;
            Some(json!({"quantity": quantity, "status": args["legacy_is_in_stock"]}))
        }
        // SKUs are case-sensitive.
        "source_selection_over_sorted_sources" if args["items"][0]["sku"] == "sku-1" => {
            Some(json!({"error": {"status": 404}}))
        }
        // A shop that shall promise nothing appends no rows.
        "append_reservations" if shop.can_subtract_is_off => Some(json!(1)),
        "get_reservations_quantity" if shop.can_subtract_is_off => Some(json!(2)),
        _ => None,
    }
}
