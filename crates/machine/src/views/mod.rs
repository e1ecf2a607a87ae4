//! Queries of the state: one reservation, SKUs, sources, stocks, marks, configuration, explanations.
//!
//! A query changes nothing. The cost of every answer is bounded: a list ends when the cost of its entries
//! reaches a limit, and the next query continues after its last entry.

mod explain;
mod inconsistencies;
pub(crate) mod low_stock;
mod order_history;
mod orders;
pub(crate) mod reservations;
pub(crate) mod sourcing;
pub(crate) mod stats;

use crate::ledger::marks::MarkRow;
use crate::ledger::old_names::OldName;
use crate::ledger::record::{NO_ORDER, NO_QUOTA, NoteKind, NotifyRow, ReservationRow, Stage};
use crate::ledger::state::{At, State};
use crate::machine::Machine;
use crate::refusal::quantity;
use crate::stock::sharing::{FLOW_CLASSES_MAX, Form};
use stockhold_protocol::batch::{Actor, ActorKind};
use stockhold_protocol::command::{FreezeScope, SourceDefinition};
use stockhold_protocol::query::{
    ItemView, LIST_MAX, MakerKind, MarkView, Name, OldNameView, PositionView, Query, QueryAnswer,
    ReservationLine, ReservationState, ReservationView, SkuView, SourceView, StockView,
};
use stockhold_protocol::{ChannelId, CommandId, Deadline, Quantity, SkuId, SourceId, StockId};

/// The most that the entries of one list may cost together, in records read. The last entry may exceed it.
/// A record takes 20 to 150 ns, so a list takes well below 200 µs.
const LIST_COST_MAX: usize = 1_000;
/// How many bytes of text cost as much as one record.
const TEXT_BYTES_PER_COST: usize = 64;

/// What a stock has promised of a SKU.
#[derive(Default)]
struct Promises {
    confirmed: Quantity,
    held: Quantity,
    quota_limit: Option<Quantity>,
    quota_taken: Quantity,
}

/// An entry of a list and its cost.
type Costed<T> = (T, usize);

impl Machine {
    /// The marks, oldest first: the op that set each, and its name.
    pub fn marks(&self) -> impl Iterator<Item = (u64, &str)> {
        self.state().catalog.marks().iter().map(|(op, row)| (op, row.name.as_str()))
    }

    /// Answers a query of the state; `None` for those that only the caller can answer.
    #[must_use]
    pub fn query(&self, query: &Query) -> Option<QueryAnswer> {
        let state = self.state();
        Some(match query {
            Query::Status
            | Query::Snapshot
            | Query::Validate
            | Query::Reservations { .. }
            | Query::LowStock { .. }
            | Query::PickupLocations(_)
            | Query::Sourcing(_) => return None,
            Query::Reservation(id) => {
                QueryAnswer::Reservation(state.reservation_view(CommandId::from_bytes(*id)))
            }
            Query::Sku(sku) => QueryAnswer::Sku(state.has_sku(sku.0).then(|| state.sku_view(sku.0).0)),
            Query::Skus { after, limit } => {
                let range = page(after.map(|sku| sku.0), *limit, state.skus.len());
                QueryAnswer::Skus(list(range, |sku| state.sku_view(sku)))
            }
            Query::Sources { after, limit } => {
                let count = u32::try_from(state.catalog.sources.len()).unwrap_or(u32::MAX);
                let range = page(after.map(|source| source.0), *limit, count);
                QueryAnswer::Sources(list(range, |source| state.source_view(source)))
            }
            Query::Stocks { after, limit } => {
                let count = u32::try_from(state.catalog.stocks.len()).unwrap_or(u32::MAX);
                let range = page(after.map(|stock| stock.0), *limit, count);
                QueryAnswer::Stocks(list(range, |stock| state.stock_view(stock)))
            }
            Query::Marks { after, limit } => {
                let page = state.catalog.marks().after(*after).take(page_length(*limit) as usize);
                QueryAnswer::Marks(list(page, |(op, mark)| state.mark_view(op, mark)))
            }
            Query::OldNames { after, limit } => {
                let old_names = state.catalog.old_names().after(*after);
                let page = old_names.take(usize::try_from(page_length(*limit)).unwrap_or(usize::MAX));
                QueryAnswer::OldNames(list(page, |(op, old)| state.old_name_view(op, old)))
            }
            Query::Explain { sku, stock } => QueryAnswer::Explain(state.explanation(sku.0, stock.0)),
            Query::Order(number) => QueryAnswer::Order(state.order_view(number)),
            Query::Orders { filter, after, limit } => {
                QueryAnswer::Orders(state.orders_view(*filter, *after, *limit))
            }
            Query::OrderHistory { number, after, limit } => {
                QueryAnswer::OrderHistory(state.order_history(number, *after, *limit))
            }
            Query::Inconsistencies { is_final, after, limit } => {
                QueryAnswer::Inconsistencies(state.inconsistencies(*is_final, *after, *limit))
            }
            Query::Notify { sku, source } => QueryAnswer::Notify(state.notify_view(sku.0, source.0)),
            Query::Configuration => QueryAnswer::Configuration(state.core.configuration.view()),
        })
    }

