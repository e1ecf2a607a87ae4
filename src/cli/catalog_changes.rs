//! Compares a catalog with what the server has, for a dry run. It sends no command.
//!
//! Settings are compared with those *in force*, because a server tells no others. Settings for everything, and those of a
//! SKU that no stock has, are in force nowhere yet and are reported as set.

use super::catalog_plan::{CatalogPlan, FieldChange};
use super::exit::Failure;
use super::import_catalog;
use super::lists;
use super::present_items::{Foreseen, each_wanted};
use super::server_connection::ServerConnection;
use crate::catalog::{CatalogFile, Kind, Path as Place, Settings, Sku, Source, Stock, channel_parts};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use stockhold_protocol::query::{Name, PositionView, SkuView, SourceView, StockView};
use stockhold_protocol::{SkuId, SourceId, StockId};

/// The number of SKUs that are compared together.
const CHUNK_SKUS: usize = 8_192;

/// What an import of `file` would change. Its definitions are added to `foreseen`.
pub(super) fn foresee<'a>(
    server: &mut ServerConnection,
    file: &'a CatalogFile,
    foreseen: &mut Foreseen,
) -> Result<CatalogPlan<'a>, Failure> {
    let warnings = import_catalog::warnings(server, file)?;
    let sources = lists::sources(server)?.into_iter().map(|view| (view.id, view)).collect();
    let stocks = lists::stocks(server)?.into_iter().map(|view| (view.id, view)).collect();
    let mut comparison =
        Comparison { file, foreseen, plan: CatalogPlan::new(file, warnings), sources, stocks };
    comparison.sources(server)?;
    comparison.stocks(server)?;
    comparison.skus(server)?;
    Ok(comparison.plan)
}

struct Comparison<'a, 'b> {
    file: &'a CatalogFile,
    foreseen: &'b mut Foreseen,
    plan: CatalogPlan<'a>,
    sources: BTreeMap<SourceId, SourceView>,
    stocks: BTreeMap<StockId, StockView>,
}

/// A name that is on the server, with its number, or that would be created.
#[derive(Clone, Copy)]
enum Known<T> {
    Present(T),
    Foreseen,
}

impl Comparison<'_, '_> {
    fn sources(&mut self, server: &mut ServerConnection) -> Result<(), Failure> {
        let sources = &self.file.catalog.sources;
        let names: Vec<Name> = sources.iter().map(|source| Name::Source(source.code.clone())).collect();
        let numbers = server.resolve(&names)?;
        for (at, (source, number)) in sources.iter().zip(numbers).enumerate() {
            let (place, thing) = (Place::entry("source", at), format!("source {}", source.code));
            let present = number.and_then(|number| self.sources.get(&SourceId(number)));
            if let Some(message) = import_catalog::incomplete(source)
                .filter(|_| present.is_none() && self.foreseen.source(&source.code).is_none())
            {
                self.plan.refuse("sources", place, message);
                continue;
            }
            let namesake =
                self.sources.values().find(|view| Some(&view.definition.name) == source.name.as_ref());
            if let Some(owner) = namesake.filter(|owner| present.is_none_or(|present| present.id != owner.id))
            {
                let message = format!("the name belongs to source {}", owner.definition.code);
                self.plan.refuse("sources", place.key("name"), message);
                continue;
            }
            if let Some(view) = present {
                let next = source.definition_over(Some(&view.definition));
                let fields = differences(&Source::from(view.definition.clone()), &Source::from(next));
                self.plan.compare("sources", &place, thing, fields);
            } else {
                self.foreseen.define_source(&source.code);
                self.plan.create("sources", &place, thing);
            }
        }
        Ok(())
    }

    fn stocks(&mut self, server: &mut ServerConnection) -> Result<(), Failure> {
        for (at, stock) in self.file.catalog.stocks.iter().enumerate() {
            let (place, thing) = (Place::entry("stock", at), format!("stock {}", stock.name));
            let number = self.stock_number(server, &stock.name)?;
            match number {
                Some(Known::Present(_)) => self.plan.compare("stocks", &place, thing, Vec::new()),
                Some(Known::Foreseen) | None => {
                    self.foreseen.stocks.insert(stock.name.clone());
                    self.plan.create("stocks", &place, thing);
                }
            }
            let view = match number {
                Some(Known::Present(number)) => self.stocks.get(&number).cloned(),
                Some(Known::Foreseen) | None => None,
            };
            self.links(server, stock, &place, view.as_ref())?;
            self.channels(server, stock, &place, view.as_ref())?;
        }
        Ok(())
    }

