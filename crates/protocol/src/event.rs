//! The kinds of events in the life of an order, and the states that a shop gives it.

macro_rules! numbered {
    ($(#[$about:meta])* $enum:ident { $($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)+ }) => {
        $(#[$about])*
        #[repr(u8)]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $enum {
            $($(#[$doc])* $name = $number,)+
        }

        impl $enum {
            /// Every one, in numeric order.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The one with this number.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// The persisted number: append-only, never reused.
            #[must_use]
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// The name in documents, JSON and on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

pub(crate) use numbered;

numbered! {
    /// What happened to an order. The first seven have the names that Magento gives to the rows of reservations.
    EventKind {
        /// Units were promised to the order and confirmed.
        OrderPlaced = 1, "order_placed";
        /// The placement failed, and what was open of it was given back.
        OrderPlaceFailed = 2, "order_place_failed";
        /// Open units were given back.
        OrderCanceled = 3, "order_canceled";
        /// Units left a source.
        ShipmentCreated = 4, "shipment_created";
        /// Units were invoiced. Units of a virtual SKU are delivered by that.
        InvoiceCreated = 5, "invoice_created";
        /// Units were refunded: given back, returned to a source, or written off there.
        CreditmemoCreated = 6, "creditmemo_created";
        /// The open units were corrected.
        ManualCompensation = 7, "manual_compensation";
        /// The confirmed order was edited.
        OrderEdited = 8, "order_edited";
        /// A shipment was reversed: its units are on hand and promised again.
        ShipmentReversed = 9, "shipment_reversed";
        /// Units are held until a deadline.
        HoldPlaced = 10, "hold_placed";
        /// The deadline has passed.
        HoldExpired = 11, "hold_expired";
        /// The hold was replaced by another one.
        HoldReplaced = 12, "hold_replaced";
        /// The shop has said how it sees the order.
        OrderState = 13, "order_state";
    }
}

numbered! {
    /// How a shop sees an order.
    OrderState {
        /// It was placed.
        New = 1, "new";
        /// It is paid or partly shipped.
        Processing = 2, "processing";
        /// All of it is shipped and invoiced.
        Complete = 3, "complete";
        /// It is refunded.
        Closed = 4, "closed";
        /// It is cancelled.
        Canceled = 5, "canceled";
    }
}

impl OrderState {
    /// Whether nothing of the order should be open.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Closed | Self::Canceled)
    }
}

impl EventKind {
    /// Whether events of this kind are stored. Those of holds are read from their reservations.
    #[must_use]
    pub const fn is_stored(self) -> bool {
        !matches!(self, Self::HoldPlaced | Self::HoldExpired | Self::HoldReplaced)
    }

    /// Whether Magento's reservation rows have this kind.
    #[must_use]
    pub const fn is_of_rows(self) -> bool {
        self.number() <= Self::ManualCompensation.number()
    }
}
