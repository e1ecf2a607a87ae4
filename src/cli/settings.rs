//! The commands that change rules: settings, quota, configure, activate-rules.

use super::checkout::send;
use super::context::{Call, Context};
use super::exit::{Exit, Failure};
use super::quantity;
use super::times::{duration, milliseconds};
use crate::calendar::Door;
use clap::{ArgGroup, Args, ValueEnum};
use std::time::Duration;
use stockhold_protocol::command::{
    BackorderMode, Change, Configure, QuotaChange, SettingScope, SettingsChange, Sharing,
};
use stockhold_protocol::{Command, Quantity};

/// Whether a SKU may be sold beyond what is on hand.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum BackorderArgument {
    /// Backorders are off
    Off,
    /// Backorders are allowed
    Allow,
    /// Backorders are allowed, and the shopper is notified
    AllowAndNotify,
}

/// The name of a setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum SettingArgument {
    ManageStock,
    Backorders,
    MinQty,
    MinSaleQty,
    MaxSaleQty,
    EnableQtyIncrements,
    QtyIncrements,
    NotifyStockQty,
    Frozen,
    OpensAt,
    ClosesAt,
    #[cfg(feature = "next-release")]
    LeadDays,
}

/// `settings`
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("change").required(true).multiple(true).args([
        "manage_stock", "backorders", "min_qty", "min_sale_qty", "max_sale_qty", "enable_qty_increments",
        "qty_increments", "notify_stock_qty", "frozen", "opens_at", "closes_at", "unset",
    ])),
    after_help = "Settings are inherited: global, then SKU, then SKU in a stock. Examples:
  stockhold settings --notify-stock-qty 5
  stockhold settings --sku EBIKE-0001 --backorders allow-and-notify --min-qty -25
  stockhold settings --sku BIKE-0002 --stock web-us --min-qty 3
  stockhold settings --sku BIKE-0002 --stock web-us --unset min_qty
  stockhold settings --sku DROP-0001 --stock web-us --opens-at 2026-11-27T08:00:00Z --closes-at 2026-11-27T10:00:00Z
  stockhold settings --sku DROP-0001 --stock web-us --opens-at none

Before a sale opens, and once it has closed, nothing new is promised (`not_open`); holds that exist are confirmed and extended.
What is frozen promises nothing new either (`frozen`), and an expired hold of it is not confirmed; `stockhold freeze` does it too."
)]
pub(super) struct SettingsArguments {
    /// The SKU; without it the setting is global
    #[arg(long, value_name = "SKU")]
    sku: Option<String>,
    /// Only for the SKU in this stock
    #[arg(long, value_name = "NAME", requires = "sku")]
    stock: Option<String>,
    /// Whether stock is managed, that is, whether units are counted
    #[arg(long, value_name = "true|false")]
    manage_stock: Option<bool>,
    /// Whether more may be sold than is on hand
    #[arg(long, value_enum)]
    backorders: Option<BackorderArgument>,
    /// The out-of-stock threshold; negative with backorders on: the quantity that may be backordered
    #[arg(long, value_name = "QTY", value_parser = quantity::any)]
    min_qty: Option<Quantity>,
    /// The minimum quantity of an order line; 0 = no check
    #[arg(long, value_name = "QTY", value_parser = quantity::not_negative)]
    min_sale_qty: Option<Quantity>,
    /// The maximum quantity of an order line; 0 = no check
    #[arg(long, value_name = "QTY", value_parser = quantity::not_negative)]
    max_sale_qty: Option<Quantity>,
    /// Whether increments are checked
    #[arg(long, value_name = "true|false")]
    enable_qty_increments: Option<bool>,
    /// The increment: units are sold only in multiples of this
    #[arg(long, value_name = "QTY", value_parser = quantity::positive)]
    qty_increments: Option<Quantity>,
    /// The quantity at which a low stock is reported; for reports only
    #[arg(long, value_name = "QTY", value_parser = quantity::not_negative)]
    notify_stock_qty: Option<Quantity>,
    /// Whether nothing new is promised
    #[arg(long, value_name = "true|false")]
    frozen: Option<bool>,
    /// Promise nothing before this time of the wall clock; none = open from the beginning
    #[arg(long, value_name = "RFC3339|none")]
    opens_at: Option<Door>,
    /// Promise nothing from this time of the wall clock on; none = open without end
    #[arg(long, value_name = "RFC3339|none")]
    closes_at: Option<Door>,
    /// The number of days until goods are shipped; for reports only
    #[cfg(feature = "next-release")]
    #[arg(long, value_name = "DAYS", group = "change")]
    lead_days: Option<u32>,
    /// Reset a setting, so that it is inherited; repeat it for more
    #[arg(long, value_enum, value_name = "SETTING")]
    unset: Vec<SettingArgument>,
    #[command(flatten)]
    call: Call,
}

