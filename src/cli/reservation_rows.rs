//! Lists of reservations as tables and as JSON, the oldest first.

use super::lists::Names;
use super::output::table;
use super::times::utc;
use serde_json::{Value, json};
use stockhold_protocol::query::{ReservationView, ReservationsView};
use stockhold_protocol::{CommandId, Quantity, SkuId};

/// A list of reservations as it is printed.
pub(super) struct ReservationRows {
    /// The table; empty if there are none.
    pub(super) table: String,
    /// One object for each.
    pub(super) documents: Vec<Value>,
    /// The op after which the rest is listed, if there are more.
    pub(super) cursor: Option<u64>,
}

/// The promised units of a reservation: of one SKU, or of all its lines.
fn open_units(view: &ReservationView, sku: Option<SkuId>) -> Quantity {
    let lines = view.lines.iter().filter(|line| sku.is_none_or(|sku| sku == line.sku));
    let units = lines.fold(0, |sum: i64, line| sum.saturating_add(line.open.raw()));
    Quantity::from_raw(units).unwrap_or(Quantity::MAX)
}

/// Prints a page of reservations. Units are those of `sku`, if it is given.
pub(super) fn rows(names: &Names, page: &ReservationsView, sku: Option<SkuId>) -> ReservationRows {
    let headings =
        ["reservation", "state", "open units", "stock", "op", "first reserved", "held until", "owner"];
    let mut rows = vec![[&headings[..], &["reference"]].concat().iter().map(ToString::to_string).collect()];
    let mut documents = Vec::new();
    for view in &page.reservations {
        let id = CommandId::from_bytes(view.id).to_string();
        let shown_s = |hold_ms: u64| hold_ms.saturating_add_signed(view.shown_offset_ms) / 1_000;
        let deadline = (view.deadline_s != 0).then(|| utc(shown_s(u64::from(view.deadline_s) * 1_000)));
        let (origin, stock) = (utc(shown_s(view.origin_ms)), names.stock(view.stock));
        let open = open_units(view, sku).to_string();
        documents.push(json!({
            "id": id, "state": view.state.name(), "open": open, "stock": stock, "op": view.op, "origin": origin,
            "deadline": deadline, "owner": view.owner, "reference": view.reference,
            "lines": view.lines.len(),
        }));
        rows.push(vec![
            id,
            view.state.name().to_owned(),
            open,
            stock,
            view.op.to_string(),
            origin,
            deadline.unwrap_or_default(),
            if view.owner == 0 { String::new() } else { view.owner.to_string() },
            view.reference.clone(),
        ]);
    }
    let has_more = page.matched > u64::try_from(page.reservations.len()).unwrap_or(u64::MAX);
    let cursor = page.reservations.last().filter(|_| has_more).map(|last| last.op);
    let table = if page.reservations.is_empty() { String::new() } else { table(&rows) };
    ReservationRows { table, documents, cursor }
}
