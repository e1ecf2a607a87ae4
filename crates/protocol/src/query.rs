//! Queries and their answers. Names and queries are bincode enums with append-only variants. An answer is the number
//! of its variant, followed by its contents as tagged fields.
//!
//! Queries change nothing and have no id. They are answered from the applied state between batches, in bounded
//! slices. Lists are paged with a cursor.

mod explain;
mod inconsistencies;
mod low_stock;
mod order_history;
mod orders;
mod pickup;
mod reservations;
mod sourcing;
mod views;

pub use explain::{
    EXPLAIN_ROWS_MAX, ExplainView, ExplainedSource, ExplainedStock, SharingForm, SourceRole, StockRole,
};
pub use inconsistencies::{InconsistenciesView, Inconsistency};
pub use low_stock::{LowStockCursor, LowStockFilter, LowStockItem, LowStockView, NotifyView};
pub use order_history::{OrderEventRow, OrderEventView, OrderHistoryView, OrderTotal};
pub use orders::{OrderEntry, OrderFilter, OrderLineView, OrderView, OrdersView};
pub use pickup::{PICKUP_PAIRS_MAX, PickupField, PickupLocation, PickupOrder, PickupRequest, PickupView};
pub use reservations::{ReservationFilter, ReservationsView};
pub use sourcing::{
    Destination, GeoAddress, GeoPoint, SOURCING_LINES_MAX, SOURCING_PAIRS_MAX, SourcedItem,
    SourcingAlgorithm, SourcingRequest, SourcingView,
};
pub use views::{
    ConfigurationView, ItemView, MakerKind, MarkView, Metric, NamedCount, OldNameView, PositionView,
    ReservationLine, ReservationState, ReservationView, SettingsView, SkuView, SnapshotView, SourceView,
    Status, StockView, Validation,
};

use crate::codec::{Reader, decode_cold, encode_cold};
use crate::error::BadField;
use crate::fields::{Tagged, Unknown, decode_fields, decode_list, encode_fields, encode_list};
use crate::id::{SkuId, SourceId, StockId};
use wincode::{SchemaRead, SchemaWrite};

/// The cell value for "the SKU is not assigned to the stock, or one of the two is unknown".
pub const CELL_NOT_ASSIGNED: i64 = i64::MIN;
/// The cell value for "any quantity is accepted".
pub const CELL_UNLIMITED: i64 = i64::MAX;

/// Maximum number of entries of one list answer.
pub const LIST_MAX: u32 = 1_000;

/// A name to resolve to its dense number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, SchemaRead, SchemaWrite)]
pub enum Name {
    /// A SKU.
    Sku(String),
    /// A stock by its name.
    Stock(String),
    /// A source by its code.
    Source(String),
    /// A channel by type and code.
    Channel(String, String),
}

