//! The source items that a server has, as far as the rows of a file need them.
//!
//! SKUs are read in ranges of their numbers. If the rows of a long file are scattered, all source items are read at once,
//! unless there are too many to keep.

use super::exit::Failure;
use super::open_promises::OpenPromises;
use super::questions::wrong_answer;
use super::server_connection::ServerConnection;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use stockhold_protocol::command::SkuKind;
use stockhold_protocol::query::{LIST_MAX, Query, QueryAnswer, SkuView};
use stockhold_protocol::{Quantity, SkuId, SourceId};

/// A range of numbers is read as a whole if at least one of so many SKUs in it is wanted.
const SPARSE: u32 = 8;
/// After so many queries for the rows of a long file, all source items are read.
const QUERIES_MAX: u32 = 4_000;
/// A file with more rows than this is long.
const LONG_ROWS: u64 = 50_000;
/// The number of source items that are kept in memory (about 32 bytes each).
const ITEMS_KEPT_MAX: usize = 8_000_000;

/// A source item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Item {
    pub(super) quantity: Quantity,
    pub(super) in_stock: bool,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quantity, in_stock } = self;
        write!(f, "{quantity}")?;
        if *in_stock { Ok(()) } else { f.write_str(" (out of stock)") }
    }
}

/// A source and a SKU in one number.
type Pair = u64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PresentItems {
    items: HashMap<Pair, Item>,
    composites: HashSet<SkuId>,
    /// In a dry run, the promises of SKUs that were read.
    promises: Option<OpenPromises>,
    /// What rows made of items since these were read; `None` if they deleted one.
    changed: HashMap<Pair, Option<Item>>,
    /// Whether the changes only would be made, so that the server does not know them.
    keeps_changes: bool,
    /// Whether `items` are those of all SKUs.
    has_all: bool,
    is_too_large: bool,
    queries: u32,
}

impl PresentItems {
    /// Reads the items of these SKUs. `rows_left` is the length of the file.
    pub(super) fn load(
        &mut self,
        server: &mut ServerConnection,
        wanted: &BTreeSet<SkuId>,
        rows: u64,
    ) -> Result<(), Failure> {
        if self.queries > QUERIES_MAX && rows > LONG_ROWS && !self.has_all && !self.is_too_large {
            self.load_all(server)?;
        }
        if self.has_all {
            return Ok(());
        }
        self.items.clear();
        self.composites.clear();
        if !self.keeps_changes {
            self.changed.clear();
        }
        let mut queries = 0;
        each_wanted(server, wanted, &mut queries, &mut |view| self.take(view))?;
        self.queries = self.queries.saturating_add(queries);
        Ok(())
    }

    fn load_all(&mut self, server: &mut ServerConnection) -> Result<(), Failure> {
        if !self.keeps_changes {
            self.changed.clear();
        }
        let mut after = None;
        loop {
            let page = page(server, after, LIST_MAX)?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for view in &page {
                self.take(view);
            }
            if self.items.len() > ITEMS_KEPT_MAX {
                self.is_too_large = true;
                return Ok(());
            }
        }
        self.has_all = true;
        Ok(())
    }

    fn take(&mut self, view: &SkuView) {
        if view.kind == SkuKind::Composite {
            self.composites.insert(view.id);
        }
        if let Some(promises) = &mut self.promises {
            promises.take(view);
        }
        for item in &view.items {
            let present = Item { quantity: item.on_hand, in_stock: item.in_stock };
            self.items.insert(pair(item.source, view.id), present);
        }
    }

    /// The item as the rows so far leave it.
    pub(super) fn get(&self, source: SourceId, sku: SkuId) -> Option<Item> {
        let pair = pair(source, sku);
        self.changed.get(&pair).copied().unwrap_or_else(|| self.items.get(&pair).copied())
    }

    /// In a dry run, whether the rows so far leave promises of a SKU without goods.
    pub(super) fn lacks_goods(&self, sku: SkuId) -> bool {
        let on_hand =
            |source| self.get(source, sku).filter(|item| item.in_stock).map_or(0, |item| item.quantity.raw());
        self.promises.as_ref().is_some_and(|promises| promises.lacks_goods(sku, on_hand))
    }

