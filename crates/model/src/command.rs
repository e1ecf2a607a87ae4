//! The command of each step.

use crate::orders::order_of_sale;
use crate::step::{
    Cart, HALF, OrderStep, RefundKind, RowStep, Setting, StateStep, Step, Value, Wanted, channel_assignment,
    order_number, source_definition,
};
use stockhold_protocol::command::{
    Adjust, Amend, AppendReservations, BackorderMode, Change, Configure, Count, EventLine, ExpectedLine,
    Extend, Freeze, FreezeScope, LinkDefinition, LinkRemoval, Mark, MarkRemoval, Notify, OrderEvent,
    OrderStateReport, PartKind, Parts, PlaceFailed, Placement, QuotaChange, Refund, RefundPart, Release,
    Rename, Replace, Reserve, Sell, SettingScope, SettingsChange, Sharing, Ship, SignedRow, Target, Transfer,
    Unship,
};
use stockhold_protocol::{
    Command, CommandId, Line, Lines, Quantity, ReservationId, SkuId, SourceId, StockId, Timestamp,
};

fn lines_of(wanted: &Wanted) -> Vec<Line> {
    wanted.iter().map(|(sku, halves)| Line::new(SkuId(*sku), quantity(*halves))).collect()
}

fn reserve_of<'a>(cart: &Cart, lines: &'a [Line], reference: &'a str) -> Reserve<'a> {
    Reserve {
        target: cart.target,
        lines: Lines::Slice(lines),
        best_effort: cart.best_effort,
        ttl_ms: cart.ttl_ms,
        owner: cart.owner,
        reference,
    }
}

/// Calls `take` with the command of a step. `named` is the reservation that it refers to, if any.
pub fn with_command(step: &Step, named: CommandId, take: &mut dyn FnMut(Command<'_>)) {
    let reservation = ReservationId(named);
    let reference = |order: Option<u32>| order.map_or(String::new(), order_number);
    match step {
        Step::Reserve(cart) => {
            let (lines, reference) = (lines_of(&cart.lines), reference(cart.order));
            take(Command::Reserve(reserve_of(cart, &lines, &reference)));
        }
        Step::Replace(_, cart) => {
            let (lines, reference) = (lines_of(&cart.lines), reference(cart.order));
            let new = reserve_of(cart, &lines, &reference);
            take(Command::Replace(Replace { old: reservation, new }));
        }
        Step::Confirm(_) => take(Command::Confirm(reservation)),
        Step::Release(_, lines) => {
            take(Command::Release(Release { reservation, lines: Lines::Slice(&lines_of(lines)) }));
        }
        Step::Extend(_, ttl_ms) => take(Command::Extend(Extend { reservation, ttl_ms: *ttl_ms })),
        Step::Ship(_, source, lines, forced) => take(Command::Ship(Ship {
            reservation,
            source: SourceId(*source),
            lines: Lines::Slice(&lines_of(lines)),
            forced: *forced,
        })),
        Step::Sell(target, source, lines, forced) => take(Command::Sell(Sell {
            target: *target,
            source: SourceId(*source),
            lines: Lines::Slice(&lines_of(lines)),
            forced: *forced,
            owner: 0,
            reference: &reference(order_of_sale(lines)),
        })),
        Step::Amend(_, lines) => take(Command::Amend(Amend { reservation, lines: lines_of(lines) })),
        Step::Unship(_, source, lines) => {
            let (source, lines) = (SourceId(*source), lines_of(lines));
            take(Command::Unship(Unship { reservation, source, lines }));
        }
        Step::Refund(_, parts) => {
            let parts: Vec<RefundPart> = parts.iter().map(part_of).collect();
            take(Command::Refund(Refund { reservation, parts: Parts::Slice(&parts) }));
        }
        Step::Place(cart) => {
            let (lines, reference) = (lines_of(&cart.lines), reference(cart.order));
            take(Command::OrderPlaced(Placement(reserve_of(cart, &lines, &reference))));
        }
        Step::PlaceFailed(_, order) => {
            take(Command::PlaceFailed(PlaceFailed { order: order_number(*order), placement: reservation }));
        }
        Step::Event(event) => take(Command::OrderEvent(Box::new(event_of(event)))),
        Step::Append(rows) => {
            take(Command::AppendReservations(AppendReservations { rows: rows.iter().map(row_of).collect() }));
        }
        Step::State(step) => take(Command::OrderState(Box::new(report_of(step)))),
        _ => take(merchant_command(step)),
    }
}

fn event_of(event: &OrderStep) -> OrderEvent {
    let line = |(sku, stock, halves, is_returned): &(u32, Option<u32>, i64, bool)| EventLine {
        sku: SkuId(*sku),
        stock: stock.map(StockId),
        quantity: quantity(*halves),
        is_returned: *is_returned,
    };
    OrderEvent {
        order: order_number(event.order),
        action: event.action,
        document: event.document.map_or(String::new(), |document| format!("document {document}")),
        source: event.source.map(SourceId),
        lines: event.lines.iter().map(line).collect(),
        forced: event.forced,
        ttl_ms: event.ttl_ms,
    }
}

fn report_of(step: &StateStep) -> OrderStateReport {
    let line = |(stock, sku, halves): &(u32, u32, i64)| ExpectedLine {
        stock: StockId(*stock),
        sku: SkuId(*sku),
        quantity: quantity(*halves),
    };
    let lines = step.lines.as_ref().map(|lines| lines.iter().map(line).collect());
    OrderStateReport { order: order_number(step.order), state: step.state, lines }
}

fn row_of(row: &RowStep) -> SignedRow {
    SignedRow {
        order: row.order.map_or(String::new(), order_number),
        event: row.event,
        stock: StockId(row.stock),
        sku: SkuId(row.sku),
        quantity: quantity(row.halves),
    }
}

fn part_of((sku, halves, kind): &(u32, i64, RefundKind)) -> RefundPart {
    let kind = match kind {
        RefundKind::Unshipped => PartKind::Unshipped,
        RefundKind::Returned(source) => PartKind::Returned(SourceId(*source)),
        RefundKind::Lost(source) => PartKind::WrittenOff(SourceId(*source)),
    };
    RefundPart { sku: SkuId(*sku), quantity: quantity(*halves), kind }
}

fn merchant_command(step: &Step) -> Command<'static> {
    let (reason, reference) = (String::new(), String::new());
    match step {
        Step::Count(source, sku, halves, in_stock) => Command::Count(Count {
            source: SourceId(*source),
            sku: SkuId(*sku),
            quantity: quantity(*halves),
            in_stock: *in_stock,
            reason,
            reference,
        }),
        Step::Adjust(source, sku, halves) => {
            let (source, sku, delta) = (SourceId(*source), SkuId(*sku), quantity(*halves));
            Command::Adjust(Adjust { source, sku, delta, reason, reference })
        }
        Step::Transfer(from, to, lines) => {
            let (from, to, lines) = (SourceId(*from), SourceId(*to), lines_of(lines));
            Command::Transfer(Transfer { from, to, lines, reason })
        }
        Step::Bulk(bulk) => bulk.command(),
        Step::Enable(source, enabled) => {
            Command::DefineSource(Box::new(source_definition(*source, *enabled)))
        }
        Step::Link(stock, source, priority) => Command::Link(LinkDefinition {
            stock: StockId(*stock),
            source: SourceId(*source),
            priority: *priority,
        }),
        Step::Unlink(stock, source) => {
            Command::Unlink(LinkRemoval { stock: StockId(*stock), source: SourceId(*source) })
        }
        Step::Setting(setting) => Command::Settings(Box::new(settings_change(setting))),
        Step::Notify(sku, source, is_set, halves) => Command::Notify(Notify {
            sku: SkuId(*sku),
            source: SourceId(*source),
            is_set: *is_set,
            threshold: halves.map(quantity),
        }),
        Step::Quota(sku, stock, limit) => Command::Quota(QuotaChange {
            sku: SkuId(*sku),
            stock: StockId(*stock),
            limit: limit.map(quantity),
        }),
        Step::Freeze(target, frozen) => {
            let scope = match target {
                Target::Stock(stock) => FreezeScope::Stock(*stock),
                Target::Channel(channel) => FreezeScope::Channel(*channel),
            };
            Command::Freeze(Freeze { scope, frozen: *frozen })
        }
        Step::Sharing(independent) => {
            let sharing = if *independent { Sharing::Independent } else { Sharing::Exact };
            Command::Configure(Box::new(Configure { sharing: Some(sharing), ..Configure::default() }))
        }
        Step::Channel(channel, stock) => Command::Channel(channel_assignment(*channel, *stock)),
        Step::Rename(number, to) => Command::Rename(Rename { number: *number, to: to.clone() }),
        Step::Mark(name) => Command::Mark(Mark::new(name)),
        Step::Unmark(name) => Command::Unmark(MarkRemoval { name: name.clone() }),
        Step::Configure(change) => Command::Configure(Box::new(*change)),
        _ => Command::Tick,
    }
}