/// A query.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum Query {
    /// The status of the server: limits, queue depths, watermarks, latencies.
    Status,
    /// One reservation by the 16 bytes of its id.
    Reservation([u8; 16]),
    /// One SKU with its source items and its state in every stock.
    Sku(SkuId),
    /// At most `limit` SKUs after `after` (exclusive; `None` for the first).
    Skus {
        /// The last entry of the previous list.
        after: Option<SkuId>,
        /// 1..=[`LIST_MAX`].
        limit: u32,
    },
    /// At most `limit` sources after `after`.
    Sources {
        /// The last entry of the previous list.
        after: Option<SourceId>,
        /// 1..=[`LIST_MAX`].
        limit: u32,
    },
    /// At most `limit` stocks after `after`, with their links and channels.
    Stocks {
        /// The last entry of the previous list.
        after: Option<StockId>,
        /// 1..=[`LIST_MAX`].
        limit: u32,
    },
    /// The machine's configuration.
    Configuration,
    /// Checks all invariants of the machine and returns its digest. Slow on large states.
    Validate,
    /// Writes a snapshot now. The answer comes when it is verified on disk.
    Snapshot,
    /// At most `limit` old names after `after`, in the order of their ops. Number 9 is that of a failed answer.
    #[wincode(tag = 10)]
    OldNames {
        /// The op of the last entry of the previous list.
        after: Option<u64>,
        /// 1..=[`LIST_MAX`].
        limit: u32,
    },
    /// At most `limit` marks after `after`, in the order in which they were set.
    #[wincode(tag = 11)]
    Marks {
        /// The op of the last entry of the previous list.
        after: Option<u64>,
        /// 1..=[`LIST_MAX`].
        limit: u32,
    },
    /// Why a stock can promise so much of a SKU, and no more.
    #[wincode(tag = 12)]
    Explain {
        /// The SKU.
        sku: SkuId,
        /// The stock.
        stock: StockId,
    },
    /// At most `limit` reservations that match, the oldest first. All records are scanned, which takes up to a second for
    /// millions of them.
    #[wincode(tag = 13)]
    Reservations {
        /// Which ones.
        filter: ReservationFilter,
        /// The op of the last entry of the previous list; 0 for the first.
        after: u64,
        /// 1..=[`LIST_MAX`].
        limit: u32,
    },
    /// From which sources the units of a cart would be shipped.
    #[wincode(tag = 14)]
    Sourcing(Box<SourcingRequest>),
    /// One order by its number.
    #[wincode(tag = 15)]
    Order(String),
    /// At most `limit` orders that match, from a cursor on. A bounded number of records is looked at, so an answer may have
    /// no orders although more follow.
    #[wincode(tag = 16)]
    Orders {
        /// Which ones.
        filter: OrderFilter,
        /// The cursor of the previous answer; 0 for the first.
        after: u64,
        /// 1..=[`LIST_MAX`].
        limit: u32,
    },
    /// At most `limit` events of an order, the oldest first.
    #[wincode(tag = 17)]
    OrderHistory {
        /// The number of the order.
        number: String,
        /// How many events to pass over.
        after: u32,
        /// 1..=[`LIST_MAX`].
        limit: u32,
    },
    /// The low-stock configuration of a SKU at a source.
    #[wincode(tag = 20)]
    Notify {
        /// The SKU.
        sku: SkuId,
        /// The source.
        source: SourceId,
    },
    /// At most `limit` source items that are low, the lowest first. All low-stock configurations are scanned.
    #[wincode(tag = 21)]
    LowStock {
        /// Which ones.
        filter: LowStockFilter,
        /// The last entry of the previous list; `None` for the first.
        after: Option<LowStockCursor>,
        /// 1..=[`LIST_MAX`].
        limit: u32,
    },
    /// The sources of a stock near a point or an address at which shoppers may collect goods.
    #[wincode(tag = 22)]
    PickupLocations(Box<PickupRequest>),
    /// Orders whose open units are not what the shop expects, by their age.
    #[wincode(tag = 23)]
    Inconsistencies {
        /// Only orders in a final state, or only others.
        is_final: Option<bool>,
        /// The cursor of the previous list; 0 for the first.
        after: u64,
        /// 1..=[`LIST_MAX`]: how many orders are looked at, at most.
        limit: u32,
    },
}

/// An answer. Its variant matches that of the query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum QueryAnswer {
    /// The answer to `Status`.
    Status(Status),
    /// The answer to `Reservation`. `None`: unknown or no longer kept.
    Reservation(Option<ReservationView>),
    /// The answer to `Sku`. `None`: unknown.
    Sku(Option<SkuView>),
    /// The answer to `Skus`.
    Skus(Vec<SkuView>),
    /// The answer to `Sources`.
    Sources(Vec<SourceView>),
    /// The answer to `Stocks`.
    Stocks(Vec<StockView>),
    /// The answer to `Configuration`.
    Configuration(ConfigurationView),
    /// The answer to `Validate`.
    Validation(Validation),
    /// The answer to `Snapshot`.
    Snapshot(SnapshotView),
    /// The query could not be answered. A sentence gives the reason.
    Failed(String),
    /// The answer to `OldNames`.
    OldNames(Vec<OldNameView>),
    /// The answer to `Marks`.
    Marks(Vec<MarkView>),
    /// The answer to `Explain`. `None`: the SKU or the stock is unknown.
    Explain(Option<ExplainView>),
    /// The answer to `Reservations`.
    Reservations(ReservationsView),
    /// The answer to `Sourcing`.
    Sourcing(SourcingView),
    /// The answer to `Order`. `None`: unknown or no longer kept.
    Order(Option<OrderView>),
    /// The answer to `Orders`.
    Orders(OrdersView),
    /// The answer to `OrderHistory`. `None`: unknown or no longer kept.
    OrderHistory(Option<OrderHistoryView>),
    /// The answer to `Notify`. `None`: the SKU or the source is unknown.
    Notify(Option<NotifyView>),
    /// The answer to `LowStock`.
    LowStock(LowStockView),
    /// The answer to `PickupLocations`.
    PickupLocations(PickupView),
    /// The answer to `Inconsistencies`.
    Inconsistencies(InconsistenciesView),
}

