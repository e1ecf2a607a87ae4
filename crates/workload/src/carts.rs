//! Carts from a seed: the same mix and seed make the same carts on every machine. This module uses no clock and makes
//! no ids.

use stockhold_protocol::command::Target;
use stockhold_protocol::{Line, Quantity, SkuId, StockId};

/// How the lines are distributed over the SKUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Popularity {
    /// All SKUs are equally popular.
    Uniform,
    /// The first `hot` SKUs get `hot_percent` of all lines. The others share the rest.
    Hot {
        /// How many SKUs are hot.
        hot: u32,
        /// Their share of all lines, 0..=100.
        hot_percent: u32,
    },
}

/// What the shopper does with a granted hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CartEnding {
    /// The shopper pays, and the hold is confirmed.
    Confirm,
    /// The shopper empties the cart, and the hold is released.
    Release,
    /// The shopper leaves, and the hold expires.
    Abandon,
}

/// The behaviour of the shoppers. Percentages are 0..=100.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartMix {
    /// The stocks that carts are sold from, equally often; not empty.
    pub stocks: Vec<StockId>,
    /// The SKUs on sale; not empty.
    pub skus: Vec<SkuId>,
    /// The popularity of the SKUs.
    pub popularity: Popularity,
    /// Maximum number of lines of a cart. The minimum is 1. Default: 1.
    pub lines_max: u32,
    /// Maximum number of whole units of a line. The minimum is 1. Default: 1.
    pub units_max: u32,
    /// The TTL of holds. `None`: carts are confirmed from the start. Default: none.
    pub ttl_ms: Option<u32>,
    /// Percentage of granted holds that are confirmed. Default: 70.
    pub confirm_percent: u32,
    /// Percentage of granted holds that are released. The others are abandoned. Default: 15.
    pub release_percent: u32,
    /// Percentage of steps that are checks. Default: 0.
    pub check_percent: u32,
}

impl CartMix {
    /// Single-line carts of one unit, all SKUs equally popular, confirmed from the start.
    #[must_use]
    pub const fn plain(stocks: Vec<StockId>, skus: Vec<SkuId>) -> Self {
        Self {
            stocks,
            skus,
            popularity: Popularity::Uniform,
            lines_max: 1,
            units_max: 1,
            ttl_ms: None,
            confirm_percent: 70,
            release_percent: 15,
            check_percent: 0,
        }
    }
}

/// The next action of a shopper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A check of one SKU in one stock.
    Check(SkuId, StockId),
    /// A reserve of a cart.
    Cart {
        /// The stock or channel.
        target: Target,
        /// The lines.
        lines: &'a [Line],
        /// The TTL, if it is a hold.
        ttl_ms: Option<u32>,
    },
}

/// An endless stream of steps from a seed.
///
/// ```
/// use stockhold_workload::{CartMix, CartGenerator};
/// use stockhold_protocol::{SkuId, StockId};
///
/// let mix = CartMix::plain(vec![StockId(0)], vec![SkuId(0), SkuId(1)]);
/// let (mut one, mut other) = (CartGenerator::new(mix.clone(), 7), CartGenerator::new(mix, 7));
/// for _ in 0..100 {
///     assert_eq!(one.next_step(), other.next_step());
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CartGenerator {
    mix: CartMix,
    random: fastrand::Rng,
    lines: Vec<Line>,
}

impl CartGenerator {
    /// The stream of `seed`.
    ///
    /// # Panics
    /// When the mix has no stock or no SKU.
    #[must_use]
    pub fn new(mix: CartMix, seed: u64) -> Self {
        assert!(!mix.stocks.is_empty(), "a mix needs a stock");
        assert!(!mix.skus.is_empty(), "a mix needs a SKU");
        Self { mix, random: fastrand::Rng::with_seed(seed), lines: Vec::new() }
    }

    /// The mix.
    #[must_use]
    pub const fn mix(&self) -> &CartMix {
        &self.mix
    }

