//! Credit memos: what becomes of the units of an order that are refunded.

use super::{Candidate, Take, Want, take, want_of};
use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::record::{Booking, LineState, OrderLine, Total};
use crate::ledger::state::State;
use crate::moves::{Cause, Ending, Plan};
use crate::verbs::hold::Status;
use std::collections::BTreeMap;
use stockhold_protocol::command::{EventLine, SkuKind};
use stockhold_protocol::event::EventKind;
use stockhold_protocol::{Code, SourceId};

impl State {
    /// Refunds units by a credit memo (msi.md 4.5). Units that were invoiced and never shipped come first: they are given
    /// back, or written off if they are not returned to stock. The rest were shipped: they come back to a source if they
    /// are returned. What then remains is money only.
    pub(super) fn plan_memo(
        &self,
        order: u32,
        event_lines: &[EventLine],
        source: Option<SourceId>,
        plan: &mut Plan,
    ) -> Decision {
        let mut lines = self.order_lines_of(order);
        let mut parts = MemoParts::default();
        for (index, event_line) in event_lines.iter().enumerate() {
            let want = want_of((index, event_line));
            if !lines.iter().any(|line| want.is_of(line.stock, line.sku)) {
                return Err(Refusal::of_line(Code::NotInReservation, index).of_sku(want.sku));
            }
            let is_virtual = self.skus.get(want.sku).kind == SkuKind::Virtual;
            divide(&mut parts, &want, event_line.is_returned, is_virtual, &mut lines);
        }
        let mut candidates = self.candidates(order);
        let confirmed = |one: &Candidate| one.status == Status::Confirmed;
        let open = |one: &Candidate, line: &LineState| {
            if confirmed(one) { line.open } else { 0 }
        };
        let refunds = take(&candidates, &mut parts.refunded, open);
        // A line may be in both parts, so what the first part takes is not there for the second.
        for take in &refunds {
            if let Some(one) = candidates.iter_mut().find(|one| one.has(take)) {
                one.lines[take.at].open = one.lines[take.at].open.saturating_sub(take.units);
            }
        }
        let losses = take(&candidates, &mut parts.written_off, open);
        let returns =
            take(&candidates, &mut parts.returned, |_, line| line.shipped.saturating_sub(line.returned));
        let mut takes: Vec<(Take, MemoPart)> = Vec::new();
        takes.extend(refunds.into_iter().map(|take| (take, MemoPart::Refunded)));
        takes.extend(losses.into_iter().map(|take| (take, MemoPart::WrittenOff)));
        takes.extend(returns.into_iter().map(|take| (take, MemoPart::Returned)));
        let position = |take: &Take| candidates.iter().position(|candidate| candidate.has(take));
        takes.sort_by_key(|(take, _)| position(take));
        let (takes, kinds): (Vec<Take>, Vec<MemoPart>) = takes.into_iter().unzip();
        let (mut kinds, mut goods) = (kinds.into_iter(), BTreeMap::new());
        self.plan_takes(EventKind::CreditmemoCreated, &takes, plan, |take, stock, plan| {
            match kinds.next() {
                Some(MemoPart::Refunded) | None => self.plan_refunded(take, stock, plan),
                Some(MemoPart::WrittenOff) => self.plan_loss(take, stock, &mut goods, plan),
                Some(MemoPart::Returned) => {
                    let sku = plan.lines[take.at].sku;
                    let to = source.map_or_else(|| self.source_of_return(order, stock, sku), |to| Some(to.0));
                    let to =
                        to.ok_or_else(|| Refusal::of_line(Code::NoSourceItem, take.index).of_sku(sku))?;
                    let units = plan.return_units(take.at, to, take.units);
                    if units > 0 {
                        plan.move_goods(sku, to, units, Cause::Returned, take.index);
                    }
                }
            }
            Ok(())
        })?;
        for want in parts.returned.iter().filter(|want| want.left > 0) {
            self.plan_return_of_ended(order, want, source, plan)?;
        }
        Ok(Answer::ok(0))
    }

    fn plan_refunded(&self, take: &Take, stock: u32, plan: &mut Plan) {
        let quota = self.quota_of(&plan.lines[take.at], stock, take.units);
        plan.end_promise(take.at, take.units, quota, Ending::Counted(Total::Refunded), take.index);
    }

    /// Writes units off at the sources of their stock, in the order of priority. Units that no source has are given back: there
    /// is nothing to write off.
    fn plan_loss(&self, take: &Take, stock: u32, goods: &mut BTreeMap<(u32, u32), i64>, plan: &mut Plan) {
        let (sku, counts) = (plan.lines[take.at].sku, plan.lines[take.at].counts);
        if !counts {
            plan.end_promise(take.at, take.units, 0, Ending::Counted(Total::WrittenOff), take.index);
            return;
        }
        let mut left = take.units;
        for source in self.sources_by_priority(stock) {
            let units = left.min(self.goods_left(sku, source, goods));
            if units <= 0 {
                continue;
            }
            left = left.saturating_sub(units);
            let taken = goods.entry((sku, source)).or_default();
            *taken = taken.saturating_add(units);
            plan.end_promise(take.at, units, 0, Ending::CountedAt(Total::WrittenOff, source), take.index);
            plan.move_goods(sku, source, 0_i64.saturating_sub(units), Cause::WrittenOff, take.index);
        }
        if left > 0 {
            self.plan_refunded(&Take { units: left, ..*take }, stock, plan);
        }
    }

