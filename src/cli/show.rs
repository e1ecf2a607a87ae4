//! `show`: shows one object of the server in full, or a list.

use super::context::Context;
use super::exit::{Exit, Failure};
use super::lists::{self, Names};
use super::low_stock::{self, ShowNotifyArguments};
use super::orders;
use super::output::{Text, table};
use super::questions::wrong_answer;
use super::salable::cell_text;
use super::server_connection::ServerConnection;
use super::times::utc;
use crate::calendar::Door;
use clap::Subcommand;
use serde_json::{Value, json};
use stockhold_protocol::command::{BackorderMode, Sharing, SkuKind};
use stockhold_protocol::query::{
    MakerKind, PositionView, Query, QueryAnswer, ReservationView, SettingsView, SkuView,
};
use stockhold_protocol::{ReservationId, SourceId};

/// `show`
#[derive(Subcommand, Debug)]
#[command(after_help = "Examples:
  stockhold show reservation 019a0b3c-4d5e-7f60-8123-456789abcdef
  stockhold show order 100000123
  stockhold show sku BIKE-0001
  stockhold show notify --sku BIKE-0001 --source us-east
  stockhold show stocks --json")]
pub(super) enum Show {
    /// A reservation with its lines
    Reservation {
        /// The reservation, by the id that its reserve printed
        #[arg(value_name = "RESERVATION")]
        id: ReservationId,
    },
    /// An order with its totals, its reservations and its history
    Order {
        /// The number of the order: the reference that its commands carry
        #[arg(value_name = "NUMBER", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        number: String,
        /// How many events of its history to show, the latest
        #[arg(long, value_name = "NUMBER", default_value_t = 20)]
        #[arg(value_parser = clap::value_parser!(u32).range(0..=100_000))]
        limit: u32,
    },
    /// A SKU with its source items and its state in every stock
    Sku {
        /// The SKU
        sku: String,
    },
    /// The low-stock configuration of a SKU at a source
    Notify(ShowNotifyArguments),
    /// A source with all fields
    Source {
        /// The code of the source
        code: String,
    },
    /// All sources
    Sources,
    /// All stocks with their links and channels
    Stocks,
    /// The limits and modes of the machine
    Configuration,
}

pub(super) fn show(context: Context<'_>, what: &Show) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let (text, document) = match what {
        Show::Order { number, limit } => return orders::show(context, &mut server, number, *limit),
        Show::Reservation { id } => {
            let QueryAnswer::Reservation(view) = server.query(&Query::Reservation(id.0.to_bytes()))? else {
                return Err(wrong_answer());
            };
            let Some(view) = view else {
                let text = format!("there is no reservation {id}, or its record is no longer kept");
                context.output.result(&text, &json!({"id": id.to_string(), "state": "unknown"}))?;
                return Ok(Exit::Refused);
            };
            reservation(&mut server, &view)?
        }
        Show::Sku { sku } => {
            let number = server.sku(sku)?;
            let QueryAnswer::Sku(Some(view)) = server.query(&Query::Sku(number))? else {
                return Err(wrong_answer());
            };
            sku_view(&Names::load(&mut server)?, &view)
        }
        Show::Notify(arguments) => low_stock::show(&mut server, arguments)?,
        Show::Source { code } => {
            let number = server.source(code)?;
            source(&mut server, number)?
        }
        Show::Sources => sources(&mut server)?,
        Show::Stocks => stocks(&mut server)?,
        Show::Configuration => configuration(&mut server)?,
    };
    context.output.result(&text, &document)?;
    Ok(Exit::Ok)
}

type Rendered = (String, Value);

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn reservation(server: &mut ServerConnection, view: &ReservationView) -> Result<Rendered, Failure> {
    let id = ReservationId(stockhold_protocol::CommandId::from_bytes(view.id));
    let stock = Names::load(server)?.stock(view.stock);
    let mut rows = vec![row(["sku", "granted", "open", "shipped", "returned", ""])];
    let mut lines = Vec::new();
    for line in &view.lines {
        let sku = server.sku_name(line.sku)?;
        let quantities = [line.granted, line.open, line.shipped, line.returned].map(|q| q.to_string());
        let note = if line.counts { "" } else { "not counted" };
        let [granted, open, shipped, returned] = &quantities;
        rows.push(row([&sku, granted, open, shipped, returned, note]));
        lines.push(json!({
            "sku": sku, "granted": granted, "open": open, "shipped": shipped, "returned": returned,
            "counts": line.counts,
        }));
    }
    let shown_s = |hold_ms: u64| hold_ms.saturating_add_signed(view.shown_offset_ms) / 1_000;
    let deadline = (view.deadline_s != 0).then(|| utc(shown_s(u64::from(view.deadline_s) * 1_000)));
    let origin_s = shown_s(view.origin_ms);
    let mut text = Text::default();
    text.line(&format!("{id}  {}  stock {stock}  op {}", view.state.name(), view.op));
    text.line(&format!("first reserved {}", utc(origin_s)));
    if let Some(deadline) = &deadline {
        text.line(&format!("held until {deadline}"));
    }
    // The client chose the name, so it is escaped.
    let actor = view.actor.escape_debug();
    text.line(&match view.actor_kind {
        MakerKind::Server => "made by the server".to_owned(),
        MakerKind::Claimed => format!("made by a client with the claimed name \"{actor}\""),
        MakerKind::Proved => format!("made by {actor}"),
        MakerKind::Others => "made by a client whose name is not kept".to_owned(),
    });
    if view.owner != 0 {
        text.line(&format!("owner {}", view.owner));
    }
    if !view.reference.is_empty() {
        text.line(&format!("reference {}", view.reference));
    }
    text.line(&table(&rows));
    let document = json!({
        "id": id.to_string(), "state": view.state.name(), "stock": stock, "op": view.op,
        "deadline": deadline, "origin": utc(origin_s), "owner": view.owner,
        "reference": view.reference, "lines": lines, "actor": view.actor,
        "actor_kind": view.actor_kind.name(),
    });
    Ok((text.into_string(), document))
}

