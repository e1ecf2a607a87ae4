//! One web shop over 200 shops. This is too large for enumeration, so the expected values come from a
//! formula for this layout.

use super::super::{AMOUNT_MAX, Allowance, Form, Group, Layout, Pool, Sharing, Supply};

const SHOPS: usize = 200;

/// Web is stock 0 and has all sources; shop i is stock i + 1 and has source i.
fn web_over_shops(shops: usize) -> Layout {
    let shops = u32::try_from(shops).unwrap();
    let links = (0..shops).flat_map(|source| [(0, source), (source + 1, source)]);
    Layout::build([], links, Sharing::Exact).unwrap()
}

/// What every stock has left, computed from the goods and promises of the web shop and the shops.
fn expected_left(caps: &[i64], web: i64, shops: &[i64]) -> Vec<i64> {
    let goods: i64 = caps.iter().sum();
    let used: i64 = caps.iter().zip(shops).map(|(&cap, &promised)| cap.min(promised)).sum();
    let of_shop = |(&cap, &promised): (&i64, &i64)| {
        let others = goods.min(used - cap.min(promised) + web);
        cap.min(goods - others) - promised
    };
    std::iter::once(goods - used - web).chain(caps.iter().zip(shops).map(of_shop)).collect()
}

struct Chain {
    layout: Layout,
    pool: Pool,
    caps: Vec<i64>,
    shops: Vec<i64>,
    web: i64,
}

impl Chain {
    fn group(&self) -> &Group {
        self.layout.group(0)
    }

    fn restock(&mut self, shop: usize, cap: i64) {
        let item = |on_hand| Some(Supply { on_hand, counts: true });
        let source = u32::try_from(shop).unwrap();
        self.pool.change_supply(self.layout.group(0), source, item(self.caps[shop]), item(cap));
        self.caps[shop] = cap;
    }

    fn promise(&mut self, stock: u32, delta: i64) {
        self.pool.add_promise(self.layout.group(0), stock, delta);
        match stock.checked_sub(1) {
            None => self.web += delta,
            Some(shop) => self.shops[usize::try_from(shop).unwrap()] += delta,
        }
    }

    fn assert_agrees(&self) {
        let expected = expected_left(&self.caps, self.web, &self.shops);
        let mut all = Vec::new();
        self.pool.left_all(self.group(), &mut all);
        assert_eq!(all, expected);
        for (stock, &left) in (0_u32..).zip(&expected) {
            assert_eq!(self.pool.left(self.group(), stock), left);
        }
    }

    fn short(&self) -> i64 {
        self.pool.shortfall(self.group(), |_| Allowance::Units(0))
    }
}

#[test]
fn one_web_shop_over_two_hundred() {
    // Proves the tree form at the size of a retailer: before, during and after a shortfall of a shop and of
    // the web shop.
    let layout = web_over_shops(SHOPS);
    assert_eq!(layout.group(0).form(), Form::Tree);
    let pool = Pool::new(layout.group(0));
    let mut chain = Chain { layout, pool, caps: vec![0; SHOPS], shops: vec![0; SHOPS], web: 0 };
    for shop in 0..SHOPS {
        chain.pool.change_supply(
            chain.layout.group(0),
            u32::try_from(shop).unwrap(),
            None,
            Some(Supply { on_hand: 0, counts: true }),
        );
        chain.restock(shop, 10 + i64::try_from(shop % 7).unwrap());
        chain.promise(u32::try_from(shop + 1).unwrap(), i64::try_from(shop % 5).unwrap());
    }
    chain.promise(0, 700);
    assert_eq!(chain.short(), 0);
    chain.assert_agrees();
    chain.restock(17, -3);
    assert_eq!(chain.short(), 2, "shop 17 promised 2");
    chain.restock(17, 0);
    chain.assert_agrees();
    let left = chain.pool.left(chain.group(), 0);
    chain.promise(0, left + 40);
    assert_eq!(chain.short(), 42);
    chain.assert_agrees();
    chain.restock(17, 30);
    assert_eq!(chain.short(), 12, "new goods reduce the shortfall first");
    chain.assert_agrees();
    chain.promise(0, -12);
    assert_eq!(chain.short(), 0);
    chain.assert_agrees();
}

#[test]
fn three_levels() {
    // Proves a country over regions over shops: the promises of a region limit its shops and the country,
    // but not the other region.
    let links = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (2, 2), (2, 3), (3, 0), (4, 2)];
    let layout = Layout::build([], links, Sharing::Exact).unwrap();
    let group = layout.group(0);
    assert_eq!(group.form(), Form::Tree);
    let mut pool = Pool::new(group);
    for source in 0..4 {
        pool.change_supply(group, source, None, Some(Supply { on_hand: 10, counts: true }));
    }
    let mut all = Vec::new();
    pool.add_promise(group, 1, 15);
    pool.left_all(group, &mut all);
    assert_eq!(all, [25, 5, 20, 5, 10]);
    pool.add_promise(group, 0, 18);
    pool.left_all(group, &mut all);
    assert_eq!(all, [7, 5, 7, 5, 7]);
    pool.add_promise(group, 3, 8);
    pool.left_all(group, &mut all);
    assert_eq!(
        all,
        [2, -3, 2, -3, 2],
        "the region is 3 short, and each of its stocks would be the last to be served"
    );
    assert_eq!(pool.shortfall(group, |_| Allowance::Units(0)), 3);
}

#[test]
fn the_largest_sums_fit() {
    // Proves that a full group at the largest quantities computes without overflow (tests check every sum).
    let layout = web_over_shops(4_095);
    let group = layout.group(0);
    let mut pool = Pool::new(group);
    for source in 0..4_095 {
        pool.change_supply(group, source, None, Some(Supply { on_hand: AMOUNT_MAX, counts: true }));
    }
    assert_eq!(pool.left(group, 0), 4_095 * AMOUNT_MAX);
    for stock in 0..4_096 {
        pool.add_promise(group, stock, AMOUNT_MAX);
    }
    assert_eq!(pool.shortfall(group, |_| Allowance::Units(0)), AMOUNT_MAX);
    for source in 0..4_095 {
        let full = Some(Supply { on_hand: AMOUNT_MAX, counts: true });
        pool.change_supply(group, source, full, Some(Supply { on_hand: -AMOUNT_MAX, counts: true }));
    }
    assert_eq!(pool.left(group, 4_095), -AMOUNT_MAX);
    assert_eq!(pool.shortfall(group, |_| Allowance::Units(0)), 4_096 * AMOUNT_MAX);
}
