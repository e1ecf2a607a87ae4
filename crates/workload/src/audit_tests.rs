//! Tests that the audit can fail: correct ledgers pass, and tampered ones do not.

use super::*;
use crate::facts::{Allowance, StockFacts};
use stockhold_protocol::command::{Command, Envelope, Extend, Release, Replace, Reserve, Target};
use stockhold_protocol::query::{MakerKind, Metric, ReservationLine, ReservationState};
use stockhold_protocol::{Lines, Quantity, ReservationId, SourceId};

const NOW_S: u32 = 1_800_000_000;
const WEB: StockId = StockId(0);
const SHOP: StockId = StockId(1);

fn units(units: i64) -> Quantity {
    Quantity::units(units).unwrap()
}

fn id(number: u128) -> CommandId {
    CommandId::from_parts(1_799_999_000_000, number)
}

/// Ten units at source 0, which supplies web and shop, and five at source 1, which supplies only the web.
fn facts() -> Vec<SkuFacts> {
    let stock = |stock, sources: &[u32]| StockFacts {
        stock,
        sources: sources.iter().copied().map(SourceId).collect(),
        allowance: Allowance::UpTo(0),
        promised_before: 0,
    };
    let stocked = vec![(SourceId(0), units(10).raw()), (SourceId(1), units(5).raw())];
    vec![SkuFacts { sku: SkuId(0), stocked, stocks: vec![stock(WEB, &[0, 1]), stock(SHOP, &[0])] }]
}

/// A ledger with a small server of its own that counts ops.
struct Sale {
    ledger: Ledger,
    op: u64,
}

impl Sale {
    fn new() -> Self {
        Self { ledger: Ledger::new(1_000), op: 0 }
    }

    fn note(&mut self, number: u128, command: Command<'_>, code: Code, value: u32) -> ReservationId {
        self.op += 1;
        let outcome = Outcome::new(code, value, self.op);
        self.ledger.note(&Envelope::fresh(id(number), command), &outcome);
        id(number).into()
    }

    fn reserve(&mut self, number: u128, stock: StockId, count: i64, deadline_s: u32) -> ReservationId {
        let lines = [Line::new(SkuId(0), units(count))];
        let command = Command::Reserve(cart(stock, &lines, deadline_s));
        self.note(number, command, Code::Ok, deadline_s)
    }

    fn oversold(&self) -> i64 {
        goods(&self.ledger, &facts(), NOW_S).oversold_units
    }
}

fn cart(stock: StockId, lines: &[Line], deadline_s: u32) -> Reserve<'_> {
    Reserve {
        target: Target::Stock(stock),
        lines: Lines::Slice(lines),
        best_effort: false,
        ttl_ms: (deadline_s != 0).then_some(60_000),
        owner: 0,
        reference: "",
    }
}

#[test]
fn selling_exactly_what_there_is_passes_and_one_more_does_not() {
    // Proves the sum over shared sources, at the last unit and one beyond it, for stocks and for sets.
    let mut sale = Sale::new();
    sale.reserve(1, SHOP, 10, 0);
    sale.reserve(2, WEB, 5, 0);
    assert_eq!(sale.oversold(), 0);
    sale.reserve(3, WEB, 1, 0);
    assert_eq!(sale.oversold(), 1);
    let mut sale = Sale::new();
    sale.reserve(1, SHOP, 11, 0);
    let audit = goods(&sale.ledger, &facts(), NOW_S);
    assert!(!audit.is_clean());
    assert_eq!((audit.oversold_units, audit.skus_audited), (1, 1));
    assert!(audit.findings[0].contains("SKU 0"));
}

