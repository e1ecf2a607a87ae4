//! The answer to "why can this stock promise so much of this SKU, and no more?". Tagged fields, as in `views`.

use super::SettingsView;
use crate::command::SkuKind;
use crate::id::{SkuId, SourceId, StockId};
use crate::quantity::Quantity;
use crate::tagged;
use wincode::{SchemaRead, SchemaWrite};

/// The most sources and the most stocks that an explanation lists. Its sums are complete all the same.
pub const EXPLAIN_ROWS_MAX: usize = 200;

/// How the machine computes what stocks that share sources can promise. All forms but the last give the same answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum SharingForm {
    /// One set of sources: goods minus promises.
    Single,
    /// The slack of every set of stocks is kept.
    Subsets,
    /// Nested sets of sources.
    Tree,
    /// A max-flow for each answer.
    Flow,
    /// Stocks do not limit each other (`sharing = independent`).
    Independent,
}

impl SharingForm {
    /// The form's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Subsets => "subsets",
            Self::Tree => "tree",
            Self::Flow => "flow",
            Self::Independent => "independent",
        }
    }
}

/// Why a source is in an explanation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum SourceRole {
    /// The stock sells from it, and its goods are left to share.
    Own,
    /// The stock sells from it, but stocks that have promised more than their sources hold have taken its goods.
    Taken,
    /// The stock does not sell from it, but a stock that competes does, and its goods are left to share.
    Others,
}

impl SourceRole {
    /// The role's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Taken => "taken",
            Self::Others => "others",
        }
    }
}

/// A source that matters for a SKU in a stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExplainedSource {
    /// The source.
    pub source: SourceId,
    /// Why it matters.
    pub role: SourceRole,
    /// Whether the source is enabled.
    pub is_enabled: bool,
    /// The quantity on hand; `None`: there is no source item.
    pub on_hand: Option<Quantity>,
    /// The in-stock flag of the source item.
    pub is_in_stock: bool,
    /// What the source adds to the goods.
    pub adds: Quantity,
}
tagged!(ExplainedSource {
    1 source value,
    2 role value,
    3 is_enabled value,
    4 on_hand option,
    5 is_in_stock value,
    6 adds value,
});

/// Why a stock is in an explanation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum StockRole {
    /// It is the stock that was asked about.
    Asked,
    /// It competes for the same goods.
    Competes,
    /// It has promised more than its sources hold, so its sources have nothing left to share.
    TookAll,
}

impl StockRole {
    /// The role's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Competes => "competes",
            Self::TookAll => "took_all",
        }
    }
}

/// A stock whose promises matter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExplainedStock {
    /// The stock.
    pub stock: StockId,
    /// Why it matters.
    pub role: StockRole,
    /// Units promised to orders.
    pub confirmed: Quantity,
    /// Units promised to holds.
    pub held: Quantity,
}
tagged!(ExplainedStock { 1 stock value, 2 role value, 3 confirmed value, 4 held value });

/// Why a stock can promise so much of a SKU. `left` = `goods` − `promised`, and `salable` follows from it, from the
/// settings and from the quota.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExplainView {
    /// The op as of which everything is.
    pub op: u64,
    /// The time of that op, in milliseconds.
    pub time_ms: u64,
    /// Wall clock minus op time, in milliseconds. Add it to the time to display it.
    pub shown_offset_ms: i64,
    /// The SKU.
    pub sku: SkuId,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: SkuKind,
    /// Whether fractions of a unit may be sold.
    pub decimals: bool,
    /// The stock.
    pub stock: StockId,
    /// How the group of the stock is computed.
    pub form: SharingForm,
    /// The sources that the stock sells from, in the order of their priorities, and after them those of stocks that
    /// compete with it: at most [`EXPLAIN_ROWS_MAX`].
    pub sources: Vec<ExplainedSource>,
    /// The number of all of them.
    pub sources_total: u32,
    /// The stock, the stocks that compete with it, and those that have taken all: at most [`EXPLAIN_ROWS_MAX`].
    pub stocks: Vec<ExplainedStock>,
    /// The number of all of them.
    pub stocks_total: u32,
    /// The goods of all sources that are left to share.
    pub goods: Quantity,
    /// The promises of the stock and of those that compete with it.
    pub promised: Quantity,
    /// What the promises leave to the stock.
    pub left: Quantity,
    /// Whether a source that the stock sells from is enabled and has the SKU in stock.
    pub is_in_stock: bool,
    /// The settings in force.
    pub settings: SettingsView,
    /// The threshold in force, which is kept back from sale. If it is negative, it is the allowance, which may be promised
    /// beyond the goods.
    pub kept_back: Quantity,
    /// The quota, if there is one.
    pub quota_limit: Option<Quantity>,
    /// The part of the quota that is taken.
    pub quota_taken: Quantity,
    /// The cell: ten-thousandths, [`super::CELL_NOT_ASSIGNED`] or [`super::CELL_UNLIMITED`].
    pub salable: i64,
    /// Whether the stock is frozen, with all its SKUs.
    pub stock_frozen: bool,
}
tagged!(ExplainView {
    1 op value,
    2 time_ms value,
    3 shown_offset_ms value,
    4 sku value,
    5 name value,
    6 kind value,
    7 decimals value,
    8 stock value,
    9 form value,
    10 sources list,
    11 sources_total value,
    12 stocks list,
    13 stocks_total value,
    14 goods value,
    15 promised value,
    16 left value,
    17 is_in_stock value,
    18 settings nested,
    19 kept_back value,
    20 quota_limit option,
    21 quota_taken value,
    22 salable value,
    23 stock_frozen value,
});
