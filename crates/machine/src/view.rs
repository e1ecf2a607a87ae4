//! Questions about the state: one reservation, SKUs, sources, stocks, configuration, validation.
//!
//! Nothing here changes anything. Lists are bounded and come with a cursor.

use crate::machine::Machine;
use crate::record::{NO_QUOTA, NoteKind, Stage};
use crate::state::{At, State};
use stockhold_protocol::query::{
    Answer, ItemView, LIST_MAX, Name, PositionView, Query, ReservationLine, ReservationState,
    ReservationView, SkuView, SourceView, StockView, Validation,
};
use stockhold_protocol::{ChannelId, CommandId, Deadline, Quantity, SkuId, SourceId, StockId};

fn quantity(raw: i64) -> Quantity {
    Quantity::from_raw(raw).unwrap_or_default()
}

impl Machine {
    /// Answers a question about the state; `None` for those that only the shell can answer.
    #[must_use]
    pub fn query(&self, query: &Query) -> Option<Answer> {
        let state = &self.state;
        Some(match query {
            Query::Status | Query::Snapshot => return None,
            Query::Reservation(id) => Answer::Reservation(state.reservation_view(CommandId::from_bytes(*id))),
            Query::Sku(sku) => Answer::Sku(state.has_sku(sku.0).then(|| state.sku_view(sku.0))),
            Query::Skus { after, limit } => {
                let range = page(after.map(|sku| sku.0), *limit, state.skus.len());
                Answer::Skus(range.map(|sku| state.sku_view(sku)).collect())
            }
            Query::Sources { after, limit } => {
                let count = u32::try_from(state.catalog.sources.len()).unwrap_or(u32::MAX);
                let range = page(after.map(|source| source.0), *limit, count);
                Answer::Sources(range.filter_map(|source| state.source_view(source)).collect())
            }
            Query::Stocks { after, limit } => {
                let count = u32::try_from(state.catalog.stocks.len()).unwrap_or(u32::MAX);
                let range = page(after.map(|stock| stock.0), *limit, count);
                Answer::Stocks(range.map(|stock| state.stock_view(stock)).collect())
            }
            Query::Configuration => Answer::Configuration(state.core.configuration.view()),
            Query::Validate => Answer::Validation(Validation {
                op: self.op(),
                digest: self.digest(),
                violations: self.validate(),
            }),
        })
    }

    /// The dense number of a name.
    #[must_use]
    pub fn resolve(&self, name: &Name) -> Option<u32> {
        let catalog = &self.state.catalog;
        match name {
            Name::Sku(sku) => self.state.sku_of_name(sku),
            Name::Stock(stock) => catalog.stock_of_name(stock),
            Name::Source(code) => catalog.source_of_code(code),
            Name::Channel(channel_type, code) => catalog.channel_of_name(channel_type, code),
        }
    }
}

/// The numbers of one page of a list.
fn page(after: Option<u32>, limit: u32, count: u32) -> std::ops::Range<u32> {
    let start = after.map_or(0, |after| after.saturating_add(1)).min(count);
    start..start.saturating_add(limit.clamp(1, LIST_MAX)).min(count)
}

impl State {
    fn reservation_view(&self, id: CommandId) -> Option<ReservationView> {
        let slot = self.find_reservation(id)?;
        let row = self.reservations.get(slot);
        let mut lines = Vec::new();
        self.lines_of(slot, &mut lines);
        let state = match row.stage {
            Stage::Held if Deadline(row.deadline_s).has_passed(self.core.time) => ReservationState::Expired,
            Stage::Held => ReservationState::Held,
            Stage::Confirmed => ReservationState::Confirmed,
            Stage::Released => ReservationState::Released,
            Stage::Shipped => ReservationState::Shipped,
            Stage::Replaced => ReservationState::Replaced,
        };
        let lines = lines.iter().map(|line| ReservationLine {
            sku: SkuId(line.sku),
            counts: line.counts,
            granted: quantity(line.granted),
            open: quantity(line.open),
            shipped: quantity(line.shipped),
            returned: quantity(line.returned),
        });
        let reference = String::from_utf8_lossy(&self.notes_of(row, NoteKind::Reference)).into_owned();
        Some(ReservationView {
            id: id.to_bytes(),
            op: row.grant().op,
            stock: StockId(row.stock),
            state,
            deadline_s: row.deadline_s,
            origin_ms: row.origin_ms,
            owner: row.owner,
            reference,
            lines: lines.collect(),
        })
    }

    fn sku_view(&self, sku: u32) -> SkuView {
        let row = self.skus.get(sku);
        let items = self.items_of(sku).map(|(_, item)| ItemView {
            source: SourceId(item.source),
            on_hand: quantity(item.on_hand),
            in_stock: item.in_stock,
            version: item.version,
        });
        let mut items: Vec<ItemView> = items.collect();
        items.sort_unstable_by_key(|item| item.source);
        let mut positions = Vec::new();
        for (number, _) in self.clusters_of(sku) {
            self.position_views(number, &mut positions);
        }
        positions.sort_unstable_by_key(|position| position.stock);
        SkuView {
            id: SkuId(sku),
            sku: row.name().to_owned(),
            kind: row.kind,
            decimals: row.decimals,
            items,
            positions,
            shortfall: quantity(self.shortfall_seen(sku)),
        }
    }

    fn position_views(&self, cluster: u32, into: &mut Vec<PositionView>) {
        let one = self.clusters.get(cluster);
        let group = self.catalog.layout.group(one.group);
        let pool = one.pool_at(group, self.now_s());
        for (index, stock) in (0_u32..).zip(group.stocks()) {
            let place = one.place(index);
            if !one.pool.is_assigned(group, index) && place.is_blank() {
                continue;
            }
            let at = At { cluster, index };
            let row = self.position(at);
            let quota = row.filter(|row| row.quota_limit != NO_QUOTA);
            let (ended, quota_ended) = place.ended_at(self.now_s());
            let quota_held = place.quota_held().saturating_sub(quota_ended);
            let taken = quota.map_or(0, |row| row.quota_taken.saturating_add(quota_held));
            into.push(PositionView {
                stock: StockId(*stock),
                confirmed: quantity(row.map_or(0, |row| row.confirmed)),
                held: quantity(place.units_held().saturating_sub(ended)),
                salable: self.cell_value(one, index, pool.left(group, index)),
                settings: place.settings.view(),
                quota_limit: quota.map(|row| quantity(row.quota_limit)),
                quota_taken: quantity(taken),
            });
        }
    }

    fn source_view(&self, source: u32) -> Option<SourceView> {
        let definition = self.catalog.source(source)?.clone();
        Some(SourceView { id: SourceId(source), definition })
    }

    fn stock_view(&self, stock: u32) -> StockView {
        let links = self.catalog.links_of(stock);
        let channels = (0_u32..).zip(&self.catalog.channels).filter(|(_, channel)| channel.stock == stock);
        let channels = channels
            .map(|(number, row)| (ChannelId(number), row.channel_type.clone(), row.code.clone()))
            .collect();
        StockView {
            id: StockId(stock),
            name: self.catalog.stocks.get(stock as usize).cloned().unwrap_or_default(),
            links: links.iter().map(|link| (SourceId(link.source), link.priority)).collect(),
            channels,
        }
    }
}
