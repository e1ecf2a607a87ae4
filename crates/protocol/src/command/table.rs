//! The table of commands. One row contains everything that the protocol knows about a command: its number, its name,
//! its role, its body and the encoding of the body. [`Kind`], [`Command`] and the dispatch of the codec are generated
//! from it.
//!
//! A body is *hot* (laid out by hand, see `body`), *cold* (tagged fields of a structure, see `catalog`), *boxed* (the
//! same, for a large structure) or a *single* value (the tagged field 1). A command without a body has none of these.
//!
//! Rules are not part of the table: `body` and `check` check the fields, and the machine decides the rest.

use super::body::{HotBody, read_cold, read_single, write_cold, write_single};
use super::bulk::{Assign, CountMany, TransferLines, TransferMany, Unassign};
use super::catalog::{
    Adjust, ChannelAssignment, Configure, Count, EpochStart, Freeze, LinkDefinition, LinkRemoval, Mark,
    MarkRemoval, Notify, QuotaChange, Readmit, Rename, SettingsChange, SkuDefinition, SourceDefinition,
    StockDefinition, Transfer,
};
use super::check::ColdBody;
use super::fingerprint::Scratch;
use super::hot::{Extend, Placement, Release, Replace, Reserve, Sell, Ship};
use super::order::{Amend, Refund, Unship};
use super::order_event::{OrderEvent, PlaceFailed};
use super::order_state::OrderStateReport;
use super::rows::AppendReservations;
use crate::codec::Reader;
use crate::error::BadField;
use crate::id::ReservationId;
use crate::time::Timestamp;

/// The role of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It promises units, or extends a promise.
    Promise,
    /// It releases promised units or fulfils a promise.
    Settle,
    /// It records or moves quantities of goods.
    Goods,
    /// It defines the catalog: SKUs, sources, stocks, links, channels and settings.
    Catalog,
    /// It is for operators.
    Operator,
    /// It reports the server's time or lets it follow a clock.
    Clock,
    /// Only the server makes it. Such a command has no id.
    Server,
}

macro_rules! body_type {
    (hot $body:ty) => { $body };
    (cold $body:ty) => { $body };
    (boxed $body:ty) => { Box<$body> };
    (single $body:ty, $field:literal) => { $body };
}

macro_rules! body_flags {
    (hot $body:ty) => {
        <$body as HotBody<'_>>::FLAGS
    };
    ($($other:tt)*) => {
        0
    };
}

macro_rules! decode_body {
    ($flags:ident $reader:ident hot $body:ty) => {
        <$body as HotBody<'_>>::decode($flags, $reader)?
    };
    ($flags:ident $reader:ident cold $body:ty) => {
        read_cold::<$body>($reader.rest())?
    };
    ($flags:ident $reader:ident boxed $body:ty) => {
        Box::new(read_cold::<$body>($reader.rest())?)
    };
    ($flags:ident $reader:ident single $body:ty, $field:literal) => {
        read_single::<$body>($reader.rest(), $field)?
    };
}

macro_rules! encode_body {
    ($out:ident) => {
        Ok(0)
    };
    ($out:ident $value:ident hot $body:ty) => {
        $value.encode($out)
    };
    ($out:ident $value:ident single $body:ty, $field:literal) => {
        write_single($value, $out)
    };
    ($out:ident $value:ident $cold:ident $body:ty) => {
        write_cold::<$body>($value, $out)
    };
}

macro_rules! canonical_body {
    ($scratch:ident) => {};
    ($scratch:ident $value:ident hot $body:ty) => {
        $value.canonical($scratch)
    };
    ($scratch:ident $value:ident single $body:ty, $field:literal) => {
        $scratch.put_encoded(|out| write_single($value, out))
    };
    ($scratch:ident $value:ident $cold:ident $body:ty) => {
        <$body as ColdBody>::canonical($value, $scratch)
    };
}

/// A command without a body must have no bytes after its header.
macro_rules! decode_nothing {
    ($reader:ident) => {
        $reader.finish()?
    };
    ($reader:ident $value:ident) => {};
}

