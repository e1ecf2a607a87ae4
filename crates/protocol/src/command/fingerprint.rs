//! The 48-bit fingerprint of a command's body, by which a repeated id is compared with its first use.
//!
//! The fingerprint covers the kind and the fields as sent, with lines summed and sorted. The `fresh` flag, the
//! deadline of the call and its trace are not covered. Equal bodies have equal fingerprints. Two different bodies
//! under one id have the same fingerprint with probability 2^-48. Even then nothing executes twice, because the
//! *recorded* outcome is returned. The hash is xxh3-64. It is part of the state, so a golden test fixes it.

use super::{
    Command, Kind, Parts, PlainCart, Refund, RefundPart, Release, Replace, Reserve, Sell, Ship, Target,
    Transfer, TransferLines,
};
use crate::codec::Fixed;
use crate::error::BadField;
use crate::id::ReservationId;
use crate::line::{Line, Lines};
use crate::quantity::Quantity;
use xxhash_rust::xxh3::xxh3_64;

/// The 48 bits of a fingerprint.
pub const FINGERPRINT_MASK: u64 = 0xFFFF_FFFF_FFFF;

/// Buffers for fingerprints, reused so that no command allocates.
#[derive(Debug, Default)]
pub struct Scratch {
    lines: Vec<Line>,
    bytes: Vec<u8>,
}

impl Command<'_> {
    /// The fingerprint of the body.
    #[must_use]
    pub fn fingerprint(&self, scratch: &mut Scratch) -> u64 {
        scratch.bytes.clear();
        scratch.bytes.push(self.kind().code());
        self.put_canonical(scratch);
        xxh3_64(&scratch.bytes) & FINGERPRINT_MASK
    }
}

/// The canonical length of a reserve with one line and no reference.
const PLAIN_CART_BYTES: usize = 33;

impl PlainCart {
    /// The fingerprint of the command, without a heap allocation.
    #[inline]
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        xxh3_64(&self.canonical()) & FINGERPRINT_MASK
    }

    /// The canonical bytes of the command, as [`Scratch`] would contain them.
    #[inline]
    fn canonical(&self) -> [u8; PLAIN_CART_BYTES] {
        let (target_kind, target) = target_parts(self.target);
        let mut bytes = Fixed::new();
        bytes
            .put([Kind::Reserve.code(), target_kind])
            .put(target.to_le_bytes())
            .put([u8::from(false), u8::from(self.ttl_ms.is_some())])
            .put(self.ttl_ms.unwrap_or(0).to_le_bytes())
            .put(self.owner.to_le_bytes())
            .put([REFERENCE_END])
            .put(self.line.sku.0.to_le_bytes())
            .put(self.line.quantity.raw().to_le_bytes());
        bytes.done()
    }
}

fn target_parts(target: Target) -> (u8, u32) {
    match target {
        Target::Stock(stock) => (0, stock.0),
        Target::Channel(channel) => (1, channel.0),
    }
}

/// This byte cannot occur in UTF-8, so a reference cannot run into the lines.
const REFERENCE_END: u8 = 0xFF;

impl Scratch {
    /// Here the encoding is the canonical form. A decoded command always encodes. A hand-built command that does not
    /// encode never reaches the log.
    pub(super) fn put_encoded<T>(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> Result<T, BadField>) {
        let _flags = encode(&mut self.bytes);
    }

    pub(super) fn put_replace(&mut self, replace: &Replace<'_>) {
        self.put_reservation(replace.old);
        self.put_reserve(&replace.new);
    }

    pub(super) fn put_release(&mut self, release: &Release<'_>) {
        self.put_reservation(release.reservation);
        self.put_lines(release.lines);
    }

    pub(super) fn put_ship(&mut self, ship: &Ship<'_>) {
        self.put_reservation(ship.reservation);
        self.bytes.extend_from_slice(&ship.source.0.to_le_bytes());
        self.bytes.push(u8::from(ship.forced));
        self.put_lines(ship.lines);
    }

