//! Edge refusals: a reserve of what is sold out or not open is answered from the published cells and times, without logging
//! or recording it, so that a rush on a sold-out SKU, or on one whose sale has not begun, does not load the log. An edge
//! refusal never grants anything. In any doubt the command goes to the log.
//!
//! All of these conditions must hold:
//!
//! - The client has marked the id as never sent before.
//! - No name was given to another thing since the client resolved its numbers.
//! - It is a plain all-or-nothing reserve.
//! - Only plain reserves are in flight on this connection. Otherwise its own release, not yet applied, could free
//!   units.
//! - One cell alone decides.
//! - The time that would be proposed now is before the next deadline of that SKU, which is read together with the cell.
//!   Otherwise an expiry could free units.
//! - Instead of a cell, the opening or closing time of a line's SKU decides: the sale has not begun if neither the last op
//!   nor the time that would be proposed now has reached its opening, and it is over if an applied op has reached its closing.
//! - If the target is a channel, it has sold from the stock of that cell the whole time.

use stockhold_protocol::command::{PlainCart, Reserve, Target};
use stockhold_protocol::query::{CELL_NOT_ASSIGNED, CELL_UNLIMITED};
use stockhold_protocol::{Code, Detail, Line, Lines, Outcome, Quantity, SkuId, StockId, Timestamp};

use crate::published::{Cell, Published};

/// A longer cart goes to the log.
const LINES_MAX: usize = 8;

/// What the connection knows about the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeCase {
    /// The client has never sent this id before.
    pub fresh: bool,
    /// No name was given to another thing since the client resolved its numbers.
    pub present_names: bool,
    /// The number of commands in flight on this connection that are not plain reserves.
    pub others_in_flight: u32,
}

impl EdgeCase {
    const fn allows_refusal(self) -> bool {
        self.fresh && self.present_names && self.others_in_flight == 0
    }
}

/// Whether a reserve is plain, that is, all or nothing. Only plain reserves may be refused here.
#[must_use]
pub fn is_plain(reserve: &Reserve<'_>) -> bool {
    !reserve.best_effort
}

/// The refusal, if one cell alone decides it. `propose_now` is called only if a cell would refuse.
#[must_use]
pub fn refuse(
    published: &Published,
    case: EdgeCase,
    reserve: &Reserve<'_>,
    propose_now: impl Fn() -> Timestamp,
) -> Option<Outcome> {
    if !case.allows_refusal() || !is_plain(reserve) {
        return None;
    }
    if !published.doors().are_unused()
        && let Some(refused) = refuse_closed(published, reserve.target, &reserve.lines, &propose_now)
    {
        return Some(refused);
    }
    decide(published, reserve.target, propose_now, |stock| first_refused_line(published, stock, reserve))
}

/// The refusal because the sale of a SKU is not open. The lines are looked at as the machine decides them.
#[cold]
fn refuse_closed(
    published: &Published,
    target: Target,
    lines: &Lines<'_>,
    propose_now: &impl Fn() -> Timestamp,
) -> Option<Outcome> {
    let op = published.op();
    let closed_line = |stock: StockId| {
        let closed = lines.iter().filter_map(|line| {
            // What is not assigned is refused for that.
            let is_assigned = published.cell(line.sku, stock).value != CELL_NOT_ASSIGNED;
            let doors = is_assigned.then(|| published.doors().closed(line.sku, stock, propose_now));
            doors.flatten().map(|doors| (line.sku, doors))
        });
        closed.min_by_key(|(sku, _)| *sku)
    };
    if lines.len() > LINES_MAX {
        return None;
    }
    let (sku, (opens_at, closes_at, now)) = match target {
        Target::Stock(stock) => closed_line(stock),
        Target::Channel(channel) => published.at_channel(channel, closed_line),
    }?;
    let max = if closes_at.0 == 0 { Timestamp::MAX.0 } else { closes_at.0.saturating_sub(1) };
    let detail = Detail::Range { min: opens_at.0, max, value: now.0 };
    let mut outcome = Outcome::new(Code::NotOpen, index_of(lines, sku), op).with(detail);
    outcome.recorded = false;
    Some(outcome)
}

