//! Defining things: sources, stocks, SKUs, links, channels, their names, settings, quotas, configuration, marks.
//!
//! Names get dense numbers in log order. A change of links makes a new layout, and then everything that is
//! derived from the layout is derived anew.

use crate::config::{CHANNELS_MAX, LINKS_MAX, MARKS_MAX, OLD_NAMES_MAX, SKUS_MAX, SOURCES_MAX, STOCKS_MAX};
use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::catalog::{ChannelRow, LinkRow, MarkRow};
use crate::ledger::old_names::OldName;
use crate::ledger::record::{ALL_STOCKS, Record, SettingsRow, SkuRow};
use crate::ledger::state::State;
use crate::machine::Machine;
use crate::stock::settings::Overrides;
use crate::stock::sharing::{Layout, Sharing as Mode};
use crate::stock::sku_entry::SkuEntry;
use stockhold_protocol::command::{
    ChannelAssignment, Configure, LinkDefinition, LinkRemoval, Mark, QuotaChange, Rename, SettingScope,
    SettingsChange, Sharing, SkuDefinition, SkuKind, SourceDefinition, StockDefinition,
};
use stockhold_protocol::query::Name;
use stockhold_protocol::{ChannelId, Code, Detail, Quantity, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

const fn mode_of(sharing: Sharing) -> Mode {
    match sharing {
        Sharing::Exact => Mode::Exact,
        Sharing::Independent => Mode::Independent,
    }
}

impl Machine {
    pub(crate) fn define_source(&mut self, definition: &SourceDefinition) -> Decision {
        let code = Name::Source(definition.code.clone());
        let known = self.state.resolve(&code);
        let catalog = &self.state.catalog;
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
        if let Some(present) = known.and_then(|source| catalog.source(source)) {
            // An old code means this source, which keeps its present code.
            definition.code.clone_from(&present.code);
        }
        let was_enabled = known.and_then(|source| catalog.source(source)).map(|source| source.enabled);
        if let Some(source) = known
            && was_enabled != Some(definition.enabled)
        {
            let shortfall = self.state.switch_source(source, definition);
            let shortfall = Quantity::from_raw(shortfall).unwrap_or(Quantity::MAX);
            return Ok(Answer::ok(source).with(Detail::Shortfall(shortfall)));
        }
        let number = self.state.catalog.set_source(known, definition);
        if known.is_none() {
            self.state.give_name(code, number);
        }
        Ok(Answer::ok(number))
    }

    pub(crate) fn define_stock(&mut self, definition: &StockDefinition) -> Decision {
        let name = Name::Stock(definition.name.clone());
        if let Some(number) = self.state.resolve(&name) {
            return Ok(Answer::ok(number));
        }
        if self.state.catalog.stocks.len() >= STOCKS_MAX as usize {
            return Err(Refusal::limit("stocks", STOCKS_MAX));
        }
        let number = self.state.catalog.set_stock(None, definition.name.clone());
        self.state.give_name(name, number);
        let Ok(layout) = self.state.layout_of_links() else {
            unreachable!("a stock without links makes a group of its own");
        };
        self.state.adopt_layout(layout);
        Ok(Answer::ok(number))
    }

    pub(crate) fn define_sku(&mut self, definition: &SkuDefinition) -> Decision {
        let name = Name::Sku(definition.sku.clone());
        match self.state.resolve(&name) {
            Some(sku) => self.redefine_sku(sku, definition),
            None if self.state.skus.len() >= SKUS_MAX => Err(Refusal::limit("skus", SKUS_MAX)),
            None => {
                let sku = self.state.skus.len();
                let row = SkuRow::new(sku, &definition.sku, definition.kind, definition.decimals);
                self.state.add_sku(row);
                self.state.give_name(name, sku);
                Ok(Answer::ok(sku))
            }
        }
    }

    fn redefine_sku(&mut self, sku: u32, definition: &SkuDefinition) -> Decision {
        let has_units = self.state.items_of(sku).next().is_some() || self.state.has_promises(sku);
        if definition.kind == SkuKind::Composite && has_units {
            let rule = "must stay what it is while there are source items or promises of the SKU";
            return Err(Refusal::new(Code::WouldBreakPromises).rule("kind", rule));
        }
        let row = *self.state.skus.get(sku);
        let mut next = row;
        next.kind = definition.kind;
        next.decimals = definition.decimals;
        self.state.digest.sub(row.hash(&mut self.state.scratch));
        self.state.digest.add(next.hash(&mut self.state.scratch));
        *self.state.skus.get_mut(sku) = next;
        self.state.sku_entries.get_mut(sku).is_composite = next.kind == SkuKind::Composite;
        self.state.refresh_settings_of_sku(sku);
        Ok(Answer::ok(sku))
    }

    pub(crate) fn link(&mut self, link: LinkDefinition) -> Decision {
        let (stock, source) = (link.stock.0, link.source.0);
        if !self.state.catalog.has_stock(stock) {
            return Err(Refusal::unknown("stock"));
        }
        if self.state.catalog.source(source).is_none() {
            return Err(Refusal::unknown("source"));
        }
        if let Some(row) = self.state.catalog.links().get(&(stock, source)) {
            // The link keeps its id, so that ties go on to be broken as before.
            let row = LinkRow { priority: link.priority, ..*row };
            self.state.catalog.set_link(row);
            return Ok(Answer::ok(0));
        }
        if self.state.catalog.links().len() >= LINKS_MAX {
            return Err(Refusal::limit("links", LINKS_MAX));
        }
        let mode = mode_of(self.state.core.configuration.sharing);
        let added = (stock, source);
        let links = self.state.catalog.links().keys().chain(std::iter::once(&added));
        let layout = self.state.catalog.layout_with(links, mode);
        let layout = layout.map_err(Refusal::group_too_large)?;
        layout.check(stock).map_err(Refusal::group_too_large)?;
        let id = self.state.catalog.links_made;
        self.state.catalog.links_made = id.saturating_add(1);
        self.state.catalog.set_link(LinkRow { id, stock, source, priority: link.priority });
        self.state.adopt_layout(layout);
        Ok(Answer::ok(0))
    }

    pub(crate) fn unlink(&mut self, link: LinkRemoval) -> Decision {
        let key = (link.stock.0, link.source.0);
        if !self.state.catalog.links().contains_key(&key) {
            return Err(Refusal::new(Code::UnknownLink));
        }
        let mode = mode_of(self.state.core.configuration.sharing);
        let links = self.state.catalog.links().keys().filter(|other| **other != key);
        // Fewer links can turn a nested group into a crossing one that no link may leave; a fact is accepted all the same.
        let Ok(layout) = self.state.catalog.layout_with(links, mode) else {
            unreachable!("a group has no more members and links without a link than with it")
        };
        self.state.catalog.remove_link(key.0, key.1);
        self.state.adopt_layout(layout);
        let shortfall = self.state.shortfall_of_stock(link.stock.0);
        Ok(Answer::ok(0).with(Detail::Shortfall(Quantity::from_raw(shortfall).unwrap_or(Quantity::MAX))))
    }

    pub(crate) fn channel(&mut self, channel: &ChannelAssignment) -> Decision {
        let name = Name::Channel(channel.channel_type.clone(), channel.code.clone());
        let known = self.state.resolve(&name);
        let catalog = &mut self.state.catalog;
        if !catalog.has_stock(channel.stock.0) {
            return Err(Refusal::unknown("stock"));
        }
        if known.is_none() && catalog.channels.len() >= CHANNELS_MAX as usize {
            return Err(Refusal::limit("channels", CHANNELS_MAX));
        }
        let stock = channel.stock.0;
        // An old name means this channel, which keeps its present name.
        let row = match known.and_then(|known| catalog.channels.get(known as usize)) {
            Some(present) => ChannelRow { stock, ..present.clone() },
            None => {
                ChannelRow { channel_type: channel.channel_type.clone(), code: channel.code.clone(), stock }
            }
        };
        let number = catalog.set_channel(known, row);
        if known.is_none() {
            self.state.give_name(name, number);
        }
        self.state.changes.channels.push((ChannelId(number), channel.stock));
        Ok(Answer::ok(number))
    }

    pub(crate) fn settings(&mut self, change: &SettingsChange) -> Decision {
        let state = &mut self.state;
        match change.scope {
            SettingScope::Global => {
                state.catalog.global = state.catalog.global.changed(change);
                state.refresh_all_settings();
            }
            SettingScope::Sku(sku) if state.has_sku(sku.0) => {
                state.override_settings(sku.0, ALL_STOCKS, change);
                state.refresh_settings_of_sku(sku.0);
            }
            SettingScope::SkuStock(sku, stock)
                if state.has_sku(sku.0) && state.catalog.has_stock(stock.0) =>
            {
                state.override_settings(sku.0, stock.0, change);
                state.refresh_settings_of_sku(sku.0);
            }
            SettingScope::SkuStock(sku, _) if state.has_sku(sku.0) => return Err(Refusal::unknown("stock")),
            SettingScope::Sku(_) | SettingScope::SkuStock(..) => return Err(Refusal::unknown("sku")),
        }
        Ok(Answer::ok(0))
    }

    pub(crate) fn quota(&mut self, quota: QuotaChange) -> Decision {
        let state = &mut self.state;
        if !state.has_sku(quota.sku.0) {
            return Err(Refusal::unknown("sku"));
        }
        if !state.catalog.has_stock(quota.stock.0) {
            return Err(Refusal::unknown("stock"));
        }
        state.set_quota(quota.sku.0, quota.stock.0, quota.limit.map(Quantity::raw));
        Ok(Answer::ok(0))
    }

    pub(crate) fn rename(&mut self, rename: &Rename) -> Decision {
        let Rename { number, to } = rename;
        let state = &mut self.state;
        let Some(old) = state.name_of(to, *number) else {
            return Err(Refusal::unknown("number"));
        };
        if old == *to {
            return Ok(Answer::ok(0));
        }
        if let Some(owner) = state.resolve(to).filter(|owner| owner != number) {
            let owner = state.name_of(to, owner).map_or_else(String::new, |owner| text_of(&owner));
            return Err(Refusal::new(Code::NameTaken).rule("to", format!("belongs to {owner}")));
        }
        if !state.has_room_for_old_name(to) {
            return Err(Refusal::limit("old names", OLD_NAMES_MAX));
        }
        state.set_name(*number, to);
        let until_ms = state.core.time.0.saturating_add(state.core.configuration.name_grace_ms);
        let old = OldName { name: old, number: *number, until: Timestamp(until_ms) };
        state.catalog.keep_old_name(state.core.op, old);
        Ok(Answer::ok(0))
    }

    pub(crate) fn configure(&mut self, change: &Configure) -> Decision {
        let next = self.state.core.configuration.changed(change).map_err(|error| Refusal::field(&error))?;
        if next.sharing != self.state.core.configuration.sharing {
            let links = self.state.catalog.links().keys();
            let layout = self.state.catalog.layout_with(links, mode_of(next.sharing));
            let layout = layout.map_err(Refusal::group_too_large)?;
            layout.check_all().map_err(Refusal::group_too_large)?;
            self.state.core.configuration = next;
            self.state.adopt_layout(layout);
        }
        self.state.core.configuration = next;
        Ok(Answer::ok(0))
    }

    pub(crate) fn mark(&mut self, mark: &Mark) -> Answer {
        let State { core, catalog, .. } = &mut self.state;
        let row = MarkRow {
            name: mark.name.clone(),
            op: core.op,
            time: core.time,
            #[cfg(feature = "next-release")]
            note: mark.note.clone(),
        };
        catalog.add_mark(row, MARKS_MAX);
        Answer::ok(0)
    }
}

/// A name for people.
fn text_of(name: &Name) -> String {
    match name {
        Name::Sku(name) | Name::Stock(name) | Name::Source(name) => name.clone(),
        Name::Channel(channel_type, code) => format!("{channel_type}/{code}"),
    }
}

impl State {
    /// Makes room for one more old name, when `to` is none any more. Of names whose grace has ended the oldest is forgotten. Who
    /// still holds its number could not be refused when another thing gets the name, so the name generation rises now.
    fn has_room_for_old_name(&mut self, to: &Name) -> bool {
        let old_names = self.catalog.old_names();
        if !old_names.is_full() || old_names.op_of(to).is_some() {
            return true;
        }
        let oldest = old_names.iter().find(|(_, old)| old.until <= self.core.time);
        let Some(oldest) = oldest.map(|(_, old)| old.name.clone()) else { return false };
        self.catalog.forget_old_name(&oldest);
        self.raise_name_generation();
        true
    }

    /// Gives something a name that stands for nothing else.
    fn set_name(&mut self, number: u32, to: &Name) {
        let at = number as usize;
        match to {
            Name::Sku(sku) => self.set_sku_name(number, sku),
            Name::Stock(name) => {
                self.catalog.set_stock(Some(number), name.clone());
            }
            Name::Source(code) => {
                let definition = SourceDefinition { code: code.clone(), ..self.catalog.sources[at].clone() };
                self.catalog.set_source(Some(number), definition);
            }
            Name::Channel(channel_type, code) => {
                let stock = self.catalog.channels[at].stock;
                let row = ChannelRow { channel_type: channel_type.clone(), code: code.clone(), stock };
                self.catalog.set_channel(Some(number), row);
            }
        }
        self.give_name(to.clone(), number);
    }

    fn set_sku_name(&mut self, sku: u32, name: &str) {
        let old = *self.skus.get(sku);
        let new = SkuRow::new(sku, name, old.kind, old.decimals);
        self.digest.sub(old.hash(&mut self.scratch));
        self.digest.add(new.hash(&mut self.scratch));
        let was_found = self.sku_index.remove(xxh3_64(old.name().as_bytes()), sku);
        assert!(was_found, "every SKU is found by its name");
        *self.skus.get_mut(sku) = new;
        self.index_sku(sku);
    }

    fn index_sku(&mut self, sku: u32) {
        let skus = &self.skus;
        let hash = |slot: u32| xxh3_64(skus.get(slot).name().as_bytes());
        self.sku_index.insert(hash(sku), sku, hash);
    }

    pub(crate) fn add_sku(&mut self, row: SkuRow) {
        self.digest.add(row.hash(&mut self.scratch));
        let slot = self.skus.insert(row);
        assert!(slot == row.sku, "SKUs are never removed, so a SKU's number is its slot");
        self.index_sku(slot);
        let is_composite = row.kind == SkuKind::Composite;
        self.sku_entries.push(SkuEntry::new(is_composite));
    }

    fn has_promises(&self, sku: u32) -> bool {
        self.clusters_of(sku).flat_map(|(_, cluster)| cluster.places.iter()).any(|place| !place.is_blank())
    }

    pub(crate) fn layout_of_links(&self) -> Result<Layout, crate::stock::sharing::GroupTooLarge> {
        self.catalog.layout_with(self.catalog.links().keys(), mode_of(self.core.configuration.sharing))
    }

    pub(crate) fn refresh_settings_of_sku(&mut self, sku: u32) {
        let numbers: Vec<u32> = self.clusters_of(sku).map(|(number, _)| number).collect();
        for number in numbers {
            self.refresh_settings(number);
        }
    }

    fn refresh_all_settings(&mut self) {
        for number in 0..u32::try_from(self.clusters.len()).unwrap_or(u32::MAX) {
            self.refresh_settings(number);
        }
    }

    fn refresh_settings(&mut self, number: u32) {
        let cluster = self.clusters.get(number);
        let stocks = self.catalog.layout.group(cluster.group).stocks();
        let fresh: Vec<_> = stocks.iter().map(|stock| self.settings_of(cluster.sku, *stock)).collect();
        for (place, settings) in self.clusters.get_mut(number).places.iter_mut().zip(fresh) {
            place.settings = self.settings_in_force.share(settings);
        }
        self.mark_changed(number);
    }

    fn override_settings(&mut self, sku: u32, stock: u32, change: &SettingsChange) {
        if let Some(slot) = self.settings_by_scope.get(&(sku, stock)) {
            let row = self.settings.get_mut(*slot);
            self.digest.sub(row.hash(&mut self.scratch));
            row.values = row.values.changed(change);
            self.digest.add(row.hash(&mut self.scratch));
        } else {
            self.add_settings(SettingsRow { sku, stock, values: Overrides::default().changed(change) });
        }
    }

    pub(crate) fn add_settings(&mut self, row: SettingsRow) {
        self.digest.add(row.hash(&mut self.scratch));
        let slot = self.settings.insert(row);
        self.settings_by_scope.insert((row.sku, row.stock), slot);
    }

    /// Units promised and missing of all SKUs in the group of a stock.
    fn shortfall_of_stock(&self, stock: u32) -> i64 {
        let Some(in_group) = self.catalog.layout.stock_in_group(stock) else { return 0 };
        let (group, now_s) = (self.catalog.layout.group(in_group.group), self.now_s());
        let of_group = self.clusters.iter().filter(|cluster| cluster.group == in_group.group);
        of_group.fold(0, |sum: i64, cluster| {
            let allowed = |index: u32| cluster.place(index).settings.allowance();
            sum.saturating_add(cluster.pool_at(group, now_s).shortfall(group, allowed))
        })
    }
}