fn change<T, U>(value: Option<T>, convert: impl Fn(T) -> U) -> Change<U> {
    value.map_or(Change::Unset, |value| Change::Set(convert(value)))
}

fn settings_change(setting: &Setting) -> SettingsChange {
    let scope = match (setting.sku, setting.stock) {
        (Some(sku), Some(stock)) => SettingScope::SkuStock(SkuId(sku), StockId(stock)),
        (Some(sku), None) => SettingScope::Sku(SkuId(sku)),
        (None, _) => SettingScope::Global,
    };
    let mut settings = SettingsChange::at(scope);
    match setting.value {
        Value::ManageStock(value) => settings.manage_stock = change(value, |on| on),
        Value::Backorders(value) => {
            let mode = |on| if on { BackorderMode::Allow } else { BackorderMode::Off };
            settings.backorders = change(value, mode);
        }
        Value::MinQty(value) => settings.min_qty = change(value, quantity),
        Value::MinSale(value) => settings.min_sale_qty = change(value, quantity),
        Value::MaxSale(value) => settings.max_sale_qty = change(value, quantity),
        Value::Increments(value) => {
            settings.enable_qty_increments = change(value, |_| true);
            settings.qty_increments = change(value, quantity);
        }
        Value::Notify(value) => settings.notify_stock_qty = change(value, quantity),
        Value::Frozen(value) => settings.frozen = change(value, |frozen| frozen),
        Value::OpensAt(value) => settings.opens_at = change(value, Timestamp),
        Value::ClosesAt(value) => settings.closes_at = change(value, Timestamp),
    }
    settings
}

fn quantity(halves: i64) -> Quantity {
    Quantity::from_raw(halves * HALF).expect("small")
}