impl SettingsArguments {
    fn change<T>(&self, word: SettingArgument, value: Option<T>) -> Result<Change<T>, Failure> {
        match (value, self.unset.contains(&word)) {
            (None, false) => Ok(Change::Keep),
            (None, true) => Ok(Change::Unset),
            (Some(value), false) => Ok(Change::Set(value)),
            (Some(_), true) => Err(Failure::usage("a setting cannot be set and unset in one command")),
        }
    }
}

/// `quota`
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("budget").required(true).args(["limit", "lift"])),
    after_help = "Examples:
  stockhold quota --sku BIKE-0003 --stock marketplace --limit 20
  stockhold quota --sku BIKE-0003 --stock marketplace --lift"
)]
pub(super) struct QuotaArguments {
    /// The SKU
    #[arg(long, value_name = "SKU")]
    sku: String,
    /// The stock
    #[arg(long, value_name = "NAME")]
    stock: String,
    /// The maximum number of units that may be promised; existing promises stay
    #[arg(long, value_name = "QTY", value_parser = quantity::not_negative)]
    limit: Option<Quantity>,
    /// Remove the limit
    #[arg(long)]
    lift: bool,
    #[command(flatten)]
    call: Call,
}

/// Whether promises of stocks that share sources limit each other.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum SharingArgument {
    /// Nothing is promised twice
    Exact,
    /// As in MSI, each stock by itself, without regard to promises of other stocks
    Independent,
}

impl SharingArgument {
    pub(super) const fn wire(self) -> Sharing {
        match self {
            Self::Exact => Sharing::Exact,
            Self::Independent => Sharing::Independent,
        }
    }
}

/// The limits and modes of the machine, for `configure` and `format`.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    /// How stocks that share sources limit each other [format default: exact]
    #[arg(long, value_enum)]
    sharing: Option<SharingArgument>,
    /// The minimum time to live of a hold
    #[arg(long, value_name = "TIME", value_parser = duration)]
    ttl_min: Option<Duration>,
    /// The maximum time to live of a hold
    #[arg(long, value_name = "TIME", value_parser = duration)]
    ttl_max: Option<Duration>,
    /// The maximum time from a hold's first reserve to its deadline
    #[arg(long, value_name = "TIME", value_parser = duration)]
    ttl_total_max: Option<Duration>,
    /// The maximum number of lines of a cart
    #[arg(long, value_name = "NUMBER")]
    lines_max: Option<u32>,
    /// How long an expired hold can still be confirmed
    #[arg(long, value_name = "TIME", value_parser = duration)]
    late_confirm_window: Option<Duration>,
    /// How long outcomes are kept if memory allows
    #[arg(long, value_name = "TIME", value_parser = duration)]
    id_retention: Option<Duration>,
    /// How long outcomes are kept at least
    #[arg(long, value_name = "TIME", value_parser = duration)]
    id_retention_min: Option<Duration>,
    /// The maximum memory for outcomes
    #[arg(long, value_name = "BYTES")]
    outcome_bytes_max: Option<u64>,
    /// The maximum number of open reservations
    #[arg(long, value_name = "NUMBER")]
    reservations_max: Option<u64>,
    /// If the server logged nothing for longer than this, the time does not count for holds
    #[arg(long, value_name = "TIME", value_parser = duration)]
    gap_max: Option<Duration>,
    /// How far ahead a start follows the wall clock before an operator must accept it
    #[arg(long, value_name = "TIME", value_parser = duration)]
    clock_jump_max: Option<Duration>,
    /// How long an old name is kept for what was renamed
    #[arg(long, value_name = "TIME", value_parser = duration)]
    name_grace: Option<Duration>,
    /// How long a settled order is kept after its last change
    #[arg(long, value_name = "TIME", value_parser = duration)]
    order_retention: Option<Duration>,
    /// How long it is kept at least when there are too many orders
    #[arg(long, value_name = "TIME", value_parser = duration)]
    order_retention_min: Option<Duration>,
    /// The maximum number of orders
    #[arg(long, value_name = "NUMBER")]
    orders_max: Option<u64>,
}

