//! Low stock: which items are reported, and below which quantity.

use crate::decide::{Decision, plain, unknown};
use crate::state::Model;
use crate::step::{HALF, SKUS, SOURCES};
use stockhold_protocol::Code;

impl Model {
    pub(crate) fn notify(
        &mut self,
        sku: u32,
        source: u32,
        (is_set, halves): (bool, Option<i64>),
    ) -> Decision {
        if sku >= SKUS {
            return Err(unknown("sku", 0));
        }
        if source >= SOURCES {
            return Err(unknown("source", 0));
        }
        if is_set {
            self.notifies.insert((sku, source), halves.map(|halves| halves * HALF));
        } else {
            self.notifies.remove(&(sku, source));
        }
        Ok(plain(Code::Ok))
    }

    /// Whether an item has a low-stock configuration, and the threshold in force, in ten-thousandths.
    #[must_use]
    pub fn threshold(&self, sku: u32, source: u32) -> (bool, i64) {
        let notify = self.notifies.get(&(sku, source));
        (notify.is_some(), notify.copied().flatten().unwrap_or_else(|| self.notify_stock_qty(sku)))
    }

    /// The items that are low, by quantity, SKU and source, with their thresholds; in ten-thousandths.
    #[must_use]
    pub fn low_stock(&self) -> Vec<(i64, u32, u32, i64)> {
        let mut low = Vec::new();
        for (sku, source) in self.notifies.keys() {
            let Some(item) = self.items.get(&(*sku, *source)) else { continue };
            let (_, threshold) = self.threshold(*sku, *source);
            let is_low = item.in_stock
                && self.enabled[*source as usize]
                && item.on_hand > 0
                && item.on_hand < threshold;
            if is_low {
                low.push((item.on_hand, *sku, *source, threshold));
            }
        }
        low.sort_unstable();
        low
    }
}
