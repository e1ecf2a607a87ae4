//! One web shop over up to 200 shops, each with its own point of sale: the typical layout of a retailer.

use proptest::prelude::*;
use stockhold_machine::{Genesis, Machine};
use stockhold_protocol::command::{
    Count, LinkDefinition, Release, Reserve, SkuDefinition, SourceDefinition, StockDefinition, Target,
};
use stockhold_protocol::{
    Code, Command, CommandId, Envelope, Line, Lines, Outcome, Quantity, ReservationId, SkuId, SourceId,
    StockId, Timestamp,
};

/// Stock 0 is the web shop. Stock i + 1 is the counter of shop i, which sells from source i alone.
struct Chain {
    machine: Machine,
    ids: u128,
    goods: Vec<i64>,
    /// Promises of the counters.
    shops: Vec<i64>,
    web: i64,
}

impl Chain {
    fn new(goods: &[i64]) -> Self {
        let machine = Machine::new(&Genesis::default());
        let mut chain =
            Self { machine, ids: 0, goods: vec![0; goods.len()], shops: vec![0; goods.len()], web: 0 };
        chain.send(Command::DefineSku(SkuDefinition { sku: "BIKE".into(), ..SkuDefinition::default() }));
        chain.send(Command::DefineStock(StockDefinition { name: "web".into() }));
        for (shop, units) in (0_u32..).zip(goods) {
            let code = format!("shop-{shop}");
            chain.send(Command::DefineStock(StockDefinition { name: code.clone() }));
            chain.send(Command::DefineSource(Box::new(SourceDefinition {
                name: code.clone(),
                code,
                enabled: true,
                country: "DE".into(),
                postcode: "1".into(),
                ..SourceDefinition::default()
            })));
            for stock in [0, shop + 1] {
                let (stock, source) = (StockId(stock), SourceId(shop));
                chain.send(Command::Link(LinkDefinition { stock, source, priority: 1 }));
            }
            chain.count(shop, *units);
        }
        chain
    }

    fn send(&mut self, command: Command<'_>) -> Outcome {
        self.ids += 1;
        let mut record = Vec::new();
        Envelope::new(CommandId::from_parts(0, self.ids), command).encode(&mut record).unwrap();
        self.machine.apply(Timestamp(0), &record)
    }

    fn count(&mut self, shop: u32, units: i64) {
        let outcome = self.send(Command::Count(Count {
            source: SourceId(shop),
            sku: SkuId(0),
            quantity: Quantity::units(units).unwrap(),
            in_stock: None,
            reason: String::new(),
            reference: String::new(),
        }));
        assert_eq!(outcome.code, Code::Ok);
        self.goods[shop as usize] = units;
    }

    /// What the web shop or a counter has left, by a formula for this layout.
    fn left(&self, stock: u32) -> i64 {
        let goods: i64 = self.goods.iter().sum();
        let promised: i64 = self.shops.iter().sum();
        let alone = |shop: usize| self.goods[shop] - self.shops[shop];
        let lacking = |but: Option<usize>| {
            (0..self.goods.len())
                .filter(|shop| Some(*shop) != but)
                .map(|shop| alone(shop).min(0))
                .sum::<i64>()
        };
        let all = goods - self.web - promised;
        let Some(shop) = stock.checked_sub(1) else { return all - lacking(None) };
        let shop = shop as usize;
        let with = all.min(alone(shop) + lacking(Some(shop)));
        with - lacking(Some(shop)).min(all + self.shops[shop])
    }

    fn reserve(&mut self, stock: u32, units: i64) -> Option<ReservationId> {
        let lines = [Line::new(SkuId(0), Quantity::units(units).unwrap())];
        let left = self.left(stock);
        let outcome = self.send(Command::Reserve(Reserve {
            target: Target::Stock(StockId(stock)),
            lines: Lines::Slice(&lines),
            best_effort: false,
            ttl_ms: None,
            owner: 0,
            reference: "",
        }));
        let expected = if units <= left { Code::Ok } else { Code::SoldOut };
        assert_eq!(outcome.code, expected, "{units} of {left} in stock {stock}");
        (outcome.code == Code::Ok).then(|| {
            *self.promises(stock) += units;
            ReservationId(CommandId::from_parts(0, self.ids))
        })
    }

    fn promises(&mut self, stock: u32) -> &mut i64 {
        match stock.checked_sub(1) {
            None => &mut self.web,
            Some(shop) => &mut self.shops[shop as usize],
        }
    }

    fn check_cell(&self, stock: u32) {
        let cell = self.machine.cell(SkuId(0), StockId(stock));
        assert_eq!(cell, self.left(stock) * 10_000, "stock {stock}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_web_shop_over_many_shops_is_exact(
        goods in proptest::collection::vec(0_i64..6, 1..=200),
        steps in proptest::collection::vec((0_u32..8, any::<u32>(), 1_i64..9), 1..120),
    ) {
        // Proves grants and cells against this formula, with counts and releases in between.
        let mut chain = Chain::new(&goods);
        let shops = u32::try_from(goods.len()).unwrap();
        let mut live = Vec::new();
        for (kind, pick, units) in steps {
            let stock = if kind < 3 { 0 } else { 1 + pick % shops };
            match kind {
                0..=5 => live.extend(chain.reserve(stock, units).map(|id| (stock, id, units))),
                6 => chain.count(pick % shops, units - 1),
                _ if live.is_empty() => {}
                _ => {
                    let (stock, reservation, units) = live.swap_remove(pick as usize % live.len());
                    let release = Release { reservation, lines: Lines::NONE };
                    assert_eq!(chain.send(Command::Release(release)).code, Code::Ok);
                    *chain.promises(stock) -= units;
                }
            }
            chain.check_cell(0);
            chain.check_cell(1 + pick % shops);
        }
        assert_eq!(chain.machine.validate(), Vec::<String>::new());
    }
}