    /// The source that units of an order come back to: of those that have shipped the SKU, the one with the highest priority
    /// in the stock. Sources that are no longer linked come last.
    fn source_of_return(&self, order: u32, stock: u32, sku: u32) -> Option<u32> {
        let mut shippers: Vec<u32> = Vec::new();
        self.visit_events(order, |_, bookings| {
            let of_line = bookings.iter().filter(|one| (one.stock, one.sku) == (stock, sku));
            let shipped = of_line.filter(|one| matches!(one.total, Total::Shipped | Total::Beyond));
            shippers.extend(shipped.filter(|one| one.units > 0).filter_map(|one| one.source));
        });
        let links = self.catalog.links_of(stock);
        let linked = links.iter().map(|link| link.source).find(|source| shippers.contains(source));
        linked.or_else(|| shippers.first().copied()).or_else(|| links.first().map(|link| link.source))
    }

    /// Returns units whose reservation's record has ended. They belong to the order.
    fn plan_return_of_ended(
        &self,
        order: u32,
        want: &Want,
        source: Option<SourceId>,
        plan: &mut Plan,
    ) -> Result<(), Refusal> {
        let (stock, sku, units) = (want.stock.unwrap_or(0), want.sku, want.left);
        let to = source.map_or_else(|| self.source_of_return(order, stock, sku), |to| Some(to.0));
        let to = to.ok_or_else(|| Refusal::of_line(Code::NoSourceItem, want.index).of_sku(sku))?;
        let goods = units.min(self.goods_with_customer(order, stock, sku));
        let source = (goods > 0).then_some(to);
        plan.bookings.push(Booking { stock, sku, total: Total::Returned, units, source });
        if goods > 0 {
            plan.move_goods(sku, to, goods, Cause::Returned, want.index);
        }
        Ok(())
    }

    /// The units of a line that left a source and did not come back to one, by the events of the order.
    fn goods_with_customer(&self, order: u32, stock: u32, sku: u32) -> i64 {
        let mut goods: i64 = 0;
        self.visit_events(order, |_, bookings| {
            let of_line = bookings.iter().filter(|one| (one.stock, one.sku) == (stock, sku));
            for booking in of_line.filter(|one| one.source.is_some()) {
                goods = match booking.total {
                    Total::Shipped | Total::Beyond => goods.saturating_add(booking.units),
                    Total::Returned => goods.saturating_sub(booking.units),
                    Total::Ordered
                    | Total::Cancelled
                    | Total::Refunded
                    | Total::WrittenOff
                    | Total::Invoiced
                    | Total::Compensated
                    | Total::Reported => goods,
                };
            }
        });
        goods
    }
}

/// What a credit memo does with units.
#[derive(Clone, Copy)]
enum MemoPart {
    Refunded,
    WrittenOff,
    Returned,
}

/// The units of a credit memo by what it does with them.
#[derive(Default)]
struct MemoParts {
    refunded: Vec<Want>,
    written_off: Vec<Want>,
    returned: Vec<Want>,
}

/// Divides the units of a line. The totals in `lines` count what the lines before have taken. Lines come sorted by SKU, so
/// the parts are, too.
fn divide(parts: &mut MemoParts, want: &Want, is_returned: bool, is_virtual: bool, lines: &mut [OrderLine]) {
    let mut left = want.left;
    for line in lines.iter_mut().filter(|line| want.is_of(line.stock, line.sku)) {
        let of = |total| line.totals.of(total);
        let ended = of(Total::Refunded).saturating_add(of(Total::WrittenOff));
        let unshipped = of(Total::Invoiced).saturating_sub(ended).saturating_sub(of(Total::Shipped));
        let units = left.min(line.totals.open()).min(unshipped).max(0);
        left = left.saturating_sub(units);
        let (total, part) = if is_returned {
            (Total::Refunded, &mut parts.refunded)
        } else {
            (Total::WrittenOff, &mut parts.written_off)
        };
        if units > 0 && (is_returned || !is_virtual) {
            line.totals.add(total, units);
            part.push(Want { stock: Some(line.stock), left: units, ..*want });
        }
    }
    for line in lines.iter_mut().filter(|line| is_returned && want.is_of(line.stock, line.sku)) {
        let units = left.min(line.totals.with_customer());
        #[cfg(feature = "mutants")]
        let units = if crate::mutant::is(crate::mutant::Mutant::RefundsBeyondTotals) { left } else { units };
        if units > 0 {
            left = left.saturating_sub(units);
            line.totals.add(Total::Returned, units);
            parts.returned.push(Want { stock: Some(line.stock), left: units, ..*want });
        }
    }
}
