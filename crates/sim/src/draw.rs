//! Draws the steps of clients from a seed. It uses only the types of the model.

use stockhold_model::{
    Bulk, CHANNELS, Cart, MARKS, ORDERS, OrderStep, RefundKind, RowStep, SKUS, SOURCES, STOCKS, Setting,
    StateStep, Step, Value, Wanted, channel_assignment, long_sku_name, mark_name, sku_name,
    source_definition, stock_name,
};
use stockhold_protocol::command::{Configure, OrderAction, Sharing, Target};
use stockhold_protocol::event::{EventKind, OrderState};
use stockhold_protocol::query::Name;
use stockhold_protocol::{ChannelId, StockId};

use crate::rng::Rng;

/// A number below `of`, rarely the first unknown one.
fn known(rng: &mut Rng, of: u32, strangers: u64) -> u32 {
    if rng.chance(strangers) { of } else { rng.small(0..of) }
}

/// A stock, or a channel.
fn target(rng: &mut Rng) -> Target {
    if rng.chance(300) {
        Target::Channel(ChannelId(known(rng, CHANNELS, 12)))
    } else {
        Target::Stock(StockId(known(rng, STOCKS, 12)))
    }
}

fn wanted(rng: &mut Rng) -> Wanted {
    let lines = rng.weighted(&[(6, 1), (3, 2), (1, 3)]);
    let line = |rng: &mut Rng| {
        let halves = match rng.weighted(&[(16, 0), (1, 1), (2, 2)]) {
            0 => rng.signed(1..7) * 2,
            1 => rng.signed(1..9),
            _ => rng.signed(10..60),
        };
        (known(rng, SKUS, 8), halves)
    };
    (0..lines).map(|_| line(rng)).collect()
}

fn ttl(rng: &mut Rng, longest_ms: u64) -> Option<u32> {
    match rng.weighted(&[(30, 0), (45, 1), (40, 2), (10, 3), (2, 4), (2, 5)]) {
        0 => None,
        // Many holds of a sale end in the same second.
        1 => Some(5_000),
        2 => Some(rng.small(1_000..120_000)),
        3 => u32::try_from(longest_ms).ok(),
        4 => Some(rng.small(0..1_000)),
        _ => u32::try_from(longest_ms + 1).ok(),
    }
}

fn cart(rng: &mut Rng, longest_ms: u64) -> Cart {
    let order = rng.chance(500).then(|| rng.small(0..ORDERS));
    // Most orders are named by their own owner only.
    let is_owned = order.is_some_and(|order| order % 3 == 0);
    let owner = if is_owned || rng.chance(140) { 7 } else { 0 };
    Cart {
        target: target(rng),
        lines: wanted(rng),
        best_effort: rng.chance(250),
        ttl_ms: ttl(rng, longest_ms),
        owner,
        order,
    }
}

/// A placement: mostly of few units, so that the same order can be placed again.
fn placement(rng: &mut Rng, longest_ms: u64) -> Cart {
    let mut cart = Cart { best_effort: false, ..cart(rng, longest_ms) };
    let order = rng.small(0..ORDERS);
    (cart.order, cart.owner) = (Some(order), if order.is_multiple_of(3) { 7 } else { cart.owner });
    if rng.chance(500) {
        cart.lines = vec![(rng.small(0..SKUS), rng.signed(1..3) * 2)];
    }
    cart
}

/// An event of an order. The model adapts most of its lines to those of the order.
fn order_event(rng: &mut Rng, longest_ms: u64) -> OrderStep {
    use OrderAction::{Cancel, Compensate, Confirm, Edit, Extend, Invoice, Refund, Ship, Unship};
    let action =
        match rng.weighted(&[(4, 0), (2, 1), (5, 2), (12, 3), (8, 4), (10, 5), (5, 6), (6, 7), (6, 8)]) {
            0 => Confirm,
            1 => Extend,
            2 => Cancel,
            3 => Ship,
            4 => Invoice,
            5 => Refund,
            6 => Compensate,
            7 => Edit,
            _ => Unship,
        };
    let order = rng.small(0..ORDERS);
    let has_no_document = matches!(action, Confirm | Extend | Compensate | Edit);
    let document = (rng.chance(500) && !has_no_document).then(|| rng.small(0..4));
    let is_whole = matches!(action, Confirm | Extend)
        || action == Cancel && rng.chance(500)
        || action == Unship && document.is_some() && rng.chance(500);
    let count = if is_whole { 0 } else { rng.within(1..4) };
    let adds = action == Compensate && rng.chance(500);
    let line = |rng: &mut Rng| {
        let (sku, stock) = (known(rng, SKUS, 15), rng.chance(500).then(|| known(rng, STOCKS, 20)));
        let stock = if adds && !rng.chance(100) { Some(order % STOCKS) } else { stock };
        let halves = rng.signed(1..12);
        let halves = if adds { -halves } else { halves - i64::from(action == Edit) };
        (sku, stock, halves, action == Refund && rng.chance(600))
    };
    let lines = (0..count).map(|_| line(rng)).collect();
    let has_source = matches!(action, Ship | Unship) || action == Refund && rng.chance(500);
    OrderStep {
        order,
        action,
        document,
        source: has_source.then(|| known(rng, SOURCES, 15)),
        lines,
        forced: matches!(action, Ship | Compensate) && rng.chance(250),
        ttl_ms: (action == Extend).then(|| ttl(rng, longest_ms).unwrap_or(60_000)),
    }
}

