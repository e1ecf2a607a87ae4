//! `explain`: why a stock can promise so much of a SKU, and no more, on one screen.
//!
//! The server gives the figures and this file the words. The same words explain a moment of the past.

use super::answering::Answering;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::explain_words::sentences;
use super::lists::Names;
use super::output::{Text, table};
use super::past::{Past, moment};
use super::questions::wrong_answer;
use super::reservation_rows;
use super::salable::cell_text;
use crate::replica::Target;
use clap::Args;
use serde_json::{Value, json};
use stockhold_protocol::query::{
    ExplainView, LIST_MAX, Name, Query, QueryAnswer, ReservationFilter, ReservationState, SourceRole,
    StockRole,
};
use stockhold_protocol::{SkuId, StockId, Timestamp};

/// The most stocks that are explained when none is named.
const STOCKS_MAX: usize = 20;

/// `explain`
#[derive(Args, Debug)]
#[command(
    after_help = "Shows what each source adds, what is promised and to whom, which stocks compete for the same goods, and what threshold,
allowance and quota make of the rest. The result is what `stockhold salable` shows. The reservations are found by a scan
of all reservations, in the time that the server gives to queries; --limit 0 leaves them out. With --at the same is said of a moment of
the past, from a data directory or an archive; the log is replayed by a process of its own, not by the server.

Examples:
  stockhold explain BIKE-0001
  stockhold explain BIKE-0001 --stock web-us --limit 50
  stockhold explain BIKE-0001 --stock web-us --cursor 120417 --json
  stockhold explain BIKE-0001 --stock web-us --at 2026-11-29T16:07:43Z
  stockhold explain BIKE-0001 --stock web-us --at 120417 --from /backups/stockhold"
)]
pub(super) struct ExplainArguments {
    #[command(flatten)]
    subject: Subject,
    /// Explain the state after this op, or after the last op up to this time
    #[arg(long, value_name = "OP|RFC3339", value_parser = moment)]
    at: Option<Target>,
    #[command(flatten)]
    past: Past,
}

impl ExplainArguments {
    /// Whether no running server gives the explanation.
    pub(super) fn is_of_the_past(&self) -> bool {
        self.at.is_some() || self.past.is_given()
    }

    /// Whether a place is named, so that no server is asked.
    pub(super) fn names_a_place(&self) -> bool {
        self.past.is_given()
    }
}

/// What is explained.
#[derive(Args, Debug)]
pub(super) struct Subject {
    /// The SKU
    sku: String,
    /// Only this stock; without it, the stocks that the SKU is assigned to
    #[arg(long, value_name = "NAME")]
    stock: Option<String>,
    /// How many reservations to list for each stock, the oldest first
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=i64::from(LIST_MAX)))]
    limit: u32,
    /// List reservations after this op, as printed at the end of a list
    #[arg(long, value_name = "OP", default_value_t = 0)]
    cursor: u64,
}

impl Subject {
    /// A SKU in a stock or in all that it is assigned to, with the oldest reservations.
    pub(super) const fn new(sku: String, stock: Option<String>, limit: u32) -> Self {
        Self { sku, stock, limit, cursor: 0 }
    }
}

pub(super) fn run(context: Context<'_>, arguments: &ExplainArguments) -> Result<Exit, Failure> {
    if !arguments.is_of_the_past() {
        let (text, document) = explanation(&mut context.server()?, &arguments.subject)?;
        context.output.result(&text, &document)?;
        return Ok(Exit::Ok);
    }
    arguments.past.in_child(context, |source, place| {
        let target = arguments.at.unwrap_or(Target::End);
        let replica = arguments.past.replica(context, (source, place), target)?;
        let (text, document) = explanation(&mut replica.machine(), &arguments.subject)?;
        context.output.result(&text, &document)?;
        Ok(Exit::Ok)
    })
}

/// The explanation of a SKU in one or several stocks.
pub(super) fn explanation(asked: &mut impl Answering, subject: &Subject) -> Result<(String, Value), Failure> {
    let sku = SkuId(asked.number(&Name::Sku(subject.sku.clone()))?);
    let stocks = match &subject.stock {
        Some(name) => vec![StockId(asked.number(&Name::Stock(name.clone()))?)],
        None => assigned(asked, sku)?,
    };
    let names = Names::load(asked)?;
    let (mut text, mut documents) = (Text::default(), Vec::new());
    for stock in stocks.iter().take(STOCKS_MAX) {
        let QueryAnswer::Explain(Some(view)) = asked.query(&Query::Explain { sku, stock: *stock })? else {
            return Err(wrong_answer());
        };
        if !documents.is_empty() {
            text.line("");
        }
        let mut document = figures(&mut text, &names, &view);
        if subject.limit > 0 {
            document["reservations"] = promises(asked, &mut text, &names, &view, subject)?;
        }
        documents.push(document);
    }
    let hidden = stocks.len().saturating_sub(STOCKS_MAX);
    if stocks.is_empty() {
        text.line(&format!("{} is assigned to no stock: no source of a stock has it", subject.sku));
    } else if hidden > 0 {
        text.line(&format!("\nand {hidden} more stocks; name one with --stock"));
    }
    let document = json!({"sku": subject.sku, "stocks": documents, "stocks_total": stocks.len()});
    Ok((text.into_string(), document))
}

