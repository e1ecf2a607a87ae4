//! Random generation of the steps of a run.

use super::drive::START_MS;
use super::drive::names;
use proptest::prelude::*;
use stockhold_model::{
    Bulk, CHANNELS, Cart, MARKS, ORDERS, OrderStep, RefundKind, RowStep, SKUS, SOURCES, STOCKS, Setting,
    StateStep, Step, Value, Wanted, mark_name,
};
use stockhold_protocol::command::{Configure, OrderAction, Target};
use stockhold_protocol::event::{EventKind, OrderState};
use stockhold_protocol::{ChannelId, StockId};

fn wanted() -> impl Strategy<Value = Wanted> {
    let quantity = prop_oneof![16 => (1_i64..7).prop_map(|units| units * 2), 1 => 1_i64..9, 2 => 10_i64..60];
    proptest::collection::vec((prop_oneof![80 => 0..SKUS, 1 => Just(SKUS)], quantity), 1..4)
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        50 => (0..STOCKS).prop_map(|stock| Target::Stock(StockId(stock))),
        15 => (0..CHANNELS).prop_map(|channel| Target::Channel(ChannelId(channel))),
        1 => Just(Target::Stock(StockId(STOCKS))),
        1 => Just(Target::Channel(ChannelId(CHANNELS))),
    ]
}

/// Limits that matter in a short run, and some that are out of range.
fn limits() -> impl Strategy<Value = Configure> {
    let none = Configure::default();
    prop_oneof![
        2 => prop_oneof![Just(1), Just(5_000)].prop_map(move |ms| Configure { ttl_min_ms: Some(ms), ..none }),
        2 => prop_oneof![Just(60_000), Just(3_600_000)].prop_map(move |ms| Configure { ttl_max_ms: Some(ms), ..none }),
        1 => prop_oneof![Just(60_000), Just(5_400_000)].prop_map(move |ms| Configure { ttl_total_max_ms: Some(ms), ..none }),
        2 => (0_u32..4).prop_map(move |lines| Configure { lines_max: Some(lines), ..none }),
        2 => prop_oneof![Just(999), Just(1_000), Just(600_000)]
            .prop_map(move |ms| Configure { late_confirm_window_ms: Some(ms), ..none }),
        2 => prop_oneof![Just(60_000), Just(900_000)].prop_map(move |ms| Configure { id_retention_ms: Some(ms), ..none }),
        3 => prop_oneof![Just(0), 1_u64..30, Just(50_000_000)]
            .prop_map(move |count| Configure { reservations_max: Some(count), ..none }),
        4 => prop_oneof![4 => Just(2_000), 4 => Just(60_000), 1 => Just(1_999), 1 => Just(2_592_000_000)]
            .prop_map(move |ms| Configure { gap_max_ms: Some(ms), ..none }),
        1 => prop_oneof![Just(59_999), Just(60_000), Just(2_592_000_001)]
            .prop_map(move |ms| Configure { clock_jump_max_ms: Some(ms), ..none }),
        2 => prop_oneof![Just(60_000), Just(900_000), Just(86_400_000), Just(2_592_000_001)]
            .prop_map(move |ms| Configure { name_grace_ms: Some(ms), ..none }),
        5 => prop_oneof![1 => Just(0), 5 => 1_u64..4, 1 => Just(50_000_000)]
            .prop_map(move |count| Configure { orders_max: Some(count), ..none }),
        1 => prop_oneof![Just(999), Just(1_000), Just(600_000), Just(315_360_000_001)]
            .prop_map(move |ms| Configure { order_retention_ms: Some(ms), ..none }),
        1 => prop_oneof![Just(999), Just(1_000), Just(400_000)]
            .prop_map(move |ms| Configure { order_retention_min_ms: Some(ms), ..none }),
    ]
}

fn source() -> impl Strategy<Value = u32> {
    prop_oneof![60 => 0..SOURCES, 1 => Just(SOURCES)]
}

fn ttl() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![
        3 => Just(None),
        4 => Just(Some(5_000)),
        4 => (1_000_u32..120_000).prop_map(Some),
        1 => Just(Some(3_600_000)),
        1 => prop_oneof![4 => Just(Some(3_600_000)), 1 => Just(Some(0)), 1 => Just(Some(999)), 1 => Just(Some(3_600_001))],
    ]
}

