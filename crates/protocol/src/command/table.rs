//! The table of commands. One row says all that the protocol knows of a command: its number, its name, its body, how the
//! body is written, and what the command is for. [`Kind`], [`Command`] and the dispatch of the codec are generated from it.
//!
//! A body is *hot* (laid out by hand, see `body`), *cold* (tagged fields of a structure, see `catalog`), *boxed* (the
//! same, of a large structure) or a *single* value (the tagged field 1); a command without a body has none of these.
//!
//! Not for rules: what a field may hold is checked in `body` and `check`, and the machine decides the rest.

use super::body::{HotBody, read_cold, read_single, write_cold, write_single};
use super::catalog::{
    Adjust, ChannelAssignment, Configure, Count, LinkDefinition, LinkRemoval, Mark, QuotaChange,
    SettingsChange, SkuDefinition, SourceDefinition, StockDefinition, Transfer,
};
use super::check::ColdBody;
use super::fingerprint::Scratch;
use super::hot::{Extend, Refund, Release, Replace, Reserve, Sell, Ship};
use crate::codec::Reader;
use crate::error::BadField;
use crate::id::ReservationId;
use crate::time::Timestamp;

/// What a command is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It promises units, or keeps them promised for longer.
    Promise,
    /// It gives promised units back or finishes what was promised.
    Settle,
    /// It states or moves quantities of goods.
    Goods,
    /// It defines what is sold where, and by which rules.
    Catalog,
    /// It is for operators.
    Operator,
    /// It tells the server's time or lets it follow a clock.
    Clock,
    /// Only the server itself makes it. Such a command has no id.
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

/// A command without a body has no bytes behind its header.
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

            /// The persisted number.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The kind's name as documents and the command line spell it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// What the command is for.
            #[must_use]
            pub const fn role(self) -> Role {
                match self {
                    $(Self::$kind => Role::$role,)+
                }
            }
        }

        /// One command, valid by type. Hot bodies borrow from the record that they were read from.
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

            /// The flags that a record of this kind may have besides those of every kind.
            const fn flags_of(kind: Kind) -> u8 {
                match kind {
                    $(Kind::$kind => body_flags!($($class $body $(, $field)?)?),)+
                }
            }

            /// Reads the body of a record.
            pub(super) fn decode_body(
                kind: Kind,
                flags: u8,
                reader: Reader<'a>,
            ) -> Result<Self, BadField> {
                if flags & !Self::flags_of(kind) != 0 {
                    return Err(BadField::new("flags", "has a bit set that means nothing for this kind"));
                }
                match kind {
                    $(Kind::$kind => {
                        $(let $value = decode_body!(flags reader $class $body $(, $field)?);)?
                        decode_nothing!(reader $($value)?);
                        Ok(Self::$kind $(($value))?)
                    })+
                }
            }

            /// Appends the body and tells the flags of the header.
            pub(super) fn encode_body(&self, out: &mut Vec<u8>) -> Result<u8, BadField> {
                match self {
                    $(Self::$kind $(($value))? => encode_body!(out $($value $class $body $(, $field)?)?),)+
                }
            }

            /// Appends the form of the body by which a repeated id is compared.
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
    /// Promise units of one cart.
    1 "reserve" Promise Reserve(cart: hot Reserve<'a>);
    /// Turn a hold into an order: all its open units.
    2 "confirm" Settle Confirm(reservation: hot ReservationId);
    /// Give promised units back.
    3 "release" Settle Release(release: hot Release<'a>);
    /// Move a hold's deadline.
    4 "extend" Promise Extend(extend: hot Extend);
    /// Change a cart in one step.
    5 "replace" Promise Replace(replace: hot Replace<'a>);
    /// Take promised units out of a source.
    6 "ship" Settle Ship(ship: hot Ship<'a>);
    /// Reserve, confirm and ship in one op.
    7 "sell" Promise Sell(sale: hot Sell<'a>);
    /// Undo parts of an order.
    8 "refund" Settle Refund(refund: hot Refund<'a>);
    /// State the absolute quantity of a source item.
    16 "count" Goods Count(count: cold Count);
    /// Change a source item by a difference.
    17 "adjust" Goods Adjust(adjust: cold Adjust);
    /// Move goods between sources.
    18 "transfer" Goods Transfer(transfer: cold Transfer);
    /// Make or change a source.
    32 "define_source" Catalog DefineSource(source: boxed SourceDefinition);
    /// Make or change a stock.
    33 "define_stock" Catalog DefineStock(stock: cold StockDefinition);
    /// Make or change a SKU.
    34 "define_sku" Catalog DefineSku(sku: cold SkuDefinition);
    /// Let a source feed a stock.
    35 "link" Catalog Link(link: cold LinkDefinition);
    /// Stop a source feeding a stock.
    36 "unlink" Catalog Unlink(link: cold LinkRemoval);
    /// Let a sales channel sell from a stock.
    37 "channel" Catalog Channel(channel: cold ChannelAssignment);
    /// Change settings at one level.
    38 "settings" Catalog Settings(change: boxed SettingsChange);
    /// Set or lift a quota.
    39 "quota" Catalog Quota(quota: cold QuotaChange);
    /// Change limits and modes of the machine.
    48 "configure" Operator Configure(change: boxed Configure);
    /// Let time pass; made while a deadline is due and no command comes.
    49 "tick" Server Tick;
    /// Name this moment.
    50 "mark" Operator Mark(mark: cold Mark);
    /// The version of the rules that decides from the next op on.
    51 "activate_rules" Operator ActivateRules(version: single u32, "version");
    /// Wall clock minus the server's time, in milliseconds; made when it has changed. People are shown times with it.
    52 "wall_offset" Server WallOffset(offset_ms: single i64, "offset_ms");
    /// The server's time may follow a wall clock that shows no later than this, however far that is.
    53 "accept_clock" Clock AcceptClock(until_ms: single Timestamp, "until_ms");
    /// The epoch that begins with this op. An epoch that the state knows begins nothing.
    54 "begin_epoch" Server BeginEpoch(epoch: single u64, "epoch");
}

impl Kind {
    /// Whether only a server makes it. Such a command has no id.
    #[must_use]
    pub const fn is_of_servers(self) -> bool {
        matches!(self.role(), Role::Server)
    }
}

impl Command<'_> {
    /// Whether only a server makes it, so that one from a client is a bad field.
    #[must_use]
    pub const fn is_of_servers(&self) -> bool {
        self.kind().is_of_servers()
    }
}
