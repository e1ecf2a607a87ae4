//! Why a stock can promise so much of a SKU, and no more: the goods of each source, the promises of the stocks that
//! share them, the settings and the quota. The sums are complete; the lists of sources and stocks end at a limit.

use crate::ledger::record::ItemRow;
use crate::ledger::state::{At, State};
use crate::refusal::quantity;
use crate::stock::cluster::Cluster;
use crate::stock::sharing::{Binding, Form, Group, InGroup, Pool};
use std::borrow::Cow;
use std::collections::BTreeMap;
use stockhold_protocol::query::{
    CELL_NOT_ASSIGNED, EXPLAIN_ROWS_MAX, ExplainView, ExplainedSource, ExplainedStock, SharingForm,
    SourceRole, StockRole,
};
use stockhold_protocol::{Quantity, SkuId, SourceId, StockId};

/// The sources of an explanation, at most as many as are listed, and the sums over all of them.
struct Sources {
    rows: Vec<ExplainedSource>,
    total: u32,
    goods: i64,
}

impl State {
    /// Explains a SKU in a stock. `None` if one of them is unknown.
    pub(super) fn explanation(&self, sku: u32, stock: u32) -> Option<ExplainView> {
        let in_group = self.catalog.layout.stock_in_group(stock)?;
        if !self.has_sku(sku) {
            return None;
        }
        let group = self.catalog.layout.group(in_group.group);
        let at = self.find(sku, stock);
        let cluster = at.map(|at| self.clusters.get(at.cluster));
        let pool =
            cluster.map_or_else(|| Cow::Owned(Pool::new(group)), |one| one.pool_at(group, self.now_s()));
        let left = pool.left(group, in_group.index);
        let binding = pool.binding(group, in_group.index);
        let sources = self.explained_sources((sku, stock), group, &binding);
        let settings = self.settings_of(sku, stock);
        let own = at.map(|at| self.promises_at(at)).unwrap_or_default();
        let competing = binding.with.iter().filter(|index| binding.without.binary_search(index).is_err());
        let promised = competing.map(|index| pool.promised(group, *index)).fold(0, i64::saturating_add);
        let cell = |one: &Cluster| self.cell_value(one, in_group.index, left);
        let row = self.skus.get(sku);
        Some(ExplainView {
            op: self.core.op,
            time_ms: self.core.time.0,
            shown_offset_ms: self.core.offsets.wall_ms,
            sku: SkuId(sku),
            name: row.name,
            kind: row.kind,
            decimals: row.decimals,
            stock: StockId(stock),
            form: form_of(group),
            sources: sources.rows,
            sources_total: sources.total,
            stocks: self.explained_stocks(at.map(|at| at.cluster), group, in_group, &binding),
            stocks_total: u32::try_from(binding.with.len()).unwrap_or(u32::MAX),
            goods: quantity(sources.goods),
            promised: quantity(promised),
            left: quantity(left),
            is_in_stock: pool.any_in_stock(group, in_group.index),
            settings: settings.view(),
            kept_back: quantity(settings.eff_min()),
            quota_limit: own.quota_limit,
            quota_taken: own.quota_taken,
            salable: cluster.map_or(CELL_NOT_ASSIGNED, cell),
            stock_frozen: self.catalog.frozen().has_stock(stock),
        })
    }

    /// The sources of the stock in the order of their priorities, and then the others that are shared.
    fn explained_sources(&self, (sku, stock): (u32, u32), group: &Group, binding: &Binding) -> Sources {
        let items: BTreeMap<u32, &ItemRow> =
            self.items_of(sku).map(|(_, item)| (item.source, item)).collect();
        let is_shared = binding.shares(group);
        let mut sources = Sources { rows: Vec::new(), total: 0, goods: 0 };
        let mut add = |source: u32, role: SourceRole| {
            let item = items.get(&source);
            let adds = group.goods(item.map(|item| self.supply_of(item)));
            sources.total = sources.total.saturating_add(1);
            if role != SourceRole::Taken {
                sources.goods = sources.goods.saturating_add(adds);
            }
            if sources.rows.len() < EXPLAIN_ROWS_MAX {
                sources.rows.push(ExplainedSource {
                    source: SourceId(source),
                    role,
                    is_enabled: self.catalog.source(source).is_some_and(|source| source.enabled),
                    on_hand: item.map(|item| quantity(item.on_hand)),
                    is_in_stock: item.is_some_and(|item| item.in_stock),
                    adds: quantity(adds),
                });
            }
        };
        let mut is_linked = vec![false; is_shared.len()];
        for link in self.catalog.links_of(stock) {
            let Ok(index) = group.sources().binary_search(&link.source) else { continue };
            is_linked[index] = true;
            add(link.source, if is_shared[index] { SourceRole::Own } else { SourceRole::Taken });
        }
        for ((source, is_linked), is_shared) in group.sources().iter().zip(is_linked).zip(is_shared) {
            if is_shared && !is_linked {
                add(*source, SourceRole::Others);
            }
        }
        sources
    }

    /// The stock itself, those that compete with it, and those that have taken all.
    fn explained_stocks(
        &self,
        cluster: Option<u32>,
        group: &Group,
        asked: InGroup,
        binding: &Binding,
    ) -> Vec<ExplainedStock> {
        let mut stocks = vec![(StockRole::Asked, asked.index)];
        let others = binding.with.iter().filter(|index| **index != asked.index);
        let (took_all, compete): (Vec<u32>, Vec<u32>) =
            others.partition(|index| binding.without.binary_search(index).is_ok());
        stocks.extend(compete.into_iter().map(|index| (StockRole::Competes, index)));
        stocks.extend(took_all.into_iter().map(|index| (StockRole::TookAll, index)));
        stocks.truncate(EXPLAIN_ROWS_MAX);
        let row = |(role, index): (StockRole, u32)| {
            let promises = cluster.map(|cluster| self.promises_at(At { cluster, index })).unwrap_or_default();
            let number = group.stocks()[index as usize];
            let (confirmed, held): (Quantity, Quantity) = (promises.confirmed, promises.held);
            ExplainedStock { stock: StockId(number), role, confirmed, held }
        };
        stocks.into_iter().map(row).collect()
    }
}

fn form_of(group: &Group) -> SharingForm {
    match group.form() {
        Form::Single => SharingForm::Single,
        Form::Subsets => SharingForm::Subsets,
        Form::Tree => SharingForm::Tree,
        Form::Flow => SharingForm::Flow,
        Form::Independent => SharingForm::Independent,
    }
}
