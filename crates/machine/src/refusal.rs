//! Refusals with the detail that a client needs: the bound, the range, the limit, the SKU.
//!
//! What is refused is decided elsewhere. All functions here are cold: a command that succeeds calls none of
//! them.

use crate::decision::{Answer, Refusal};
use crate::ledger::state::State;
use crate::stock::sharing::{
    FLOW_BUCKETS_MAX, FLOW_CLASSES_MAX, FLOW_LINKS_MAX, GROUP_LINKS_MAX, GROUP_MEMBERS_MAX, GroupTooLarge,
};
use stockhold_protocol::{Code, Detail, Quantity, SkuId};

/// A quantity for an answer. A value that is out of range becomes the maximum.
pub(crate) fn quantity(raw: i64) -> Quantity {
    Quantity::from_raw(raw).unwrap_or(Quantity::MAX)
}

impl Refusal {
    /// Adds the bound that a quantity exceeds.
    #[cold]
    pub(crate) fn bounded(self, sku: u32, bound: i64, value: i64) -> Self {
        self.with(Detail::Bound { sku: SkuId(sku), bound: quantity(bound), value: quantity(value) })
    }

    /// Adds the SKU that caused the refusal.
    #[cold]
    pub(crate) fn of_sku(self, sku: u32) -> Self {
        self.with(Detail::Sku(SkuId(sku)))
    }

    /// A refusal of a number that is out of range.
    #[cold]
    pub(crate) fn out_of_range(code: Code, min: u64, max: u64, value: u64) -> Self {
        Self::new(code).with(Detail::Range { min, max, value })
    }

    /// A refusal of a field that contains an unknown name.
    #[cold]
    pub(crate) fn unknown(field: &str) -> Self {
        Self::new(Code::UnknownName).unknown_field(field)
    }

    /// Like [`Refusal::unknown`], for the line at `index`.
    #[cold]
    pub(crate) fn unknown_in_line(field: &str, index: usize) -> Self {
        Self::of_line(Code::UnknownName, index).unknown_field(field)
    }

    fn unknown_field(self, field: &str) -> Self {
        self.rule(field, "is not a known name")
    }

    /// Adds a field and the rule that it breaks.
    #[cold]
    pub(crate) fn rule(self, field: &str, rule: impl Into<String>) -> Self {
        self.with(Detail::Field { field: field.to_owned(), rule: rule.into() })
    }

    /// A refusal because a limit on the number of things is reached.
    #[cold]
    pub(crate) fn limit(name: &str, value: impl TryInto<u64>) -> Self {
        Self::new(Code::LimitReached).limited(name, value)
    }

    /// A refusal of a link that would make a group of stocks too large.
    #[cold]
    pub(crate) fn group_too_large(error: GroupTooLarge) -> Self {
        let refusal = Self::new(Code::GroupTooLarge);
        match error {
            GroupTooLarge::Stocks { .. } => refusal.limited("stocks of a group", GROUP_MEMBERS_MAX),
            GroupTooLarge::Sources { .. } => refusal.limited("sources of a group", GROUP_MEMBERS_MAX),
            GroupTooLarge::Links { .. } => refusal.limited("links of a group", GROUP_LINKS_MAX),
            GroupTooLarge::Flow { classes, .. } if classes > FLOW_CLASSES_MAX => {
                refusal.limited("different stocks of a group that is not nested", FLOW_CLASSES_MAX)
            }
            GroupTooLarge::Flow { buckets, .. } if buckets > FLOW_BUCKETS_MAX => {
                refusal.limited("different sources of a group that is not nested", FLOW_BUCKETS_MAX)
            }
            GroupTooLarge::Flow { .. } => {
                refusal.limited("different links of a group that is not nested", FLOW_LINKS_MAX)
            }
        }
    }

    fn limited(self, name: &str, value: impl TryInto<u64>) -> Self {
        self.with(Detail::Limit { name: name.to_owned(), value: value.try_into().unwrap_or(u64::MAX) })
    }
}

impl Answer {
    /// Reports the units that only an allowance covers, if there are any.
    pub(crate) fn with_backordered(self, units: i64) -> Self {
        if units > 0 { self.with(Detail::Backordered(quantity(units))) } else { self }
    }
}

impl State {
    /// The range of times that an id may have now, in milliseconds, and the time that it has.
    #[cold]
    pub(crate) fn id_range(&self, value: u64) -> Detail {
        let min = self.core.horizon.saturating_mul(crate::config::GENERATION_MS);
        Detail::Range { min, max: self.id_time_max(), value }
    }
}