const fn kind_name(kind: SkuKind) -> &'static str {
    match kind {
        SkuKind::Simple => "simple",
        SkuKind::Virtual => "virtual",
        SkuKind::Composite => "composite",
        SkuKind::Uncatalogued => "uncatalogued",
    }
}

const fn backorders_name(mode: BackorderMode) -> &'static str {
    match mode {
        BackorderMode::Off => "off",
        BackorderMode::Allow => "allow",
        BackorderMode::AllowAndNotify => "allow_and_notify",
    }
}

fn sku_view(names: &Names, view: &SkuView) -> Rendered {
    let mut items = vec![row(["source", "on hand", "status", "version", "low below"])];
    let mut item_documents = Vec::new();
    for item in &view.items {
        let source = names.source(item.source);
        let status = if item.in_stock { "in stock" } else { "out of stock" };
        let threshold = item.notify_stock_qty.to_string();
        let shown = if item.notify_is_set { &threshold } else { "" };
        items.push(row([&source, &item.on_hand.to_string(), status, &item.version.to_string(), shown]));
        item_documents.push(json!({
            "source": source, "on_hand": item.on_hand.to_string(), "in_stock": item.in_stock,
            "version": item.version, "notify_is_set": item.notify_is_set, "notify_stock_qty": threshold,
        }));
    }
    let mut positions = vec![row(["stock", "salable", "confirmed", "held", "settings"])];
    for position in &view.positions {
        positions.push(vec![
            names.stock(position.stock),
            cell_text(position.salable),
            position.confirmed.to_string(),
            position.held.to_string(),
            special(position),
        ]);
    }
    let decimals = if view.decimals { ", sold in fractions of a unit" } else { "" };
    let mut text = Text::default();
    text.line(&format!("{}  {}{decimals}", view.sku, kind_name(view.kind)));
    if view.shortfall.raw() != 0 {
        text.line(&format!("promised and missing: {}", view.shortfall));
    }
    text.line(&table(&items));
    text.line(&table(&positions));
    let document = json!({
        "sku": view.sku, "kind": kind_name(view.kind), "decimals": view.decimals,
        "shortfall": view.shortfall.to_string(), "items": item_documents,
        "positions": view.positions.iter().map(|p| position_document(names, p)).collect::<Vec<_>>(),
    });
    (text.into_string(), document)
}

fn position_document(names: &Names, position: &PositionView) -> Value {
    json!({
        "stock": names.stock(position.stock),
        "salable": cell_text(position.salable),
        "confirmed": position.confirmed.to_string(),
        "held": position.held.to_string(),
        "quota_limit": position.quota_limit.map(|limit| limit.to_string()),
        "quota_taken": position.quota_taken.to_string(),
        "unattributed": position.unattributed.to_string(),
        "settings": settings_document(&position.settings),
    })
}

pub(super) fn settings_document(settings: &SettingsView) -> Value {
    let document = json!({
        "manage_stock": settings.manage_stock,
        "backorders": backorders_name(settings.backorders),
        "min_qty": settings.min_qty.to_string(),
        "min_sale_qty": settings.min_sale_qty.to_string(),
        "max_sale_qty": settings.max_sale_qty.to_string(),
        "qty_increments": settings.qty_increments.to_string(),
        "notify_stock_qty": settings.notify_stock_qty.to_string(),
        "frozen": settings.frozen,
        "opens_at": Door(settings.opens_at).to_string(),
        "closes_at": Door(settings.closes_at).to_string(),
    });
    #[cfg(feature = "next-release")]
    let document = with_lead_days(document, settings.lead_days);
    document
}

/// Adds the setting that the next release has in addition.
#[cfg(feature = "next-release")]
fn with_lead_days(mut document: Value, lead_days: Option<u32>) -> Value {
    if let Some(days) = lead_days {
        document["lead_days"] = days.into();
    }
    document
}