    pub(super) fn put_sell(&mut self, sale: &Sell<'_>) {
        self.put_target(sale.target);
        self.bytes.extend_from_slice(&sale.source.0.to_le_bytes());
        self.bytes.push(u8::from(sale.forced));
        self.put_owner(sale.owner, sale.reference);
        self.put_lines(sale.lines);
    }

    pub(super) fn put_transfer(&mut self, transfer: &Transfer) {
        self.bytes.extend_from_slice(&transfer.from.0.to_le_bytes());
        self.bytes.extend_from_slice(&transfer.to.0.to_le_bytes());
        self.bytes.extend_from_slice(transfer.reason.as_bytes());
        self.bytes.push(0xFF);
        self.put_lines(Lines::Slice(&transfer.lines));
    }

    pub(super) fn put_transfer_lines(&mut self, transfer: &TransferLines) {
        self.bytes.extend_from_slice(&transfer.from.0.to_le_bytes());
        self.bytes.extend_from_slice(&transfer.to.0.to_le_bytes());
        self.bytes.push(u8::from(transfer.forced));
        self.bytes.extend_from_slice(transfer.reason.as_bytes());
        self.bytes.push(0xFF);
        self.put_lines(Lines::Slice(&transfer.lines));
    }

    pub(super) fn put_reservation(&mut self, reservation: ReservationId) {
        self.bytes.extend_from_slice(&reservation.0.to_bytes());
    }

    pub(super) fn put_reserve(&mut self, reserve: &Reserve<'_>) {
        self.put_target(reserve.target);
        self.bytes.push(u8::from(reserve.best_effort));
        self.bytes.push(u8::from(reserve.ttl_ms.is_some()));
        self.bytes.extend_from_slice(&reserve.ttl_ms.unwrap_or(0).to_le_bytes());
        self.put_owner(reserve.owner, reserve.reference);
        self.put_lines(reserve.lines);
    }

    /// Parts of the same SKU and kind are summed, in whatever order they were sent.
    pub(super) fn put_refund(&mut self, refund: &Refund<'_>) {
        self.bytes.extend_from_slice(&refund.reservation.0.to_bytes());
        let mut parts: Vec<RefundPart> = refund.parts.iter().collect();
        parts.sort_unstable_by_key(|part| (part.sku, part.kind));
        parts.dedup_by(|next, kept| {
            let same = (next.sku, next.kind) == (kept.sku, kept.kind);
            if same {
                kept.quantity = kept.quantity.checked_add(next.quantity).unwrap_or(Quantity::MAX);
            }
            same
        });
        Parts::Slice(&parts).pack(&mut self.bytes);
    }