impl QueryAnswer {
    /// Appends the body of the frame: the number of the variant (u32), then its contents.
    ///
    /// # Errors
    /// [`BadField`] when a text or a list is too long to be encoded.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), BadField> {
        let start = out.len();
        out.extend_from_slice(&self.number().to_le_bytes());
        let result = match self {
            Self::Status(status) => encode_fields(status, out),
            Self::Reservation(view) => encode_option(view.as_ref(), out),
            Self::Sku(view) => encode_option(view.as_ref(), out),
            Self::Skus(views) => encode_list(views, out),
            Self::Sources(views) => encode_list(views, out),
            Self::Stocks(views) => encode_list(views, out),
            Self::Configuration(view) => encode_fields(view, out),
            Self::Validation(validation) => encode_fields(validation, out),
            Self::Snapshot(view) => encode_fields(view, out),
            Self::Failed(sentence) => encode_cold(sentence, out),
            Self::OldNames(views) => encode_list(views, out),
            Self::Marks(views) => encode_list(views, out),
            Self::Explain(view) => encode_option(view.as_ref(), out),
            Self::Reservations(view) => encode_fields(view, out),
            Self::Sourcing(view) => encode_fields(view, out),
            Self::Order(view) => encode_option(view.as_ref(), out),
            Self::Orders(view) => encode_fields(view, out),
            Self::OrderHistory(view) => encode_option(view.as_ref(), out),
            Self::Notify(view) => encode_option(view.as_ref(), out),
            Self::LowStock(view) => encode_fields(view, out),
            Self::PickupLocations(view) => encode_fields(view, out),
            Self::Inconsistencies(view) => encode_fields(view, out),
        };
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    /// Decodes the body of the frame. Unknown optional fields are skipped.
    ///
    /// # Errors
    /// [`BadField`] names what cannot be decoded.
    pub fn decode(body: &[u8]) -> Result<Self, BadField> {
        let mut reader = Reader::new(body);
        let number = reader.u32("answer")?;
        let bytes = reader.rest();
        Ok(match number {
            0 => Self::Status(decode_fields(bytes, Unknown::Skip)?),
            1 => Self::Reservation(decode_option(bytes)?),
            2 => Self::Sku(decode_option(bytes)?),
            3 => Self::Skus(decode_list(bytes, Unknown::Skip)?),
            4 => Self::Sources(decode_list(bytes, Unknown::Skip)?),
            5 => Self::Stocks(decode_list(bytes, Unknown::Skip)?),
            6 => Self::Configuration(decode_fields(bytes, Unknown::Skip)?),
            7 => Self::Validation(decode_fields(bytes, Unknown::Skip)?),
            8 => Self::Snapshot(decode_fields(bytes, Unknown::Skip)?),
            9 => Self::Failed(decode_cold(bytes)?),
            10 => Self::OldNames(decode_list(bytes, Unknown::Skip)?),
            11 => Self::Marks(decode_list(bytes, Unknown::Skip)?),
            12 => Self::Explain(decode_option(bytes)?),
            13 => Self::Reservations(decode_fields(bytes, Unknown::Skip)?),
            14 => Self::Sourcing(decode_fields(bytes, Unknown::Skip)?),
            15 => Self::Order(decode_option(bytes)?),
            16 => Self::Orders(decode_fields(bytes, Unknown::Skip)?),
            17 => Self::OrderHistory(decode_option(bytes)?),
            20 => Self::Notify(decode_option(bytes)?),
            21 => Self::LowStock(decode_fields(bytes, Unknown::Skip)?),
            22 => Self::PickupLocations(decode_fields(bytes, Unknown::Skip)?),
            23 => Self::Inconsistencies(decode_fields(bytes, Unknown::Skip)?),
            _ => return Err(BadField::new("answer", "is not a known variant")),
        })
    }

    const fn number(&self) -> u32 {
        match self {
            Self::Status(_) => 0,
            Self::Reservation(_) => 1,
            Self::Sku(_) => 2,
            Self::Skus(_) => 3,
            Self::Sources(_) => 4,
            Self::Stocks(_) => 5,
            Self::Configuration(_) => 6,
            Self::Validation(_) => 7,
            Self::Snapshot(_) => 8,
            Self::Failed(_) => 9,
            Self::OldNames(_) => 10,
            Self::Marks(_) => 11,
            Self::Explain(_) => 12,
            Self::Reservations(_) => 13,
            Self::Sourcing(_) => 14,
            Self::Order(_) => 15,
            Self::Orders(_) => 16,
            Self::OrderHistory(_) => 17,
            Self::Notify(_) => 20,
            Self::LowStock(_) => 21,
            Self::PickupLocations(_) => 22,
            Self::Inconsistencies(_) => 23,
        }
    }
}

/// One byte, 0 = none or 1 = some, then the fields.
fn encode_option<T: Tagged>(value: Option<&T>, out: &mut Vec<u8>) -> Result<(), BadField> {
    out.push(u8::from(value.is_some()));
    value.map_or(Ok(()), |value| encode_fields(value, out))
}

fn decode_option<T: Tagged>(bytes: &[u8]) -> Result<Option<T>, BadField> {
    match bytes {
        [0] => Ok(None),
        [1, bytes @ ..] => decode_fields(bytes, Unknown::Skip).map(Some),
        _ => Err(BadField::new("answer.option", "must be 0 alone, or 1 and the fields")),
    }
}