#[test]
fn what_was_given_back_or_ran_out_may_be_sold_again() {
    // Proves that release, expiry and replace free their units, in part and as a whole, and not earlier.
    let mut sale = Sale::new();
    let held = sale.reserve(1, SHOP, 10, NOW_S + 50);
    assert_eq!(sale.oversold(), 0);
    sale.note(2, Command::Release(Release { reservation: held, lines: Lines::NONE }), Code::Ok, 0);
    let part = sale.reserve(3, SHOP, 10, 0);
    assert_eq!(sale.oversold(), 0);
    let back = [Line::new(SkuId(0), units(4))];
    sale.note(4, Command::Release(Release { reservation: part, lines: Lines::Slice(&back) }), Code::Ok, 0);
    sale.reserve(5, SHOP, 4, 0);
    assert_eq!(sale.oversold(), 0);
    let smaller = [Line::new(SkuId(0), units(1))];
    let new = cart(SHOP, &smaller, 0);
    sale.note(6, Command::Replace(Replace { old: part, new }), Code::Ok, 0);
    sale.reserve(7, SHOP, 5, 0);
    assert_eq!(sale.oversold(), 0);
    sale.reserve(8, SHOP, 1, 0);
    assert_eq!(sale.oversold(), 1);
}

#[test]
fn a_replace_whose_first_answer_was_lost_ends_the_old_hold_as_well() {
    // Proves that an answer learned by a retry closes the old reservation, and that hearing it twice changes nothing.
    let mut sale = Sale::new();
    let held = sale.reserve(1, SHOP, 10, NOW_S + 50);
    let lines = [Line::new(SkuId(0), units(10))];
    let command = Command::Replace(Replace { old: held, new: cart(SHOP, &lines, 0) });
    let replayed = Outcome { replayed: true, ..Outcome::new(Code::Ok, 0, 2) };
    for _ in 0..2 {
        sale.ledger.note(&Envelope::new(id(2), command.clone()), &replayed);
        assert_eq!(sale.oversold(), 0);
        assert_eq!(sale.ledger.counting(NOW_S).values().sum::<i64>(), units(10).raw());
    }
}

#[test]
fn every_refusal_is_kept_when_that_is_wanted() {
    // Proves the difference between keeping a sample and keeping all: what is not kept cannot be repeated.
    let lines = [Line::new(SkuId(0), units(1))];
    let keep = |mut ledger: Ledger| {
        for number in 0..64 {
            let envelope = Envelope::new(id(number), Command::Reserve(cart(SHOP, &lines, 0)));
            ledger.note(&envelope, &Outcome::new(Code::SoldOut, 0, 1));
        }
        ledger.kept()
    };
    assert_eq!(keep(Ledger::new(100).with_all_refusals()), 64);
    assert!(keep(Ledger::new(100)) < 32);
}

#[test]
fn holds_count_until_their_deadline_and_no_longer() {
    // Proves expiry at the time of the audit, that confirm keeps a hold for good, and that extend moves its end.
    for (deadline_s, change, oversold) in [
        (NOW_S, None, 0),
        (NOW_S + 1, None, 1),
        (NOW_S, Some(Code::Ok), 1),
        (NOW_S - 5, Some(Code::Partial), 1),
    ] {
        let mut sale = Sale::new();
        let held = sale.reserve(1, SHOP, 1, deadline_s);
        match change {
            None => {}
            Some(Code::Ok) => {
                sale.note(2, Command::Confirm(held), Code::Ok, 0);
            }
            Some(_) => {
                let extend = Extend { reservation: held, ttl_ms: 60_000 };
                sale.note(2, Command::Extend(extend), Code::Ok, NOW_S + 9);
            }
        }
        sale.reserve(3, SHOP, 10, 0);
        assert_eq!(sale.oversold(), oversold, "{deadline_s} {change:?}");
    }
}

#[test]
fn an_oversell_that_was_given_back_since_is_still_found() {
    // Proves the playback by ops. The sums at the end are correct.
    let mut sale = Sale::new();
    sale.reserve(1, SHOP, 10, 0);
    let extra = sale.reserve(2, SHOP, 3, 0);
    sale.note(3, Command::Release(Release { reservation: extra, lines: Lines::NONE }), Code::Ok, 0);
    assert_eq!(sale.ledger.counting(NOW_S).values().sum::<i64>(), units(10).raw());
    assert_eq!(sale.oversold(), 3);
}