    fn put_target(&mut self, target: Target) {
        let (kind, number) = target_parts(target);
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    fn put_owner(&mut self, owner: u64, reference: &str) {
        self.bytes.extend_from_slice(&owner.to_le_bytes());
        self.bytes.extend_from_slice(reference.as_bytes());
        self.bytes.push(REFERENCE_END);
    }

    pub(super) fn put_lines(&mut self, lines: Lines<'_>) {
        lines.merge_into(&mut self.lines);
        for line in &self.lines {
            self.bytes.extend_from_slice(&line.sku.0.to_le_bytes());
            self.bytes.extend_from_slice(&line.quantity.raw().to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Extend, Mark, PartKind};
    use crate::id::{ChannelId, CommandId, SkuId, SourceId, StockId};
    use crate::quantity::Quantity;

    fn reserve(lines: &[Line]) -> Command<'_> {
        Command::Reserve(Reserve {
            target: Target::Stock(StockId(1)),
            lines: Lines::Slice(lines),
            best_effort: false,
            ttl_ms: Some(60_000),
            owner: 0,
            reference: "",
        })
    }

    fn line(sku: u32, units: i64) -> Line {
        Line::new(SkuId(sku), Quantity::units(units).unwrap())
    }

    #[test]
    fn order_and_splitting_of_lines_do_not_count() {
        // Proves that lines are summed and sorted, and that a real difference changes the fingerprint.
        let mut scratch = Scratch::default();
        let one = reserve(&[line(1, 3), line(2, 1)]).fingerprint(&mut scratch);
        let split = reserve(&[line(2, 1), line(1, 1), line(1, 2)]).fingerprint(&mut scratch);
        let other = reserve(&[line(1, 3), line(2, 2)]).fingerprint(&mut scratch);
        assert_eq!(one, split);
        assert_ne!(one, other);
        assert_eq!(one & !FINGERPRINT_MASK, 0);
    }

    #[test]
    fn order_and_splitting_of_parts_do_not_count() {
        // Proves the same for refunds, and that the kind of a part changes the fingerprint.
        let mut scratch = Scratch::default();
        let reservation = ReservationId(CommandId::from_parts(1_763_800_000_123, 5));
        let part =
            |units, kind| RefundPart { sku: SkuId(1), quantity: Quantity::units(units).unwrap(), kind };
        let returned = PartKind::Returned(SourceId(2));
        let mut print = |parts: &[RefundPart]| {
            Command::Refund(Refund { reservation, parts: Parts::Slice(parts) }).fingerprint(&mut scratch)
        };
        let one = print(&[part(3, PartKind::Unshipped), part(1, returned)]);
        let split = print(&[part(1, returned), part(1, PartKind::Unshipped), part(2, PartKind::Unshipped)]);
        let other = print(&[part(3, returned), part(1, PartKind::Unshipped)]);
        assert_eq!(one, split);
        assert_ne!(one, other);
    }

    #[test]
    fn the_fingerprint_is_frozen() {
        // Proves that hash and canonical form do not change: recorded ids would stop matching.
        let lines = [line(9, 1), line(7, 2), line(9, 1)];
        let cart = Reserve {
            target: Target::Channel(ChannelId(3)),
            lines: Lines::Slice(&lines),
            best_effort: true,
            ttl_ms: None,
            owner: 42,
            reference: "100000123",
        };
        let reservation = ReservationId(CommandId::from_parts(1_763_800_000_123, 5));
        let source = SourceId(4);
        let cases = [
            (reserve(&lines[1..2]), 45_175_890_962_897),
            (Command::Reserve(cart.clone()), 84_276_856_903_968),
            (Command::Replace(Replace { old: reservation, new: cart }), 1_798_290_724_736),
            (Command::Confirm(reservation), 242_994_178_198_237),
            (Command::Release(Release { reservation, lines: Lines::NONE }), 13_799_478_642_677),
            (Command::Extend(Extend { reservation, ttl_ms: 60_000 }), 237_518_325_881_397),
            (
                Command::Ship(Ship { reservation, source, lines: Lines::Slice(&lines), forced: true }),
                53_723_836_358_638,
            ),
            (Command::Mark(Mark::new("before the sale")), 265_626_506_731_818),
        ];
        let mut scratch = Scratch::default();
        let got = cases.each_ref().map(|(command, _)| command.fingerprint(&mut scratch));
        assert_eq!(got, cases.each_ref().map(|(_, golden)| *golden));
    }

    #[test]
    fn a_reference_cannot_run_into_the_lines() {
        // Proves that the end of the reference is marked: moving bytes between fields changes the fingerprint.
        let mut scratch = Scratch::default();
        let with = |reference| {
            Command::Sell(Sell {
                target: Target::Stock(StockId(1)),
                source: SourceId(1),
                lines: Lines::NONE,
                forced: false,
                owner: 0,
                reference,
            })
        };
        let (one, two) = (with("a").fingerprint(&mut scratch), with("a\u{0}").fingerprint(&mut scratch));
        assert_ne!(one, two);
    }
}
