//! The small catalog: sources, stocks, links and channels with their names, the actors and marks of the
//! log, and the layout that follows from the links. SKUs are not here, because there are many of them.
//!
//! The number of an entry is its position in its list. Numbers are assigned in log order and never reused.
//! Every change of the catalog is made in this module, because it also updates the catalog's part of the
//! digest. The bytes of the records are in `record`.

mod frozen;
#[cfg(feature = "next-release")]
mod note;
mod record;

use self::frozen::Frozen;
use crate::ledger::actor::Actors;
use crate::ledger::marks::{MarkRow, Marks};
use crate::ledger::old_names::{OldName, OldNames};
use crate::ledger::record::CatalogSection;
use crate::stock::settings::Overrides;
use crate::stock::sharing::{GroupTooLarge, Layout, Sharing};
use crate::table::Digest;
use std::collections::BTreeMap;
use stockhold_protocol::Timestamp;
use stockhold_protocol::batch::Actor;
use stockhold_protocol::command::{FreezeScope, SourceDefinition};
use stockhold_protocol::query::Name;

/// One link. Its id is the order in which links were made. It does not change with the priority.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LinkRow {
    pub(crate) id: u64,
    pub(crate) stock: u32,
    pub(crate) source: u32,
    pub(crate) priority: u16,
}

/// One channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ChannelRow {
    pub(crate) channel_type: String,
    pub(crate) code: String,
    pub(crate) stock: u32,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) sources: Vec<SourceDefinition>,
    source_by_code: BTreeMap<String, u32>,
    source_by_name: BTreeMap<String, u32>,
    pub(crate) stocks: Vec<String>,
    stock_by_name: BTreeMap<String, u32>,
    pub(crate) channels: Vec<ChannelRow>,
    channel_by_name: BTreeMap<(String, String), u32>,
    /// Links by (stock, source).
    links: BTreeMap<(u32, u32), LinkRow>,
    pub(crate) links_made: u64,
    actors: Actors,
    marks: Marks,
    old_names: OldNames,
    frozen: Frozen,
    /// Optional fields that a later release wrote, by the section and the key of their record. They are
    /// written back unchanged.
    kept: BTreeMap<(CatalogSection, u64), Box<[u8]>>,
    digest: Digest,
    /// The global settings.
    pub(crate) global: Overrides,
    pub(crate) layout: Layout,
}

/// The number of the next entry of a list.
fn next_number<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}

impl Catalog {
    pub(crate) fn new() -> Self {
        let Ok(layout) = Layout::build([], [], Sharing::Exact) else {
            unreachable!("an empty layout exceeds no limit")
        };
        Self {
            sources: Vec::new(),
            source_by_code: BTreeMap::new(),
            source_by_name: BTreeMap::new(),
            stocks: Vec::new(),
            stock_by_name: BTreeMap::new(),
            channels: Vec::new(),
            channel_by_name: BTreeMap::new(),
            links: BTreeMap::new(),
            links_made: 0,
            actors: Actors::default(),
            marks: Marks::default(),
            old_names: OldNames::default(),
            frozen: Frozen::default(),
            kept: BTreeMap::new(),
            digest: Digest::EMPTY,
            global: Overrides::default(),
            layout,
        }
    }

    pub(crate) fn source_of_code(&self, code: &str) -> Option<u32> {
        self.source_by_code.get(code).copied()
    }

    pub(crate) fn source_of_name(&self, name: &str) -> Option<u32> {
        self.source_by_name.get(name).copied()
    }

    pub(crate) fn stock_of_name(&self, name: &str) -> Option<u32> {
        self.stock_by_name.get(name).copied()
    }

    pub(crate) fn channel_of_name(&self, channel_type: &str, code: &str) -> Option<u32> {
        self.channel_by_name.get(&(channel_type.to_owned(), code.to_owned())).copied()
    }

    pub(crate) fn source(&self, source: u32) -> Option<&SourceDefinition> {
        self.sources.get(source as usize)
    }

    pub(crate) fn has_stock(&self, stock: u32) -> bool {
        (stock as usize) < self.stocks.len()
    }

    /// Adds a source, or overwrites the one with this number.
    pub(crate) fn set_source(&mut self, number: Option<u32>, definition: SourceDefinition) -> u32 {
        let number = number.unwrap_or_else(|| next_number(&self.sources));
        if let Some(old) = self.sources.get(number as usize) {
            self.source_by_code.remove(&old.code);
            self.source_by_name.remove(&old.name);
            self.remove_from_digest(CatalogSection::Source, number.into());
        }
        self.source_by_code.insert(definition.code.clone(), number);
        self.source_by_name.insert(definition.name.clone(), number);
        match self.sources.get_mut(number as usize) {
            Some(place) => *place = definition,
            None => self.sources.push(definition),
        }
        self.count(CatalogSection::Source, number.into());
        number
    }

    /// Puts a stock at the end, or in the place of the one with this number.
    pub(crate) fn set_stock(&mut self, number: Option<u32>, name: String) -> u32 {
        let number = number.unwrap_or_else(|| next_number(&self.stocks));
        if let Some(old) = self.stocks.get(number as usize) {
            self.stock_by_name.remove(old);
            self.remove_from_digest(CatalogSection::Stock, number.into());
        }
        self.stock_by_name.insert(name.clone(), number);
        match self.stocks.get_mut(number as usize) {
            Some(place) => *place = name,
            None => self.stocks.push(name),
        }
        self.count(CatalogSection::Stock, number.into());
        self.frozen.know_stocks(next_number(&self.stocks));
        number
    }

