//! The table of records. A row gives a kind of record its number, its section and, if the state has a table of such records, the
//! field of the state, the type of a record and the function that loads one.
//!
//! [`Section`], [`CatalogSection`] and the loops over all records of the state are generated from it. The order of the groups and of
//! the rows in them is the order in which a loader expects sections; a kind that is added later goes where it belongs, whatever its
//! number. Numbers are never reused.

use std::cmp::Ordering;

/// Passes the table to another macro, behind the given arguments.
macro_rules! record_table {
    ($callback:ident $($argument:tt)*) => {
        $callback! {
            [$($argument)*]
            core {
                /// The core record: values that exist once, configuration, writers.
                1 Core;
            }
            catalog {
                /// Sources.
                2 Source;
                /// Stocks.
                3 Stock;
                /// Links.
                4 Link;
                /// Channels.
                5 Channel;
                /// Actors.
                6 Actor;
                /// Marks.
                7 Mark;
                /// Notes of marks.
                #[cfg(feature = "next-release")]
                240 MarkNote;
                /// Old names of renamed things.
                32 OldName;
                /// Frozen stocks and channels.
                19 Frozen;
            }
            tables {
                /// SKUs.
                8 Sku(skus: SkuRow, load_sku);
                /// Settings of SKUs and of SKUs in stocks.
                9 Settings(settings: SettingsRow, load_settings);
                /// Source items.
                10 Item(items: ItemRow, load_item);
                /// Low-stock configurations.
                33 Notify(notifies: NotifyRow, load_notify);
                /// SKUs in stocks: promises and quotas.
                11 Position(positions: PositionRow, load_position);
                /// Reservations with their first line.
                12 Reservation(reservations: ReservationRow, load_reservation);
                /// Further lines of reservations.
                13 Line(lines: LineRow, load_line);
                /// Notes of reservations: order references, details of answers, shipments.
                14 Note(notes: NoteRow, load_note);
                /// Orders with the first bytes of their events.
                16 Order(orders: OrderRow, load_order);
                /// Further bytes of the events of orders.
                17 OrderPart(order_parts: OrderPartRow, load_order_part);
                /// Units that are promised without a reservation.
                18 Unreserved(unreserved: UnreservedRow, load_unreserved);
            }
            outcomes {
                /// Recorded outcomes.
                15 Outcome;
            }
        }
    };
}
pub(crate) use record_table;

/// Passes the rows of the tables alone to another macro.
macro_rules! each_table {
    ([$callback:ident]
        core { $($core:tt)* }
        catalog { $($catalog:tt)* }
        tables { $(
            $(#[doc = $doc:literal])*
            $number:literal $table:ident($field:ident: $row:ty, $load:ident);
        )+ }
        outcomes { $($outcome:tt)* }
    ) => {
        $callback! { $($table $field $row, $load;)+ }
    };
}
pub(crate) use each_table;

macro_rules! define_sections {
    ([]
        core { $(#[doc = $core_doc:literal])* $core_number:literal $core:ident; }
        catalog { $(
            $(#[doc = $catalog_doc:literal])* $(#[cfg($cfg:meta)])?
            $catalog_number:literal $catalog:ident;
        )+ }
        tables { $(
            $(#[doc = $table_doc:literal])*
            $table_number:literal $table:ident($field:ident: $row:ty, $load:ident);
        )+ }
        outcomes { $(#[doc = $outcome_doc:literal])* $outcome_number:literal $outcome:ident; }
    ) => {
        /// Sections of a snapshot, and kinds of record hashes.
        #[repr(u8)]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Section {
            $(#[doc = $core_doc])*
            $core = $core_number,
            $($(#[doc = $catalog_doc])* $(#[cfg($cfg)])? $catalog = $catalog_number,)+
            $($(#[doc = $table_doc])* $table = $table_number,)+
            $(#[doc = $outcome_doc])*
            $outcome = $outcome_number,
        }

        impl Section {
            /// Every section, in the order in which a loader expects them.
            pub const ALL: &'static [Self] = &[
                Self::$core,
                $($(#[cfg($cfg)])? Self::$catalog,)+
                $(Self::$table,)+
                Self::$outcome,
            ];

            /// What the section contains.
            pub(crate) const fn content(self) -> Content {
                match self {
                    Self::$core => Content::Core,
                    $($(#[cfg($cfg)])? Self::$catalog => Content::Catalog(CatalogSection::$catalog),)+
                    $(Self::$table => Content::Table(TableSection::$table),)+
                    Self::$outcome => Content::Outcomes,
                }
            }
        }

        /// The sections of the small catalog.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub(crate) enum CatalogSection {
            $($(#[doc = $catalog_doc])* $(#[cfg($cfg)])? $catalog,)+
        }

        impl From<CatalogSection> for Section {
            fn from(section: CatalogSection) -> Self {
                match section {
                    $($(#[cfg($cfg)])? CatalogSection::$catalog => Self::$catalog,)+
                }
            }
        }

        /// The sections of the tables of the state.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum TableSection {
            $($(#[doc = $table_doc])* $table,)+
        }
    };
}
record_table!(define_sections);

/// What a section contains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    /// The core record.
    Core,
    /// Records of the small catalog.
    Catalog(CatalogSection),
    /// Records of a table of the state.
    Table(TableSection),
    /// Outcomes.
    Outcomes,
}

impl Ord for Section {
    fn cmp(&self, other: &Self) -> Ordering {
        self.position().cmp(&other.position())
    }
}

impl PartialOrd for Section {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Section {
    /// The section with this number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|section| section.number() == number)
    }

    /// Its position in [`Section::ALL`].
    fn position(self) -> usize {
        Self::ALL.iter().position(|section| *section == self).unwrap_or(Self::ALL.len())
    }

    /// The persisted number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// Whether its records belong to the core or the small catalog, which a loader completes before it loads tables.
    pub(crate) const fn is_of_catalog(self) -> bool {
        matches!(self.content(), Content::Core | Content::Catalog(_))
    }
}
