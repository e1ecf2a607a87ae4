//! Examples with known results. They test the rule of sharing through the public interface, in units.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use stockhold_machine::sharing::{Allowance, Change, Form, InGroup, Layout, Pool, Sharing, Supply};

/// One SKU over a layout of a single group, with stocks and sources by id.
struct Shop {
    layout: Layout,
    pool: Pool,
}

impl Shop {
    fn new(links: &[(u32, u32)], sharing: Sharing, on_hand: &[(u32, i64)]) -> Self {
        let layout = Layout::build([], links.iter().copied(), sharing).unwrap();
        assert_eq!(layout.group_count(), 1);
        let mut shop = Self { pool: Pool::new(layout.group(0)), layout };
        for &(source, quantity) in on_hand {
            shop.set(source, None, Some(Supply { on_hand: quantity, counts: true }));
        }
        shop
    }

    fn stock(&self, stock: u32) -> u32 {
        self.layout.stock_in_group(stock).unwrap().index
    }

    fn set(&mut self, source: u32, before: Option<Supply>, after: Option<Supply>) {
        let index = self.layout.source_in_group(source).unwrap().index;
        self.pool.change_supply(self.layout.group(0), index, before, after);
    }

    fn left(&self, stock: u32) -> i64 {
        let group = self.layout.group(0);
        let left = self.pool.left(group, self.stock(stock));
        let mut all = Vec::new();
        self.pool.left_all(group, &mut all);
        assert_eq!(all[usize::try_from(self.stock(stock)).unwrap()], left, "left and left_all agree");
        left
    }

    fn promise(&mut self, stock: u32, quantity: i64) {
        self.pool.add_promise(self.layout.group(0), self.stock(stock), quantity);
    }

    /// A best-effort reserve: as much as is left.
    fn grant(&mut self, stock: u32, wanted: i64) -> i64 {
        let granted = wanted.min(self.left(stock).max(0));
        self.promise(stock, granted);
        granted
    }

    fn short(&self) -> i64 {
        self.pool.shortfall(self.layout.group(0), |_| Allowance::Units(0))
    }
}

const A1: u32 = 1;
const A2: u32 = 2;
const WEB: u32 = 1;
const POS: u32 = 2;

#[test]
fn two_stocks_with_a_shared_source() {
    // Proves the golden vectors of two stocks that share A2, in both orders of the links.
    let vectors: [&[(u32, i64, i64)]; 5] = [
        &[(WEB, 3, 3), (POS, 5, 5), (WEB, 7, 7)],
        &[(POS, 5, 5), (WEB, 10, 10)],
        &[(WEB, 10, 10), (POS, 30, 20)],
        &[(POS, 30, 30), (WEB, 10, 0)],
        &[(POS, 12, 12), (WEB, 10, 10), (POS, 8, 8)],
    ];
    for links in [[(WEB, A2), (POS, A1), (POS, A2)], [(POS, A2), (POS, A1), (WEB, A2)]] {
        for vector in vectors {
            let mut shop = Shop::new(&links, Sharing::Exact, &[(A1, 20), (A2, 10)]);
            for &(stock, wanted, granted) in vector {
                assert_eq!(shop.grant(stock, wanted), granted, "{vector:?}");
                assert_eq!(shop.short(), 0);
            }
        }
    }
}

#[test]
fn a_neighbour_in_shortfall_does_not_block_own_goods() {
    // Proves that Web sells all of A3 while POS is short at A2 after a recount, and that new goods reduce
    // the shortfall first.
    let a3 = 3;
    let mut shop = Shop::new(&[(WEB, A2), (WEB, a3), (POS, A2)], Sharing::Exact, &[(A2, 5), (a3, 10)]);
    shop.promise(POS, 5);
    let before = Some(Supply { on_hand: 5, counts: true });
    let after = Some(Supply { on_hand: 0, counts: true });
    shop.set(A2, before, after);
    assert_eq!(shop.left(WEB), 10);
    assert_eq!(shop.left(POS), -5);
    assert_eq!(shop.short(), 5);
    shop.set(A2, after, Some(Supply { on_hand: 4, counts: true }));
    assert_eq!((shop.left(WEB), shop.left(POS), shop.short()), (10, -1, 1));
    shop.set(A2, Some(Supply { on_hand: 4, counts: true }), Some(Supply { on_hand: 7, counts: true }));
    assert_eq!((shop.left(WEB), shop.left(POS), shop.short()), (12, 2, 0));
}

#[test]
fn backorders_are_an_allowance() {
    // Proves short(0) and short(n) for a threshold of −5: 15 can be promised of 10, the 16th would be short.
    let mut shop = Shop::new(&[(WEB, A1)], Sharing::Exact, &[(A1, 10)]);
    assert_eq!(shop.layout.group(0).form(), Form::Single);
    shop.promise(WEB, 15);
    assert_eq!(shop.left(WEB) + 5, 0);
    assert_eq!(shop.short(), 5);
    let group = shop.layout.group(0);
    assert_eq!(shop.pool.shortfall(group, |_| Allowance::Units(5)), 0);
    assert_eq!(shop.pool.shortfall(group, |_| Allowance::Units(4)), 1);
    assert_eq!(shop.pool.shortfall(group, |_| Allowance::Unlimited), 0);
}

