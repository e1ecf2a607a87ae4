//! The rules of definitions: sources, stocks, SKUs, links, channels, their names, settings, quotas,
//! configuration, marks. Reads only; `moves` executes the definitions.
//!
//! Names get dense numbers in log order. A change of links makes a new layout, and then everything that is
//! derived from the layout is derived anew.

use crate::config::{CHANNELS_MAX, LINKS_MAX, MARKS_MAX, OLD_NAMES_MAX, SKUS_MAX, SOURCES_MAX, STOCKS_MAX};
use crate::decision::Refusal;
use crate::ledger::catalog::{ChannelRow, LinkRow};
use crate::ledger::state::State;
use crate::moves::{Definition, mode_of};
use stockhold_protocol::command::{
    ChannelAssignment, Configure, Freeze, LinkDefinition, LinkRemoval, Mark, MarkRemoval, QuotaChange,
    Rename, SettingScope, SettingsChange, SkuDefinition, SkuKind, SourceDefinition, StockDefinition,
};
use stockhold_protocol::query::Name;
use stockhold_protocol::{Code, Quantity, SkuId, StockId};

/// A definition that has passed all checks, or the refusal of the command.
type Checked = Result<Definition, Refusal>;

impl State {
    pub(crate) fn check_source(&self, definition: &SourceDefinition) -> Checked {
        let known = self.resolve(&Name::Source(definition.code.clone()));
        let catalog = &self.catalog;
        let namesake = catalog.source_of_name(&definition.name);
        if namesake.is_some() && namesake != known {
            let owner = namesake.and_then(|source| catalog.source(source));
            let rule = owner.map_or_else(String::new, |owner| format!("belongs to source {}", owner.code));
            return Err(Refusal::new(Code::NameTaken).rule("name", rule));
        }
        if known.is_none() && catalog.sources.len() >= SOURCES_MAX as usize {
            return Err(Refusal::limit("sources", SOURCES_MAX));
        }
        let mut definition = definition.clone();
        let Some((source, present)) = known.and_then(|source| Some((source, catalog.source(source)?))) else {
            return Ok(Definition::Source { known, definition });
        };
        // An old code means this source, which keeps its present code.
        definition.code.clone_from(&present.code);
        if definition.enabled == present.enabled {
            Ok(Definition::Source { known, definition })
        } else {
            Ok(Definition::SwitchSource { source, definition })
        }
    }

    pub(crate) fn check_stock(&self, definition: &StockDefinition) -> Checked {
        if let Some(number) = self.resolve(&Name::Stock(definition.name.clone())) {
            return Ok(Definition::Nothing(number));
        }
        if self.catalog.stocks.len() >= STOCKS_MAX as usize {
            return Err(Refusal::limit("stocks", STOCKS_MAX));
        }
        Ok(Definition::NewStock(definition.name.clone()))
    }

    pub(crate) fn check_sku(&self, definition: &SkuDefinition) -> Checked {
        let (kind, decimals) = (definition.kind, definition.decimals);
        let Some(sku) = self.resolve(&Name::Sku(definition.sku.clone())) else {
            if self.skus.len() >= SKUS_MAX {
                return Err(Refusal::limit("skus", SKUS_MAX));
            }
            return Ok(Definition::NewSku { name: definition.sku.clone(), kind, decimals });
        };
        if kind == SkuKind::Uncatalogued {
            // The catalog knows the SKU already.
            return Ok(Definition::Nothing(sku));
        }
        let has_units = self.items_of(sku).next().is_some() || self.has_promises(sku);
        if kind == SkuKind::Composite && has_units {
            let rule = "must stay what it is while there are source items or promises of the SKU";
            return Err(Refusal::new(Code::WouldBreakPromises).rule("kind", rule));
        }
        Ok(Definition::Sku { sku, kind, decimals })
    }

    fn has_promises(&self, sku: u32) -> bool {
        self.clusters_of(sku).flat_map(|(_, cluster)| cluster.places.iter()).any(|place| !place.is_blank())
    }

    pub(crate) fn check_link(&self, link: LinkDefinition) -> Checked {
        let (stock, source, priority) = (link.stock.0, link.source.0, link.priority);
        let catalog = &self.catalog;
        self.require_stock(link.stock)?;
        if catalog.source(source).is_none() {
            return Err(Refusal::unknown("source"));
        }
        if let Some(row) = catalog.links().get(&(stock, source)) {
            // The link keeps its id, so that ties go on to be broken as before.
            return Ok(Definition::LinkPriority(LinkRow { priority, ..*row }));
        }
        if catalog.links().len() >= LINKS_MAX {
            return Err(Refusal::limit("links", LINKS_MAX));
        }
        let added = (stock, source);
        let links = catalog.links().keys().chain(std::iter::once(&added));
        let layout = catalog.layout_with(links, mode_of(self.core.configuration.sharing));
        let layout = layout.map_err(Refusal::group_too_large)?;
        layout.check(stock).map_err(Refusal::group_too_large)?;
        Ok(Definition::NewLink { stock, source, priority, layout })
    }

    pub(crate) fn check_unlink(&self, link: LinkRemoval) -> Checked {
        let key = (link.stock.0, link.source.0);
        let catalog = &self.catalog;
        if !catalog.links().contains_key(&key) {
            return Err(Refusal::new(Code::UnknownLink));
        }
        let links = catalog.links().keys().filter(|other| **other != key);
        // Fewer links can turn a nested group into a crossing one that no link may leave; a fact is accepted all the same.
        let Ok(layout) = catalog.layout_with(links, mode_of(self.core.configuration.sharing)) else {
            unreachable!("a group has no more members and links without a link than with it")
        };
        Ok(Definition::Unlink { stock: key.0, source: key.1, layout })
    }