fn refund_kind(rng: &mut Rng) -> RefundKind {
    match rng.below(3) {
        0 => RefundKind::Unshipped,
        1 => RefundKind::Returned(known(rng, SOURCES, 15)),
        _ => RefundKind::Lost(known(rng, SOURCES, 15)),
    }
}

/// When a sale opens or closes: mostly within seconds from now, so that shoppers meet both sides of it.
fn door(rng: &mut Rng, now_ms: u64) -> Option<u64> {
    let ahead = rng.within(0..4_000);
    rng.weighted(&[(1, None), (2, Some(0)), (5, Some(now_ms + ahead)), (1, Some(now_ms + 60 * ahead))])
}

fn setting(rng: &mut Rng, now_ms: u64) -> Setting {
    let halves = |rng: &mut Rng, range: std::ops::Range<i64>| rng.chance(650).then(|| rng.signed(range) * 2);
    let value = match rng.weighted(&[(1, 0), (2, 1), (4, 2), (1, 3), (1, 4), (1, 5), (1, 6), (3, 7), (1, 8)])
    {
        0 => Value::ManageStock(rng.chance(500).then(|| rng.chance(700))),
        1 => Value::Backorders(rng.chance(500).then(|| rng.chance(500))),
        2 => Value::MinQty(halves(rng, -6..4)),
        3 => Value::MinSale(halves(rng, 0..3)),
        4 => Value::MaxSale(halves(rng, 0..9)),
        6 => Value::Frozen(rng.chance(600).then(|| rng.chance(400))),
        7 => Value::OpensAt(door(rng, now_ms)),
        8 => Value::ClosesAt(door(rng, now_ms)),
        _ => Value::Increments(rng.chance(400).then(|| rng.signed(1..6))),
    };
    let sku = (!rng.chance(100)).then(|| rng.small(0..SKUS));
    let stock = rng.chance(500).then(|| rng.small(0..STOCKS));
    Setting { sku, stock: sku.and(stock), value }
}

/// A signed row: mostly of an order.
fn row(rng: &mut Rng) -> RowStep {
    use EventKind::{CreditmemoCreated, ManualCompensation, OrderCanceled, OrderPlaced, ShipmentCreated};
    let order = rng.chance(650).then(|| rng.small(0..ORDERS));
    let event = rng.weighted(&[
        (5, OrderPlaced),
        (2, OrderCanceled),
        (3, ShipmentCreated),
        (1, CreditmemoCreated),
        (1, ManualCompensation),
    ]);
    let is_promise = event == OrderPlaced || order.is_none() && rng.chance(600);
    let halves = rng.signed(1..9);
    let (stock, sku) = (known(rng, STOCKS, 40), known(rng, SKUS, 60));
    RowStep { order, event, stock, sku, halves: if is_promise { -halves } else { halves } }
}

