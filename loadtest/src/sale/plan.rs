//! The plan of a sale: when its shoppers arrive and what they want. The canonical sale and the flash sale differ only
//! in this.

use super::shoppers::Shoppers;
use crate::open_loop::span_ns;
use crate::pace::Pace;
use crate::schedule::{GROUP_MAX, Part, Schedule};
use std::sync::Arc;
use std::time::Duration;
use stockhold_client::IdGenerator;
use stockhold_workload::{CartGenerator, CartMix, Step};

/// Odd, so that every connection gets another seed.
const SEED_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct SalePlan {
    pub(crate) pace: Arc<Pace>,
    pub(crate) connections: u32,
    pub(crate) seed: u64,
    /// The mix before the doors open, and how long that is.
    pub(crate) before: Option<(Duration, CartMix)>,
    /// The mix after that.
    pub(crate) mix: CartMix,
}

impl SalePlan {
    /// The shoppers of one connection.
    pub(crate) fn shoppers(&self, index: u32) -> Shoppers {
        let seed = self.seed.wrapping_add(u64::from(index).wrapping_mul(SEED_STEP));
        let source = |mix: &CartMix| CartGenerator::new(mix.clone(), seed);
        let before = self.before.as_ref().map(|(doors, mix)| (span_ns(*doors), source(mix)));
        let part = Part { connections: self.connections, index, unit: 1, group_max: GROUP_MAX };
        let schedule = Schedule::new(Arc::clone(&self.pace), part);
        let end = Duration::from_nanos(self.pace.end_ns());
        Shoppers::new(ShopperMix { before, source: source(&self.mix) }, schedule, IdGenerator::new(), end)
    }
}

/// What the shoppers of one connection want.
#[derive(Clone, Debug)]
pub(crate) struct ShopperMix {
    /// Until this many nanoseconds after the beginning.
    pub(crate) before: Option<(u64, CartGenerator)>,
    /// After that.
    pub(crate) source: CartGenerator,
}

impl ShopperMix {
    /// The next action of a shopper that is due at this time.
    pub(crate) fn next_step(&mut self, due_ns: u64) -> Step<'_> {
        match &mut self.before {
            Some((doors_ns, before)) if due_ns < *doors_ns => before.next_step(),
            Some(_) | None => self.source.next_step(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stockhold_protocol::{SkuId, StockId};

    #[test]
    fn the_doors_change_what_is_wanted() {
        // Proves that no cart wants the hot goods before the doors open, and that all do from that nanosecond on.
        let mix = |sku| CartMix::plain(vec![StockId(0)], vec![SkuId(sku)]);
        let source = |sku| CartGenerator::new(mix(sku), 1);
        let mut mixes = ShopperMix { before: Some((1_000, source(7))), source: source(1) };
        for (due_ns, wanted) in [(0, 7), (999, 7), (1_000, 1), (u64::MAX, 1)] {
            let Step::Cart { lines, .. } = mixes.next_step(due_ns) else { panic!("no shopper only checks") };
            assert_eq!(lines[0].sku, SkuId(wanted), "{due_ns}");
        }
    }
}
