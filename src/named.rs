//! Commands with names instead of dense numbers, as people and JSON documents have them. Logs are shown in this form, and
//! what a restore has undone is written and read in it.
//!
//! `of` makes one from a command and the machine that knows its names, `record` makes a command of it again. What a
//! command does is not known here.

mod bulk;
mod catalog;
mod numbers;
mod of;
mod order_event;
mod record;
mod setting;
mod text;

use serde::{Deserialize, Serialize};
use stockhold_protocol::{CommandId, Quantity, ReservationId};

pub use bulk::{CountLine, CountMany, Pairs, TransferLines, TransferMany};
pub use catalog::{Configuration, Goods, Settings, Sharing, Source};
pub use numbers::NamedError;
pub use order_event::{Action, EventLine, ExpectedLine, Row, RowEvent, State};
pub use setting::{Backorders, Setting};
pub use text::{Reference, Text};

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The type and the code of a sales channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// The type, such as `website`.
    #[serde(rename = "type")]
    pub channel_type: String,
    /// The code, such as `eu`.
    pub code: String,
}

/// Where a cart is sold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// In a stock.
    Stock(String),
    /// Through a channel.
    Channel(Channel),
}

/// Units of a SKU.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The SKU.
    pub sku: String,
    /// Units.
    pub quantity: Text<Quantity>,
}

/// The body of `reserve`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cart {
    /// Where it is sold.
    pub target: Target,
    /// The lines.
    pub lines: Vec<Line>,
    /// Whether less than asked may be granted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub best_effort: bool,
    /// The time to live of a hold in milliseconds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ttl_ms: Option<u32>,
    /// The owner; 0 means none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub owner: u64,
    /// The reference; empty means none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reference: String,
}

/// One part of a refund.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The SKU.
    pub sku: String,
    /// Units.
    pub quantity: Text<Quantity>,
    /// What happens to them.
    pub kind: PartKind,
    /// The source of returned and written-off units.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: Option<String>,
}

/// What happens to the units of a refund part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// They were never shipped.
    Unshipped,
    /// The customer returned them.
    Returned,
    /// They were lost before the shipment.
    WrittenOff,
}

/// Something that has a name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    /// A SKU.
    Sku(String),
    /// A stock.
    Stock(String),
    /// A source, by its code.
    Source(String),
    /// A sales channel.
    Channel(Channel),
}