fn cart() -> impl Strategy<Value = Cart> {
    let owner = prop_oneof![6 => Just(0_u64), 1 => Just(7_u64)];
    let order = proptest::option::weighted(0.6, 0..ORDERS);
    (target(), wanted(), proptest::bool::weighted(0.3), ttl(), owner, order).prop_map(
        |(target, lines, best_effort, ttl_ms, owner, order)| {
            // Most orders have their own owner.
            let owner = order.map_or(owner, |order| if order % 3 == 0 { 7 } else { owner });
            Cart { target, lines, best_effort, ttl_ms, owner, order }
        },
    )
}

fn refund_kind() -> impl Strategy<Value = RefundKind> {
    prop_oneof![
        Just(RefundKind::Unshipped),
        source().prop_map(RefundKind::Returned),
        source().prop_map(RefundKind::Lost)
    ]
}

/// A placement: mostly of few units, so that the same order can be placed again.
fn placement() -> impl Strategy<Value = Cart> {
    let few = proptest::collection::vec((0..SKUS, (1_i64..3).prop_map(|units| units * 2)), 1..3);
    (cart(), 0..ORDERS, few, any::<bool>()).prop_map(|(cart, order, few, is_few)| {
        let owner = if order % 3 == 0 { 7 } else { cart.owner };
        let lines = if is_few { few } else { cart.lines.clone() };
        Cart { best_effort: false, order: Some(order), owner, lines, ..cart }
    })
}

fn order_step() -> impl Strategy<Value = OrderStep> {
    use OrderAction::{Cancel, Compensate, Confirm, Edit, Extend, Invoice, Refund, Ship, Unship};
    let action = prop_oneof![
        4 => Just(Confirm),
        2 => Just(Extend),
        5 => Just(Cancel),
        16 => Just(Ship),
        8 => Just(Invoice),
        10 => Just(Refund),
        5 => Just(Compensate),
        6 => Just(Edit),
        8 => Just(Unship),
    ];
    let stock = proptest::option::weighted(0.5, prop_oneof![40 => 0..STOCKS, 1 => Just(STOCKS)]);
    let sku = prop_oneof![60 => 0..SKUS, 1 => Just(SKUS)];
    let line = (sku, stock, 1_i64..12, any::<bool>());
    let lines = proptest::collection::vec(line, 1..4);
    let document = proptest::option::weighted(0.5, 0_u32..4);
    let flags = (any::<bool>(), any::<bool>(), proptest::bool::weighted(0.25));
    (0..ORDERS, action, lines, document, source(), flags, ttl()).prop_map(
        |(order, action, mut lines, mut document, source, (is_whole, names_source, forced), ttl)| {
            if is_whole && matches!(action, Cancel) || is_whole && action == Unship && document.is_some() {
                lines.clear();
            }
            if matches!(action, Confirm | Extend) {
                lines.clear();
            }
            if matches!(action, Confirm | Extend | Compensate | Edit) {
                document = None;
            }
            for line in &mut lines {
                line.3 &= action == Refund;
                if action == Compensate && is_whole {
                    line.2 = -line.2;
                    line.1 = lines_stock(line.1, order);
                }
                if action == Edit {
                    line.2 -= 1;
                }
            }
            let has_source = matches!(action, Ship | Unship) || action == Refund && names_source;
            let source = has_source.then_some(source);
            let forced = forced && matches!(action, Ship | Compensate);
            let ttl_ms = (action == Extend).then(|| ttl.unwrap_or(60_000));
            OrderStep { order, action, document, source, lines, forced, ttl_ms }
        },
    )
}

fn state_step() -> impl Strategy<Value = StateStep> {
    let place =
        (prop_oneof![40 => 0..STOCKS, 1 => Just(STOCKS)], prop_oneof![40 => 0..SKUS, 1 => Just(SKUS)]);
    let lines = proptest::collection::btree_map(place, 0_i64..8, 0..4);
    let lines = lines
        .prop_map(|lines| lines.into_iter().map(|((stock, sku), halves)| (stock, sku, halves)).collect());
    let state = proptest::sample::select(OrderState::ALL.to_vec());
    (0..ORDERS, state, proptest::option::weighted(0.4, lines)).prop_map(|(order, state, lines)| StateStep {
        order,
        state,
        lines,
    })
}