    pub(crate) fn check_channel(&self, channel: &ChannelAssignment) -> Checked {
        let name = Name::Channel(channel.channel_type.clone(), channel.code.clone());
        let known = self.resolve(&name);
        self.require_stock(channel.stock)?;
        if known.is_none() && self.catalog.channels.len() >= CHANNELS_MAX as usize {
            return Err(Refusal::limit("channels", CHANNELS_MAX));
        }
        let stock = channel.stock.0;
        // An old name means this channel, which keeps its present name.
        let row = match known.and_then(|known| self.catalog.channels.get(known as usize)) {
            Some(present) => ChannelRow { stock, ..present.clone() },
            None => {
                ChannelRow { channel_type: channel.channel_type.clone(), code: channel.code.clone(), stock }
            }
        };
        Ok(Definition::Channel { known, row })
    }

    pub(crate) fn check_settings(&self, change: &SettingsChange) -> Checked {
        match change.scope {
            SettingScope::Global => {}
            SettingScope::Sku(sku) => self.require_sku(sku)?,
            SettingScope::SkuStock(sku, stock) => {
                self.require_sku(sku)?;
                self.require_stock(stock)?;
            }
        }
        Ok(Definition::Settings(change.clone()))
    }

    pub(crate) fn check_quota(&self, quota: QuotaChange) -> Checked {
        self.require_sku(quota.sku)?;
        self.require_stock(quota.stock)?;
        let limit = quota.limit.map(Quantity::raw);
        Ok(Definition::Quota { sku: quota.sku.0, stock: quota.stock.0, limit })
    }

    pub(crate) fn check_freeze(&self, freeze: Freeze) -> Checked {
        if !self.catalog.has_scope(freeze.scope) {
            return Err(Refusal::unknown("scope"));
        }
        Ok(Definition::Freeze(freeze))
    }

    pub(crate) fn check_rename(&self, rename: &Rename) -> Checked {
        let Rename { number, to } = rename;
        let Some(old) = self.name_of(to, *number) else {
            return Err(Refusal::unknown("number"));
        };
        if old == *to {
            return Ok(Definition::Nothing(0));
        }
        if let Some(owner) = self.resolve(to).filter(|owner| owner != number) {
            let owner = self.name_of(to, owner).map_or_else(String::new, |owner| text_of(&owner));
            return Err(Refusal::new(Code::NameTaken).rule("to", format!("belongs to {owner}")));
        }
        let old_names = self.catalog.old_names();
        let has_room = !old_names.is_full()
            || old_names.op_of(to).is_some()
            || old_names.oldest_ended(self.core.time).is_some();
        if !has_room {
            return Err(Refusal::limit("old names", OLD_NAMES_MAX));
        }
        Ok(Definition::Rename { number: *number, to: to.clone(), old })
    }

    pub(crate) fn check_mark(&self, mark: &Mark) -> Checked {
        #[cfg(feature = "next-release")]
        if self.catalog.has_note(&mark.name) {
            return Err(Refusal::new(Code::MarkHasNote));
        }
        let marks = self.catalog.marks();
        if let Some((op, present)) = marks.named(&mark.name) {
            let set = self.shown(present.time).to_rfc3339();
            let rule = format!("belongs to the mark of op {op}, set at {set}");
            return Err(Refusal::new(Code::NameTaken).rule("name", rule));
        }
        if marks.is_full() && marks.oldest_automatic().is_none() {
            return Err(Refusal::limit("marks", MARKS_MAX));
        }
        Ok(Definition::Mark(mark.clone()))
    }

    pub(crate) fn check_unmark(&self, mark: &MarkRemoval) -> Checked {
        let Some((op, _)) = self.catalog.marks().named(&mark.name) else {
            return Err(Refusal::unknown("name"));
        };
        Ok(Definition::Unmark(op))
    }

    pub(crate) fn check_configure(&self, change: &Configure) -> Checked {
        let present = &self.core.configuration;
        let next = present.changed(change).map_err(|error| Refusal::field(&error))?;
        if next.sharing == present.sharing {
            return Ok(Definition::Configure { next, layout: None });
        }
        if self.has_negative_sums() {
            let rule = "must stay independent while more units were given back without an order than were promised so";
            return Err(Refusal::new(Code::WouldBreakPromises).rule("sharing", rule));
        }
        let layout = self.catalog.layout_with(self.catalog.links().keys(), mode_of(next.sharing));
        let layout = layout.map_err(Refusal::group_too_large)?;
        layout.check_all().map_err(Refusal::group_too_large)?;
        Ok(Definition::Configure { next, layout: Some(layout) })
    }

    pub(super) fn require_sku(&self, sku: SkuId) -> Result<(), Refusal> {
        if self.has_sku(sku.0) { Ok(()) } else { Err(Refusal::unknown("sku")) }
    }

    fn require_stock(&self, stock: StockId) -> Result<(), Refusal> {
        if self.catalog.has_stock(stock.0) { Ok(()) } else { Err(Refusal::unknown("stock")) }
    }
}

/// A name for people.
fn text_of(name: &Name) -> String {
    match name {
        Name::Sku(name) | Name::Stock(name) | Name::Source(name) => name.clone(),
        Name::Channel(channel_type, code) => format!("{channel_type}/{code}"),
    }
}