/// A step of a shopper: a cart, or a command on a reservation.
fn shopper(rng: &mut Rng, longest_ms: u64) -> Step {
    let pick = usize::try_from(rng.below(64)).unwrap_or(0);
    match rng.weighted(&[
        (38, 0),
        (8, 1),
        (9, 2),
        (8, 3),
        (4, 4),
        (9, 5),
        (5, 6),
        (6, 7),
        (5, 8),
        (5, 9),
        (14, 10),
        (4, 11),
        (26, 12),
        (7, 13),
        (4, 14),
    ]) {
        0 => Step::Reserve(cart(rng, longest_ms)),
        1 => Step::Replace(pick, cart(rng, longest_ms)),
        2 => Step::Confirm(pick),
        3 => Step::Release(pick, if rng.chance(400) { Vec::new() } else { wanted(rng) }),
        // Repeated extensions by the longest TTL reach the maximum total time.
        4 => Step::Extend(
            pick,
            ttl(rng, longest_ms).unwrap_or(longest_ms.min(3_600_000).try_into().unwrap_or(60_000)),
        ),
        5 => Step::Ship(pick, known(rng, SOURCES, 15), wanted(rng), rng.chance(200)),
        8 => Step::Unship(pick, known(rng, SOURCES, 15), wanted(rng)),
        9 => Step::Amend(pick, wanted(rng)),
        6 => Step::Sell(target(rng), known(rng, SOURCES, 15), wanted(rng), rng.chance(300)),
        10 => Step::Place(placement(rng, longest_ms)),
        11 => Step::PlaceFailed(pick, rng.small(0..ORDERS)),
        12 => Step::Event(order_event(rng, longest_ms)),
        14 => {
            let order = rng.small(0..ORDERS);
            let state = rng.weighted(&[
                (2, OrderState::New),
                (4, OrderState::Processing),
                (2, OrderState::Complete),
                (1, OrderState::Closed),
                (2, OrderState::Canceled),
            ]);
            let line = |rng: &mut Rng| (known(rng, STOCKS, 40), known(rng, SKUS, 60), rng.signed(0..9));
            let lines = rng.chance(300).then(|| vec![line(rng)]);
            Step::State(StateStep { order, state, lines })
        }
        13 => {
            let rows = rng.within(1..5);
            Step::Append((0..rows).map(|_| row(rng)).collect())
        }
        _ => {
            let parts = rng.within(1..4);
            let part = |rng: &mut Rng| (rng.small(0..SKUS), rng.signed(1..7), refund_kind(rng));
            Step::Refund(pick, (0..parts).map(|_| part(rng)).collect())
        }
    }
}

/// A change of limits, sometimes out of range. Changes that would stop the shop for good are undone soon.
fn limits(rng: &mut Rng) -> Configure {
    let mut change = Configure::default();
    match rng.weighted(&[
        (2, 0),
        (2, 1),
        (1, 2),
        (2, 3),
        (2, 4),
        (2, 5),
        (2, 6),
        (4, 7),
        (1, 8),
        (1, 9),
        (2, 10),
        (2, 11),
        (3, 12),
        (2, 13),
    ]) {
        0 => change.ttl_min_ms = Some(rng.weighted(&[(1, 0), (3, 1), (4, 1_000), (2, 5_000)])),
        1 => change.ttl_max_ms = Some(rng.weighted(&[(1, 10_000), (2, 120_000), (4, 3_600_000)])),
        2 => {
            let month_and_more = 31 * 24 * 3_600_000;
            let ms = rng.weighted(&[(2, 120_000), (3, 5_400_000), (1, month_and_more)]);
            change.ttl_total_max_ms = Some(ms);
            // It must not be below the longest TTL.
            change.ttl_max_ms = rng.chance(700).then_some(ms.min(3_600_000));
        }
        3 => change.lines_max = Some(rng.weighted(&[(1, 0), (2, 1), (2, 2), (8, 256), (1, 257)])),
        4 => {
            let ms = rng.weighted(&[(1, 999), (2, 1_000), (3, 60_000), (2, 600_000)]);
            change.late_confirm_window_ms = Some(ms);
        }
        5 => {
            let ms = rng.weighted(&[(1, 59_999), (3, 60_000), (2, 120_000), (2, 300_000)]);
            change.id_retention_ms = Some(ms);
        }
        6 => {
            let ms = rng.weighted(&[(1, 59_999), (3, 60_000), (2, 90_000), (1, 120_000)]);
            change.id_retention_min_ms = Some(ms);
        }
        7 => {
            let few = rng.within(1..25);
            change.reservations_max = Some(rng.weighted(&[(1, 0), (4, few), (8, 50_000_000)]));
        }
        10 => {
            change.gap_max_ms = Some(rng.weighted(&[(1, 1_999), (3, 2_000), (2, 5_000), (4, 2_592_000_000)]));
        }
        11 => {
            let ms = rng.weighted(&[(1, 59_999), (3, 60_000), (2, 900_000), (1, 86_400_000)]);
            change.name_grace_ms = Some(ms);
        }
        12 => {
            let few = rng.within(1..8);
            change.orders_max = Some(rng.weighted(&[(1, 0), (4, few), (6, 50_000_000)]));
        }
        13 => {
            let ms = rng.weighted(&[(1, 999), (3, 1_000), (2, 60_000)]);
            change.order_retention_min_ms = Some(ms);
            change.order_retention_ms = rng.chance(700).then(|| ms * rng.within(1..5));
        }
        8 => {
            change.outcome_bytes_max =
                Some(rng.weighted(&[(1, 65_535), (4, 65_536), (1, 1 << 20), (1, 4 << 30)]));
        }
        _ => {
            // Several changes at once: all are made, or none if one violates a rule.
            change.sharing = Some(if rng.chance(200) { Sharing::Independent } else { Sharing::Exact });
            change.ttl_min_ms = Some(rng.weighted(&[(2, 1_000), (1, 3_700_000)]));
            change.lines_max = Some(rng.weighted(&[(1, 3), (2, 256)]));
        }
    }
    change
}

