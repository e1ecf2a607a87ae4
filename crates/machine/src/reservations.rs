//! The records of reservations: how one is stored, found and answered for. No rule about quantities is here.

use crate::machine::Refusal;
use crate::record::{LineRow, LineState, ReferenceRow, ReservationRow};
use crate::state::{At, State};
use crate::table::NO_SLOT;
use stockhold_protocol::outcome::GrantedLine;
use stockhold_protocol::{Code, CommandId, Detail, Outcome, Quantity, SkuId, Timestamp};

impl State {
    /// When a record whose use ends at `from` stops being known.
    pub(crate) fn erase_at(&self, from: Timestamp) -> u32 {
        from.plus_ms(self.core.configuration.late_confirm_window_ms).round_up().0
    }

    /// Stores a new reservation with its lines and reference.
    pub(crate) fn add_reservation(&mut self, mut row: ReservationRow, lines: &[LineState], reference: &str) {
        let id = row.id();
        if let Some(first) = lines.first() {
            row.set_first_line(*first);
        }
        for (at, state) in lines.iter().enumerate().skip(1).rev() {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            let line = LineRow { reservation: id, at, next: row.more, state: *state };
            row.more = self.lines.insert(line);
        }
        if !reference.is_empty() {
            row.reference = self.references.insert(ReferenceRow::new(id, reference));
        }
        let slot = self.reservations.insert(row);
        let reservations = &self.reservations;
        self.reservation_index.insert(id.hash64(), slot, |slot| reservations.get(slot).id().hash64());
        self.known = self.known.saturating_add(1);
        self.count(slot);
    }

    /// The outcome that the op of a live reservation answered.
    pub(crate) fn granted_outcome(&self, slot: u32) -> Outcome {
        let row = self.reservations.get(slot);
        let grant = row.grant();
        let code = if grant.partial { Code::Partial } else { Code::Ok };
        let mut outcome = Outcome::new(code, grant.deadline_s, grant.op);
        outcome.replayed = true;
        if grant.best_effort {
            let mut states = Vec::new();
            self.lines_of(slot, &mut states);
            let lines = states.iter().map(|line| GrantedLine {
                sku: SkuId(line.sku),
                quantity: Quantity::from_raw(line.granted).unwrap_or_default(),
            });
            outcome.detail = Detail::Granted { lines: lines.collect(), backordered: Quantity::ZERO };
        }
        outcome
    }

    /// All lines of a reservation, sorted by SKU as they were granted; `out` is overwritten.
    pub(crate) fn lines_of(&self, slot: u32, out: &mut Vec<LineState>) {
        let row = self.reservations.get(slot);
        out.clear();
        out.push(row.first_line());
        let mut next = row.more;
        while next != NO_SLOT {
            let line = self.lines.get(next);
            out.push(line.state);
            next = line.next;
        }
    }

    /// Writes the lines of a reservation back, in the order of [`State::lines_of`].
    pub(crate) fn set_lines(&mut self, slot: u32, lines: &[LineState]) {
        let Some((first, rest)) = lines.split_first() else { return };
        let row = self.reservations.get_mut(slot);
        row.set_first_line(*first);
        let mut next = row.more;
        for state in rest {
            let line = self.lines.get_mut(next);
            line.state = *state;
            next = line.next;
        }
    }

    /// The place of a line of a reservation: its SKU in the reservation's stock.
    pub(crate) fn place_of_line(&mut self, sku: u32, stock: u32) -> At {
        let Some(seat) = self.catalog.layout.place_of_stock(stock) else {
            unreachable!("every stock has a place in the layout");
        };
        At { cluster: self.cluster_or_new(sku, seat.group), index: seat.index }
    }

    /// Whether an id names a reservation that is kept.
    pub(crate) fn reservation(&self, id: CommandId) -> Result<u32, Refusal> {
        self.find_reservation(id).ok_or(Refusal::new(Code::UnknownReservation))
    }
}
