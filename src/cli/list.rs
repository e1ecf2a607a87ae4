//! `list`: lists what a server or a data directory has, with filters. What is told of one thing in full is in `show`.

use super::backup::{Choice, Source};
use super::clock::Clocks;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::lists::{self, Names};
use super::low_stock::{self, LowStockArguments};
use super::order_state::{self, InconsistenciesArguments};
use super::orders::{self, OrdersArguments};
use super::output::table;
use super::questions::wrong_answer;
use super::reservation_rows;
use super::salable::cell_text;
use super::served_log::place_or_served;
use super::times::{duration, milliseconds};
use super::{mark, show};
use crate::calendar::rfc3339;
use crate::snapshot::snapshot_name;
use crate::storage::ReadFrom;
use crate::wal::SegmentList;
use crate::wal::segment::segment_name;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use stockhold_protocol::Quantity;
use stockhold_protocol::query::{
    CELL_NOT_ASSIGNED, CELL_UNLIMITED, LIST_MAX, PositionView, Query, QueryAnswer, ReservationFilter,
    ReservationState, SkuView,
};
use stockhold_protocol::{SkuId, StockId, Timestamp};

/// The most SKUs that one call looks at. The server answers them in pages.
const SKUS_SCANNED_MAX: u64 = 200_000;

/// `list`
#[derive(Subcommand, Debug)]
#[command(after_help = "Examples:
  stockhold list reservations --stock web-us --state held --older-than 10m
  stockhold list orders --unsettled
  stockhold list skus --sold-out --stock web-us
  stockhold list skus --shortfall --json
  stockhold list low-stock --source us-east
  stockhold list snapshots
  stockhold list segments /backups/stockhold")]
pub(super) enum List {
    /// Reservations, the oldest first
    Reservations(ReservationsArguments),
    /// Orders, with the number of those that have open units
    Orders(OrdersArguments),
    /// Orders whose open units are not what the shop expects
    Inconsistencies(InconsistenciesArguments),
    /// SKUs, in the order of their definition
    Skus(SkusArguments),
    /// Source items that are low, the lowest first
    LowStock(LowStockArguments),
    /// All sources
    Sources,
    /// All stocks with their links and channels
    Stocks,
    /// All channels with their stocks
    Channels,
    /// All marks, the oldest first
    Marks,
    /// The snapshots of a data directory or an archive, the newest first
    Snapshots(PlaceArguments),
    /// The segments of the log of a data directory or an archive, the oldest first
    Segments(PlaceArguments),
}

impl List {
    /// Whether the files of a given place are listed, and no server is asked.
    pub(super) const fn is_of_files(&self) -> bool {
        matches!(self, Self::Snapshots(place) | Self::Segments(place) if place.place.is_some())
    }
}

/// `list reservations`
#[derive(Args, Debug)]
#[command(
    after_help = "The reservations are found by a scan of all of them, in the time that the server gives to queries.

Examples:
  stockhold list reservations --sku BIKE-0001 --stock web-us
  stockhold list reservations --owner 4711 --limit 10 --cursor 120417"
)]
pub(super) struct ReservationsArguments {
    /// Only those with this SKU
    #[arg(long, value_name = "SKU")]
    sku: Option<String>,
    /// Only those of this stock
    #[arg(long, value_name = "NAME")]
    stock: Option<String>,
    /// Only those in this state; may be repeated
    #[arg(long, value_name = "STATE")]
    state: Vec<State>,
    /// Only those of this owner
    #[arg(long, value_name = "NUMBER")]
    owner: Option<u64>,
    /// Only those whose cart was first reserved at least this long ago
    #[arg(long, value_name = "TIME", value_parser = duration)]
    older_than: Option<Duration>,
    /// How many to list
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(LIST_MAX)))]
    limit: u32,
    /// List those after this op, as printed at the end of a list
    #[arg(long, value_name = "OP", default_value_t = 0)]
    cursor: u64,
}

/// The state of a reservation.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Held,
    Confirmed,
    Expired,
    Shipped,
    Released,
    Replaced,
}

impl State {
    const fn bit(self) -> u8 {
        ReservationFilter::bit(match self {
            Self::Held => ReservationState::Held,
            Self::Confirmed => ReservationState::Confirmed,
            Self::Expired => ReservationState::Expired,
            Self::Shipped => ReservationState::Shipped,
            Self::Released => ReservationState::Released,
            Self::Replaced => ReservationState::Replaced,
        })
    }
}

