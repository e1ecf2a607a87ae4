//! The codes of outcomes: append-only and never reused.

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $(#[cfg($cfg:meta)])? $name:ident = $number:literal, $text:literal, $sentence:literal;)*) => {
        /// The decision about a command. Below 32 the command took effect. 32..=127 are refusals that are recorded
        /// under the id. From 128 on the answer is unrecorded and the id stays unused.
        #[repr(u8)]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code {
            $($(#[doc = $doc])* $(#[cfg($cfg)])? $name = $number,)*
            /// The stand-in for an unknown code below 32: the command took effect, but not necessarily as a success.
            UnknownEffect = 31,
            /// The stand-in for an unknown code from 32 to 127: the command was refused.
            UnknownRefusal = 127,
            /// The stand-in for an unknown code from 128 on: the command had no effect.
            UnknownAnswer = 255,
        }

        impl Code {
            /// Every code, in numeric order.
            pub const ALL: &'static [Self] = &[$($(#[cfg($cfg)])? Self::$name,)*];

            /// The stand-ins for unknown codes, one for each range. They are never sent.
            pub const STAND_INS: [Self; 3] = [Self::UnknownEffect, Self::UnknownRefusal, Self::UnknownAnswer];

            /// The code with this number.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($(#[cfg($cfg)])? $number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The name of the code in documents, JSON and on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $($(#[cfg($cfg)])? Self::$name => $text,)*
                    Self::UnknownEffect => "unknown_effect",
                    Self::UnknownRefusal => "unknown_refusal",
                    Self::UnknownAnswer => "unknown_answer",
                }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self {
                    $($(#[cfg($cfg)])? Self::$name => $sentence,)*
                    Self::UnknownEffect => "The command took effect in a way that this program does not know; query the result.",
                    Self::UnknownRefusal => "The command was refused for a reason that this program does not know.",
                    Self::UnknownAnswer => "Nothing happened, for a reason that this program does not know.",
                }
            }
        }
    };
}

