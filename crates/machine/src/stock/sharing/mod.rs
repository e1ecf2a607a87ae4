//! Who may promise what of goods that several stocks share: the one rule against overselling.
//!
//! It is for sums of one SKU over one *group* (stocks that are connected through shared sources): what each
//! stock has left, and by how much the promises exceed the goods. It is NOT for thresholds, quotas, settings or
//! reservations: the caller subtracts a threshold, caps by a quota, and decides.
//!
//! For a set T of stocks, slack(T) is the goods of all counting sources linked to some stock of T, minus the
//! promises of T, and
//!
//! ```text
//! left(t) = min { slack(T) : t in T } - min { slack(T) : t not in T }
//! ```
//!
//! Evaluated literally this takes 2^stocks steps, so the structure is prepared once per change of a link and the
//! numbers of a SKU are kept in the cheapest form that is exact:
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
//! Two reductions come first, and both are exact. Sources that serve the same stocks are one *bucket*. Stocks
//! with equal source sets are one *class* with added promises: the class formula gives left(t) for each of them,
//! floored at −promised(t), because the subset that has the neighbours but not t differs from the whole class by
//! just t's own promises.
//!
//! Shortfall with allowances: a stock may promise its allowance beyond the goods, so only its promises above the
//! allowance ask for goods. short = max over T of (asked(T) − goods(T)) = all that is asked − what flows.

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

pub use group::{Form, Group};
pub use layout::Layout;
pub use limit::GroupTooLarge;
pub use pool::Pool;

/// Most stocks in one group, and most sources.
pub const GROUP_MEMBERS_MAX: usize = 4_096;
/// Most links (stock to source) in one group.
pub const GROUP_LINKS_MAX: usize = 65_536;
/// Most classes of stocks in a group that only [`Form::Flow`] can compute.
pub const FLOW_CLASSES_MAX: usize = 32;
/// Most buckets of sources (sources that serve the same stocks) in such a group.
pub const FLOW_BUCKETS_MAX: usize = 256;
/// Most links between classes and buckets in such a group.
pub const FLOW_LINKS_MAX: usize = 2_048;
/// Most classes of stocks whose subsets are kept.
pub const SUBSET_CLASSES_MAX: usize = 6;
/// Largest magnitude of an on-hand quantity and of the promises of one stock, in ten-thousandths.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000_000;
/// Largest stock or source id plus one: ids are dense, and the look-up by id is one array.
pub const IDS_MAX: u32 = 1 << 24;

const MEMBERS_MAX_I64: i64 = 4_096;
const _: () = assert!(GROUP_MEMBERS_MAX == 4_096, "the width of the next line is this number");
const _: () =
    assert!(MEMBERS_MAX_I64 * AMOUNT_MAX < i64::MAX / 2, "goods plus promises of a group must fit i64");
const _: () = assert!(GROUP_MEMBERS_MAX < 1 << 15, "item counters and class numbers have 16 bits");

/// Whether stocks that share a source see each other's promises. It is state of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// No stock can sell what another has promised.
    Exact,
    /// Every stock sums its own sources and promises, as MSI does; a negative source item subtracts.
    Independent,
}

/// Where a stock or a source stands: its group, and its index among the group's stocks or sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InGroup {
    /// Number of the group in the layout.
    pub group: u32,
    /// Index within [`Group::stocks`] or [`Group::sources`].
    pub index: u32,
}

/// A source item of the pool's SKU. "No source item" is `None` where one is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supply {
    /// Quantity on hand in ten-thousandths; it may be negative.
    pub on_hand: i64,
    /// The source is enabled and the item is in stock.
    pub counts: bool,
}

/// What a stock may promise beyond the goods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// This many ten-thousandths, not negative.
    Units(i64),
    /// Any quantity: its promises never are a shortfall.
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
    /// What would be added to the stock's promises, in ten-thousandths (a shipment takes away).
    pub promise_delta: i64,
}

/// Widens an index of the interface to the width that slices want.
pub(crate) const fn at(index: u32) -> usize {
    index as usize
}

/// A position within a group as the 16 bits in which plans store it.
fn short(position: usize) -> u16 {
    let Ok(position) = u16::try_from(position) else {
        unreachable!("positions within a group are below GROUP_MEMBERS_MAX")
    };
    position
}