fn row() -> impl Strategy<Value = RowStep> {
    use EventKind::{
        CreditmemoCreated, InvoiceCreated, ManualCompensation, OrderCanceled, OrderPlaceFailed, OrderPlaced,
        ShipmentCreated,
    };
    let order = proptest::option::weighted(0.6, 0..ORDERS);
    let event = prop_oneof![
        5 => Just(OrderPlaced),
        1 => Just(OrderPlaceFailed),
        2 => Just(OrderCanceled),
        3 => Just(ShipmentCreated),
        1 => Just(InvoiceCreated),
        2 => Just(CreditmemoCreated),
        2 => Just(ManualCompensation),
    ];
    let place =
        (prop_oneof![40 => 0..STOCKS, 1 => Just(STOCKS)], prop_oneof![60 => 0..SKUS, 1 => Just(SKUS)]);
    (order, event, place, 1_i64..10, proptest::bool::weighted(0.55)).prop_map(
        |(order, event, (stock, sku), halves, is_promise)| {
            let is_promise =
                if event == EventKind::OrderPlaced { true } else { is_promise && order.is_none() };
            let halves = if is_promise { -halves } else { halves };
            RowStep { order, event, stock, sku, halves }
        },
    )
}

/// Most compensations that add units name one stock.
fn lines_stock(stock: Option<u32>, order: u32) -> Option<u32> {
    if stock == Some(0) { stock } else { Some(order % STOCKS) }
}

/// A time at which a sale opens or closes, most often one that a run reaches.
fn door() -> impl Strategy<Value = Option<u64>> {
    let after = |most: u64| (0..most).prop_map(|ms| Some(START_MS + ms));
    prop_oneof![
        2 => Just(None),
        2 => Just(Some(0)),
        3 => after(20_000),
        2 => after(400_000),
    ]
}

fn setting() -> impl Strategy<Value = Setting> {
    let halves =
        |least: i64, most: i64| proptest::option::weighted(0.7, (least..most).prop_map(|units| units * 2));
    let value = prop_oneof![
        1 => proptest::option::of(any::<bool>()).prop_map(Value::ManageStock),
        2 => proptest::option::of(any::<bool>()).prop_map(Value::Backorders),
        4 => halves(-6, 4).prop_map(Value::MinQty),
        1 => halves(0, 3).prop_map(Value::MinSale),
        1 => halves(0, 9).prop_map(Value::MaxSale),
        1 => proptest::option::weighted(0.4, 1_i64..6).prop_map(Value::Increments),
        2 => proptest::option::weighted(0.8, 0_i64..30).prop_map(Value::Notify),
        1 => proptest::option::of(proptest::bool::weighted(0.4)).prop_map(Value::Frozen),
        3 => door().prop_map(Value::OpensAt),
        2 => door().prop_map(Value::ClosesAt),
    ];
    (proptest::option::weighted(0.9, 0..SKUS), proptest::option::of(0..STOCKS), value)
        .prop_map(|(sku, stock, value)| Setting { sku, stock: sku.and(stock), value })
}

