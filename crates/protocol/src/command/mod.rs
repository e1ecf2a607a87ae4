//! Commands: everything that can change the state, and the record in which one travels and is logged.
//!
//! A command record is the same bytes on the wire and in the log: a 20-byte header (length, kind, flags,
//! id), seldom the hash of a key, and a body. Hot commands (`hot`) have hand-laid bodies and are read in place without allocating;
//! cold ones (`catalog`) have bodies of tagged fields. Past [`Envelope::decode`] a command is valid by type; whether
//! it is *allowed* is for the machine alone.

mod body;
pub mod catalog;
mod check;
mod envelope;
mod fingerprint;
pub mod hot;
mod plain;

pub use catalog::{
    Adjust, BackorderMode, Change, ChannelAssignment, Configure, Count, LinkDefinition, LinkRemoval, Mark,
    QuotaChange, SettingScope, SettingsChange, Sharing, SkuDefinition, SkuKind, SourceDefinition,
    StockDefinition, Transfer,
};
pub use envelope::{Envelope, FLAG_FRESH, FLAG_HAS_KEY, FLAGS_OFFSET, KeyHash, record_length};
pub use fingerprint::{FINGERPRINT_MASK, Scratch};
pub use hot::{Extend, PartKind, Parts, Refund, RefundPart, Release, Replace, Reserve, Sell, Ship, Target};
pub use plain::{PlainCart, peek};

use crate::id::ReservationId;
use crate::time::Timestamp;

/// The persisted number of each command kind: append-only, never reused.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Promise units of one cart.
    Reserve = 1,
    /// Turn a hold into an order.
    Confirm = 2,
    /// Give promised units back.
    Release = 3,
    /// Move a hold's deadline.
    Extend = 4,
    /// Change a cart in one step.
    Replace = 5,
    /// Take promised units out of a source.
    Ship = 6,
    /// Reserve, confirm and ship in one op.
    Sell = 7,
    /// Undo parts of an order.
    Refund = 8,
    /// State the absolute quantity of a source item.
    Count = 16,
    /// Change a source item by a difference.
    Adjust = 17,
    /// Move goods between sources.
    Transfer = 18,
    /// Make or change a source.
    DefineSource = 32,
    /// Make or change a stock.
    DefineStock = 33,
    /// Make or change a SKU.
    DefineSku = 34,
    /// Let a source feed a stock.
    Link = 35,
    /// Stop a source feeding a stock.
    Unlink = 36,
    /// Let a sales channel sell from a stock.
    Channel = 37,
    /// Change settings at one level.
    Settings = 38,
    /// Set or lift a quota.
    Quota = 39,
    /// Change limits and modes of the machine.
    Configure = 48,
    /// Let time pass.
    Tick = 49,
    /// Name this moment.
    Mark = 50,
    /// Change the version of the rules.
    ActivateRules = 51,
    /// Tell how far the wall clock is from the server's time.
    WallOffset = 52,
    /// Let the server's time follow the wall clock over a long gap.
    AcceptClock = 53,
    /// Begin an epoch of the log.
    BeginEpoch = 54,
}

impl Kind {
    /// Every kind, in numeric order.
    pub const ALL: [Self; 26] = [
        Self::Reserve,
        Self::Confirm,
        Self::Release,
        Self::Extend,
        Self::Replace,
        Self::Ship,
        Self::Sell,
        Self::Refund,
        Self::Count,
        Self::Adjust,
        Self::Transfer,
        Self::DefineSource,
        Self::DefineStock,
        Self::DefineSku,
        Self::Link,
        Self::Unlink,
        Self::Channel,
        Self::Settings,
        Self::Quota,
        Self::Configure,
        Self::Tick,
        Self::Mark,
        Self::ActivateRules,
        Self::WallOffset,
        Self::AcceptClock,
        Self::BeginEpoch,
    ];

    /// By number; every record that is read asks for it.
    const BY_CODE: [Option<Self>; 64] = {
        let mut table = [None; 64];
        let mut at = 0;
        while at < Self::ALL.len() {
            table[Self::ALL[at] as usize] = Some(Self::ALL[at]);
            at += 1;
        }
        table
    };

