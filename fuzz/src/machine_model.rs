//! The machine against the naive model: the bytes encode a history of steps. Every outcome is predicted, every cell
//! compared, the invariants are checked at intervals with any amount swept, and a snapshot taken in between loads and
//! continues with the same results.

use super::draw::Draw;
use super::drive::{ModelRun, START_MS, names};
use stockhold_model::{
    Bulk, Cart, MARKS, ORDERS, RefundKind, SKUS, SOURCES, STOCKS, Setting, Step, Value, Wanted, mark_name,
};
use stockhold_protocol::StockId;
use stockhold_protocol::command::Target;

/// Maximum number of steps; a longer input is cut.
const STEPS_MAX: usize = 150;
/// Steps between two checks of all invariants.
const VALIDATE_EVERY: u32 = 16;

/// Runs the history that the bytes encode.
pub fn run(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let mut run = ModelRun::new(VALIDATE_EVERY);
    start(&mut draw, &mut run);
    let mut steps = 0;
    while !draw.is_empty() && steps < STEPS_MAX {
        let pause_ms = pause(&mut draw);
        let step = step(&mut draw);
        let budget = draw.byte();
        run.step(pause_ms, &step, u32::from(budget & 3));
        if budget >= 192 {
            run.advance_snapshot(u32::from(budget >> 2 & 15));
            run.advance_validation(u32::from(budget));
        }
        steps += 1;
    }
    if steps > 0 {
        assert!(!run.seen.is_empty(), "every step is answered");
    }
    let before = run.loaded;
    while run.loaded == before {
        run.advance_snapshot(1_000);
    }
    let before = run.validated;
    while run.validated == before {
        run.advance_validation(1_000);
    }
}

/// Creates links and goods.
fn start(draw: &mut Draw<'_>, run: &mut ModelRun) {
    let mut links = u32::from(draw.word()) | u32::from(draw.byte()) << 16;
    for stock in 0..STOCKS {
        for source in 0..SOURCES {
            if links & 1 == 1 {
                run.step(0, &Step::Link(stock, source, 1), 0);
            }
            links >>= 1;
        }
    }
    for sku in 0..SKUS {
        for source in 0..SOURCES {
            let held = draw.byte() % 24;
            if held > 3 {
                run.step(0, &Step::Count(source, sku, i64::from(held - 4) * 2, None), 0);
            }
        }
    }
}

fn pause(draw: &mut Draw<'_>) -> u64 {
    match draw.byte() {
        0..=127 => 0,
        byte @ 128..=199 => u64::from(byte) * 11,
        200..=239 => u64::from(draw.word()),
        240..=250 => 600_000,
        251.. => u64::from(draw.word()) * 64,
    }
}

/// Mostly a known number, sometimes an unknown one.
fn one_of(draw: &mut Draw<'_>, count: u32) -> u32 {
    let byte = u32::from(draw.byte());
    if byte == 255 { count } else { byte % count }
}

/// A known number. Unknown numbers are left to other tests here.
fn one(draw: &mut Draw<'_>, count: u32) -> u32 {
    u32::from(draw.byte()) % count
}

fn wanted(draw: &mut Draw<'_>) -> Wanted {
    let lines = draw.below(3) + 1;
    (0..lines).map(|_| (one_of(draw, SKUS), halves(draw))).collect()
}

fn halves(draw: &mut Draw<'_>) -> i64 {
    match draw.byte() {
        byte @ 0..=199 => i64::from(byte % 7 + 1) * 2,
        byte @ 200..=223 => i64::from(byte % 9 + 1),
        byte => i64::from(byte - 200),
    }
}

fn cart(draw: &mut Draw<'_>) -> Cart {
    let target = Target::Stock(StockId(one_of(draw, STOCKS)));
    let lines = wanted(draw);
    let byte = draw.byte();
    let ttl_ms = match byte % 8 {
        0..=2 => None,
        3 | 4 => Some(5_000),
        5 => Some(u32::from(draw.word()) * 2 + 1_000),
        6 => Some(3_600_000),
        _ => Some([0, 999, 1_000, 3_600_001][draw.below(4)]),
    };
    let owner = if byte & 0x38 == 0 { 7 } else { 0 };
    let order = (byte % 5 < 3).then_some(u32::from(byte) % ORDERS);
    Cart { target, lines, best_effort: byte >> 6 == 0, ttl_ms, owner, order }
}

fn refunds(draw: &mut Draw<'_>) -> Vec<(u32, i64, RefundKind)> {
    let parts = draw.below(3) + 1;
    (0..parts)
        .map(|_| {
            let (sku, halves) = (one(draw, SKUS), i64::from(draw.byte() % 6) + 1);
            let fate = match draw.byte() % 3 {
                0 => RefundKind::Unshipped,
                1 => RefundKind::Returned(one_of(draw, SOURCES)),
                _ => RefundKind::Lost(one_of(draw, SOURCES)),
            };
            (sku, halves, fate)
        })
        .collect()
}

