//! The state: records in slabs, and the data derived from them.

use crate::config::{Genesis, RULES_VERSION};
use crate::ledger::actor::SERVER;
use crate::ledger::catalog::Catalog;
use crate::ledger::changes::{ChangedClusters, Changes};
use crate::ledger::core::Core;
use crate::ledger::cursor::GrantCursor;
use crate::ledger::hold_time::Offsets;
use crate::ledger::order_book::OrderBook;
use crate::ledger::order_scratch::OrderScratch;
use crate::ledger::record::{
    ItemRow, LineRow, NoteRow, NotifyRow, OrderPartRow, OrderRow, OutcomeRow, PositionRow, ReservationRow,
    SettingsRow, UnreservedRow,
};
use crate::ledger::recount_progress::Recount;
use crate::ledger::skus::Skus;
use crate::stock::cluster::Cluster;
use crate::stock::settings::SettingsInForce;
use crate::stock::sku_entry::SkuEntry;
use crate::table::chunked::Chunked;
use crate::table::{Digest, DueList, Generations, Index, Slab, SlicedIndex};
use std::collections::BTreeMap;

/// The place of a SKU in a stock: a cluster and the index of the stock in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) cluster: u32,
    pub(crate) index: u32,
}

/// All records and the data derived from them.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) core: Core,
    pub(crate) catalog: Catalog,
    pub(crate) skus: Skus,
    pub(crate) sku_index: Index,
    pub(crate) settings: Slab<SettingsRow>,
    pub(crate) settings_by_scope: BTreeMap<(u32, u32), u32>,
    pub(crate) items: Slab<ItemRow>,
    pub(crate) notifies: Slab<NotifyRow>,
    /// Low-stock configurations by (SKU, source).
    pub(crate) notify_by_item: BTreeMap<(u32, u32), u32>,
    pub(crate) positions: Slab<PositionRow>,
    pub(crate) reservations: Slab<ReservationRow>,
    /// Reservations that are not found by a reference among the outcomes: those whose generation was
    /// dropped, and those whose outcome cannot be computed from their record. See `reservation_index`.
    pub(crate) reservation_index: SlicedIndex,
    /// The actor of the current run of commands.
    pub(crate) actor: u16,
    /// The name generation by which the client of this run resolved its numbers.
    pub(crate) names_known: u32,
    /// Whether a name was given to another thing since then.
    pub(crate) has_old_numbers: bool,
    /// The reservation that the current op has made, if its outcome can be computed from its record.
    pub(crate) new_plain_grant: Option<u32>,
    /// A buffer for references taken from dropped generations, kept to reuse its memory.
    pub(crate) taken_references: Vec<(u64, u32)>,
    /// How far the snapshot in progress has written the outcomes of plain grants.
    pub(crate) grant_cursor: Option<GrantCursor>,
    pub(crate) lines: Slab<LineRow>,
    pub(crate) notes: Slab<NoteRow>,
    pub(crate) orders: Slab<OrderRow>,
    pub(crate) order_parts: Slab<OrderPartRow>,
    pub(crate) order_book: OrderBook,
    pub(crate) unreserved: Slab<UnreservedRow>,
    /// Units without a reservation by order key, stock and SKU.
    pub(crate) unreserved_by_key: BTreeMap<(u64, u32, u32), u32>,
    pub(crate) outcomes: Generations<OutcomeRow>,
    /// The running digest of all records, except the core and the small catalog, whose hashes are added on
    /// request, and the positions in `unsummed`.
    pub(crate) digest: Digest,
    /// Positions that changed since [`State::sum_positions`] and are missing in the digest. So a position
    /// that changes a thousand times in a batch is hashed twice, not two thousand times.
    pub(crate) unsummed: Vec<u32>,

    pub(crate) sku_entries: Chunked<SkuEntry>,
    pub(crate) clusters: Chunked<Cluster>,
    /// Clusters by the second at which one of their holds ends.
    pub(crate) holds_due: DueList,
    /// Reservations by the second at which their record becomes unknown.
    pub(crate) erase_due: DueList,
    /// The number of reservations whose record is known. Records that are only waiting for erasure are not
    /// counted, because their number depends on the sweeps and no decision may.
    pub(crate) known: u64,
    pub(crate) changed_clusters: ChangedClusters,
    pub(crate) settings_in_force: SettingsInForce,
    pub(crate) changes: Changes,
    pub(crate) scratch: Vec<u8>,
    pub(crate) order_scratch: OrderScratch,
    /// The recount of a validation in progress, which counts records just before they change.
    pub(crate) recount: Option<Box<Recount>>,
    /// A buffer for due items, kept to reuse its memory.
    pub(crate) due: Vec<u32>,
    /// Whether the previous op has left due clusters. Further clusters become due only with a new second.
    pub(crate) has_due: bool,
}

/// The epoch of a log that has just been formatted.
const FIRST_EPOCH: u64 = 1;
impl State {
    pub(crate) fn new(genesis: &Genesis) -> Self {
        let core = Core {
            rules_version: RULES_VERSION,
            feature_level: 0,
            epoch: FIRST_EPOCH,
            op: 0,
            time: genesis.formatted_at,
            name_generation: 0,
            configuration: genesis.configuration,
            offsets: Offsets::default(),
            horizon: 0,
            writers: Vec::new(),
            readmitted: None,
            removed_version: 0,
            kept: [Vec::new(), Vec::new()],
        };
        Self {
            core,
            catalog: Catalog::new(),
            skus: Skus::new(),
            sku_index: Index::new(),
            settings: Slab::new(),
            settings_by_scope: BTreeMap::new(),
            items: Slab::new(),
            notifies: Slab::new(),
            notify_by_item: BTreeMap::new(),
            positions: Slab::new(),
            reservations: Slab::new(),
            reservation_index: SlicedIndex::new(),
            actor: SERVER,
            names_known: u32::MAX,
            has_old_numbers: false,
            new_plain_grant: None,
            taken_references: Vec::new(),
            grant_cursor: None,
            lines: Slab::new(),
            notes: Slab::new(),
            orders: Slab::new(),
            order_parts: Slab::new(),
            order_book: OrderBook::new(),
            unreserved: Slab::new(),
            unreserved_by_key: BTreeMap::new(),
            outcomes: Generations::new(),
            digest: Digest::EMPTY,
            unsummed: Vec::new(),
            sku_entries: Chunked::new(),
            clusters: Chunked::new(),
            holds_due: DueList::new(),
            erase_due: DueList::new(),
            known: 0,
            changed_clusters: ChangedClusters::default(),
            settings_in_force: SettingsInForce::default(),
            changes: Changes::default(),
            scratch: Vec::new(),
            order_scratch: OrderScratch::new(),
            recount: None,
            due: Vec::new(),
            has_due: true,
        }
    }
}
