//! Sharing: how much each stock may promise of goods that several stocks share. This is the rule against
//! overselling.
//!
//! The module computes with the sums of one SKU in one *group* (stocks that are connected through shared
//! sources): what each stock has left, and the quantity by which the promises exceed the goods. It does NOT
//! know thresholds, quotas, settings or reservations: the caller subtracts a threshold, caps by a quota,
//! and decides.
//!
//! For a set T of stocks, slack(T) is the goods of all counting sources linked to some stock of T, minus the
//! promises of T, and
//!
//! ```text
//! left(t) = min { slack(T) : t in T } - min { slack(T) : t not in T }
//! ```
//!
//! A literal evaluation takes 2^stocks steps. So the structure is prepared once per change of a link, and the
//! numbers of a SKU are stored in the cheapest form that is exact:
//!
//! ```text
//! links ──► Layout ──► Group (form chosen once) ──► Pool: one per SKU and group
//!                        Single       one class of stocks       one subtraction
//!                        Subsets      up to 6 classes           slack of every subset, kept
//!                        Tree         nested source sets        load of every node, kept
//!                        Flow         anything else, bounded    max-flow on demand
//!                        Independent  the plain sum per stock (no promise across stocks)
//! ```
//!
//! Two exact reductions come first. Sources that serve the same stocks are merged into one *bucket*. Stocks
//! with equal source sets are merged into one *class*, whose promises are added. The formula for the class
//! gives left(t) for each of its stocks, but not less than −promised(t): the subset that contains all
//! stocks of the class except t differs from the whole class only by the promises of t.
//!
//! Shortfall with allowances: a stock may promise its allowance beyond the goods, so only its promises
//! above the allowance ask for goods. short = max over T of (asked(T) − goods(T)), which equals the sum
//! that is asked for minus the max-flow.

mod binding;
mod class_sets;
mod flow;
mod group;
mod layout;
mod limit;
mod pool;
mod subsets;
mod tree;

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "the oracle computes with small numbers")]
mod tests;

pub use binding::Binding;
pub use group::{Form, Group};
pub use layout::Layout;
pub use limit::GroupTooLarge;
pub use pool::Pool;

/// The most stocks in one group, and the most sources.
pub const GROUP_MEMBERS_MAX: usize = 4_096;
/// The most links (stock to source) in one group.
pub const GROUP_LINKS_MAX: usize = 65_536;
/// The most classes of stocks in a group that only [`Form::Flow`] can compute.
pub const FLOW_CLASSES_MAX: usize = 32;
/// The most buckets of sources in such a group.
pub const FLOW_BUCKETS_MAX: usize = 256;
/// The most links between classes and buckets in such a group.
pub const FLOW_LINKS_MAX: usize = 2_048;
/// The most classes of a group in [`Form::Subsets`].
pub const SUBSET_CLASSES_MAX: usize = 6;
/// The largest absolute value of an on-hand quantity and of the promises of one stock, in ten-thousandths.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000_000;
/// The largest stock or source id plus one. Ids are dense, and the look-up by id is an array.
pub const IDS_MAX: u32 = 1 << 24;

const MEMBERS_MAX_I64: i64 = 4_096;
const _: () = assert!(GROUP_MEMBERS_MAX == 4_096, "MEMBERS_MAX_I64 is GROUP_MEMBERS_MAX as an i64");
const _: () =
    assert!(MEMBERS_MAX_I64 * AMOUNT_MAX < i64::MAX / 2, "goods plus promises of a group must fit i64");
const _: () = assert!(GROUP_MEMBERS_MAX < 1 << 15, "item counters and class numbers have 16 bits");

/// Whether promises of stocks that share a source limit each other. It is state of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// No stock can sell what another one has promised.
    Exact,
    /// Every stock adds up its own sources and promises, as MSI does. A negative source item is subtracted.
    Independent,
}

/// The group of a stock or a source, and its index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InGroup {
    /// Number of the group in the layout.
    pub group: u32,
    /// Index within [`Group::stocks`] or [`Group::sources`].
    pub index: u32,
}

/// A source item of the pool's SKU. Where there may be none, it is an `Option`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supply {
    /// Quantity on hand in ten-thousandths; it may be negative.
    pub on_hand: i64,
    /// The source is enabled and the item is in stock.
    pub counts: bool,
}

/// The quantity that a stock may promise beyond the goods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// This many ten-thousandths, not negative.
    Units(i64),
    /// Any quantity: its promises are never a shortfall.
    Unlimited,
}

/// A change of one source item and of one stock's promises, as a shipment makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The source's index in the group.
    pub source_index: u32,
    /// The source item as the pool has it now.
    pub before: Option<Supply>,
    /// The source item as it would be.
    pub after: Option<Supply>,
    /// The stock's index in the group.
    pub stock_index: u32,
    /// The quantity that would be added to the stock's promises, in ten-thousandths. It is negative for a
    /// shipment.
    pub promise_delta: i64,
}

/// Converts an index to `usize`.
pub(crate) const fn at(index: u32) -> usize {
    index as usize
}

/// Converts a position within a group to 16 bits.
fn short(position: usize) -> u16 {
    let Ok(position) = u16::try_from(position) else {
        unreachable!("positions within a group are below GROUP_MEMBERS_MAX")
    };
    position
}