/// `list skus`
#[derive(Args, Debug)]
#[command(
    after_help = "Several conditions add up. One call looks at 200,000 SKUs at most, and says where to go on.

Examples:
  stockhold list skus --sold-out
  stockhold list skus --below-threshold --stock web-us --limit 100 --cursor BIKE-0001
  stockhold list skus --not-open --stock web-us"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct SkusArguments {
    /// Only SKUs of which a stock can promise nothing more
    #[arg(long)]
    sold_out: bool,
    /// Only SKUs of which a source has less than the `notify_stock_qty` of the SKU; `list low-stock` has the items
    #[arg(long)]
    below_threshold: bool,
    /// Only SKUs of which more is promised than there is
    #[arg(long)]
    shortfall: bool,
    /// Only SKUs of which a stock promises nothing new because the SKU or the stock is frozen
    #[arg(long)]
    frozen: bool,
    /// Only SKUs whose sale in a stock has not begun or is over
    #[arg(long)]
    not_open: bool,
    /// Only SKUs that this stock sells, and conditions on it alone
    #[arg(long, value_name = "NAME")]
    stock: Option<String>,
    /// How many to list
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// List those after this SKU, as printed at the end of a list
    #[arg(long, value_name = "SKU")]
    cursor: Option<String>,
}

/// `list snapshots` and `list segments`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold list snapshots data
  stockhold list segments /backups/stockhold --json")]
pub(super) struct PlaceArguments {
    /// The data directory, a copy of one, or an archive; without it, the data directory of the running server
    #[arg(value_name = "DIR|URL")]
    place: Option<String>,
    #[command(flatten)]
    choice: Choice,
}

impl PlaceArguments {
    fn source(&self, context: Context<'_>) -> Result<Source, Failure> {
        Source::open(&place_or_served(context, self.place.as_deref())?, &self.choice)
    }
}

pub(super) fn list(context: Context<'_>, what: &List) -> Result<Exit, Failure> {
    let (text, document) = match what {
        List::Reservations(arguments) => reservations(context, arguments)?,
        List::Orders(arguments) => orders::list(context, arguments)?,
        List::Inconsistencies(arguments) => order_state::list(context, arguments)?,
        List::Skus(arguments) => skus(context, arguments)?,
        List::LowStock(arguments) => low_stock::list(context, arguments)?,
        List::Sources => show::sources(&mut context.server()?)?,
        List::Stocks => show::stocks(&mut context.server()?)?,
        List::Channels => channels(context)?,
        List::Marks => return mark::list(context),
        List::Snapshots(arguments) => snapshots(context, arguments)?,
        List::Segments(arguments) => segments(context, arguments)?,
    };
    context.output.result(&text, &document)?;
    Ok(Exit::Ok)
}

type Rendered = (String, Value);

fn reservations(context: Context<'_>, arguments: &ReservationsArguments) -> Result<Rendered, Failure> {
    let mut server = context.server()?;
    let sku = arguments.sku.as_ref().map(|sku| server.sku(sku)).transpose()?;
    let stock = arguments.stock.as_ref().map(|stock| server.stock(stock)).transpose()?;
    let filter = ReservationFilter {
        sku,
        stock,
        states: arguments.state.iter().fold(0, |bits, state| bits | state.bit()),
        owner: arguments.owner,
        older_than_ms: arguments.older_than.map_or(0, milliseconds),
        ..ReservationFilter::default()
    };
    let query = Query::Reservations { filter, after: arguments.cursor, limit: arguments.limit };
    let QueryAnswer::Reservations(page) = server.query(&query)? else { return Err(wrong_answer()) };
    let rows = reservation_rows::rows(&Names::load(&mut server)?, &page, sku);
    let mut text =
        format!("{} reservations match; {} units are promised\n{}", page.matched, page.promised, rows.table);
    if let Some(cursor) = rows.cursor {
        text = format!("{}\nmore: --cursor {cursor}", text.trim_end());
    }
    let document = json!({
        "matched": page.matched, "promised": page.promised.to_string(), "op": page.op,
        "reservations": rows.documents, "cursor": rows.cursor,
    });
    Ok((text, document))
}