/// The index of the line of a SKU in a cart that is sorted and summed by SKU.
fn index_of(lines: &Lines<'_>, sku: SkuId) -> u32 {
    let is_first_of_its_sku = |at: usize, of: SkuId| lines.iter().take(at).all(|other| other.sku != of);
    let before =
        lines.iter().enumerate().filter(|(at, line)| line.sku < sku && is_first_of_its_sku(*at, line.sku));
    u32::try_from(before.count()).unwrap_or(u32::MAX)
}

/// As [`refuse`], for a cart of one line.
#[must_use]
pub fn refuse_plain(
    published: &Published,
    case: EdgeCase,
    cart: &PlainCart,
    propose_now: impl Fn() -> Timestamp,
) -> Option<Outcome> {
    if !case.allows_refusal() {
        return None;
    }
    if !published.doors().are_unused()
        && let Some(refused) =
            refuse_closed(published, cart.target, &Lines::Slice(&[cart.line]), &propose_now)
    {
        return Some(refused);
    }
    decide(published, cart.target, propose_now, |stock| {
        let Line { sku, quantity } = cart.line;
        let dated = published.dated_cell(sku, stock)?;
        refuses(dated.cell, quantity.raw()).then_some((0, dated.cell.value, dated.next_deadline_s, sku))
    })
}

fn decide(
    published: &Published,
    target: Target,
    propose_now: impl Fn() -> Timestamp,
    line_of: impl Fn(StockId) -> Option<RefusedLine>,
) -> Option<Outcome> {
    // The op is read before the cells, so that the cells are as of this op or a later one.
    let op = published.op();
    let (index, available, deadline_s, line) = match target {
        Target::Stock(stock) => line_of(stock),
        Target::Channel(channel) => published.at_channel(channel, line_of),
    }?;
    if published.hold_time(propose_now()).second() >= deadline_s {
        return None;
    }
    let available = Quantity::from_raw(available).ok()?;
    let mut outcome = Outcome::new(Code::SoldOut, index, op).with(Detail::Available { sku: line, available });
    outcome.recorded = false;
    Some(outcome)
}

/// The index of the line, the cell, the next deadline and the SKU.
type RefusedLine = (u32, i64, u32, SkuId);

/// Whether a cell alone refuses this many units.
fn refuses(cell: Cell, asked: i64) -> bool {
    let decides = !cell.upper_bound && cell.value != CELL_NOT_ASSIGNED && cell.value != CELL_UNLIMITED;
    decides && asked > cell.value
}