impl Limits {
    /// The fields of the command.
    pub(super) fn change(&self) -> Configure {
        Configure {
            sharing: self.sharing.map(SharingArgument::wire),
            ttl_min_ms: self.ttl_min.map(milliseconds),
            ttl_max_ms: self.ttl_max.map(milliseconds),
            ttl_total_max_ms: self.ttl_total_max.map(milliseconds),
            lines_max: self.lines_max,
            late_confirm_window_ms: self.late_confirm_window.map(milliseconds),
            id_retention_ms: self.id_retention.map(milliseconds),
            id_retention_min_ms: self.id_retention_min.map(milliseconds),
            outcome_bytes_max: self.outcome_bytes_max,
            reservations_max: self.reservations_max,
            gap_max_ms: self.gap_max.map(milliseconds),
            clock_jump_max_ms: self.clock_jump_max.map(milliseconds),
            name_grace_ms: self.name_grace.map(milliseconds),
            order_retention_ms: self.order_retention.map(milliseconds),
            order_retention_min_ms: self.order_retention_min.map(milliseconds),
            orders_max: self.orders_max,
        }
    }
}

/// `configure`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold configure --ttl-max 2h
  stockhold configure --id-retention 30m --outcome-bytes-max 8589934592")]
pub(super) struct ConfigureArguments {
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    call: Call,
}

/// `activate-rules`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold activate-rules 1")]
pub(super) struct ActivateArguments {
    /// The rules version that is in force from the next op on
    #[arg(value_name = "VERSION")]
    rules: u32,
    #[command(flatten)]
    call: Call,
}

pub(super) fn settings(context: Context<'_>, arguments: &SettingsArguments) -> Result<Exit, Failure> {
    use SettingArgument as Word;
    let backorders = arguments.backorders.map(|word| match word {
        BackorderArgument::Off => BackorderMode::Off,
        BackorderArgument::Allow => BackorderMode::Allow,
        BackorderArgument::AllowAndNotify => BackorderMode::AllowAndNotify,
    });
    let mut change = SettingsChange {
        scope: SettingScope::Global,
        manage_stock: arguments.change(Word::ManageStock, arguments.manage_stock)?,
        backorders: arguments.change(Word::Backorders, backorders)?,
        min_qty: arguments.change(Word::MinQty, arguments.min_qty)?,
        min_sale_qty: arguments.change(Word::MinSaleQty, arguments.min_sale_qty)?,
        max_sale_qty: arguments.change(Word::MaxSaleQty, arguments.max_sale_qty)?,
        enable_qty_increments: arguments
            .change(Word::EnableQtyIncrements, arguments.enable_qty_increments)?,
        qty_increments: arguments.change(Word::QtyIncrements, arguments.qty_increments)?,
        notify_stock_qty: arguments.change(Word::NotifyStockQty, arguments.notify_stock_qty)?,
        frozen: arguments.change(Word::Frozen, arguments.frozen)?,
        opens_at: arguments.change(Word::OpensAt, arguments.opens_at.map(|door| door.0))?,
        closes_at: arguments.change(Word::ClosesAt, arguments.closes_at.map(|door| door.0))?,
        #[cfg(feature = "next-release")]
        lead_days: arguments.change(Word::LeadDays, arguments.lead_days)?,
    };
    let mut server = context.server()?;
    if let Some(sku) = &arguments.sku {
        let sku = server.sku(sku)?;
        change.scope = match &arguments.stock {
            Some(stock) => SettingScope::SkuStock(sku, server.stock(stock)?),
            None => SettingScope::Sku(sku),
        };
    }
    send(context, &mut server, &arguments.call, Command::Settings(Box::new(change)))
}

pub(super) fn quota(context: Context<'_>, arguments: &QuotaArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let (sku, stock) = (server.sku(&arguments.sku)?, server.stock(&arguments.stock)?);
    let change = QuotaChange { sku, stock, limit: arguments.limit };
    send(context, &mut server, &arguments.call, Command::Quota(change))
}

pub(super) fn configure(context: Context<'_>, arguments: &ConfigureArguments) -> Result<Exit, Failure> {
    let change = arguments.limits.change();
    if change == Configure::default() {
        return Err(Failure::usage(
            "nothing to change; `stockhold show configuration` shows the values in force",
        ));
    }
    let mut server = context.server()?;
    send(context, &mut server, &arguments.call, Command::Configure(Box::new(change)))
}

pub(super) fn activate_rules(context: Context<'_>, arguments: &ActivateArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    send(context, &mut server, &arguments.call, Command::ActivateRules(arguments.rules))
}