    /// Adds a channel, or replaces the one with this number.
    pub(crate) fn set_channel(&mut self, number: Option<u32>, row: ChannelRow) -> u32 {
        let number = number.unwrap_or_else(|| next_number(&self.channels));
        if let Some(old) = self.channels.get(number as usize) {
            self.channel_by_name.remove(&(old.channel_type.clone(), old.code.clone()));
            self.remove_from_digest(CatalogSection::Channel, number.into());
        }
        self.channel_by_name.insert((row.channel_type.clone(), row.code.clone()), number);
        match self.channels.get_mut(number as usize) {
            Some(place) => *place = row,
            None => self.channels.push(row),
        }
        self.count(CatalogSection::Channel, number.into());
        self.frozen.know_channels(next_number(&self.channels));
        number
    }

    /// The links by (stock, source).
    pub(crate) const fn links(&self) -> &BTreeMap<(u32, u32), LinkRow> {
        &self.links
    }

    /// Adds a link, or overwrites the one between the same stock and source.
    pub(crate) fn set_link(&mut self, row: LinkRow) {
        let key = link_key(row.stock, row.source);
        if self.links.contains_key(&(row.stock, row.source)) {
            self.remove_from_digest(CatalogSection::Link, key);
        }
        self.links.insert((row.stock, row.source), row);
        self.count(CatalogSection::Link, key);
    }

    pub(crate) fn remove_link(&mut self, stock: u32, source: u32) {
        let key = link_key(stock, source);
        self.remove_from_digest(CatalogSection::Link, key);
        self.links.remove(&(stock, source));
        self.kept.remove(&(CatalogSection::Link, key));
    }

    pub(crate) const fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Keeps the mark that an op sets.
    pub(crate) fn add_mark(&mut self, op: u64, mark: MarkRow) {
        self.marks.insert(op, mark);
        self.count(CatalogSection::Mark, op);
        #[cfg(feature = "next-release")]
        self.count_note(op, Self::count);
    }

    /// Removes the mark that an op set.
    pub(crate) fn remove_mark(&mut self, op: u64) {
        self.remove_from_digest(CatalogSection::Mark, op);
        self.kept.remove(&(CatalogSection::Mark, op));
        #[cfg(feature = "next-release")]
        self.remove_note(op);
        self.marks.remove(op);
    }

    pub(crate) const fn old_names(&self) -> &OldNames {
        &self.old_names
    }

    /// Keeps a name that an op gave up.
    pub(crate) fn keep_old_name(&mut self, op: u64, old: OldName) {
        self.old_names.insert(op, old);
        self.count(CatalogSection::OldName, op);
    }

    /// Removes an old name, if it is one.
    pub(crate) fn forget_old_name(&mut self, name: &Name) -> Option<OldName> {
        let op = self.old_names.op_of(name)?;
        self.remove_from_digest(CatalogSection::OldName, op);
        self.kept.remove(&(CatalogSection::OldName, op));
        self.old_names.remove(op)
    }

    pub(crate) const fn frozen(&self) -> &Frozen {
        &self.frozen
    }

    /// Whether the stock or channel exists.
    pub(crate) fn has_scope(&self, scope: FreezeScope) -> bool {
        match scope {
            FreezeScope::Stock(stock) => self.has_stock(stock.0),
            FreezeScope::Channel(channel) => (channel.0 as usize) < self.channels.len(),
        }
    }

    /// Freezes a stock or a channel, or ends that.
    pub(crate) fn set_frozen(&mut self, scope: FreezeScope, frozen: bool) {
        if self.frozen.has(scope) == frozen {
            return;
        }
        let key = frozen::key_of(scope);
        if frozen {
            self.frozen.insert(scope);
            self.count(CatalogSection::Frozen, key);
        } else {
            self.remove_from_digest(CatalogSection::Frozen, key);
            self.kept.remove(&(CatalogSection::Frozen, key));
            self.frozen.remove(scope);
        }
    }

    /// The next name that readers still have although its grace has ended. Each one is returned once.
    pub(crate) fn next_ended_name(&mut self, now: Timestamp) -> Option<Name> {
        self.old_names.next_ended(now)
    }

    /// The number of an actor. A new actor gets one if there are fewer than `most`.
    pub(crate) fn intern(&mut self, actor: Actor<'_>, most: usize) -> u16 {
        let known = self.actors.len();
        let number = self.actors.intern(actor, most);
        if self.actors.len() > known {
            self.count(CatalogSection::Actor, number.into());
        }
        number
    }

    pub(crate) const fn actors(&self) -> &Actors {
        &self.actors
    }

    /// The layout of the present stocks with these links.
    pub(crate) fn layout_with<'a>(
        &self,
        links: impl Iterator<Item = &'a (u32, u32)>,
        sharing: Sharing,
    ) -> Result<Layout, GroupTooLarge> {
        Layout::build(0..next_number(&self.stocks), links.copied(), sharing)
    }

    /// The links of a stock by (priority, link id), which is the order in which its sources are considered.
    pub(crate) fn links_of(&self, stock: u32) -> Vec<LinkRow> {
        let range = self.links.range((stock, 0)..=(stock, u32::MAX));
        let mut links: Vec<LinkRow> = range.map(|(_, link)| *link).collect();
        links.sort_unstable_by_key(|link| (link.priority, link.id));
        links
    }
}

/// The key of the link between a stock and a source.
fn link_key(stock: u32, source: u32) -> u64 {
    u64::from(stock) << 32 | u64::from(source)
}