/// One step of a run.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    let pick = || 0_usize..64;
    prop_oneof![
        30 => cart().prop_map(Step::Reserve),
        8 => (pick(), cart()).prop_map(|(old, cart)| Step::Replace(old, cart)),
        8 => pick().prop_map(Step::Confirm),
        7 => (pick(), prop_oneof![2 => Just(Vec::new()), 3 => wanted()]).prop_map(|(of, lines)| Step::Release(of, lines)),
        4 => (pick(), ttl()).prop_map(|(of, ttl)| Step::Extend(of, ttl.unwrap_or(60_000))),
        10 => (pick(), source(), wanted(), proptest::bool::weighted(0.2))
            .prop_map(|(of, source, lines, forced)| Step::Ship(of, source, lines, forced)),
        5 => (target(), source(), wanted(), proptest::bool::weighted(0.3))
            .prop_map(|(target, source, lines, forced)| Step::Sell(target, source, lines, forced)),
        11 => (pick(), proptest::collection::vec((0..=SKUS, 0_i64..12), 1..3)).prop_map(|(of, lines)| Step::Amend(of, lines)),
        5 => (pick(), source(), wanted()).prop_map(|(of, source, lines)| Step::Unship(of, source, lines)),
        7 => (pick(), proptest::collection::vec((0..SKUS, 1_i64..7, refund_kind()), 1..4))
            .prop_map(|(of, parts)| Step::Refund(of, parts)),
        16 => placement().prop_map(Step::Place),
        4 => (pick(), 0..ORDERS).prop_map(|(of, order)| Step::PlaceFailed(of, order)),
        30 => order_step().prop_map(Step::Event),
        6 => proptest::collection::vec(row(), 1..4).prop_map(Step::Append),
        4 => state_step().prop_map(Step::State),
        6 => (source(), 0..SKUS, -4_i64..30, proptest::option::weighted(0.3, any::<bool>()))
            .prop_map(|(source, sku, quantity, in_stock)| Step::Count(source, sku, quantity, in_stock)),
        5 => (source(), 0..SKUS, prop_oneof![-12_i64..0, 1_i64..20])
            .prop_map(|(source, sku, delta)| Step::Adjust(source, sku, delta)),
        4 => (0..SOURCES, 1..SOURCES, wanted())
            .prop_map(|(from, by, lines)| Step::Transfer(from, (from + by) % SOURCES, lines)),
        7 => proptest::collection::vec(any::<u32>(), 32).prop_map(|numbers| {
            let mut numbers = numbers.into_iter().cycle();
            Step::Bulk(Bulk::drawn(&mut |bound| numbers.next().unwrap() % bound))
        }),
        3 => (0..SOURCES, any::<bool>()).prop_map(|(source, enabled)| Step::Enable(source, enabled)),
        3 => (0..STOCKS, 0..SOURCES, 1_u16..4).prop_map(|(stock, source, priority)| Step::Link(stock, source, priority)),
        2 => (0..STOCKS, 0..SOURCES).prop_map(|(stock, source)| Step::Unlink(stock, source)),
        6 => setting().prop_map(Step::Setting),
        4 => (0..SKUS, 0..STOCKS, proptest::option::weighted(0.7, 0_i64..20))
            .prop_map(|(sku, stock, limit)| Step::Quota(sku, stock, limit)),
        5 => (0..=SKUS, source(), proptest::option::weighted(0.7, 0_i64..40))
            .prop_map(|(sku, source, halves)| Step::Notify(sku, source, true, halves)),
        1 => (0..SKUS, source()).prop_map(|(sku, source)| Step::Notify(sku, source, false, None)),
        3 => (target(), proptest::bool::weighted(0.4)).prop_map(|(target, frozen)| Step::Freeze(target, frozen)),
        1 => proptest::bool::weighted(0.3).prop_map(Step::Sharing),
        2 => (0..CHANNELS, 0..=STOCKS).prop_map(|(channel, stock)| Step::Channel(channel, stock)),
        12 => (prop_oneof![30 => 0_u32..3, 1 => Just(9)], proptest::sample::select(names()))
            .prop_map(|(number, to)| Step::Rename(number, to)),
        4 => (0..MARKS).prop_map(|mark| Step::Mark(mark_name(mark))),
        6 => (0..MARKS).prop_map(|mark| Step::Unmark(mark_name(mark))),
        2 => limits().prop_map(Step::Configure),
        1 => Just(Step::Tick),
        18 => (any::<usize>(), proptest::bool::weighted(0.2)).prop_map(|(which, other)| Step::Retry(which, other)),
    ]
}

/// How much time passes before a step, in milliseconds.
pub(crate) fn pause() -> impl Strategy<Value = u64> {
    prop_oneof![
        40 => Just(0_u64),
        20 => 1_u64..3_000,
        6 => 3_000_u64..60_000,
        1 => 60_000_u64..700_000,
        1 => 700_000_u64..1_200_000,
    ]
}