/// The first line that its cell refuses. Lines are ordered and summed by SKU, as the machine decides them.
fn first_refused_line(published: &Published, stock: StockId, reserve: &Reserve<'_>) -> Option<RefusedLine> {
    let lines = &reserve.lines;
    if lines.len() > LINES_MAX {
        return None;
    }
    let mut refused: Option<RefusedLine> = None;
    for line in lines.iter() {
        let dated = published.dated_cell(line.sku, stock)?;
        let asked = lines
            .iter()
            .filter(|other| other.sku == line.sku)
            .fold(0, |sum: i64, other| sum.saturating_add(other.quantity.raw()));
        if refuses(dated.cell, asked) && refused.is_none_or(|(.., sku)| line.sku < sku) {
            refused = Some((0, dated.cell.value, dated.next_deadline_s, line.sku));
        }
    }
    let (_, value, next_deadline_s, sku) = refused?;
    Some((index_of(lines, sku), value, next_deadline_s, sku))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stockhold_machine::{CellChange, Changes, SkuChange};
    use stockhold_protocol::{ChannelId, CommandId, command::Target, line::Lines};

    const STOCK: StockId = StockId(1);

    fn published(value: i64, upper_bound: bool, next_deadline_s: u32) -> Published {
        let published = Published::default();
        let changes = Changes {
            skus: vec![SkuChange { sku: SkuId(0), next_deadline_s, cells: 1 }],
            cells: vec![CellChange { sku: SkuId(0), stock: STOCK, value, upper_bound }],
            channels: vec![(ChannelId(5), STOCK)],
            ..Changes::default()
        };
        published.publish(&changes, 9);
        published
    }

    fn is_refused(
        published: &Published,
        case: EdgeCase,
        target: Target,
        best_effort: bool,
        now_s: u64,
    ) -> bool {
        let lines = [Line::new(SkuId(0), Quantity::units(2).unwrap())];
        let reserve = Reserve {
            target,
            lines: Lines::Slice(&lines),
            best_effort,
            ttl_ms: None,
            owner: 0,
            reference: "",
        };
        let outcome = refuse(published, case, &reserve, || Timestamp(now_s * 1_000));
        if !best_effort {
            let cart = PlainCart {
                id: CommandId::from_parts(1, 1),
                fresh: case.fresh,
                target,
                ttl_ms: None,
                owner: 0,
                line: lines[0],
            };
            let plain = refuse_plain(published, case, &cart, || Timestamp(now_s * 1_000));
            assert_eq!(plain, outcome, "both functions agree on a cart of one line");
        }
        if let Some(outcome) = &outcome {
            assert_eq!((outcome.code, outcome.recorded, outcome.op), (Code::SoldOut, false, 9));
        }
        outcome.is_some()
    }

    #[test]
    fn the_line_is_named_as_the_machine_names_it() {
        // Proves that lines of one SKU are summed, that the index counts the cart sorted by SKU, and that a long cart
        // is not refused.
        let published = Published::default();
        let sku = |sku: u32| SkuChange { sku: SkuId(sku), next_deadline_s: 100, cells: 1 };
        let cell =
            |sku: u32, value: i64| CellChange { sku: SkuId(sku), stock: STOCK, value, upper_bound: false };
        let changes = Changes {
            skus: (0..4).map(sku).collect(),
            cells: vec![cell(0, 90_000), cell(1, 90_000), cell(2, 30_000), cell(3, 0)],
            ..Changes::default()
        };
        published.publish(&changes, 9);
        let refusal_of = |skus: &[u32]| {
            let lines: Vec<_> =
                skus.iter().map(|sku| Line::new(SkuId(*sku), Quantity::units(2).unwrap())).collect();
            let reserve = Reserve {
                target: Target::Stock(STOCK),
                lines: Lines::Slice(&lines),
                best_effort: false,
                ttl_ms: None,
                owner: 0,
                reference: "",
            };
            let case = EdgeCase { fresh: true, present_names: true, others_in_flight: 0 };
            refuse(&published, case, &reserve, || Timestamp(0)).map(|outcome| (outcome.value, outcome.detail))
        };
        let available = |sku: u32, raw: i64| Detail::Available {
            sku: SkuId(sku),
            available: Quantity::from_raw(raw).unwrap(),
        };
        assert_eq!(refusal_of(&[2, 0]), None);
        assert_eq!(refusal_of(&[2, 0, 2]), Some((1, available(2, 30_000))), "four of three, after SKU 0");
        assert_eq!(
            refusal_of(&[3, 2, 1, 1, 0, 2]),
            Some((2, available(2, 30_000))),
            "the first that is refused"
        );
        assert_eq!(refusal_of(&[3, 1, 1, 0]), Some((2, available(3, 0))));
        assert_eq!(refusal_of(&[3; 9]), None, "more lines than are checked");
    }

    #[test]
    fn each_condition_is_needed() {
        // Proves that the refusal is given when all conditions hold, and not when any one of them fails.
        let good = EdgeCase { fresh: true, present_names: true, others_in_flight: 0 };
        let (stock, one_unit) = (Target::Stock(STOCK), 10_000);
        let cells = published(one_unit, false, 100);
        assert!(is_refused(&cells, good, stock, false, 99));
        assert!(is_refused(&cells, good, Target::Channel(ChannelId(5)), false, 99));

        assert!(!is_refused(&cells, EdgeCase { fresh: false, ..good }, stock, false, 99), "a repeated id");
        assert!(
            !is_refused(&cells, EdgeCase { present_names: false, ..good }, stock, false, 99),
            "a number that was resolved before a name was given to another thing"
        );
        assert!(
            !is_refused(&cells, EdgeCase { others_in_flight: 1, ..good }, stock, false, 99),
            "a release in flight"
        );
        assert!(!is_refused(&cells, good, stock, true, 99), "best effort");
        assert!(!is_refused(&cells, good, stock, false, 100), "a deadline that is due");
        assert!(!is_refused(&cells, good, Target::Channel(ChannelId(6)), false, 99), "an unknown channel");
        assert!(!is_refused(&published(2 * one_unit, false, 100), good, stock, false, 99), "it fits");
        assert!(!is_refused(&published(one_unit, true, 100), good, stock, false, 99), "an upper bound");
        assert!(
            !is_refused(&published(CELL_NOT_ASSIGNED, false, 100), good, stock, false, 99),
            "not assigned"
        );
        assert!(!is_refused(&published(CELL_UNLIMITED, false, 100), good, stock, false, 99), "unlimited");
    }

    #[test]
    fn what_is_not_open_is_refused_until_the_opening_and_from_the_closing_on() {
        // Proves the bounds at the edge: not yet open only while both the last op and the next one are before the opening,
        // closed only once an op was applied after the closing, and only for a SKU that is assigned.
        let published = published(50_000, false, u32::MAX);
        let times = |opens_ms: u64, closes_ms: u64, last_ms: u64, offset_ms: u64| Changes {
            doors: [((SkuId(0), STOCK), (Timestamp(opens_ms), Timestamp(closes_ms)))].into(),
            last_time: (Timestamp(last_ms), Timestamp(last_ms + offset_ms)),
            ..Changes::default()
        };
        let case = EdgeCase { fresh: true, present_names: true, others_in_flight: 0 };
        let answer = |sku: u32, now_ms: u64| {
            let lines = [Line::new(SkuId(sku), Quantity::units(1).unwrap())];
            let (target, lines) = (Target::Channel(ChannelId(5)), Lines::Slice(&lines));
            let reserve =
                Reserve { target, lines, best_effort: false, ttl_ms: None, owner: 0, reference: "" };
            refuse(&published, case, &reserve, || Timestamp(now_ms))
        };
        // The wall clock is 1,000 ms ahead of op time.
        published.publish(&times(10_000, 20_000, 5_000, 1_000), 10);
        let refused = answer(0, 8_999).unwrap();
        assert_eq!((refused.code, refused.recorded, refused.op), (Code::NotOpen, false, 10));
        assert_eq!(refused.detail, Detail::Range { min: 10_000, max: 19_999, value: 9_999 });
        assert_eq!(answer(1, 8_999), None, "another SKU");
        assert_eq!(answer(0, 9_000), None, "the next op is after the opening");
        assert_eq!(answer(0, 50_000), None, "no op was applied after the closing");
        published.publish(&times(10_000, 20_000, 18_999, 1_000), 11);
        assert_eq!(answer(0, 1_000), None, "the last op was after the opening");
        published.publish(&times(10_000, 20_000, 19_000, 1_000), 12);
        assert_eq!(answer(0, 1_000).unwrap().code, Code::NotOpen);
        published.publish(&times(0, 0, 19_000, 1_000), 13);
        assert_eq!(answer(0, 1_000), None);
    }
}