    /// The name of a SKU.
    #[must_use]
    pub fn sku_name(&self, sku: SkuId) -> Option<String> {
        let state = self.state();
        state.has_sku(sku.0).then(|| state.skus.get(sku.0).name)
    }

    /// The code of a source.
    #[must_use]
    pub fn source_code(&self, source: SourceId) -> Option<&str> {
        self.state().catalog.source(source.0).map(|source| source.code.as_str())
    }

    /// The definition of a source.
    #[must_use]
    pub fn source(&self, source: SourceId) -> Option<&SourceDefinition> {
        self.state().catalog.source(source.0)
    }

    /// The name of a stock.
    #[must_use]
    pub fn stock_name(&self, stock: StockId) -> Option<&str> {
        self.state().catalog.stocks.get(stock.0 as usize).map(String::as_str)
    }

    /// The type and the code of a channel.
    #[must_use]
    pub fn channel_name(&self, channel: ChannelId) -> Option<(&str, &str)> {
        let row = self.state().catalog.channels.get(channel.0 as usize)?;
        Some((&row.channel_type, &row.code))
    }

    /// The stock that a channel is assigned to.
    #[must_use]
    pub fn channel_stock(&self, channel: ChannelId) -> Option<StockId> {
        self.state().catalog.channels.get(channel.0 as usize).map(|row| StockId(row.stock))
    }

    /// The name that a thing of the same kind as `like` has now.
    #[must_use]
    pub fn name_of(&self, like: &Name, number: u32) -> Option<Name> {
        self.state().name_of(like, number)
    }

    /// The actor of the run of commands that was begun last; `None` for one without a number of its own.
    #[must_use]
    pub fn actor(&self) -> Option<Actor<'_>> {
        let state = self.state();
        state.catalog.actors().get(state.actor)
    }

    /// The number of a name, or of an old name in its grace.
    #[must_use]
    pub fn resolve(&self, name: &Name) -> Option<u32> {
        self.state().resolve(name)
    }
}

/// The numbers of one page of a list.
fn page(after: Option<u32>, limit: u32, count: u32) -> std::ops::Range<u32> {
    let start = after.map_or(0, |after| after.saturating_add(1)).min(count);
    start..start.saturating_add(page_length(limit)).min(count)
}

/// The most entries of a page.
fn page_length(limit: u32) -> u32 {
    limit.clamp(1, LIST_MAX)
}

/// The entries of a page, up to the limit of cost.
fn list<N, T>(page: impl IntoIterator<Item = N>, mut entry: impl FnMut(N) -> Costed<T>) -> Vec<T> {
    let mut entries = Vec::new();
    let mut cost = 0_usize;
    for number in page {
        if cost >= LIST_COST_MAX {
            break;
        }
        let (view, entry_cost) = entry(number);
        entries.push(view);
        cost = cost.saturating_add(entry_cost);
    }
    entries
}