#[test]
fn a_hold_that_certainly_lived_is_counted_when_the_next_was_granted() {
    // Proves that a later hold's deadline dates the ops before it: an early second sale is found, and one after the
    // first hold's deadline is not reported.
    for (second_s, oversold) in [(NOW_S - 130, 10), (NOW_S - 30, 0)] {
        let mut sale = Sale::new();
        // Expires long before the audit; made 60 s before its deadline.
        sale.reserve(1, SHOP, 10, NOW_S - 150);
        sale.reserve(2, SHOP, 10, second_s);
        assert_eq!(sale.oversold(), oversold, "{second_s}");
    }
}

#[test]
fn the_ledger_says_what_it_leaves_out() {
    // Proves that unrecorded answers, a full ledger and unknown reservations are counted and not summed.
    let mut ledger = Ledger::new(1);
    let lines = [Line::new(SkuId(0), units(99))];
    let envelope = |number| Envelope::fresh(id(number), Command::Reserve(cart(SHOP, &lines, 0)));
    ledger.note(&envelope(1), &Outcome { recorded: false, ..Outcome::new(Code::SoldOut, 0, 1) });
    assert_eq!((ledger.tally().unrecorded, ledger.kept()), (1, 0));
    let small = [Line::new(SkuId(0), units(1))];
    let first = Envelope::fresh(id(2), Command::Reserve(cart(SHOP, &small, 0)));
    ledger.note(&first, &Outcome::new(Code::Ok, 0, 1));
    ledger.note(&envelope(3), &Outcome::new(Code::Ok, 0, 2));
    ledger.note(&Envelope::new(id(4), Command::Confirm(id(3).into())), &Outcome::new(Code::Ok, 0, 3));
    let tally = ledger.tally();
    assert_eq!((tally.granted, tally.unkept, tally.unattributed), (2, 1, 1));
    assert_eq!(goods(&ledger, &facts(), NOW_S).oversold_units, 0);
}

fn view(of: &Entry, granted: i64) -> ReservationView {
    let line = ReservationLine {
        sku: SkuId(0),
        counts: true,
        granted: units(granted),
        open: units(granted),
        shipped: Quantity::ZERO,
        returned: Quantity::ZERO,
    };
    ReservationView {
        id: of.id.to_bytes(),
        op: of.op,
        stock: of.stock,
        state: ReservationState::Confirmed,
        deadline_s: 0,
        origin_ms: 0,
        shown_offset_ms: 0,
        owner: 0,
        reference: String::new(),
        lines: vec![line],
        actor_kind: MakerKind::Claimed,
        actor: "web".into(),
    }
}

#[test]
fn a_reservation_that_is_gone_or_different_is_lost() {
    // Proves that a missing record, other lines, another op and another stock are found.
    let mut sale = Sale::new();
    sale.reserve(1, SHOP, 2, 0);
    let entry = sale.ledger.entries()[0];
    let granted = sale.ledger.granted_lines(0, &entry);
    let honest = view(&entry, 2);
    assert!(is_kept(Some(&honest), &entry, granted, NOW_S));
    assert!(!is_kept(None, &entry, granted, NOW_S));
    assert!(!is_kept(Some(&view(&entry, 1)), &entry, granted, NOW_S));
    assert!(!is_kept(Some(&ReservationView { op: 9, ..honest.clone() }), &entry, granted, NOW_S));
    assert!(!is_kept(Some(&ReservationView { stock: WEB, ..honest }), &entry, granted, NOW_S));
}

