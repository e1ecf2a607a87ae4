//! Undoing parts of an order: units that never left, units that came back, units that were lost.
//!
//! All parts are one op: they are checked together, as the change of goods and promises that they make in
//! sum, because two parts that are harmless one by one can break a promise together. Not for giving a hold
//! back, which is a release.

use crate::decision::{Answer, Decision, Refusal};
use crate::machine::Machine;
use crate::record::{LineState, Stage};
use crate::sharing::{Allowance, Supply};
use crate::state::State;
use std::collections::BTreeMap;
use stockhold_protocol::command::{PartKind, Refund, RefundPart};
use stockhold_protocol::limits::QUANTITY_MAX;
use stockhold_protocol::{Code, Deadline};

/// What the parts of one SKU change at one source.
#[derive(Clone, Copy, Debug, Default)]
struct Movement {
    came: i64,
    lost: i64,
    /// The first part that names it, for a refusal.
    index: usize,
}

/// The movements of counted units by SKU and source.
type Movements = BTreeMap<(u32, u32), Movement>;

impl Machine {
    pub(crate) fn refund(&mut self, refund: &Refund<'_>) -> Decision {
        let slot = self.state.reservation(refund.reservation.0)?;
        let row = *self.state.reservations.get(slot);
        let is_closed = match row.stage() {
            Stage::Held if Deadline(row.deadline_s).has_passed(self.state.hold_time()) => {
                return Err(Refusal::new(Code::Expired));
            }
            Stage::Held => return Err(Refusal::new(Code::NotConfirmed)),
            Stage::Confirmed => false,
            Stage::Released | Stage::Shipped | Stage::Replaced => true,
        };
        let mut lines = std::mem::take(&mut self.line_states);
        self.state.lines_of(slot, &mut lines);
        let checked = self.state.check_refund(refund, &lines, row.stock, is_closed);
        self.line_states = lines;
        checked?;
        self.execute_refund(slot, refund, is_closed);
        Ok(Answer::ok(0))
    }

    fn execute_refund(&mut self, slot: u32, refund: &Refund<'_>, is_closed: bool) {
        self.state.uncount(slot);
        let row = *self.state.reservations.get(slot);
        let mut lines = std::mem::take(&mut self.line_states);
        for part in refund.parts.iter() {
            let units = part.quantity.raw();
            let Some(line) = lines.iter_mut().find(|line| line.sku == part.sku.0) else { continue };
            match part.kind {
                PartKind::Unshipped => self.state.give_back(line, row.stock, Stage::Confirmed, 0, units),
                PartKind::WrittenOff(source) => {
                    // The units are gone as if they had been shipped, and so is their part of a quota.
                    let at = self.state.place_of_line(line.sku, row.stock);
                    self.state.end_promise(line, at, Stage::Confirmed, 0, units, 0);
                    if line.counts {
                        self.state.take_from_item(line.sku, source.0, units);
                    }
                }
                PartKind::Returned(source) => {
                    line.returned = line.returned.saturating_add(units);
                    if line.counts {
                        self.state.add_to_item(line.sku, source.0, units);
                    }
                }
            }
        }
        self.state.set_lines(slot, &lines);
        if !is_closed && lines.iter().all(|line| line.open == 0) {
            let shipped = lines.iter().any(|line| line.shipped > 0);
            self.state.close(slot, if shipped { Stage::Shipped } else { Stage::Released });
        }
        self.line_states = lines;
        self.state.count(slot);
    }
}

impl State {
    fn check_refund(
        &mut self,
        refund: &Refund<'_>,
        lines: &[LineState],
        stock: u32,
        is_closed: bool,
    ) -> Result<(), Refusal> {
        let mut after = lines.to_vec();
        let mut moves = Movements::new();
        for (index, part) in refund.parts.iter().enumerate() {
            let Some(line) = after.iter_mut().find(|line| line.sku == part.sku.0) else {
                return Err(Refusal::of_line(Code::NotInReservation, index).of_sku(part.sku.0));
            };
            if let PartKind::Returned(source) | PartKind::WrittenOff(source) = part.kind
                && self.catalog.source(source.0).is_none()
            {
                return Err(Refusal::unknown_in_line("parts", index));
            }
            apply_part(line, part, is_closed, &mut moves, index)?;
        }
        for ((sku, source), movement) in &moves {
            self.check_arrival(*sku, *source, movement.came, movement.index)?;
            if movement.lost > 0 {
                // Units that are written off must lie at their source.
                self.check_there(*sku, *source, movement.lost, movement.index)?;
            }
        }
        if !self.guards_promises() {
            return Ok(());
        }
        for (line, after) in lines.iter().zip(&after) {
            let ended = line.open.saturating_sub(after.open);
            self.check_promises_kept(line.sku, stock, ended, &moves)?;
        }
        Ok(())
    }