/// A command. Kinds and fields have the names of PROTOCOL.md.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "PROTOCOL.md describes commands and fields")]
pub enum NamedCommand {
    Reserve(Cart),
    Replace {
        old: Reference,
        new: Cart,
    },
    Sell {
        target: Target,
        source: String,
        lines: Vec<Line>,
        #[serde(default, skip_serializing_if = "is_default")]
        forced: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        owner: u64,
        #[serde(default, skip_serializing_if = "is_default")]
        reference: String,
    },
    Confirm {
        reservation: Reference,
    },
    Extend {
        reservation: Reference,
        ttl_ms: u32,
    },
    Release {
        reservation: Reference,
        #[serde(default, skip_serializing_if = "is_default")]
        lines: Vec<Line>,
    },
    Ship {
        reservation: Reference,
        source: String,
        lines: Vec<Line>,
        #[serde(default, skip_serializing_if = "is_default")]
        forced: bool,
    },
    Unship {
        reservation: Reference,
        source: String,
        lines: Vec<Line>,
    },
    Amend {
        reservation: Reference,
        lines: Vec<Line>,
    },
    Refund {
        reservation: Reference,
        parts: Vec<Part>,
    },
    OrderPlaced(Cart),
    OrderEvent {
        order: String,
        action: Action,
        #[serde(default, skip_serializing_if = "is_default")]
        document: String,
        #[serde(default, skip_serializing_if = "is_default")]
        source: Option<String>,
        #[serde(default, skip_serializing_if = "is_default")]
        lines: Vec<EventLine>,
        #[serde(default, skip_serializing_if = "is_default")]
        forced: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        ttl_ms: Option<u32>,
    },
    OrderPlaceFailed {
        order: String,
        placement: Reference,
    },
    AppendReservations {
        rows: Vec<Row>,
    },
    OrderState {
        order: String,
        state: State,
        #[serde(default, skip_serializing_if = "is_default")]
        lines: Option<Vec<ExpectedLine>>,
    },
    Count {
        source: String,
        sku: String,
        quantity: Text<Quantity>,
        #[serde(default, skip_serializing_if = "is_default")]
        in_stock: Option<bool>,
        #[serde(default, skip_serializing_if = "is_default")]
        reason: String,
        #[serde(default, skip_serializing_if = "is_default")]
        reference: String,
    },
    Adjust {
        source: String,
        sku: String,
        delta: Text<Quantity>,
        #[serde(default, skip_serializing_if = "is_default")]
        reason: String,
        #[serde(default, skip_serializing_if = "is_default")]
        reference: String,
    },
    Transfer {
        from: String,
        to: String,
        lines: Vec<Line>,
        #[serde(default, skip_serializing_if = "is_default")]
        reason: String,
    },
    CountMany(CountMany),
    Assign(Pairs),
    Unassign(Pairs),
    TransferMany(TransferMany),
    TransferLines(TransferLines),
    DefineSource(Source),
    DefineStock {
        name: String,
    },
    DefineSku {
        sku: String,
        #[serde(default, skip_serializing_if = "is_default")]
        goods: Goods,
        #[serde(default, skip_serializing_if = "is_default")]
        decimals: bool,
    },
    Link {
        stock: String,
        source: String,
        priority: u16,
    },
    Unlink {
        stock: String,
        source: String,
    },
    Channel {
        channel: Channel,
        stock: String,
    },
    Settings(Settings),
    Quota {
        sku: String,
        stock: String,
        limit: Option<Text<Quantity>>,
    },
    Freeze {
        target: Target,
        frozen: bool,
    },
    Notify {
        sku: String,
        source: String,
        is_set: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        threshold: Option<Text<Quantity>>,
    },
    Rename {
        from: Thing,
        to: Thing,
    },
    Configure(Configuration),
    Mark {
        name: String,
        #[cfg(feature = "next-release")]
        #[serde(default, skip_serializing_if = "is_default")]
        note: Option<String>,
    },
    Unmark {
        name: String,
    },
    ActivateRules {
        version: u32,
    },
    AcceptClock {
        until_ms: u64,
    },
    Tick,
    WallOffset {
        offset_ms: i64,
    },
    BeginEpoch {
        epoch: u64,
        #[serde(default, skip_serializing_if = "is_default")]
        restored: bool,
    },
    Readmit {
        epoch: u64,
        op: u64,
        actor: String,
        command: Option<Box<Self>>,
    },
}

impl NamedCommand {
    /// The reservation that the command is about, if its id was `id`.
    #[must_use]
    pub fn reservations(&self, id: CommandId) -> [Option<ReservationId>; 2] {
        match self {
            Self::Reserve(_) | Self::Sell { .. } | Self::OrderPlaced(_) => [Some(id.into()), None],
            Self::Replace { old, .. } => [Some(id.into()), Some(old.0)],
            Self::Confirm { reservation }
            | Self::Extend { reservation, .. }
            | Self::Release { reservation, .. }
            | Self::Ship { reservation, .. }
            | Self::Unship { reservation, .. }
            | Self::Amend { reservation, .. }
            | Self::Refund { reservation, .. }
            | Self::OrderPlaceFailed { placement: reservation, .. } => [Some(reservation.0), None],
            Self::OrderEvent { .. }
            | Self::AppendReservations { .. }
            | Self::OrderState { .. }
            | Self::Count { .. }
            | Self::Adjust { .. }
            | Self::Transfer { .. }
            | Self::CountMany(_)
            | Self::Assign(_)
            | Self::Unassign(_)
            | Self::TransferMany(_)
            | Self::TransferLines(_)
            | Self::DefineSource(_)
            | Self::DefineStock { .. }
            | Self::DefineSku { .. }
            | Self::Link { .. }
            | Self::Unlink { .. }
            | Self::Channel { .. }
            | Self::Settings(_)
            | Self::Quota { .. }
            | Self::Freeze { .. }
            | Self::Notify { .. }
            | Self::Rename { .. }
            | Self::Configure(_)
            | Self::Mark { .. }
            | Self::Unmark { .. }
            | Self::ActivateRules { .. }
            | Self::AcceptClock { .. }
            | Self::Tick
            | Self::WallOffset { .. }
            | Self::BeginEpoch { .. } => [None, None],
            Self::Readmit { command, .. } => {
                command.as_ref().map_or([None, None], |command| command.reservations(id))
            }
        }
    }

    /// The body as a JSON value; null if there is none.
    #[must_use]
    pub fn body(&self) -> serde_json::Value {
        match serde_json::to_value(self) {
            Ok(mut document) => document["body"].take(),
            Err(_) => serde_json::Value::Null,
        }
    }
}