    /// The next shopper's action. It allocates nothing once the longest cart was made.
    pub fn next_step(&mut self) -> Step<'_> {
        let stock = self.pick_stock();
        if self.percent(self.mix.check_percent) {
            return Step::Check(self.pick_sku(), stock);
        }
        self.lines.clear();
        for _ in 0..self.random.u32(1..=self.mix.lines_max.max(1)) {
            let units = self.random.u32(1..=self.mix.units_max.max(1));
            let quantity = Quantity::units(i64::from(units)).unwrap_or(Quantity::MAX);
            let line = Line::new(self.pick_sku(), quantity);
            self.lines.push(line);
        }
        Step::Cart { target: Target::Stock(stock), lines: &self.lines, ttl_ms: self.mix.ttl_ms }
    }

    /// What the shopper does with a granted hold.
    pub fn next_ending(&mut self) -> CartEnding {
        let drawn = self.random.u32(0..100);
        if drawn < self.mix.confirm_percent {
            CartEnding::Confirm
        } else if drawn < self.mix.confirm_percent + self.mix.release_percent {
            CartEnding::Release
        } else {
            CartEnding::Abandon
        }
    }

    fn percent(&mut self, percent: u32) -> bool {
        percent > 0 && self.random.u32(0..100) < percent
    }

    fn pick_stock(&mut self) -> StockId {
        let at = self.random.usize(0..self.mix.stocks.len());
        self.mix.stocks[at]
    }

    fn pick_sku(&mut self) -> SkuId {
        let all = self.mix.skus.len();
        let range = match self.mix.popularity {
            Popularity::Uniform => 0..all,
            Popularity::Hot { hot, hot_percent } => {
                let hot = usize::try_from(hot).unwrap_or(all).clamp(1, all);
                if hot == all || self.random.u32(0..100) < hot_percent { 0..hot } else { hot..all }
            }
        };
        self.mix.skus[self.random.usize(range)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix() -> CartMix {
        CartMix {
            popularity: Popularity::Hot { hot: 1, hot_percent: 80 },
            lines_max: 3,
            units_max: 2,
            ttl_ms: Some(60_000),
            check_percent: 25,
            ..CartMix::plain(vec![StockId(3), StockId(4)], (0..100).map(SkuId).collect())
        }
    }

    #[test]
    fn carts_keep_to_their_mix() {
        // Proves the bounds of lines and units, and that the percentages come out near their targets.
        let mut source = CartGenerator::new(mix(), 1);
        let (mut checks, mut lines_of, mut hot, mut all) = (0, [0; 4], 0, 0);
        for _ in 0..20_000 {
            match source.next_step() {
                Step::Check(..) => checks += 1,
                Step::Cart { lines, ttl_ms, .. } => {
                    assert_eq!(ttl_ms, Some(60_000));
                    lines_of[lines.len()] += 1;
                    for line in lines {
                        assert!([10_000, 20_000].contains(&line.quantity.raw()));
                        hot += u32::from(line.sku == SkuId(0));
                        all += 1;
                    }
                }
            }
        }
        assert!((4_500..5_500).contains(&checks), "{checks} checks");
        assert_eq!(lines_of[0], 0);
        assert!(lines_of[1..].iter().all(|count| *count > 4_000), "{lines_of:?}");
        assert!((hot * 100 / all).abs_diff(80) <= 2, "{hot} of {all} lines are hot");
    }

    #[test]
    fn endings_keep_to_their_shares() {
        // Proves that confirmed, released and abandoned holds all occur, near their percentages.
        let mut source = CartGenerator::new(mix(), 2);
        let mut counts = [0_u32; 3];
        for _ in 0..10_000 {
            match source.next_ending() {
                CartEnding::Confirm => counts[0] += 1,
                CartEnding::Release => counts[1] += 1,
                CartEnding::Abandon => counts[2] += 1,
            }
        }
        for (count, asked) in counts.into_iter().zip([7_000, 1_500, 1_500]) {
            assert!(count.abs_diff(asked) < 300, "{counts:?}");
        }
    }

    #[test]
    fn another_seed_makes_other_carts() {
        // Proves that the seed is used.
        let (mut one, mut other) = (CartGenerator::new(mix(), 1), CartGenerator::new(mix(), 2));
        assert!((0..100).any(|_| one.next_step() != other.next_step()));
    }
}
