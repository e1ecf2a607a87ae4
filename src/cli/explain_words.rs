//! The reason for what a stock can promise, in words: from the goods that it shares to the result.

use super::lists::Names;
use super::salable::cell_text;
use crate::calendar::Door;
use stockhold_protocol::command::{BackorderMode, SkuKind};
use stockhold_protocol::query::{
    CELL_NOT_ASSIGNED, ExplainView, ExplainedStock, SharingForm, SourceRole, StockRole,
};
use stockhold_protocol::{Quantity, Timestamp};

/// How many names a sentence lists.
const NAMES_MAX: usize = 8;

/// One sentence for each step from the goods to the result.
pub(super) fn sentences(view: &ExplainView, names: &Names) -> Vec<String> {
    let stock = names.stock(view.stock);
    if view.kind == SkuKind::Composite {
        return vec![format!(
            "{} is composite: it has no units of its own and cannot be reserved",
            view.name
        )];
    }
    if view.salable == CELL_NOT_ASSIGNED {
        return vec![format!(
            "no source of {stock} has a source item of {}, so nothing can be sold",
            view.name
        )];
    }
    if !view.settings.manage_stock {
        return vec![format!(
            "{} is not counted in {stock} (manage_stock is off): any quantity is accepted",
            view.name
        )]
        .into_iter()
        .chain(closed(view, &stock))
        .collect();
    }
    let mut sentences = shared(view, names);
    sentences
        .push(format!("goods {} - promised {} = {} left to {stock}", view.goods, view.promised, view.left));
    let is_backordered = view.settings.backorders != BackorderMode::Off;
    let kept_back = view.kept_back.raw();
    if !view.is_in_stock {
        sentences.push(format!(
            "no source of {stock} is enabled and has it in stock, so nothing is sold, with or without backorders"
        ));
    } else if is_backordered && view.settings.min_qty.raw() >= 0 {
        sentences
            .push("backorders are allowed without a limit: more than what is left is accepted".to_owned());
    }
    if kept_back > 0 {
        sentences.push(format!("threshold: {} are kept back from sale (min_qty)", view.kept_back));
    } else if kept_back < 0 {
        let allowance = units(kept_back.saturating_neg());
        sentences.push(format!(
            "allowance: {allowance} may be promised beyond the goods (backorders, min_qty {})",
            view.kept_back
        ));
    }
    if let Some(limit) = view.quota_limit {
        let left = units(limit.raw().saturating_sub(view.quota_taken.raw()));
        sentences.push(format!("quota: {} of {limit} taken, {left} left", view.quota_taken));
    }
    sentences.push(format!("salable: {}", cell_text(view.salable)));
    sentences.extend(closed(view, &stock));
    sentences
}

/// Why nothing new is promised whatever is salable: a freeze, or the time.
fn closed(view: &ExplainView, stock: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    if view.stock_frozen {
        sentences.push(format!("{stock} is frozen: nothing new is promised"));
    }
    if view.settings.frozen {
        sentences.push(format!("{} is frozen in {stock}: nothing new is promised", view.name));
    }
    let now = view.time_ms.saturating_add_signed(view.shown_offset_ms);
    let door = |at: Timestamp| Some(Door(at)).filter(|door| *door != Door::default());
    if let Some(opens_at) = door(view.settings.opens_at).filter(|door| now < door.0.0) {
        sentences.push(format!("the sale opens at {opens_at}: nothing is promised before"));
    }
    if let Some(closes_at) = door(view.settings.closes_at) {
        let words = if now < closes_at.0.0 { "closes" } else { "closed" };
        sentences.push(format!("the sale {words} at {closes_at}: nothing new is promised from then on"));
    }
    sentences
}

fn units(raw: i64) -> String {
    Quantity::from_raw(raw).map_or_else(|_| raw.to_string(), |units| units.to_string())
}

/// Which stocks share which sources.
fn shared(view: &ExplainView, names: &Names) -> Vec<String> {
    let stock = names.stock(view.stock);
    let sources = |role: SourceRole| {
        let rows = view.sources.iter().filter(move |row| row.role == role);
        listed(rows.map(|row| names.source(row.source)).collect())
    };
    let stocks = |role: StockRole| -> Vec<&ExplainedStock> {
        view.stocks.iter().filter(|row| row.role == role).collect()
    };
    let named = |rows: &[&ExplainedStock]| listed(rows.iter().map(|row| names.stock(row.stock)).collect());
    let (competing, took_all) = (stocks(StockRole::Competes), stocks(StockRole::TookAll));
    let mut sentences = Vec::new();
    if view.form == SharingForm::Independent {
        sentences.push("stocks do not limit each other (sharing = independent)".to_owned());
    } else if !competing.is_empty() {
        let others = sources(SourceRole::Others);
        let more = if others.is_empty() { String::new() } else { format!(", and they also use {others}") };
        sentences.push(format!(
            "{stock} shares {} with {}{more}: together they can promise the goods of these sources once",
            none_if_empty(sources(SourceRole::Own)),
            named(&competing)
        ));
    } else if took_all.is_empty() {
        sentences.push(format!("no promise of another stock limits {stock}"));
    }
    if !took_all.is_empty() {
        sentences.push(format!(
            "{} have promised more than their sources hold, so nothing of {} is left to {stock}",
            named(&took_all),
            none_if_empty(sources(SourceRole::Taken))
        ));
    }
    sentences
}

fn none_if_empty(names: String) -> String {
    if names.is_empty() { "none of its sources".to_owned() } else { names }
}

/// Names with commas, and the number of those that are too many.
fn listed(mut names: Vec<String>) -> String {
    let hidden = names.len().saturating_sub(NAMES_MAX);
    names.truncate(NAMES_MAX);
    if hidden > 0 {
        names.push(format!("{hidden} more"));
    }
    names.join(", ")
}