#[test]
fn an_answer_that_changed_is_found() {
    // Proves that a repeated id must be replayed with the same code, op, value and detail.
    let first = Outcome::new(Code::Ok, 77, 5);
    let expected = |outcome: &Outcome, is_grant| Expected {
        id: id(1),
        outcome: outcome.clone(),
        deadline: 90,
        is_grant,
    };
    let replayed = |outcome: &Outcome| Outcome { replayed: true, ..outcome.clone() };
    let judged = |expected: &Expected, now: &Outcome| {
        let mut audit = Audit::default();
        check_answer(expected, now, &mut audit);
        (audit.lost_acknowledged, audit.changed_answers, audit.too_old)
    };
    let grant = expected(&first, true);
    assert_eq!(judged(&grant, &replayed(&first)), (0, 0, 0));
    assert_eq!(judged(&grant, &replayed(&Outcome::new(Code::Ok, 90, 5))), (0, 0, 0));
    assert_eq!(judged(&grant, &first), (1, 0, 0));
    assert_eq!(judged(&grant, &Outcome::new(Code::SoldOut, 0, 9)), (1, 0, 0));
    assert_eq!(judged(&grant, &replayed(&Outcome::new(Code::Ok, 77, 6))), (0, 1, 0));
    assert_eq!(judged(&grant, &replayed(&Outcome::new(Code::SoldOut, 77, 5))), (0, 1, 0));
    assert_eq!(judged(&grant, &Outcome::new(Code::IdTooOld, 0, 9)), (0, 0, 1));
    let refusal =
        Outcome::new(Code::SoldOut, 0, 5).with(Detail::Available { sku: SkuId(0), available: units(1) });
    let refused = expected(&refusal, false);
    assert_eq!(judged(&refused, &replayed(&refusal)), (0, 0, 0));
    assert_eq!(judged(&refused, &Outcome::new(Code::Ok, 0, 9)), (0, 1, 0));
    assert_eq!(judged(&refused, &replayed(&Outcome::new(Code::SoldOut, 0, 5))), (0, 1, 0));
}

#[test]
fn a_kept_command_is_repeated_as_it_was_sent() {
    // Proves that plain carts are rebuilt, and special ones kept, byte for byte except for `fresh`.
    let lines = [Line::new(SkuId(3), units(2)), Line::new(SkuId(1), units(1))];
    let plain = cart(WEB, &lines[..1], NOW_S);
    let special = Reserve { owner: 7, reference: "order-1", best_effort: true, ..cart(WEB, &lines, 0) };
    for reserve in [plain, special] {
        let mut ledger = Ledger::new(10);
        let envelope = Envelope::fresh(id(1), Command::Reserve(reserve));
        ledger.note(&envelope, &Outcome::new(Code::Ok, 0, 1));
        let mut sent = Vec::new();
        Envelope::new(id(1), envelope.command).encode(&mut sent).unwrap();
        ledger.with_record(0, &ledger.entries()[0], |record| assert_eq!(record, sent));
    }
}

#[test]
fn the_report_serialises() {
    // Proves the names that the demonstration prints.
    let json = serde_json::to_value(Audit::default()).unwrap();
    for name in ["oversold_units", "lost_acknowledged", "changed_answers"] {
        assert_eq!(json[name], 0, "{name}");
    }
}

#[test]
fn hold_time_is_the_servers_time_without_gaps() {
    // Proves that deadlines are compared in hold time, and that the audit does not guess when a server does not
    // report it.
    let told = |metrics: &[(&str, i64)]| {
        let metric =
            |&(name, value): &(&str, i64)| Metric { name: name.to_owned(), unit: "ms".to_owned(), value };
        let status = Status {
            version: String::new(),
            log_uuid: [0; 16],
            epoch: 1,
            state: "ok".to_owned(),
            durability: "sync".to_owned(),
            metrics: metrics.iter().map(metric).collect(),
            warnings: Vec::new(),
            data_dir: String::new(),
            refusals: Vec::new(),
            clients: Vec::new(),
            wanted: Vec::new(),
            sold_out: Vec::new(),
        };
        hold_time_ms(&status)
    };
    assert_eq!(
        told(&[("clock_hold_offset_ms", 86_400_000), ("clock_time_ms", 1_800_086_400_000)]),
        Some(1_800_000_000_000)
    );
    assert_eq!(told(&[("clock_time_ms", 1_800_086_400_000)]), None);
    assert_eq!(told(&[("clock_hold_offset_ms", 2), ("clock_time_ms", 1)]), None);
}
