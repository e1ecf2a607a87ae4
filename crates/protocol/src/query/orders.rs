//! Orders: one by its number, and a list.

use crate::id::{SkuId, StockId};
use crate::quantity::Quantity;
use crate::tagged;
use wincode::{SchemaRead, SchemaWrite};

/// The units of one SKU in one stock of an order. At every op `open` is `ordered` plus `compensated` minus `lapsed`,
/// `cancelled`, `shipped`, `refunded` and `written_off`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderLineView {
    /// The stock.
    pub stock: StockId,
    /// The SKU.
    pub sku: SkuId,
    /// Units granted to the order, less those of replaced holds.
    pub ordered: Quantity,
    /// Units of expired holds, as long as their records are kept.
    pub lapsed: Quantity,
    /// Units that were given back before they were shipped, by a release or an amend.
    pub cancelled: Quantity,
    /// Units shipped from the promise, less those whose shipment was reversed.
    pub shipped: Quantity,
    /// Units that were shipped by force beyond the promise, less those whose shipment was reversed.
    pub beyond: Quantity,
    /// Units that the customer returned, of those shipped and those beyond.
    pub returned: Quantity,
    /// Units refunded before they were shipped.
    pub refunded: Quantity,
    /// Units that were lost at the source before they were shipped.
    pub written_off: Quantity,
    /// Units that are still promised, held or confirmed.
    pub open: Quantity,
    /// Units that were invoiced.
    pub invoiced: Quantity,
    /// Units that compensations have added to the open ones; negative if they have removed more.
    pub compensated: Quantity,
    /// Units that should be open, by the state of the order or as the shop has said.
    pub expected: Quantity,
}
tagged!(OrderLineView {
    1 stock value,
    2 sku value,
    3 ordered value,
    4 lapsed value,
    5 cancelled value,
    6 shipped value,
    7 beyond value,
    8 returned value,
    9 refunded value,
    10 written_off value,
    11 open value,
    12 invoiced value,
    13 compensated value,
    14 expected value,
});

/// One order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderView {
    /// Its number: the order reference of its commands.
    pub number: String,
    /// The op that made it.
    pub op: u64,
    /// Its owner; 0 = none.
    pub owner: u64,
    /// Whether no units are open.
    pub settled: bool,
    /// How many of its lines have open units.
    pub open_lines: u32,
    /// The number of its events.
    pub events: u32,
    /// Its units by stock and SKU, in this order.
    pub lines: Vec<OrderLineView>,
    /// The ids of its reservations whose records are kept, in the order of their ops.
    pub reservations: Vec<[u8; 16]>,
    /// The number of the state that the shop has reported last; 0 = none.
    pub state: u8,
}
tagged!(OrderView {
    1 number value,
    2 op value,
    3 owner value,
    4 settled value,
    5 open_lines value,
    6 lines list,
    7 reservations value,
    8 events value,
    9 state value,
});

/// Which orders are meant. A filter that says nothing means all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct OrderFilter {
    /// Only those with open units.
    pub is_unsettled: bool,
    /// Only those of this owner.
    pub owner: Option<u64>,
}

/// One order of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderEntry {
    /// Its number.
    pub number: String,
    /// The op that made it.
    pub op: u64,
    /// Its owner; 0 = none.
    pub owner: u64,
    /// Whether no units are open.
    pub settled: bool,
    /// The units of all its lines.
    pub ordered: Quantity,
    /// The units of all its lines that are open.
    pub open: Quantity,
}
tagged!(OrderEntry {
    1 number value,
    2 op value,
    3 owner value,
    4 settled value,
    5 ordered value,
    6 open value,
});

/// A part of a list of orders. It may be empty although more follow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrdersView {
    /// The op after which they were listed.
    pub op: u64,
    /// The number of all orders.
    pub total: u64,
    /// The number of all orders with open units.
    pub unsettled: u64,
    /// Those that match, in no particular order.
    pub orders: Vec<OrderEntry>,
    /// The cursor with which the list continues; 0 at its end.
    pub next: u64,
}
tagged!(OrdersView { 1 op value, 2 total value, 3 unsettled value, 4 orders list, 5 next value });