/// What of a SKU meets the conditions.
struct SkuCondition<'a> {
    arguments: &'a SkusArguments,
    stock: Option<StockId>,
    frozen_stocks: BTreeSet<StockId>,
    /// The time by which sales open and close.
    wall: Timestamp,
}

impl SkuCondition<'_> {
    fn holds(&self, view: &SkuView) -> bool {
        let mut positions =
            view.positions.iter().filter(|one| self.stock.is_none_or(|stock| one.stock == stock));
        let is_sold = |position: &PositionView| {
            ![CELL_NOT_ASSIGNED, CELL_UNLIMITED].contains(&position.salable) && position.salable <= 0
        };
        let is_low = |position: &PositionView| {
            view.items.iter().any(|item| item.on_hand < position.settings.notify_stock_qty)
        };
        let is_frozen = |position: &PositionView| {
            position.settings.frozen || self.frozen_stocks.contains(&position.stock)
        };
        let is_closed = |position: &PositionView| {
            let time = |at: Timestamp| Some(at).filter(|at| *at != Timestamp::default());
            let (opens_at, closes_at) = (time(position.settings.opens_at), time(position.settings.closes_at));
            opens_at.is_some_and(|at| self.wall < at) || closes_at.is_some_and(|at| self.wall >= at)
        };
        let Self { arguments, .. } = self;
        if arguments.shortfall && view.shortfall <= Quantity::ZERO {
            return false;
        }
        let has_conditions = self.stock.is_some()
            || arguments.sold_out
            || arguments.below_threshold
            || arguments.frozen
            || arguments.not_open;
        !has_conditions
            || positions.any(|one| {
                (!arguments.sold_out || is_sold(one))
                    && (!arguments.below_threshold || is_low(one))
                    && (!arguments.frozen || is_frozen(one))
                    && (!arguments.not_open || is_closed(one))
            })
    }
}

fn skus(context: Context<'_>, arguments: &SkusArguments) -> Result<Rendered, Failure> {
    let mut server = context.server()?;
    let stock = arguments.stock.as_ref().map(|stock| server.stock(stock)).transpose()?;
    let mut after = arguments.cursor.as_ref().map(|sku| server.sku(sku)).transpose()?;
    let names = Names::load(&mut server)?;
    let frozen_stocks =
        lists::stocks(&mut server)?.into_iter().filter(|view| view.frozen).map(|view| view.id);
    let frozen_stocks = frozen_stocks.collect();
    let wall_ms = if arguments.not_open { Clocks::ask(&mut server)?.wall_ms()? } else { 0 };
    let condition = SkuCondition { arguments, stock, frozen_stocks, wall: Timestamp(wall_ms) };
    let mut rows = vec![["sku", "on hand", "salable", "promised", "missing"].map(str::to_owned).to_vec()];
    let (mut documents, mut scanned, mut cursor) = (Vec::new(), 0, None);
    'pages: loop {
        let QueryAnswer::Skus(page) = server.query(&Query::Skus { after, limit: LIST_MAX })? else {
            return Err(wrong_answer());
        };
        let Some(last) = page.last().map(|view| view.id) else { break };
        for view in page {
            scanned += 1;
            if condition.holds(&view) {
                let (row, document) = sku_row(&names, &view, stock);
                rows.push(row);
                documents.push(document);
            }
            let is_full = documents.len() >= arguments.limit as usize || scanned >= SKUS_SCANNED_MAX;
            if is_full {
                let has_more = view.id != last || has_skus_after(&mut server, last)?;
                cursor = has_more.then_some(view.sku);
                break 'pages;
            }
        }
        after = Some(last);
    }
    let mut text = if documents.is_empty() { format!("none of {scanned} SKUs") } else { table(&rows) };
    if let Some(cursor) = &cursor {
        text = format!("{}\nmore: --cursor {cursor}", text.trim_end());
    }
    Ok((text, json!({"skus": documents, "scanned": scanned, "cursor": cursor})))
}

fn has_skus_after(
    server: &mut super::server_connection::ServerConnection,
    last: SkuId,
) -> Result<bool, Failure> {
    let QueryAnswer::Skus(page) = server.query(&Query::Skus { after: Some(last), limit: 1 })? else {
        return Err(wrong_answer());
    };
    Ok(!page.is_empty())
}

