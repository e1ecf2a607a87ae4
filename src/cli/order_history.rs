//! The history of an order in `show order`: its events with what they booked, as Magento's reservation rows.

use super::exit::Failure;
use super::lists::Names;
use super::output::{Text, table};
use super::questions::wrong_answer;
use super::server_connection::ServerConnection;
use crate::calendar::rfc3339;
use serde_json::{Value, json};
use stockhold_protocol::event::OrderState;
use stockhold_protocol::query::{
    LIST_MAX, MakerKind, OrderEventRow, OrderEventView, OrderView, Query, QueryAnswer,
};

/// The latest events of an order, the oldest first.
#[derive(Default)]
pub(super) struct History {
    events: Vec<OrderEventView>,
    wall_offset_ms: i64,
    /// How many events there are before these.
    earlier: u32,
}

impl History {
    /// Reads the latest events, at most `limit`. All are read, because those of holds come last whenever they happened.
    pub(super) fn read(
        server: &mut ServerConnection,
        order: &OrderView,
        limit: u32,
    ) -> Result<Self, Failure> {
        let mut history = Self::default();
        if limit == 0 {
            history.earlier = order.events;
            return Ok(history);
        }
        loop {
            let (number, after) = (order.number.clone(), history.shown());
            let query = Query::OrderHistory { number, after, limit: LIST_MAX };
            let QueryAnswer::OrderHistory(page) = server.query(&query)? else { return Err(wrong_answer()) };
            // The order may have ended meanwhile.
            let Some(page) = page.filter(|page| !page.events.is_empty()) else { break };
            history.wall_offset_ms = page.wall_offset_ms;
            history.events.extend(page.events);
        }
        history.events.sort_by_key(|event| (event.time_ms, event.op));
        history.earlier = history.shown().saturating_sub(limit);
        let earlier = history.events.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        history.events.drain(..earlier);
        Ok(history)
    }

    /// The events as a table and as a list of documents.
    pub(super) fn rendered(
        &self,
        server: &mut ServerConnection,
        names: &Names,
    ) -> Result<(String, Value), Failure> {
        let heads =
            ["op", "time", "event", "document", "actor", "stock", "sku", "units", "source", "reservation"];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        let mut documents = Vec::new();
        for event in &self.events {
            let time = rfc3339(event.time_ms.saturating_add_signed(self.wall_offset_ms));
            let kind =
                event.event_kind().map_or_else(|| format!("#{}", event.kind), |kind| kind.name().to_owned());
            // The client chose these texts, so they are escaped.
            let state = event.state.and_then(OrderState::from_number).map(OrderState::name);
            let document = state.map_or_else(|| event.document.escape_debug().to_string(), str::to_owned);
            let actor = actor(event);
            let first = [event.op.to_string(), time.clone(), kind.clone(), document, actor];
            let mut bookings = Vec::new();
            for row in &event.rows {
                let (cells, booking) = booking(server, names, row)?;
                let head = if bookings.is_empty() { first.clone() } else { Default::default() };
                rows.push(head.into_iter().chain(cells).collect());
                bookings.push(booking);
            }
            if bookings.is_empty() {
                rows.push(first.to_vec());
            }
            documents.push(json!({
                "op": event.op, "time": time, "event": kind, "document": event.document, "actor": event.actor,
                "actor_kind": event.actor_kind.name(), "rows": bookings, "state": state,
            }));
        }
        let mut text = Text::default();
        if !documents.is_empty() {
            text.line("");
            text.line(table(&rows).trim_end());
        }
        if self.earlier > 0 {
            text.line(&format!(
                "{} earlier events: --limit {}",
                self.earlier,
                self.earlier.saturating_add(self.shown())
            ));
        }
        Ok((text.into_string(), documents.into()))
    }

    fn shown(&self) -> u32 {
        u32::try_from(self.events.len()).unwrap_or(u32::MAX)
    }
}

fn actor(event: &OrderEventView) -> String {
    match event.actor_kind {
        MakerKind::Server => "the server".to_owned(),
        MakerKind::Claimed | MakerKind::Proved => event.actor.escape_debug().to_string(),
        MakerKind::Others => "others".to_owned(),
    }
}

/// What an event booked, as cells and as a document.
fn booking(
    server: &mut ServerConnection,
    names: &Names,
    row: &OrderEventRow,
) -> Result<([String; 5], Value), Failure> {
    let (stock, sku) = (names.stock(row.stock), server.sku_name(row.sku)?);
    let source = row.source.map(|source| names.source(source));
    let total = row.total.name();
    let document = json!({
        "stock": stock, "sku": sku, "total": total, "units": row.units.to_string(), "source": source,
        "reservation": row.reservation.to_string(),
    });
    let units = format!("{} {}", row.units, total.replace('_', " "));
    Ok(([stock, sku, units, source.unwrap_or_default(), row.reservation.to_string()], document))
}