codes! {
    /// Done as asked.
    Ok = 0, "ok", "The command took effect as asked.";
    /// Best effort: less than asked was granted.
    Partial = 1, "partial", "Part of what was asked was granted; the lines say how much.";
    /// The hold had expired, its units were still available, and it is confirmed.
    ConfirmedLate = 2, "confirmed_late", "The hold had expired, but its units were still available, so it is confirmed.";

    /// Not enough can be promised.
    SoldOut = 32, "sold_out", "There is not enough left to promise.";
    /// No source item of the SKU is in stock for this stock.
    NoSourceInStock = 33, "no_source_in_stock", "There are no source items with the in stock status.";
    /// No linked source has a source item of the SKU.
    NotAssigned = 34, "not_assigned", "The requested sku is not assigned to given stock.";
    /// Fewer than `min_sale_qty`.
    BelowMinSale = 35, "below_min_sale", "The quantity is below the minimum that may be purchased.";
    /// More than `max_sale_qty`.
    AboveMaxSale = 36, "above_max_sale", "The quantity exceeds the maximum allowed in a cart.";
    /// Not a multiple of `qty_increments`.
    NotAnIncrement = 37, "not_an_increment", "The product is sold only in multiples of its increment.";
    /// Parts of a unit of a SKU sold whole.
    DecimalsNotAllowed = 38, "decimals_not_allowed", "The product cannot be sold in fractions of a unit.";
    /// A composite SKU has no units of its own.
    Composite = 39, "composite", "A composite SKU has no units of its own; reserve its parts.";
    /// The quota is used up.
    QuotaExceeded = 40, "quota_exceeded", "The quota of this SKU in this stock does not leave enough.";
    /// No such reservation, or its record is no longer kept.
    UnknownReservation = 41, "unknown_reservation", "There is no such reservation, or its record is no longer kept.";
    /// The reservation is already confirmed.
    AlreadyConfirmed = 42, "already_confirmed", "The reservation is already confirmed.";
    /// The reservation is closed already.
    AlreadyClosed = 43, "already_closed", "The reservation is already closed: shipped, released or replaced.";
    /// The hold has expired.
    Expired = 44, "expired", "The hold has expired.";
    /// The hold has expired, and its units are no longer available.
    TooLate = 45, "too_late", "The hold has expired and its units are no longer available; a new id may retry while the record is kept.";
    /// The hold must be confirmed first.
    NotConfirmed = 46, "not_confirmed", "The reservation is still a hold; confirm it first.";
    /// More units than are open.
    MoreThanOpen = 47, "more_than_open", "The command names more units than are open in the reservation or the order.";
    /// More units than were shipped and not yet returned.
    MoreThanShipped = 48, "more_than_shipped", "The command returns more units than were shipped and not yet returned.";
    /// The units are needed by promises that only this source can keep.
    NeededElsewhere = 49, "needed_elsewhere", "These units cannot leave this source without breaking a promise.";
    /// The source does not hold that many.
    NotEnoughAtSource = 50, "not_enough_at_source", "The source does not hold that many units.";
    /// The source has no item of the SKU.
    NoSourceItem = 51, "no_source_item", "The source has no item of this SKU.";
    /// The reservation or the order belongs to another owner.
    OwnerDiffers = 52, "owner_differs", "The reservation or the order belongs to another owner.";
    /// The deadline would lie beyond the maximum total time.
    BeyondMaximumTotal = 53, "beyond_maximum_total", "The deadline would exceed the maximum total time of a hold.";
    /// A sum would leave the range of quantities.
    QuantityOverflow = 54, "quantity_overflow", "A quantity would leave the range of ±100,000,000,000 units.";
    /// The link would create a group of connected stocks that cannot be decided exactly in bounded time.
    GroupTooLarge = 55, "group_too_large", "The link would connect more stocks and sources than can be decided exactly; ARCHITECTURE.md gives the limits.";
    /// The change would break existing promises.
    WouldBreakPromises = 56, "would_break_promises", "The change would break existing promises.";
    /// The name belongs to something else.
    NameTaken = 57, "name_taken", "The name already belongs to something else.";
    /// A limit on the number of things is reached.
    LimitReached = 58, "limit_reached", "A limit on the number of things is reached; the detail names it.";
    /// There is no such link.
    UnknownLink = 59, "unknown_link", "There is no such link.";
    /// The SKU is not in the reservation.
    NotInReservation = 60, "not_in_reservation", "The reservation or the order has no such SKU.";
    /// Goods that come there only fill what is missing, and a promise needs them where they are.
    SourceBelowZero = 61, "source_below_zero", "The target source is below zero, so the transfer would break a promise.";
    /// There is no such order, or it is no longer kept.
    UnknownOrder = 62, "unknown_order", "There is no such order, or it is no longer kept.";
    /// The order exists and has other units, so it cannot be placed again.
    OrderExists = 63, "order_exists", "The order exists already and is not what the placement says.";
    /// The placement was reported as failed before it was decided.
    PlaceFailed = 64, "place_failed", "This placement was reported as failed, so it is never executed.";
    /// The order has this document, and it said something else.
    DocumentReused = 65, "document_reused", "The order has an event with this document, and it said something else.";
    /// The shipment of this document was reversed.
    Reversed = 66, "reversed", "The shipment of this document was reversed; ship again under another document.";
    /// The SKU, the stock or the channel promises nothing new.
    Frozen = 70, "frozen", "The SKU, the stock or the channel is frozen: it promises nothing new.";
    /// The sale of the SKU has not begun, or is over.
    NotOpen = 71, "not_open", "The sale of this SKU has not begun or is over; the detail names the times.";
    /// The note of another mark with this name would become ambiguous.
    #[cfg(feature = "next-release")]
    MarkHasNote = 126, "mark_has_note", "Another mark of this name has a note.";

    /// The queue or the outcome memory is full. The command had no effect.
    Busy = 128, "busy", "The server is at a limit; nothing happened. Try again after the given milliseconds.";
    /// The server accepts no changes now.
    ReadOnly = 129, "read_only", "The server accepts no such changes now because its disk is full or its archive is too far behind; nothing happened.";
    /// A field violates a rule.
    BadField = 130, "bad_field", "A field violates a rule; nothing happened.";
    /// A dense number is unknown.
    UnknownName = 131, "unknown_name", "A dense number is unknown; resolve the name again.";
    /// The id was used with another body.
    IdReused = 132, "id_reused", "The id was used before with another body; nothing happened.";
    /// The id's outcome is no longer kept.
    IdTooOld = 133, "id_too_old", "The id is older than the outcomes that are kept; nothing happened.";
    /// The time in the id is too far ahead.
    IdFromFuture = 134, "id_from_future", "The id's time lies more than five minutes ahead of the server's; nothing happened.";
    /// The dense numbers belong to another epoch.
    EpochChanged = 135, "epoch_changed", "The log's epoch has changed; resolve names again.";
    /// `min_op` was not reached before the deadline.
    Behind = 136, "behind", "The server has not reached the op that the check asks for.";
    /// The TTL is zero or outside the bounds.
    TtlOutOfRange = 137, "ttl_out_of_range", "The time to live is zero or outside the configured bounds; it is refused, not clamped.";
    /// The call's deadline passed before the command was logged.
    DeadlinePassed = 138, "deadline_passed", "The call's deadline passed before the command was logged; nothing happened.";
    /// The op was skipped by an operator after it had aborted the server.
    Skipped = 139, "skipped", "The op was skipped by an operator after it had stopped the server.";
    /// The rules in force never execute this command.
    NotSupported = 140, "not_supported", "This program does not execute that version of the rules.";
    /// A name was given to another thing since the client resolved its numbers.
    NamesChanged = 141, "names_changed", "A name was given to another thing since numbers were resolved; nothing happened. Resolve names again.";
    /// A later command was readmitted before.
    AlreadyReadmitted = 142, "already_readmitted", "The command, or one that came after it, was readmitted before; nothing happened.";
    /// The epoch did not begin with a restore, or it is another one.
    NotRestored = 143, "not_restored", "The epoch of the log is not one that began with the restore that is named; nothing happened.";
}

impl Code {
    /// The persisted number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The code with this number, or the stand-in for its range. A server of a later release may send codes that this
    /// program does not know.
    #[must_use]
    pub const fn of_peer(number: u8) -> Self {
        match (Self::from_number(number), number) {
            (Some(code), _) => code,
            (None, 0..32) => Self::UnknownEffect,
            (None, 32..128) => Self::UnknownRefusal,
            (None, 128..) => Self::UnknownAnswer,
        }
    }

    /// Whether the command took effect in a way that this program knows.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.number() < Self::UnknownEffect.number()
    }

    /// Whether the machine records such an outcome under the command's id.
    #[must_use]
    pub const fn is_recordable(self) -> bool {
        self.number() < 128
    }
}