    /// Units that are lost must be missed by nobody: the shortfall of no group rises by all that moves.
    fn check_promises_kept(
        &mut self,
        sku: u32,
        stock: u32,
        ended: i64,
        moves: &Movements,
    ) -> Result<(), Refusal> {
        let of_sku = || moves.range((sku, 0)..=(sku, u32::MAX));
        let losses = of_sku().filter(|(_, movement)| movement.lost > 0);
        let Some(first_loss) = losses.map(|(_, movement)| movement.index).min() else { return Ok(()) };
        let at = self.place_of_line(sku, stock);
        let clusters: Vec<u32> = self.clusters_of(sku).map(|(number, _)| number).collect();
        for number in clusters {
            self.settle(number);
            let cluster = self.clusters.get(number);
            let group = self.catalog.layout.group(cluster.group);
            let mut trial = cluster.pool.clone();
            if number == at.cluster {
                trial.add_promise(group, at.index, 0_i64.saturating_sub(ended));
            }
            for ((_, source), movement) in of_sku() {
                let Some(seat) = self.seat_of_source(*source).filter(|seat| seat.group == cluster.group)
                else {
                    continue;
                };
                let item = self.item(sku, *source).map(|slot| *self.items.get(slot));
                let before = item.map(|item| self.supply_of(&item));
                let there = self.supply_at(sku, *source);
                let on_hand = there.on_hand.saturating_add(movement.came).saturating_sub(movement.lost);
                trial.change_supply(group, seat.index, before, Some(Supply { on_hand, ..there }));
            }
            let none = |_: u32| Allowance::Units(0);
            let allowed = |index: u32| cluster.place(index).settings.allowance();
            let raises = trial.shortfall(group, none) > cluster.pool.shortfall(group, none)
                || trial.shortfall(group, allowed) > cluster.pool.shortfall(group, allowed);
            if raises {
                return Err(Refusal::of_line(Code::NeededElsewhere, first_loss).of_sku(sku));
            }
        }
        Ok(())
    }
}

/// Applies one part to the line as it would be, and notes what moves.
fn apply_part(
    line: &mut LineState,
    part: RefundPart,
    is_closed: bool,
    moves: &mut Movements,
    index: usize,
) -> Result<(), Refusal> {
    let units = part.quantity.raw();
    let left = line.shipped.saturating_sub(line.returned);
    let refused = |code: Code| Refusal::of_line(code, index);
    let (source, came, lost) = match part.kind {
        PartKind::Unshipped | PartKind::WrittenOff(_) if is_closed => {
            return Err(refused(Code::AlreadyClosed));
        }
        PartKind::Unshipped | PartKind::WrittenOff(_) if units > line.open => {
            return Err(refused(Code::MoreThanOpen).bounded(line.sku, line.open, units));
        }
        PartKind::Returned(_) if units > left => {
            return Err(refused(Code::MoreThanShipped).bounded(line.sku, left, units));
        }
        PartKind::Unshipped => {
            line.open = line.open.saturating_sub(units);
            return Ok(());
        }
        PartKind::WrittenOff(source) => {
            line.open = line.open.saturating_sub(units);
            (source, 0, units)
        }
        PartKind::Returned(source) => {
            line.returned = line.returned.saturating_add(units);
            (source, units, 0)
        }
    };
    if line.counts {
        let movement = moves.entry((line.sku, source.0)).or_insert(Movement { index, ..Movement::default() });
        movement.came = movement.came.saturating_add(came).min(QUANTITY_MAX);
        movement.lost = movement.lost.saturating_add(lost);
    }
    Ok(())
}
