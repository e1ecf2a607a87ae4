//! Executes definitions: changes of the catalog, of names, settings, quotas and the configuration.
//!
//! A verb of the catalog reads the state and makes a [`Definition`], which has passed all checks. So its execution
//! cannot fail. Clusters that depend on links or sources are rebuilt by `structure`.

use crate::config::Configuration;
use crate::decision::Answer;
use crate::ledger::catalog::{ChannelRow, LinkRow};
use crate::ledger::marks::MarkRow;
use crate::ledger::old_names::OldName;
use crate::ledger::record::{ALL_STOCKS, NotifyRow, Record, SettingsRow, SkuRow};
use crate::ledger::state::State;
use crate::refusal::quantity;
use crate::stock::settings::Overrides;
use crate::stock::sharing::{GroupTooLarge, Layout, Sharing as Mode};
use crate::stock::sku_entry::SkuEntry;
use stockhold_protocol::command::{
    Freeze, Mark, SettingScope, SettingsChange, Sharing, SkuKind, SourceDefinition,
};
use stockhold_protocol::query::Name;
use stockhold_protocol::{ChannelId, Detail, SkuId, StockId, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

/// A checked definition. `known` is the number of the thing if it exists already.
#[derive(Debug)]
pub(crate) enum Definition {
    /// The command changes nothing. Its answer has this number.
    Nothing(u32),
    /// A source that is new or keeps its enabled flag.
    Source {
        known: Option<u32>,
        definition: SourceDefinition,
    },
    /// A source whose enabled flag changes.
    SwitchSource {
        source: u32,
        definition: SourceDefinition,
    },
    NewStock(String),
    NewSku {
        name: String,
        kind: SkuKind,
        decimals: bool,
    },
    Sku {
        sku: u32,
        kind: SkuKind,
        decimals: bool,
    },
    /// A new link and the layout with it.
    NewLink {
        stock: u32,
        source: u32,
        priority: u16,
        layout: Layout,
    },
    LinkPriority(LinkRow),
    /// A removed link and the layout without it.
    Unlink {
        stock: u32,
        source: u32,
        layout: Layout,
    },
    Channel {
        known: Option<u32>,
        row: ChannelRow,
    },
    Settings(SettingsChange),
    Quota {
        sku: u32,
        stock: u32,
        limit: Option<i64>,
    },
    Freeze(Freeze),
    Notify(NotifyRow),
    NoNotify {
        sku: u32,
        source: u32,
    },
    /// The thing with this number gets the name `to` and gives up the name `old`.
    Rename {
        number: u32,
        to: Name,
        old: Name,
    },
    /// A configuration, and the layout if the sharing mode changes.
    Configure {
        next: Configuration,
        layout: Option<Layout>,
    },
    AcceptClock(Timestamp),
    Mark(Mark),
    /// The mark that this op set is dropped.
    Unmark(u64),
}

pub(crate) const fn mode_of(sharing: Sharing) -> Mode {
    match sharing {
        Sharing::Exact => Mode::Exact,
        Sharing::Independent => Mode::Independent,
    }
}

impl State {
    /// Executes a definition. The answer has the number of the defined thing, or 0 if it has none.
    pub(crate) fn define(&mut self, definition: Definition) -> Answer {
        match definition {
            Definition::Nothing(number) => return Answer::ok(number),
            Definition::Source { known, definition } => {
                return Answer::ok(self.set_source(known, definition));
            }
            Definition::SwitchSource { source, definition } => {
                let shortfall = self.switch_source(source, definition);
                return Answer::ok(source).with(Detail::Shortfall(quantity(shortfall)));
            }
            Definition::NewStock(name) => return Answer::ok(self.add_stock(name)),
            Definition::NewSku { name, kind, decimals } => {
                return Answer::ok(self.add_named_sku(name, kind, decimals));
            }
            Definition::Sku { sku, kind, decimals } => {
                self.redefine_sku(sku, kind, decimals);
                return Answer::ok(sku);
            }
            Definition::NewLink { stock, source, priority, layout } => {
                let id = self.catalog.links_made;
                self.catalog.links_made = id.saturating_add(1);
                self.catalog.set_link(LinkRow { id, stock, source, priority });
                self.adopt_layout(layout);
            }
            Definition::LinkPriority(row) => self.catalog.set_link(row),
            Definition::Unlink { stock, source, layout } => {
                self.catalog.remove_link(stock, source);
                self.adopt_layout(layout);
                let shortfall = self.shortfall_of_stock(stock);
                return Answer::ok(0).with(Detail::Shortfall(quantity(shortfall)));
            }
            Definition::Channel { known, row } => return Answer::ok(self.set_channel(known, row)),
            Definition::Settings(change) => self.change_settings(&change),
            Definition::Quota { sku, stock, limit } => self.set_quota(sku, stock, limit),
            Definition::Freeze(freeze) => self.catalog.set_frozen(freeze.scope, freeze.frozen),
            Definition::Notify(row) => self.set_notify(row),
            Definition::NoNotify { sku, source } => self.remove_notify(sku, source),
            Definition::Rename { number, to, old } => self.rename(number, to, old),
            Definition::Configure { next, layout } => {
                self.core.configuration = next;
                self.plan_upkeep();
                if let Some(layout) = layout {
                    self.adopt_layout(layout);
                }
            }
            Definition::AcceptClock(until) => self.core.offsets.accepted_until = until,
            Definition::Mark(mark) => self.add_mark(mark),
            Definition::Unmark(op) => self.catalog.remove_mark(op),
        }
        Answer::ok(0)
    }

    fn add_mark(&mut self, mark: Mark) {
        if self.catalog.marks().is_full() {
            let oldest = self.catalog.marks().oldest_automatic();
            let Some(oldest) = oldest else { unreachable!("the verb has checked that there is room") };
            self.catalog.remove_mark(oldest);
        }
        let row = MarkRow {
            name: mark.name,
            time: self.core.time,
            #[cfg(feature = "next-release")]
            note: mark.note,
        };
        self.catalog.add_mark(self.core.op, row);
    }

    fn set_source(&mut self, known: Option<u32>, definition: SourceDefinition) -> u32 {
        let code = Name::Source(definition.code.clone());
        let number = self.catalog.set_source(known, definition);
        if known.is_none() {
            self.give_name(code, number);
        }
        number
    }

    fn add_stock(&mut self, name: String) -> u32 {
        let number = self.catalog.set_stock(None, name.clone());
        self.give_name(Name::Stock(name), number);
        let Ok(layout) = self.layout_of_links() else {
            unreachable!("a stock without links makes a group of its own");
        };
        self.adopt_layout(layout);
        number
    }

    fn set_channel(&mut self, known: Option<u32>, row: ChannelRow) -> u32 {
        let name = Name::Channel(row.channel_type.clone(), row.code.clone());
        let stock = StockId(row.stock);
        let number = self.catalog.set_channel(known, row);
        if known.is_none() {
            self.give_name(name, number);
        }
        self.changes.channels.push((ChannelId(number), stock));
        number
    }

    fn add_named_sku(&mut self, name: String, kind: SkuKind, decimals: bool) -> u32 {
        let sku = self.skus.len();
        self.add_sku(&SkuRow { sku, name: name.clone(), kind, decimals });
        self.give_name(Name::Sku(name), sku);
        sku
    }

    pub(crate) fn add_sku(&mut self, row: &SkuRow) {
        self.digest.add(row.hash(&mut self.scratch));
        self.skus.insert(row);
        self.index_sku(row.sku);
        let is_composite = row.kind == SkuKind::Composite;
        self.sku_entries.push(SkuEntry::new(is_composite));
    }

    fn redefine_sku(&mut self, sku: u32, kind: SkuKind, decimals: bool) {
        let row = self.skus.get(sku);
        let next = SkuRow { kind, decimals, ..row.clone() };
        self.digest.sub(row.hash(&mut self.scratch));
        self.digest.add(next.hash(&mut self.scratch));
        self.skus.set(&next);
        self.sku_entries.get_mut(sku).is_composite = kind == SkuKind::Composite;
        self.refresh_settings_of_sku(sku);
    }

    fn rename(&mut self, number: u32, to: Name, old: Name) {
        self.make_room_for_old_name(&to);
        self.set_name(number, &to);
        self.give_name(to, number);
        let until_ms = self.core.time.0.saturating_add(self.core.configuration.name_grace_ms);
        let old = OldName { name: old, number, until: Timestamp(until_ms) };
        self.catalog.keep_old_name(self.core.op, old);
    }

    /// Makes room for one more old name, when `to` is none any more. Of names whose grace has ended the oldest is
    /// forgotten. Who still holds its number could not be refused when another thing gets the name, so the name
    /// generation rises now.
    fn make_room_for_old_name(&mut self, to: &Name) {
        let old_names = self.catalog.old_names();
        if old_names.is_full() && old_names.op_of(to).is_none() {
            let oldest = old_names.oldest_ended(self.core.time).cloned();
            let Some(oldest) = oldest else { unreachable!("the verb has checked that there is room") };
            self.catalog.forget_old_name(&oldest);
            self.raise_name_generation();
        }
    }

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
    }

    fn set_sku_name(&mut self, sku: u32, name: &str) {
        let old = self.skus.get(sku);
        let new = SkuRow { name: name.to_owned(), ..old.clone() };
        self.digest.sub(old.hash(&mut self.scratch));
        self.digest.add(new.hash(&mut self.scratch));
        let was_found = self.sku_index.remove(xxh3_64(old.name.as_bytes()), sku);
        assert!(was_found, "every SKU is found by its name");
        self.skus.set(&new);
        self.index_sku(sku);
    }

    fn index_sku(&mut self, sku: u32) {
        let skus = &self.skus;
        let hash = |slot: u32| xxh3_64(skus.get(slot).name.as_bytes());
        self.sku_index.insert(hash(sku), sku, hash);
    }

    pub(crate) fn layout_of_links(&self) -> Result<Layout, GroupTooLarge> {
        self.catalog.layout_with(self.catalog.links().keys(), mode_of(self.core.configuration.sharing))
    }

    fn change_settings(&mut self, change: &SettingsChange) {
        match change.scope {
            SettingScope::Global => {
                self.catalog.global = self.catalog.global.changed(change);
                for number in 0..u32::try_from(self.clusters.len()).unwrap_or(u32::MAX) {
                    self.refresh_settings(number);
                }
            }
            SettingScope::Sku(sku) => self.override_settings(sku, ALL_STOCKS, change),
            SettingScope::SkuStock(sku, stock) => self.override_settings(sku, stock.0, change),
        }
    }

    fn override_settings(&mut self, SkuId(sku): SkuId, stock: u32, change: &SettingsChange) {
        if let Some(slot) = self.settings_by_scope.get(&(sku, stock)) {
            let row = self.settings.get_mut(*slot);
            self.digest.sub(row.hash(&mut self.scratch));
            row.values = row.values.changed(change);
            self.digest.add(row.hash(&mut self.scratch));
        } else {
            self.add_settings(SettingsRow { sku, stock, values: Overrides::default().changed(change) });
        }
        self.refresh_settings_of_sku(sku);
    }

    pub(crate) fn add_settings(&mut self, row: SettingsRow) {
        self.digest.add(row.hash(&mut self.scratch));
        let slot = self.settings.insert(row);
        self.settings_by_scope.insert((row.sku, row.stock), slot);
    }

    fn refresh_settings_of_sku(&mut self, sku: u32) {
        let numbers: Vec<u32> = self.clusters_of(sku).map(|(number, _)| number).collect();
        for number in numbers {
            self.refresh_settings(number);
        }
    }

    fn refresh_settings(&mut self, number: u32) {
        let cluster = self.clusters.get(number);
        let stocks = self.catalog.layout.group(cluster.group).stocks();
        let fresh: Vec<_> = stocks.iter().map(|stock| self.settings_of(cluster.sku, *stock)).collect();
        let sku = SkuId(cluster.sku);
        let stocks = stocks.to_vec();
        let mut has_changed = false;
        for ((place, settings), stock) in
            self.clusters.get_mut(number).places.iter_mut().zip(fresh).zip(stocks)
        {
            has_changed |= !place.settings.sells_as(&settings);
            if place.settings.sale_times() != settings.sale_times() {
                self.changes.doors.insert((sku, StockId(stock)), settings.sale_times());
            }
            place.settings = self.settings_in_force.share(settings);
        }
        if has_changed {
            self.mark_changed(number);
        }
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