#[test]
fn items_count_apart_from_quantities() {
    // Proves that an item of quantity zero is in stock, that a disabled one is only assigned, and that it
    // has no goods.
    let mut shop = Shop::new(&[(WEB, A2), (POS, A1), (POS, A2)], Sharing::Exact, &[]);
    let state = |shop: &Shop, stock| {
        let group = shop.layout.group(0);
        let index = shop.stock(stock);
        (shop.pool.is_assigned(group, index), shop.pool.any_in_stock(group, index), shop.left(stock))
    };
    assert_eq!(state(&shop, WEB), (false, false, 0));
    let off = Some(Supply { on_hand: 9, counts: false });
    let on = Some(Supply { on_hand: 0, counts: true });
    shop.set(A2, None, off);
    assert_eq!(state(&shop, WEB), (true, false, 0));
    assert_eq!(state(&shop, POS), (true, false, 0));
    shop.set(A1, None, on);
    assert_eq!(state(&shop, WEB), (true, false, 0));
    assert_eq!(state(&shop, POS), (true, true, 0));
    shop.set(A2, off, Some(Supply { on_hand: -3, counts: true }));
    assert_eq!(state(&shop, WEB), (true, true, 0));
    shop.set(A2, Some(Supply { on_hand: -3, counts: true }), None);
    shop.set(A1, on, None);
    assert_eq!(state(&shop, POS), (false, false, 0));
}

#[test]
fn a_shipment_from_a_source_that_others_need_makes_a_shortfall() {
    // Proves the guard of shipments: POS ships 5 units from A2, which the promises of Web need, or from A1,
    // which no other promise needs.
    let mut shop = Shop::new(&[(WEB, A2), (POS, A1), (POS, A2)], Sharing::Exact, &[(A1, 20), (A2, 10)]);
    shop.promise(WEB, 8);
    shop.promise(POS, 5);
    let moved = |source, from| Change {
        source_index: shop.layout.source_in_group(source).unwrap().index,
        before: Some(Supply { on_hand: from, counts: true }),
        after: Some(Supply { on_hand: from - 5, counts: true }),
        stock_index: shop.stock(POS),
        promise_delta: -5,
    };
    let group = shop.layout.group(0);
    let none = |_| Allowance::Units(0);
    assert_eq!(shop.pool.would_short(group, moved(A2, 10), none), 3);
    assert_eq!(shop.pool.would_short(group, moved(A1, 20), none), 0);
    assert_eq!(shop.pool.promised(group, shop.stock(POS)), 5, "would_short changes nothing");
}

#[test]
fn independent_stocks_keep_the_plain_sum() {
    // Proves that independent stocks consider only their own promises, and that a negative source item is
    // subtracted.
    let links = [(WEB, A2), (POS, A1), (POS, A2)];
    let mut shop = Shop::new(&links, Sharing::Independent, &[(A1, -4), (A2, 10)]);
    assert_eq!(shop.layout.group(0).form(), Form::Independent);
    shop.promise(POS, 6);
    assert_eq!((shop.left(WEB), shop.left(POS)), (10, 0));
    shop.promise(WEB, 12);
    assert_eq!((shop.left(WEB), shop.left(POS), shop.short()), (-2, 0, 2));
    shop.promise(POS, 3);
    assert_eq!((shop.left(POS), shop.short()), (-3, 5));
}

#[test]
fn a_layout_reports_the_groups_that_a_link_changed() {
    // Proves group and index of stocks and sources, the order of groups, that stocks without links are in a
    // group, and which groups a link does not change.
    let old = Layout::build([9, 4], [(7, 3), (2, 5), (5, 5)], Sharing::Exact).unwrap();
    let stocks: Vec<&[u32]> = old.groups().iter().map(stockhold_machine::sharing::Group::stocks).collect();
    assert_eq!(stocks, [&[2, 5][..], &[4], &[7], &[9]]);
    assert_eq!(old.stock_in_group(5), Some(InGroup { group: 0, index: 1 }));
    assert_eq!(old.source_in_group(5), Some(InGroup { group: 0, index: 0 }));
    assert_eq!(old.source_in_group(4), None);
    assert_eq!(old.stock_in_group(1_000), None);
    let new = Layout::build([9], [(7, 3), (7, 6), (2, 5), (5, 5)], Sharing::Exact).unwrap();
    assert_eq!(new.unchanged_since(&old), [Some(0), None, Some(3)]);
    let independent = Layout::build([9], [(2, 5), (5, 5)], Sharing::Independent).unwrap();
    assert_eq!(independent.unchanged_since(&old), [None, None]);
    let lone = Pool::new(old.group(1));
    assert_eq!(lone.left(old.group(1), 0), 0);
}