    fn links(
        &mut self,
        server: &mut ServerConnection,
        stock: &Stock,
        place: &Place,
        view: Option<&StockView>,
    ) -> Result<(), Failure> {
        for link in stock.all_links() {
            let thing = format!("link {} to {}", link.source, stock.name);
            let number = server.resolve(&[Name::Source(link.source.clone())])?.first().copied().flatten();
            if number.is_none() && self.foreseen.source(&link.source).is_none() {
                let message = format!("source \"{}\" is neither in the file nor on the server", link.source);
                self.plan.refuse("links", place.clone(), message);
                continue;
            }
            let present = number.zip(view).and_then(|(number, view)| {
                view.links.iter().find(|(source, _)| source.0 == number).map(|(_, priority)| *priority)
            });
            match present {
                Some(old) if old == link.priority => {
                    self.plan.compare("links", place, thing, Vec::new());
                }
                Some(old) => {
                    let field = ("priority".to_owned(), Some(json!(old)), json!(link.priority));
                    self.plan.compare("links", place, thing, vec![field]);
                }
                None => self.plan.create("links", place, thing),
            }
        }
        Ok(())
    }

    fn channels(
        &mut self,
        server: &mut ServerConnection,
        stock: &Stock,
        place: &Place,
        view: Option<&StockView>,
    ) -> Result<(), Failure> {
        for (at, channel) in stock.channels.iter().enumerate() {
            let Some((kind, code)) = channel_parts(channel) else { continue };
            let (place, thing) = (place.clone().key("channels").index(at), format!("channel {channel}"));
            let name = Name::Channel(kind.to_owned(), code.to_owned());
            let Some(number) = server.resolve(&[name])?.first().copied().flatten() else {
                self.plan.create("channels", &place, thing);
                continue;
            };
            let has = |view: &&StockView| view.channels.iter().any(|(id, ..)| id.0 == number);
            let owner = self.stocks.values().find(has);
            let is_same = owner.zip(view).is_some_and(|(owner, view)| owner.id == view.id);
            let old = owner.map(|owner| json!(owner.name));
            let moved = ("stock".to_owned(), old, json!(stock.name));
            self.plan.compare("channels", &place, thing, if is_same { Vec::new() } else { vec![moved] });
        }
        Ok(())
    }

    fn skus(&mut self, server: &mut ServerConnection) -> Result<(), Failure> {
        let catalog = &self.file.catalog;
        if !catalog.settings.is_empty() {
            let fields = set(&catalog.settings);
            let place = Place::default().key("settings");
            self.plan.compare("settings", &place, "settings for everything".to_owned(), fields);
        }
        for (number, chunk) in catalog.skus.chunks(CHUNK_SKUS).enumerate() {
            let names: Vec<Name> = chunk.iter().map(|sku| Name::Sku(sku.sku.clone())).collect();
            let numbers = server.resolve(&names)?;
            let wanted: BTreeSet<SkuId> = numbers.iter().copied().flatten().map(SkuId).collect();
            let mut views: BTreeMap<SkuId, SkuView> = BTreeMap::new();
            each_wanted(server, &wanted, &mut 0, &mut |view| {
                views.insert(view.id, view.clone());
            })?;
            for (within, (sku, id)) in chunk.iter().zip(numbers).enumerate() {
                let view = id.and_then(|id| views.get(&SkuId(id)));
                self.sku(server, sku, &Place::entry("sku", number * CHUNK_SKUS + within), view)?;
            }
        }
        Ok(())
    }

