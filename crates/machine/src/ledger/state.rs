//! The state: records in slabs, and what is derived from them. How records change stands in `ledger`.

use crate::config::{Genesis, RULES_VERSION};
use crate::ledger::actor::SERVER;
use crate::ledger::catalog::Catalog;
use crate::ledger::changes::{ChangedClusters, Changes};
use crate::ledger::core::Core;
use crate::ledger::hold_time::Offsets;
use crate::ledger::record::{
    ItemRow, LineRow, NoteRow, OutcomeRow, PositionRow, ReservationRow, SettingsRow, SkuRow,
};
use crate::persist::walk::GrantWalk;
use crate::stock::cluster::Cluster;
use crate::stock::settings::SettingsInForce;
use crate::stock::sku_entry::SkuEntry;
use crate::table::chunked::Chunked;
use crate::table::{Digest, DueList, Generations, Index, Slab, SlicedIndex};
use crate::validate::count::Recount;
use std::collections::BTreeMap;

/// A place in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) cluster: u32,
    pub(crate) index: u32,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) core: Core,
    pub(crate) catalog: Catalog,
    pub(crate) skus: Slab<SkuRow>,
    pub(crate) sku_index: Index,
    pub(crate) settings: Slab<SettingsRow>,
    pub(crate) settings_by_scope: BTreeMap<(u32, u32), u32>,
    pub(crate) items: Slab<ItemRow>,
    pub(crate) positions: Slab<PositionRow>,
    pub(crate) reservations: Slab<ReservationRow>,
    /// Reservations that no reference among the outcomes finds: old ones, and those whose answer says more than
    /// their record. See `book`.
    pub(crate) reservation_index: SlicedIndex,
    /// Who asks for the commands in hand.
    pub(crate) actor: u16,
    /// The reservation that the op in hand has made and whose record tells the whole answer.
    pub(crate) made: Option<u32>,
    /// What is moved from dropped generations, to use its memory again.
    pub(crate) taken: Vec<(u64, u32)>,
    /// The outcomes of grants that the snapshot under way has still to write.
    pub(crate) grant_walk: Option<GrantWalk>,
    pub(crate) lines: Slab<LineRow>,
    pub(crate) notes: Slab<NoteRow>,
    pub(crate) outcomes: Generations<OutcomeRow>,
    /// The sum over all records but the core and the small catalog, whose hashes are added when asked, and
    /// the positions in `unsummed`.
    pub(crate) digest: Digest,
    /// Positions that changed since [`State::sum_positions`]: one that changes a thousand times in a batch is
    /// hashed twice, not two thousand times.
    pub(crate) unsummed: Vec<u32>,

    pub(crate) sku_entries: Chunked<SkuEntry>,
    pub(crate) clusters: Chunked<Cluster>,
    /// Clusters by the second in which a hold of theirs ends.
    pub(crate) holds_due: DueList,
    /// Reservations by the second in which their record stops being known.
    pub(crate) erase_due: DueList,
    /// Reservations whose record is known; those that wait for being erased are not among them, because how
    /// many wait depends on the sweeps and no decision may.
    pub(crate) known: u64,
    pub(crate) changed_clusters: ChangedClusters,
    pub(crate) settings_in_force: SettingsInForce,
    pub(crate) changes: Changes,
    pub(crate) scratch: Vec<u8>,
    /// A validation under way: it counts records just before they change.
    pub(crate) recount: Option<Box<Recount>>,
    pub(crate) due: Vec<u32>,
    /// Whether something that is due was left by the op before; new things come due with a new second only.
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
            kept: [Vec::new(), Vec::new()],
        };
        Self {
            core,
            catalog: Catalog::new(),
            skus: Slab::new(),
            sku_index: Index::new(),
            settings: Slab::new(),
            settings_by_scope: BTreeMap::new(),
            items: Slab::new(),
            positions: Slab::new(),
            reservations: Slab::new(),
            reservation_index: SlicedIndex::new(),
            actor: SERVER,
            made: None,
            taken: Vec::new(),
            grant_walk: None,
            lines: Slab::new(),
            notes: Slab::new(),
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
            recount: None,
            due: Vec::new(),
            has_due: true,
        }
    }
}