/// The stocks that a SKU is assigned to or promised in.
fn assigned(asked: &mut impl Answering, sku: SkuId) -> Result<Vec<StockId>, Failure> {
    let QueryAnswer::Sku(Some(view)) = asked.query(&Query::Sku(sku))? else { return Err(wrong_answer()) };
    Ok(view.positions.iter().map(|position| position.stock).collect())
}

/// The figures of one stock, as text and as JSON.
fn figures(text: &mut Text, names: &Names, view: &ExplainView) -> Value {
    let stock = names.stock(view.stock);
    let at = Timestamp(view.time_ms.saturating_add_signed(view.shown_offset_ms)).to_rfc3339();
    text.line(&format!(
        "{} in {stock}: {} salable (after op {}, {at})",
        view.name,
        cell_text(view.salable),
        view.op
    ));
    let mut stocks = vec![["promised by", "orders", "holds", ""].map(str::to_owned).to_vec()];
    let mut stock_documents = Vec::new();
    for row in &view.stocks {
        let note = match row.role {
            StockRole::Asked => "",
            StockRole::Competes => "competes for the same goods",
            StockRole::TookAll => "has promised more than its sources hold",
        };
        let (name, orders, holds) = (names.stock(row.stock), row.confirmed.to_string(), row.held.to_string());
        stock_documents
            .push(json!({"stock": name, "role": row.role.name(), "confirmed": orders, "held": holds}));
        stocks.push(vec![name, orders, holds, note.to_owned()]);
    }
    text.line("");
    let source_documents = goods(text, names, view);
    more(text, view.sources_total, view.sources.len(), "sources");
    text.line("");
    text.line(table(&stocks).trim_end());
    more(text, view.stocks_total, view.stocks.len(), "stocks");
    text.line("");
    let why = sentences(view, names);
    for sentence in &why {
        text.line(sentence);
    }
    json!({
        "stock": stock, "salable": cell_text(view.salable), "op": view.op, "time": at,
        "sources": source_documents, "sources_total": view.sources_total,
        "promised_by": stock_documents, "promised_by_total": view.stocks_total,
        "form": view.form.name(), "goods": view.goods.to_string(), "promised": view.promised.to_string(),
        "left": view.left.to_string(), "kept_back": view.kept_back.to_string(),
        "is_in_stock": view.is_in_stock,
        "quota_limit": view.quota_limit.map(|limit| limit.to_string()),
        "quota_taken": view.quota_taken.to_string(),
        "settings": super::show::settings_document(&view.settings),
        "stock_frozen": view.stock_frozen, "why": why,
    })
}

/// What each source adds, as text and as JSON.
fn goods(text: &mut Text, names: &Names, view: &ExplainView) -> Vec<Value> {
    let mut sources = vec![["source", "on hand", "status", "adds", ""].map(str::to_owned).to_vec()];
    let mut source_documents = Vec::new();
    for row in &view.sources {
        let on_hand = row.on_hand.map(|units| units.to_string());
        let status = match (row.is_enabled, &on_hand, row.is_in_stock) {
            (false, ..) => "source disabled",
            (true, None, _) => "no source item",
            (true, Some(_), false) => "out of stock",
            (true, Some(_), true) => "in stock",
        };
        let note = match row.role {
            SourceRole::Own => "",
            SourceRole::Taken => "taken by others",
            SourceRole::Others => "of stocks that compete",
        };
        let (source, adds) = (names.source(row.source), row.adds.to_string());
        source_documents.push(json!({
            "source": source, "role": row.role.name(), "enabled": row.is_enabled, "on_hand": on_hand,
            "in_stock": row.is_in_stock, "adds": adds,
        }));
        sources.push(vec![
            source,
            on_hand.unwrap_or_else(|| "-".to_owned()),
            status.to_owned(),
            adds,
            note.to_owned(),
        ]);
    }
    text.line(table(&sources).trim_end());
    source_documents
}

fn more(text: &mut Text, total: u32, listed: usize, what: &str) {
    let hidden = (total as usize).saturating_sub(listed);
    if hidden > 0 {
        text.line(&format!("and {hidden} more {what}, which are in the sums below"));
    }
}

/// The reservations behind the promises of a stock.
fn promises(
    asked: &mut impl Answering,
    text: &mut Text,
    names: &Names,
    view: &ExplainView,
    subject: &Subject,
) -> Result<Value, Failure> {
    let states = [ReservationState::Held, ReservationState::Confirmed].map(ReservationFilter::bit);
    let filter = ReservationFilter {
        sku: Some(view.sku),
        stock: Some(view.stock),
        states: states[0] | states[1],
        is_promised: true,
        ..ReservationFilter::default()
    };
    let query = Query::Reservations { filter, after: subject.cursor, limit: subject.limit };
    let QueryAnswer::Reservations(page) = asked.query(&query)? else { return Err(wrong_answer()) };
    let rows = reservation_rows::rows(names, &page, Some(view.sku));
    text.line("");
    let which = if subject.cursor == 0 { String::new() } else { format!(" after op {}", subject.cursor) };
    text.line(&format!(
        "{} reservations{which} promise {} units in {}",
        page.matched,
        page.promised,
        names.stock(view.stock)
    ));
    if !rows.table.is_empty() {
        text.line(rows.table.trim_end());
    }
    if let Some(cursor) = rows.cursor {
        text.line(&format!("more: --cursor {cursor}"));
    }
    Ok(json!({
        "matched": page.matched, "promised": page.promised.to_string(), "op": page.op,
        "reservations": rows.documents, "cursor": rows.cursor,
    }))
}