    /// The kind with this number.
    #[must_use]
    #[inline]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::BY_CODE.get(usize::from(code)).copied().flatten()
    }

    /// Whether only a server makes it. Such a command has no id.
    #[must_use]
    pub const fn is_of_servers(self) -> bool {
        matches!(self, Self::Tick | Self::WallOffset | Self::BeginEpoch)
    }

    /// The persisted number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind's name as documents and the command line spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Confirm => "confirm",
            Self::Release => "release",
            Self::Extend => "extend",
            Self::Replace => "replace",
            Self::Ship => "ship",
            Self::Sell => "sell",
            Self::Refund => "refund",
            Self::Count => "count",
            Self::Adjust => "adjust",
            Self::Transfer => "transfer",
            Self::DefineSource => "define_source",
            Self::DefineStock => "define_stock",
            Self::DefineSku => "define_sku",
            Self::Link => "link",
            Self::Unlink => "unlink",
            Self::Channel => "channel",
            Self::Settings => "settings",
            Self::Quota => "quota",
            Self::Configure => "configure",
            Self::Tick => "tick",
            Self::Mark => "mark",
            Self::ActivateRules => "activate_rules",
            Self::WallOffset => "wall_offset",
            Self::AcceptClock => "accept_clock",
            Self::BeginEpoch => "begin_epoch",
        }
    }
}

/// One command, valid by type. Hot bodies borrow from the record that they were read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// See [`Reserve`].
    Reserve(Reserve<'a>),
    /// All open granted units become an order.
    Confirm(ReservationId),
    /// See [`Release`].
    Release(Release<'a>),
    /// See [`Extend`].
    Extend(Extend),
    /// See [`Replace`].
    Replace(Replace<'a>),
    /// See [`Ship`].
    Ship(Ship<'a>),
    /// See [`Sell`].
    Sell(Sell<'a>),
    /// See [`Refund`].
    Refund(Refund<'a>),
    /// See [`Count`].
    Count(Count),
    /// See [`Adjust`].
    Adjust(Adjust),
    /// See [`Transfer`].
    Transfer(Transfer),
    /// See [`SourceDefinition`].
    DefineSource(Box<SourceDefinition>),
    /// See [`StockDefinition`].
    DefineStock(StockDefinition),
    /// See [`SkuDefinition`].
    DefineSku(SkuDefinition),
    /// See [`LinkDefinition`].
    Link(LinkDefinition),
    /// See [`LinkRemoval`].
    Unlink(LinkRemoval),
    /// See [`ChannelAssignment`].
    Channel(ChannelAssignment),
    /// See [`SettingsChange`].
    Settings(Box<SettingsChange>),
    /// See [`QuotaChange`].
    Quota(QuotaChange),
    /// See [`Configure`].
    Configure(Box<Configure>),
    /// Time passes; made by the sequencer while a deadline is due and no command comes.
    Tick,
    /// See [`Mark`].
    Mark(Mark),
    /// The rules version that decides from the next op on.
    ActivateRules(u32),
    /// Wall clock minus the server's time, in milliseconds; made by the sequencer when it has changed. People are shown times with it.
    WallOffset(i64),
    /// The server's time may follow a wall clock that shows no later than this, however far that is.
    AcceptClock(Timestamp),
    /// The epoch that begins with this op; made by the sequencer. An epoch that the state knows begins nothing.
    BeginEpoch(u64),
}

impl Command<'_> {
    /// Whether only a server makes it, so that one from a client is a bad field.
    #[must_use]
    pub const fn is_of_servers(&self) -> bool {
        self.kind().is_of_servers()
    }

    /// The command's kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Reserve(_) => Kind::Reserve,
            Self::Confirm(_) => Kind::Confirm,
            Self::Release(_) => Kind::Release,
            Self::Extend(_) => Kind::Extend,
            Self::Replace(_) => Kind::Replace,
            Self::Ship(_) => Kind::Ship,
            Self::Sell(_) => Kind::Sell,
            Self::Refund(_) => Kind::Refund,
            Self::Count(_) => Kind::Count,
            Self::Adjust(_) => Kind::Adjust,
            Self::Transfer(_) => Kind::Transfer,
            Self::DefineSource(_) => Kind::DefineSource,
            Self::DefineStock(_) => Kind::DefineStock,
            Self::DefineSku(_) => Kind::DefineSku,
            Self::Link(_) => Kind::Link,
            Self::Unlink(_) => Kind::Unlink,
            Self::Channel(_) => Kind::Channel,
            Self::Settings(_) => Kind::Settings,
            Self::Quota(_) => Kind::Quota,
            Self::Configure(_) => Kind::Configure,
            Self::Tick => Kind::Tick,
            Self::Mark(_) => Kind::Mark,
            Self::ActivateRules(_) => Kind::ActivateRules,
            Self::WallOffset(_) => Kind::WallOffset,
            Self::AcceptClock(_) => Kind::AcceptClock,
            Self::BeginEpoch(_) => Kind::BeginEpoch,
        }
    }
}