    pub(super) fn is_composite(&self, sku: SkuId) -> bool {
        self.composites.contains(&sku)
    }

    /// Takes over what earlier files of a dry run would have changed.
    pub(super) fn foresee(&mut self, foreseen: &mut Foreseen, promises: OpenPromises) {
        self.promises = Some(promises);
        self.changed = std::mem::take(&mut foreseen.changed);
        self.keeps_changes = true;
    }

    /// Returns it, with what this file would change.
    pub(super) fn remember(&mut self, foreseen: &mut Foreseen) {
        foreseen.changed = std::mem::take(&mut self.changed);
    }

    /// Forgets what a row was to make of an item: it was refused.
    pub(super) fn unchange(&mut self, source: SourceId, sku: SkuId) {
        self.changed.remove(&pair(source, sku));
    }

    /// Notes what a row makes of an item.
    pub(super) fn change(&mut self, source: SourceId, sku: SkuId, item: Option<Item>) {
        self.changed.insert(pair(source, sku), item);
    }
}

/// What the files of a dry run would have created and changed so far.
#[derive(Debug, Default)]
pub(super) struct Foreseen {
    sources: BTreeMap<String, SourceId>,
    skus: BTreeMap<String, SkuId>,
    pub(super) stocks: BTreeSet<String>,
    changed: HashMap<Pair, Option<Item>>,
}

/// Things that would be created have the numbers from here on, which no server gives.
const FORESEEN_FROM: u32 = 1 << 31;

/// Whether a SKU would be created.
pub(super) const fn is_foreseen(sku: SkuId) -> bool {
    sku.0 >= FORESEEN_FROM
}

impl Foreseen {
    pub(super) fn source(&self, code: &str) -> Option<SourceId> {
        self.sources.get(code).copied()
    }

    pub(super) fn define_source(&mut self, code: &str) {
        let number = foreseen_number(self.sources.len());
        self.sources.entry(code.to_owned()).or_insert(SourceId(number));
    }

    pub(super) fn sku(&self, sku: &str) -> Option<SkuId> {
        self.skus.get(sku).copied()
    }

    pub(super) fn define_sku(&mut self, sku: &str) -> SkuId {
        let number = foreseen_number(self.skus.len());
        *self.skus.entry(sku.to_owned()).or_insert(SkuId(number))
    }
}

fn foreseen_number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX).saturating_add(FORESEEN_FROM)
}

fn pair(source: SourceId, sku: SkuId) -> Pair {
    u64::from(source.0) << 32 | u64::from(sku.0)
}

fn page(server: &mut ServerConnection, after: Option<SkuId>, limit: u32) -> Result<Vec<SkuView>, Failure> {
    let QueryAnswer::Skus(page) = server.query(&Query::Skus { after, limit })? else {
        return Err(wrong_answer());
    };
    Ok(page)
}

/// Passes the wanted SKUs to `take`, with few queries.
pub(super) fn each_wanted(
    server: &mut ServerConnection,
    wanted: &BTreeSet<SkuId>,
    queries: &mut u32,
    take: &mut impl FnMut(&SkuView),
) -> Result<(), Failure> {
    let mut next = wanted.first().copied();
    while let Some(first) = next {
        let range = first..=SkuId(first.0.saturating_add(LIST_MAX - 1));
        let (count, last) = wanted.range(range).fold((0_u32, first), |(count, _), sku| (count + 1, *sku));
        let span = last.0 - first.0 + 1;
        let limit = if count.saturating_mul(SPARSE) >= span { span } else { 1 };
        let views = page(server, first.0.checked_sub(1).map(SkuId), limit)?;
        *queries = queries.saturating_add(1);
        views.iter().filter(|view| wanted.contains(&view.id)).for_each(&mut *take);
        let Some(last) = views.last().map(|view| view.id) else { return Ok(()) };
        next = wanted.range(SkuId(last.0.saturating_add(1).max(first.0 + 1))..).next().copied();
    }
    Ok(())
}