/// A rename to a present name, an old name, the name of another thing, or a free name.
fn renaming(rng: &mut Rng) -> Step {
    let (number, name) = (known(rng, 3, 30), rng.small(0..4));
    let to = match rng.below(4) {
        0 => Name::Sku(if name < SKUS { sku_name(name) } else { long_sku_name() }),
        1 => Name::Stock(if name < 3 { stock_name(name) } else { "new".to_owned() }),
        2 => Name::Source(if name < 3 { source_definition(name, true).code } else { "new".to_owned() }),
        _ if name < CHANNELS => {
            let assignment = channel_assignment(name, 0);
            Name::Channel(assignment.channel_type, assignment.code)
        }
        _ => Name::Channel("website".to_owned(), "new".to_owned()),
    };
    Step::Rename(number, to)
}

/// A step of a merchant: names, goods, links, settings, channels, limits.
fn merchant(rng: &mut Rng, now_ms: u64) -> Step {
    let kinds = [
        (8, 0),
        (8, 1),
        (5, 2),
        (3, 3),
        (3, 4),
        (2, 5),
        (6, 6),
        (5, 7),
        (1, 8),
        (4, 9),
        (4, 10),
        (4, 11),
        (4, 12),
        (2, 13),
        (3, 14),
        (6, 15),
        (3, 16),
    ];
    match rng.weighted(&kinds) {
        0 => {
            let status = rng.chance(300).then(|| rng.chance(600));
            Step::Count(known(rng, SOURCES, 15), rng.small(0..SKUS), rng.signed(-4..40), status)
        }
        1 => {
            let delta = if rng.chance(400) { rng.signed(-12..0) } else { rng.signed(1..24) };
            Step::Adjust(known(rng, SOURCES, 15), rng.small(0..SKUS), delta)
        }
        2 => {
            let from = rng.small(0..SOURCES);
            Step::Transfer(from, (from + rng.small(1..SOURCES)) % SOURCES, wanted(rng))
        }
        3 => Step::Enable(rng.small(0..SOURCES), rng.chance(600)),
        4 => {
            let priority = u16::try_from(rng.below(3) + 1).unwrap_or(1);
            Step::Link(rng.small(0..STOCKS), rng.small(0..SOURCES), priority)
        }
        5 => Step::Unlink(rng.small(0..STOCKS), rng.small(0..SOURCES)),
        6 => Step::Setting(setting(rng, now_ms)),
        7 => {
            let limit = rng.chance(700).then(|| rng.signed(0..30));
            Step::Quota(rng.small(0..SKUS), rng.small(0..STOCKS), limit)
        }
        8 => Step::Sharing(rng.chance(250)),
        9 => Step::Channel(rng.small(0..CHANNELS), known(rng, STOCKS, 40)),
        11 => renaming(rng),
        12 => Step::Mark(mark_name(rng.small(0..MARKS))),
        14 => {
            let is_set = rng.chance(800);
            let halves = (is_set && rng.chance(700)).then(|| rng.signed(0..40));
            Step::Notify(rng.small(0..SKUS), known(rng, SOURCES, 15), is_set, halves)
        }
        15 => Step::Bulk(Bulk::drawn(&mut |bound| rng.small(0..bound))),
        16 => Step::Freeze(target(rng), rng.chance(400)),
        13 => Step::Unmark(mark_name(rng.small(0..MARKS))),
        _ => Step::Configure(limits(rng)),
    }
}

/// A new step; `longest_ms` is the longest TTL, and `now_ms` the time of the client.
pub(crate) fn step(rng: &mut Rng, longest_ms: u64, now_ms: u64) -> Step {
    if rng.chance(780) { shopper(rng, longest_ms) } else { merchant(rng, now_ms) }
}

/// The initial setup of the shop: links, then goods.
pub(crate) fn shop(rng: &mut Rng) -> Vec<Step> {
    let mut steps = Vec::new();
    for stock in 0..STOCKS {
        for source in 0..SOURCES {
            if rng.chance(500) {
                steps.push(Step::Link(stock, source, 1));
            }
        }
    }
    for sku in 0..SKUS {
        for source in 0..SOURCES {
            if rng.chance(850) {
                steps.push(Step::Count(source, sku, rng.signed(0..60) * 2, None));
            }
        }
    }
    steps
}