    fn sku(
        &mut self,
        server: &mut ServerConnection,
        sku: &Sku,
        place: &Place,
        view: Option<&SkuView>,
    ) -> Result<(), Failure> {
        let thing = format!("SKU {}", sku.sku);
        if let Some(view) = view {
            let has_units = !view.items.is_empty()
                || view.positions.iter().any(|one| one.confirmed.raw() != 0 || one.held.raw() != 0);
            if sku.kind == Kind::Composite && has_units {
                let rule = "must stay what it is while there are source items or promises of the SKU";
                self.plan.refuse("skus", place.clone().key("kind"), rule.to_owned());
                return Ok(());
            }
            let old = Sku { kind: view.kind.into(), decimals: view.decimals, ..Sku::default() };
            let new = Sku { kind: sku.kind, decimals: sku.decimals, ..Sku::default() };
            self.plan.compare("skus", place, thing.clone(), differences(&old, &new));
        } else {
            self.foreseen.define_sku(&sku.sku);
            self.plan.create("skus", place, thing.clone());
        }
        let positions: Vec<&PositionView> =
            view.map(|view| view.positions.iter().collect()).unwrap_or_default();
        self.settings(place, &thing, &sku.settings, &positions);
        for (name, position) in &sku.stocks {
            let (place, thing) = (place.clone().key("stocks").key(name), format!("{thing} in {name}"));
            let Some(number) = self.stock_number(server, name)? else {
                let message = format!("stock \"{name}\" is neither in the file nor on the server");
                self.plan.refuse("settings", place, message);
                continue;
            };
            let here: Vec<&PositionView> = match number {
                Known::Present(number) => {
                    positions.iter().copied().filter(|one| one.stock == number).collect()
                }
                Known::Foreseen => Vec::new(),
            };
            self.settings(&place, &thing, &position.settings, &here);
            if let Some(quota) = position.quota {
                let old = here.first().and_then(|one| one.quota_limit).map(|limit| json!(limit.to_string()));
                let new = json!(quota.0.to_string());
                let fields =
                    if old.as_ref() == Some(&new) { Vec::new() } else { vec![("quota".into(), old, new)] };
                self.plan.compare("quotas", &place.key("quota"), thing, fields);
            }
        }
        Ok(())
    }

    /// Compares settings with those in force at these positions.
    fn settings(&mut self, place: &Place, thing: &str, settings: &Settings, positions: &[&PositionView]) {
        if settings.is_empty() {
            return;
        }
        let given = set(settings);
        let fields = if positions.is_empty() {
            given
        } else {
            let in_force: Vec<Map<String, Value>> =
                positions.iter().map(|one| fields_of(&Settings::in_force(&one.settings))).collect();
            let differs = |(name, _, new): FieldChange| {
                let old = in_force.iter().filter_map(|one| one.get(&name)).find(|old| **old != new)?;
                Some((name, Some(old.clone()), new))
            };
            given.into_iter().filter_map(differs).collect()
        };
        self.plan.compare("settings", &place.clone().key("settings"), format!("settings of {thing}"), fields);
    }

    fn stock_number(
        &self,
        server: &mut ServerConnection,
        name: &str,
    ) -> Result<Option<Known<StockId>>, Failure> {
        let number = server.resolve(&[Name::Stock(name.to_owned())])?.first().copied().flatten();
        let is_foreseen = self.foreseen.stocks.contains(name);
        Ok(number.map(|number| Known::Present(StockId(number))).or(is_foreseen.then_some(Known::Foreseen)))
    }
}

/// The fields of a part of a catalog as in a file.
fn fields_of(part: &impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(part) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    }
}

/// The fields that differ. A field that is left out has its default, which is shown as null.
fn differences(old: &impl serde::Serialize, new: &impl serde::Serialize) -> Vec<FieldChange> {
    let (old, new) = (fields_of(old), fields_of(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let value = |fields: &Map<String, Value>, name: &str| fields.get(name).cloned().unwrap_or_default();
    let changed = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    changed.map(|name| (name.clone(), Some(value(&old, name)), value(&new, name))).collect()
}

/// The given settings, as fields without old values.
fn set(settings: &Settings) -> Vec<FieldChange> {
    fields_of(settings).into_iter().map(|(name, value)| (name, None, value)).collect()
}