/// The differences from an ordinary SKU, in a few words.
fn special(position: &PositionView) -> String {
    let settings = &position.settings;
    let mut words = Vec::new();
    if !settings.manage_stock {
        words.push("not counted".to_owned());
    }
    if settings.backorders != BackorderMode::Off {
        words.push(format!("backorders {}", backorders_name(settings.backorders)));
    }
    if settings.min_qty.raw() != 0 {
        words.push(format!("min_qty {}", settings.min_qty));
    }
    if settings.qty_increments.raw() != 0 {
        words.push(format!("multiples of {}", settings.qty_increments));
    }
    if settings.frozen {
        words.push("frozen".to_owned());
    }
    for (word, at) in [("opens", settings.opens_at), ("closes", settings.closes_at)] {
        if Door(at) != Door::default() {
            words.push(format!("{word} {}", Door(at)));
        }
    }
    if let Some(limit) = position.quota_limit {
        words.push(format!("quota {} of {limit} taken", position.quota_taken));
    }
    words.join(", ")
}

fn source(server: &mut ServerConnection, number: SourceId) -> Result<Rendered, Failure> {
    let found = lists::sources(server)?.into_iter().find(|view| view.id == number);
    let definition = found.ok_or_else(wrong_answer)?.definition;
    let source = crate::catalog::Source::from(definition);
    let catalog = crate::catalog::Catalog { sources: vec![source], ..crate::catalog::Catalog::default() };
    let document = serde_json::to_value(&catalog.sources).unwrap_or_default();
    let text = catalog.to_text(crate::catalog::Format::Toml).map_err(Failure::usage)?;
    Ok((text, document[0].clone()))
}

pub(super) fn sources(server: &mut ServerConnection) -> Result<Rendered, Failure> {
    let mut rows = vec![row(["code", "name", "country", "city", "enabled", "pickup"])];
    let mut documents = Vec::new();
    for view in lists::sources(server)? {
        let source = &view.definition;
        let [enabled, pickup] = [source.enabled, source.pickup].map(|yes| if yes { "yes" } else { "no" });
        rows.push(row([&source.code, &source.name, &source.country, &source.city, enabled, pickup]));
        documents.push(json!({
            "number": view.id.0, "code": source.code, "name": source.name, "country": source.country,
            "city": source.city, "enabled": source.enabled, "pickup": source.pickup,
        }));
    }
    Ok((table(&rows), json!({"sources": documents})))
}

pub(super) fn stocks(server: &mut ServerConnection) -> Result<Rendered, Failure> {
    let names = Names::load(server)?;
    let mut rows = vec![row(["stock", "sources by priority", "channels", "frozen"])];
    let mut documents = Vec::new();
    for view in lists::stocks(server)? {
        let links: Vec<Value> = view
            .links
            .iter()
            .map(|(source, priority)| json!({"source": names.source(*source), "priority": priority}))
            .collect();
        let codes: Vec<String> = view.links.iter().map(|(source, _)| names.source(*source)).collect();
        let channels: Vec<String> =
            view.channels.iter().map(|(_, kind, code)| format!("{kind}/{code}")).collect();
        let is_frozen = |number| view.frozen_channels.contains(number);
        let frozen_channels: Vec<String> = (view.channels.iter())
            .filter(|(number, ..)| is_frozen(number))
            .map(|(_, kind, code)| format!("{kind}/{code}"))
            .collect();
        let frozen = view.frozen;
        let mut shown = frozen_channels.clone();
        if frozen {
            shown.insert(0, "yes".to_owned());
        }
        rows.push(row([&view.name, &codes.join(" "), &channels.join(" "), &shown.join(" ")]));
        documents.push(json!({
            "number": view.id.0, "name": view.name, "links": links, "channels": channels,
            "frozen": frozen, "frozen_channels": frozen_channels,
        }));
    }
    Ok((table(&rows), json!({"stocks": documents})))
}

fn configuration(server: &mut ServerConnection) -> Result<Rendered, Failure> {
    let QueryAnswer::Configuration(view) = server.query(&Query::Configuration)? else {
        return Err(wrong_answer());
    };
    let sharing = match view.sharing {
        Sharing::Exact => "exact",
        Sharing::Independent => "independent",
    };
    let document = json!({
        "sharing": sharing,
        "ttl_min_ms": view.ttl_min_ms,
        "ttl_max_ms": view.ttl_max_ms,
        "ttl_total_max_ms": view.ttl_total_max_ms,
        "lines_max": view.lines_max,
        "late_confirm_window_ms": view.late_confirm_window_ms,
        "id_retention_ms": view.id_retention_ms,
        "id_retention_min_ms": view.id_retention_min_ms,
        "outcome_bytes_max": view.outcome_bytes_max,
        "reservations_max": view.reservations_max,
        "gap_max_ms": view.gap_max_ms,
        "clock_jump_max_ms": view.clock_jump_max_ms,
        "name_grace_ms": view.name_grace_ms,
        "order_retention_ms": view.order_retention_ms,
        "order_retention_min_ms": view.order_retention_min_ms,
        "orders_max": view.orders_max,
    });
    let fields = document.as_object().cloned().unwrap_or_default();
    let rows: Vec<Vec<String>> = fields
        .into_iter()
        .map(|(name, value)| vec![name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)])
        .collect();
    Ok((table(&rows), document))
}