fn sku_row(names: &Names, view: &SkuView, stock: Option<StockId>) -> (Vec<String>, Value) {
    let positions = || view.positions.iter().filter(|one| stock.is_none_or(|stock| one.stock == stock));
    let sum = |raws: &mut dyn Iterator<Item = Quantity>| {
        let raw = raws.fold(0_i64, |sum, units| sum.saturating_add(units.raw()));
        Quantity::from_raw(raw).unwrap_or(Quantity::MAX).to_string()
    };
    let on_hand = sum(&mut view.items.iter().map(|item| item.on_hand));
    let promised = sum(&mut positions().flat_map(|one| [one.confirmed, one.held]));
    let salable: Vec<(String, String)> =
        positions().map(|one| (names.stock(one.stock), cell_text(one.salable))).collect();
    let shown: Vec<String> = salable.iter().map(|(stock, cell)| format!("{stock} {cell}")).collect();
    let documents: Vec<Value> =
        salable.iter().map(|(stock, cell)| json!({"stock": stock, "salable": cell})).collect();
    let missing = view.shortfall.to_string();
    let document = json!({
        "sku": view.sku, "on_hand": on_hand, "promised": promised, "shortfall": missing, "salable": documents,
    });
    (vec![view.sku.clone(), on_hand, shown.join(", "), promised, missing], document)
}

fn channels(context: Context<'_>) -> Result<Rendered, Failure> {
    let mut rows = vec![["type", "code", "stock"].map(str::to_owned).to_vec()];
    let mut documents = Vec::new();
    for view in lists::stocks(&mut context.server()?)? {
        for (number, channel_type, code) in &view.channels {
            rows.push(vec![channel_type.clone(), code.clone(), view.name.clone()]);
            documents
                .push(json!({"number": number.0, "type": channel_type, "code": code, "stock": view.name}));
        }
    }
    Ok((table(&rows), json!({"channels": documents})))
}

fn snapshots(context: Context<'_>, arguments: &PlaceArguments) -> Result<Rendered, Failure> {
    let source = arguments.source(context)?;
    let directory = source.directory()?;
    let mut rows = vec![["file", "op", "log position", "time", "epoch"].map(str::to_owned).to_vec()];
    let mut documents = Vec::new();
    for op in directory.snapshots().map_err(|error| source.failure(error))? {
        let file = snapshot_name(op);
        match directory.read_snapshot(op, ReadFrom::Cache) {
            Ok(reader) => {
                let header = reader.header();
                let (time, position) = (rfc3339(header.time_ms), header.position);
                rows.push(vec![
                    file.clone(),
                    op.to_string(),
                    position.to_string(),
                    time.clone(),
                    header.epoch.to_string(),
                ]);
                documents.push(
                    json!({"file": file, "op": op, "position": position, "time": time, "epoch": header.epoch}),
                );
            }
            Err(error) => {
                rows.push(vec![
                    file.clone(),
                    op.to_string(),
                    "-".to_owned(),
                    format!("cannot be read: {error}"),
                ]);
                documents.push(json!({"file": file, "op": op, "error": error.to_string()}));
            }
        }
    }
    Ok((table(&rows), json!({"snapshots": documents})))
}

fn segments(context: Context<'_>, arguments: &PlaceArguments) -> Result<Rendered, Failure> {
    let source = arguments.source(context)?;
    let log_uuid = source.directory()?.manifest().log_uuid;
    let list =
        SegmentList::read(source.files.as_ref(), log_uuid, true).map_err(|error| source.failure(error))?;
    let mut rows = vec![["file", "first position", "epoch", "prepared", "bytes"].map(str::to_owned).to_vec()];
    let mut documents = Vec::new();
    for segment in &list.used {
        let (header, opening) = (&segment.header, &segment.opening);
        let (file, prepared) = (segment_name(header.sequence), rfc3339(header.created_ms));
        rows.push(vec![
            file.clone(),
            opening.first_position.to_string(),
            opening.epoch.to_string(),
            prepared.clone(),
            header.segment_bytes.to_string(),
        ]);
        documents.push(json!({
            "file": file, "first_position": opening.first_position, "epoch": opening.epoch, "prepared": prepared,
            "bytes": header.segment_bytes,
        }));
    }
    Ok((table(&rows), json!({"segments": documents})))
}