impl State {
    fn reservation_view(&self, id: CommandId) -> Option<ReservationView> {
        let slot = self.find_reservation(id)?;
        let row = self.reservations.get(slot);
        let mut lines = Vec::new();
        self.lines_of(slot, &mut lines);
        let lines = lines.iter().map(|line| ReservationLine {
            sku: SkuId(line.sku),
            counts: line.counts,
            granted: quantity(line.granted),
            open: quantity(line.open),
            shipped: quantity(line.shipped),
            returned: quantity(line.returned),
        });
        let reference = String::from_utf8_lossy(&self.notes_of(row, NoteKind::Reference)).into_owned();
        let (actor_kind, actor) = self.actor_view(row.actor);
        Some(ReservationView {
            id: id.to_bytes(),
            op: row.grant().op,
            stock: StockId(row.stock),
            state: self.state_of(row),
            deadline_s: row.deadline_s,
            origin_ms: row.origin_ms,
            shown_offset_ms: self.shown_offset_ms(),
            owner: row.owner,
            reference,
            lines: lines.collect(),
            actor_kind,
            actor,
        })
    }

    /// How an actor was identified, and its name.
    fn actor_view(&self, actor: u16) -> (MakerKind, String) {
        match self.catalog.actors().get(actor) {
            Some(Actor { kind: ActorKind::Server, .. }) => (MakerKind::Server, String::new()),
            Some(Actor { kind: ActorKind::Claimed, name }) => (MakerKind::Claimed, name.to_owned()),
            Some(Actor { kind: ActorKind::Proved, name }) => (MakerKind::Proved, name.to_owned()),
            None => (MakerKind::Others, String::new()),
        }
    }

    /// The state of a reservation now.
    fn state_of(&self, row: &ReservationRow) -> ReservationState {
        match row.stage() {
            Stage::Held if Deadline(row.deadline_s).has_passed(self.hold_time()) => ReservationState::Expired,
            Stage::Held => ReservationState::Held,
            Stage::Confirmed => ReservationState::Confirmed,
            Stage::Released => ReservationState::Released,
            Stage::Shipped => ReservationState::Shipped,
            Stage::Replaced => ReservationState::Replaced,
        }
    }

    fn sku_view(&self, sku: u32) -> Costed<SkuView> {
        let row = self.skus.get(sku);
        let inherited = self.inherited_threshold(sku);
        let items = self.items_of(sku).map(|(_, item)| {
            let notify = self.notify_of(sku, item.source);
            ItemView {
                source: SourceId(item.source),
                on_hand: quantity(item.on_hand),
                in_stock: item.in_stock,
                version: item.version,
                notify_is_set: notify.is_some(),
                notify_stock_qty: quantity(notify.and_then(NotifyRow::own).unwrap_or(inherited)),
            }
        });
        let mut items: Vec<ItemView> = items.collect();
        items.sort_unstable_by_key(|item| item.source);
        let mut positions = Vec::new();
        let mut cost = items.len().saturating_add(cost_of_text(row.name.len()));
        for (number, _) in self.clusters_of(sku) {
            cost = cost.saturating_add(self.position_views(number, &mut positions));
        }
        positions.sort_unstable_by_key(|position| position.stock);
        let view = SkuView {
            id: SkuId(sku),
            sku: row.name,
            kind: row.kind,
            decimals: row.decimals,
            items,
            positions,
            shortfall: quantity(self.shortfall_of(sku)),
        };
        (view, cost)
    }

    /// Adds the positions of one cluster. Returns the cost.
    fn position_views(&self, cluster: u32, into: &mut Vec<PositionView>) -> usize {
        let one = self.clusters.get(cluster);
        let group = self.catalog.layout.group(one.group);
        let mut left = Vec::new();
        one.pool_at(group, self.now_s()).left_all(group, &mut left);
        for ((index, stock), left) in (0_u32..).zip(group.stocks()).zip(left) {
            let place = one.place(index);
            if !one.pool.is_assigned(group, index) && place.is_blank() {
                continue;
            }
            let promises = self.promises_at(At { cluster, index });
            into.push(PositionView {
                stock: StockId(*stock),
                confirmed: promises.confirmed,
                held: promises.held,
                salable: self.cell_value(one, index, left),
                settings: place.settings.view(),
                quota_limit: promises.quota_limit,
                quota_taken: promises.quota_taken,
                unattributed: quantity(self.unreserved_units(NO_ORDER, *stock, one.sku)),
            });
        }
        let stocks = group.stocks().len();
        match group.form() {
            Form::Single | Form::Subsets | Form::Tree | Form::Independent => stocks,
            // The salable quantities need one max-flow for each class of stocks, and its cost depends on
            // all classes.
            Form::Flow => {
                stocks.saturating_add(stocks.min(FLOW_CLASSES_MAX).saturating_mul(FLOW_CLASSES_MAX))
            }
        }
    }

