//! The history of an order: its events, with what each of them booked.

use super::MakerKind;
use crate::event::EventKind;
use crate::id::{SkuId, SourceId, StockId};
use crate::quantity::Quantity;
use crate::tagged;
use wincode::{SchemaRead, SchemaWrite};

/// The heading under which units of an order are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, SchemaRead, SchemaWrite)]
pub enum OrderTotal {
    /// Granted to the order.
    Ordered,
    /// Given back before they were shipped.
    Cancelled,
    /// Shipped from the promise.
    Shipped,
    /// Shipped by force beyond the promise.
    Beyond,
    /// Returned by the customer.
    Returned,
    /// Refunded before they were shipped.
    Refunded,
    /// Lost at the source before they were shipped.
    WrittenOff,
    /// Invoiced.
    Invoiced,
    /// Added to the open units by a compensation.
    Compensated,
    /// Of a hold that has expired.
    Lapsed,
    /// What should be open, as the shop has said.
    Reported,
}

impl OrderTotal {
    /// The name in documents, JSON and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::Cancelled => "cancelled",
            Self::Shipped => "shipped",
            Self::Beyond => "beyond",
            Self::Returned => "returned",
            Self::Refunded => "refunded",
            Self::WrittenOff => "written_off",
            Self::Invoiced => "invoiced",
            Self::Compensated => "compensated",
            Self::Lapsed => "lapsed",
            Self::Reported => "reported",
        }
    }
}

/// Units of one SKU in one stock that an event has added to a total.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderEventRow {
    /// The stock.
    pub stock: StockId,
    /// The SKU.
    pub sku: SkuId,
    /// The total.
    pub total: OrderTotal,
    /// The units that were added to the total; negative if they were removed.
    pub units: Quantity,
    /// The quantity of Magento's reservation row: what is promised to the order, with a minus. 0 if the promise did not
    /// change. The sum over the history is the open units with a minus.
    pub reservation: Quantity,
    /// The source that the units left or came to.
    pub source: Option<SourceId>,
}
tagged!(OrderEventRow {
    1 stock value,
    2 sku value,
    3 total value,
    4 units value,
    5 reservation value,
    6 source option,
});

/// An event in the life of an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderEventView {
    /// The number of its kind: [`EventKind::number`].
    pub kind: u8,
    /// The op. That of the grant, for the expiry of a hold.
    pub op: u64,
    /// The time of the op, in milliseconds. The deadline, for the expiry of a hold.
    pub time_ms: u64,
    /// Who has sent the command.
    pub actor_kind: MakerKind,
    /// The name of the actor, if it is a client with a name.
    pub actor: String,
    /// The document of the event; empty = none.
    pub document: String,
    /// What it has booked.
    pub rows: Vec<OrderEventRow>,
    /// The number of the state that the shop has reported.
    pub state: Option<u8>,
}
tagged!(OrderEventView {
    1 kind value,
    2 op value,
    3 time_ms value,
    4 actor_kind value,
    5 actor value,
    6 document value,
    7 rows list,
    8 state option,
});

impl OrderEventView {
    /// The kind, if this program knows it.
    #[must_use]
    pub const fn event_kind(&self) -> Option<EventKind> {
        EventKind::from_number(self.kind)
    }
}

/// A part of the history of an order. Events of holds that were never confirmed come last, because they are read from their
/// reservations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderHistoryView {
    /// The op after which it was read.
    pub op: u64,
    /// The number of all events.
    pub events_total: u32,
    /// Add it to the time of an event to get the wall-clock time, in milliseconds.
    pub wall_offset_ms: i64,
    /// The events after the given number.
    pub events: Vec<OrderEventView>,
}
tagged!(OrderHistoryView { 1 op value, 2 events_total value, 3 wall_offset_ms value, 4 events list });
