//! The memory of orders: a bound for each, and many that lapse and end at one moment.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::order_shop::{Shop, event};
use stockhold_machine::table::Progress;
use stockhold_protocol::command::{OrderAction, Reserve, Sell, Target};
use stockhold_protocol::{Command, Line, Lines, Quantity, SkuId, SourceId, StockId};

const ORDERS: u128 = 1 << 16;

fn lines() -> [Line; 1] {
    [Line::new(SkuId(0), Quantity::units(1).unwrap())]
}

#[test]
fn an_order_of_one_line_takes_at_most_192_bytes() {
    // Proves the bound of docs/performance.md for settled orders, and that it holds for open ones too.
    for is_sold in [true, false] {
        let mut shop = Shop::new();
        for number in 0..ORDERS {
            let (target, lines, owner, reference) =
                (Target::Stock(StockId(0)), lines(), 0, format!("1{number:08}"));
            let (lines, reference) = (Lines::Slice(&lines), reference.as_str());
            if is_sold {
                let (source, forced) = (SourceId(0), false);
                shop.succeed(Command::Sell(Sell { target, source, lines, forced, owner, reference }));
            } else {
                let (best_effort, ttl_ms) = (false, None);
                shop.succeed(Command::Reserve(Reserve {
                    target,
                    lines,
                    best_effort,
                    ttl_ms,
                    owner,
                    reference,
                }));
            }
        }
        let stats = shop.machine.stats();
        assert_eq!(u128::from(stats.orders), ORDERS);
        assert_eq!(u128::from(stats.orders_unsettled), if is_sold { 0 } else { ORDERS });
        let each = shop.machine.stats().order_bytes / stats.orders;
        assert!((160..=192).contains(&each), "an order takes {each} bytes");
    }
}

#[test]
fn an_order_with_a_shipment_takes_at_most_192_bytes() {
    // Proves the bound for an order of one line with one shipment that has a document, after it settled.
    let mut shop = Shop::new();
    for number in 0..ORDERS {
        let order = format!("1{number:08}");
        shop.place(&order, &lines(), None);
        let mut shipment = event(&order, OrderAction::Ship, &[(0, 1)]);
        (shipment.document, shipment.source) = (format!("S{number:08}"), Some(SourceId(0)));
        shop.succeed(Command::OrderEvent(Box::new(shipment)));
    }
    let stats = shop.machine.stats();
    assert_eq!((u128::from(stats.orders), stats.orders_unsettled), (ORDERS, 0));
    let each = shop.machine.stats().order_bytes / stats.orders;
    assert!((160..=192).contains(&each), "an order takes {each} bytes");
}

#[test]
fn many_orders_lapse_and_end_at_one_moment() {
    // Proves that the counts are exact in the op in which all orders lapse, and in the one in which all end, before any of
    // them is erased; and that their memory is used again.
    let mut shop = Shop::new();
    let mut bytes = 0;
    for round in 0..2 {
        for number in 0..ORDERS {
            let (target, lines, reference) =
                (Target::Stock(StockId(0)), lines(), format!("{round}-{number}"));
            let (lines, reference) = (Lines::Slice(&lines), reference.as_str());
            let (best_effort, ttl_ms, owner) = (false, Some(60_000), 0);
            shop.succeed(Command::Reserve(Reserve { target, lines, best_effort, ttl_ms, owner, reference }));
        }
        let counts = |shop: &Shop| (shop.machine.stats().orders, shop.machine.stats().orders_unsettled);
        let all = u64::try_from(ORDERS).unwrap();
        assert_eq!(counts(&shop), (all, all));
        shop.now.0 += 60_000;
        shop.machine.skip(shop.now);
        assert_eq!(counts(&shop), (all, 0));
        shop.now.0 += 86_400_000;
        shop.machine.skip(shop.now);
        assert_eq!(counts(&shop), (0, 0));
        assert_eq!(shop.machine.validate(), Vec::<String>::new());
        while shop.machine.prepare_snapshot(1_000) == Progress::More {}
        assert!(
            round == 0 || shop.machine.stats().order_bytes <= bytes,
            "the memory of ended orders is used again"
        );
        bytes = shop.machine.stats().order_bytes;
    }
}