macro_rules! commands {
    ($(
        $(#[$doc:meta])*
        $number:literal $name:literal $role:ident
        $kind:ident $(($value:ident: $class:ident $body:ty $(, $field:literal)?))?;
    )+) => {
        /// The persisted number of each command kind: append-only, never reused.
        #[repr(u8)]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Kind {
            $($(#[$doc])* $kind = $number,)+
        }

        impl Kind {
            /// Every kind, in numeric order.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// Kinds by number. Every record that is decoded is looked up here.
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

            /// The persisted number.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The name of the kind in documents and on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// The role of the command.
            #[must_use]
            pub const fn role(self) -> Role {
                match self {
                    $(Self::$kind => Role::$role,)+
                }
            }
        }

        /// One well-formed command. Hot bodies borrow from the record that they were decoded from.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Command<'a> {
            $($(#[$doc])* $kind $((body_type!($class $body $(, $field)?)))?,)+
        }

        impl<'a> Command<'a> {
            /// The command's kind.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind { .. } => Kind::$kind,)+
                }
            }

            /// The flags that a record of this kind may have, besides those of every kind.
            const fn flags_of(kind: Kind) -> u8 {
                match kind {
                    $(Kind::$kind => body_flags!($($class $body $(, $field)?)?),)+
                }
            }

            /// Decodes the body of a record.
            pub(super) fn decode_body(
                kind: Kind,
                flags: u8,
                reader: Reader<'a>,
            ) -> Result<Self, BadField> {
                if flags & !Self::flags_of(kind) != 0 {
                    return Err(BadField::new("flags", "has a bit that is not known for this kind"));
                }
                match kind {
                    $(Kind::$kind => {
                        $(let $value = decode_body!(flags reader $class $body $(, $field)?);)?
                        decode_nothing!(reader $($value)?);
                        Ok(Self::$kind $(($value))?)
                    })+
                }
            }

            /// Appends the body and returns the flags of the header.
            pub(super) fn encode_body(&self, out: &mut Vec<u8>) -> Result<u8, BadField> {
                match self {
                    $(Self::$kind $(($value))? => encode_body!(out $($value $class $body $(, $field)?)?),)+
                }
            }

            /// Appends the canonical form of the body, by which a repeated id is compared.
            pub(super) fn put_canonical(&self, scratch: &mut Scratch) {
                match self {
                    $(Self::$kind $(($value))? => {
                        canonical_body!(scratch $($value $class $body $(, $field)?)?);
                    })+
                }
            }
        }
    };
}

commands! {
    /// Reserves the units of one cart.
    1 "reserve" Promise Reserve(cart: hot Reserve<'a>);
    /// Turns a hold into an order, with all its open units.
    2 "confirm" Settle Confirm(reservation: hot ReservationId);
    /// Releases promised units.
    3 "release" Settle Release(release: hot Release<'a>);
    /// Moves the deadline of a hold.
    4 "extend" Promise Extend(extend: hot Extend);
    /// Replaces the cart of a hold in one step.
    5 "replace" Promise Replace(replace: hot Replace<'a>);
    /// Ships promised units from a source.
    6 "ship" Settle Ship(ship: hot Ship<'a>);
    /// Reserves, confirms and ships in one op.
    7 "sell" Promise Sell(sale: hot Sell<'a>);
    /// Refunds parts of an order.
    8 "refund" Settle Refund(refund: hot Refund<'a>);
    /// Take shipped units back: goods at the source, promise open.
    9 "unship" Settle Unship(unship: cold Unship);
    /// Change a confirmed order in one step.
    10 "amend" Promise Amend(amend: cold Amend);
    /// Says what an order has open in one stock. Its live holds are taken over.
    11 "order_placed" Promise OrderPlaced(placement: hot Placement<'a>);
    /// An event in the life of an order.
    12 "order_event" Settle OrderEvent(event: boxed OrderEvent);
    /// A placement failed: what is open of it is given back.
    13 "order_place_failed" Settle PlaceFailed(failure: cold PlaceFailed);
    /// Promises and gives back units by signed rows, without reservations.
    14 "append_reservations" Promise AppendReservations(append: cold AppendReservations);
    /// Says how the shop sees an order, and what should be open of it.
    15 "order_state" Settle OrderState(report: boxed OrderStateReport);
    /// Records the absolute quantity of a source item.
    16 "count" Goods Count(count: cold Count);
    /// Records a change of a source item.
    17 "adjust" Goods Adjust(adjust: cold Adjust);
    /// Moves goods between sources.
    18 "transfer" Goods Transfer(transfer: cold Transfer);
    /// Records the absolute quantities of many source items.
    19 "count_many" Goods CountMany(count: boxed CountMany);
    /// Makes missing source items.
    20 "assign" Goods Assign(assign: boxed Assign);
    /// Removes source items.
    21 "unassign" Goods Unassign(unassign: boxed Unassign);
    /// Moves all units of many SKUs between sources.
    22 "transfer_many" Goods TransferMany(transfer: boxed TransferMany);
    /// Moves units of many SKUs between existing source items.
    23 "transfer_lines" Goods TransferLines(transfer: boxed TransferLines);
    /// Creates or changes a source.
    32 "define_source" Catalog DefineSource(source: boxed SourceDefinition);
    /// Creates a stock.
    33 "define_stock" Catalog DefineStock(stock: cold StockDefinition);
    /// Creates or changes a SKU.
    34 "define_sku" Catalog DefineSku(sku: cold SkuDefinition);
    /// Links a source to a stock.
    35 "link" Catalog Link(link: cold LinkDefinition);
    /// Removes the link between a source and a stock.
    36 "unlink" Catalog Unlink(link: cold LinkRemoval);
    /// Assigns a sales channel to a stock.
    37 "channel" Catalog Channel(channel: cold ChannelAssignment);
    /// Changes settings at one level.
    38 "settings" Catalog Settings(change: boxed SettingsChange);
    /// Sets or removes a quota.
    39 "quota" Catalog Quota(quota: cold QuotaChange);
    /// Renames a SKU, a stock, a source or a channel.
    40 "rename" Catalog Rename(rename: cold Rename);
    /// Sets or removes the low-stock configuration of a source item.
    41 "notify" Catalog Notify(notify: cold Notify);
    /// Freezes a stock or a channel, or ends that.
    42 "freeze" Catalog Freeze(freeze: cold Freeze);
    /// Changes limits and modes of the machine.
    48 "configure" Operator Configure(change: boxed Configure);
    /// Lets time pass. It is made while a deadline is due and no command arrives.
    49 "tick" Server Tick;
    /// Marks this position of the log with a name.
    50 "mark" Operator Mark(mark: cold Mark);
    /// Activates a version of the rules from the next op on.
    51 "activate_rules" Operator ActivateRules(version: single u32, "version");
    /// Wall clock minus the server's time, in milliseconds. It is made when the offset has changed; displayed times
    /// use it.
    52 "wall_offset" Server WallOffset(offset_ms: single i64, "offset_ms");
    /// Allows the server's time to follow a wall clock up to this time, however far ahead that is.
    53 "accept_clock" Clock AcceptClock(until_ms: single Timestamp, "until_ms");
    /// An epoch begins with this op.
    54 "begin_epoch" Server BeginEpoch(start: cold EpochStart);
    /// Drops a mark by its name.
    55 "unmark" Operator Unmark(mark: cold MarkRemoval);
    /// Executes a command that a restore has undone.
    56 "readmit" Operator Readmit(readmit: cold Readmit);
}

impl Kind {
    /// Whether only a server makes it. Such a command has no id.
    #[must_use]
    pub const fn is_of_servers(self) -> bool {
        matches!(self.role(), Role::Server)
    }

    /// Whether such a command may hold dense numbers. They stand for what the client means only if no name was given to
    /// another thing since it resolved them.
    #[must_use]
    pub const fn has_numbers(self) -> bool {
        !matches!(
            self,
            Self::Confirm
                | Self::Extend
                | Self::PlaceFailed
                | Self::DefineSource
                | Self::DefineStock
                | Self::DefineSku
                | Self::Configure
                | Self::Mark
                | Self::Unmark
                | Self::ActivateRules
                | Self::AcceptClock
        ) && !self.is_of_servers()
    }
}

impl Command<'_> {
    /// Whether only a server makes it. From a client it is a bad field.
    #[must_use]
    pub const fn is_of_servers(&self) -> bool {
        self.kind().is_of_servers()
    }
}