fn setting(draw: &mut Draw<'_>) -> Setting {
    let sku = (draw.byte() < 230).then(|| u32::from(draw.byte()) % SKUS);
    let stock = (draw.byte() < 128).then(|| u32::from(draw.byte()) % STOCKS);
    let is_set = draw.byte() < 180;
    let flag = is_set.then(|| draw.byte().is_multiple_of(2));
    let number = i64::from(draw.byte() % 10);
    let door = is_set.then(|| if number == 0 { 0 } else { START_MS + u64::from(draw.word()) });
    let value = match draw.byte() % 13 {
        10 => Value::Frozen(flag),
        11 => Value::OpensAt(door),
        12 => Value::ClosesAt(door),
        0 => Value::ManageStock(flag),
        1 | 2 => Value::Backorders(flag),
        3..=6 => Value::MinQty(is_set.then_some((number - 6) * 2)),
        7 => Value::MinSale(is_set.then_some(number % 3 * 2)),
        8 => Value::MaxSale(is_set.then_some(number * 2)),
        _ => Value::Increments(is_set.then_some(number % 5 + 1)),
    };
    Setting { sku, stock: sku.and(stock), value }
}

fn step(draw: &mut Draw<'_>) -> Step {
    let kind = draw.byte();
    let pick = |draw: &mut Draw<'_>| usize::from(draw.byte() % 64);
    match kind {
        0..=79 => Step::Reserve(cart(draw)),
        80..=103 => Step::Replace(pick(draw), cart(draw)),
        104..=119 => Step::Confirm(pick(draw)),
        120..=133 => {
            Step::Release(pick(draw), if kind.is_multiple_of(2) { Vec::new() } else { wanted(draw) })
        }
        134..=143 => Step::Extend(
            pick(draw),
            [5_000, 60_000, 3_600_000, u32::from(draw.word())][usize::from(kind % 4)],
        ),
        144..=153 => Step::Ship(pick(draw), one_of(draw, SOURCES), wanted(draw), kind.is_multiple_of(5)),
        154..=158 => Step::Unship(pick(draw), one_of(draw, SOURCES), wanted(draw)),
        159..=163 => Step::Amend(pick(draw), wanted(draw)),
        164..=171 => {
            let target = Target::Stock(StockId(one_of(draw, STOCKS)));
            Step::Sell(target, one_of(draw, SOURCES), wanted(draw), kind.is_multiple_of(4))
        }
        172..=183 => Step::Refund(pick(draw), refunds(draw)),
        184..=193 => {
            let status = [None, Some(true), Some(false)][draw.below(3)];
            Step::Count(one_of(draw, SOURCES), one(draw, SKUS), i64::from(draw.byte() % 34) - 4, status)
        }
        194..=200 => {
            let delta = i64::from(draw.byte() % 31) - 12;
            Step::Adjust(one_of(draw, SOURCES), one(draw, SKUS), if delta == 0 { 1 } else { delta })
        }
        201..=207 => {
            let from = one(draw, SOURCES);
            Step::Transfer(from, (from + 1 + one(draw, SOURCES - 1)) % SOURCES, wanted(draw))
        }
        208..=211 => Step::Bulk(Bulk::drawn(&mut |bound| one(draw, bound))),
        212..=213 => Step::Enable(one(draw, SOURCES), kind.is_multiple_of(2)),
        214..=219 => Step::Link(one(draw, STOCKS), one(draw, SOURCES), u16::from(kind % 3) + 1),
        220..=224 => Step::Unlink(one(draw, STOCKS), one(draw, SOURCES)),
        225..=233 => Step::Setting(setting(draw)),
        234 => {
            let halves = i64::from(draw.byte() % 40);
            let (is_set, halves) = (halves != 39, (halves < 30).then_some(halves));
            Step::Notify(one(draw, SKUS), one_of(draw, SOURCES), is_set, halves.filter(|_| is_set))
        }
        235..=239 => {
            let limit = (!kind.is_multiple_of(3)).then(|| i64::from(draw.byte() % 20));
            Step::Quota(one(draw, SKUS), one(draw, STOCKS), limit)
        }
        240 | 241 => Step::Sharing(kind == 240),
        242..=244 => {
            let names = names();
            let at = usize::from(draw.byte()) % names.len();
            Step::Rename(one(draw, 3), names[at].clone())
        }
        245 => Step::Mark(mark_name(one(draw, MARKS))),
        246 => Step::Unmark(mark_name(one(draw, MARKS))),
        247 => Step::Tick,
        248.. => Step::Retry(usize::from(draw.byte()), kind.is_multiple_of(2)),
    }
}