    /// What a stock has promised of a SKU, without the holds that have ended.
    fn promises_at(&self, at: At) -> Promises {
        let place = self.clusters.get(at.cluster).place(at.index);
        let row = self.position(at);
        let quota = row.filter(|row| row.quota_limit != NO_QUOTA);
        let (ended, quota_ended) = place.ended_at(self.now_s());
        let quota_held = place.quota_held().saturating_sub(quota_ended);
        let taken = quota.map_or(0, |row| row.quota_taken.saturating_add(quota_held));
        Promises {
            confirmed: quantity(row.map_or(0, |row| row.confirmed)),
            held: quantity(place.units_held().saturating_sub(ended)),
            quota_limit: quota.map(|row| quantity(row.quota_limit)),
            quota_taken: quantity(taken),
        }
    }

    fn source_view(&self, source: u32) -> Costed<SourceView> {
        let definition = self.catalog.source(source).cloned().unwrap_or_default();
        let contact = definition.contact.iter().map(String::len).fold(0, usize::saturating_add);
        let text_bytes = [
            &definition.code,
            &definition.name,
            &definition.description,
            &definition.country,
            &definition.region,
            &definition.city,
            &definition.street,
            &definition.postcode,
            &definition.pickup_name,
            &definition.pickup_description,
        ]
        .map(String::len)
        .into_iter()
        .fold(contact, usize::saturating_add);
        (SourceView { id: SourceId(source), definition }, cost_of_text(text_bytes))
    }

    fn stock_view(&self, stock: u32) -> Costed<StockView> {
        let links: Vec<_> =
            self.catalog.links_of(stock).iter().map(|link| (SourceId(link.source), link.priority)).collect();
        let channels = (0_u32..).zip(&self.catalog.channels).filter(|(_, channel)| channel.stock == stock);
        let channels: Vec<_> = channels
            .map(|(number, row)| (ChannelId(number), row.channel_type.clone(), row.code.clone()))
            .collect();
        let text_bytes = channels.iter().fold(0_usize, |sum, (_, channel_type, code)| {
            sum.saturating_add(channel_type.len()).saturating_add(code.len())
        });
        // All channels are searched for those of the stock; 16 of them cost as much as one record.
        let cost = cost_of_text(text_bytes)
            .saturating_add(links.len())
            .saturating_add(self.catalog.channels.len() / 16);
        let name = self.catalog.stocks.get(stock as usize).cloned().unwrap_or_default();
        let frozen = self.catalog.frozen();
        let is_frozen = |channel: &ChannelId| frozen.has(FreezeScope::Channel(*channel));
        let frozen_channels = channels.iter().map(|(number, ..)| *number).filter(is_frozen).collect();
        let view = StockView {
            id: StockId(stock),
            name,
            links,
            channels,
            frozen: frozen.has_stock(stock),
            frozen_channels,
        };
        (view, cost)
    }

    fn old_name_view(&self, op: u64, old: &OldName) -> Costed<OldNameView> {
        let present = self.name_of(&old.name, old.number).unwrap_or_else(|| old.name.clone());
        let text_bytes = [&old.name, &present].map(|name| match name {
            Name::Sku(name) | Name::Stock(name) | Name::Source(name) => name.len(),
            Name::Channel(channel_type, code) => channel_type.len().saturating_add(code.len()),
        });
        let view =
            OldNameView { op, name: old.name.clone(), number: old.number, present, until_ms: old.until.0 };
        (view, cost_of_text(text_bytes.into_iter().fold(0, usize::saturating_add)))
    }

    fn mark_view(&self, op: u64, mark: &MarkRow) -> Costed<MarkView> {
        let shown_offset_ms = self.core.offsets.wall_ms;
        let view = MarkView { op, name: mark.name.clone(), time_ms: mark.time.0, shown_offset_ms };
        (view, cost_of_text(mark.name.len()))
    }
}

/// The cost of an entry that copies this many bytes of text.
const fn cost_of_text(bytes: usize) -> usize {
    (bytes / TEXT_BYTES_PER_COST).saturating_add(1)
}
