//! `freeze`: nothing new is promised of a SKU, of what a stock sells, or of what is sold through a channel.

use super::checkout::send;
use super::context::{Call, Context};
use super::exit::{Exit, Failure};
use super::parse::ChannelName;
use clap::{ArgGroup, Args};
use stockhold_protocol::Command;
use stockhold_protocol::command::{Change, Freeze, FreezeScope, SettingScope, SettingsChange};

/// `freeze`
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("scope").required(true).multiple(true).args(["sku", "stock", "channel"])),
    after_help = "What is frozen promises nothing new: reserves, sales, growing orders and confirms of expired holds are refused (`frozen`).
What is promised goes on: holds are confirmed and extended, orders are shipped and refunded. Forced sales are facts and are recorded.

A SKU is frozen by its setting `frozen`, so --lift lets it inherit that again. A reservation knows its stock and not its
channel: a frozen channel refuses what names the channel.

Examples:
  stockhold freeze --sku BIKE-0001
  stockhold freeze --sku BIKE-0001 --stock web-us
  stockhold freeze --stock web-us
  stockhold freeze --channel website/us
  stockhold freeze --channel website/us --lift"
)]
pub(super) struct FreezeArguments {
    /// The SKU, in all stocks or in the one that is given
    #[arg(long, value_name = "SKU", conflicts_with = "channel")]
    sku: Option<String>,
    /// The stock; with --sku only this SKU in it
    #[arg(long, value_name = "NAME", conflicts_with = "channel")]
    stock: Option<String>,
    /// The channel
    #[arg(long, value_name = "TYPE/CODE")]
    channel: Option<ChannelName>,
    /// End the freeze
    #[arg(long)]
    lift: bool,
    #[command(flatten)]
    call: Call,
}

pub(super) fn freeze(context: Context<'_>, arguments: &FreezeArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let stock = arguments.stock.as_ref().map(|stock| server.stock(stock)).transpose()?;
    let of = |scope: FreezeScope| Command::Freeze(Freeze { scope, frozen: !arguments.lift });
    let command = match (&arguments.sku, stock, &arguments.channel) {
        (Some(sku), stock, _) => {
            let sku = server.sku(sku)?;
            let scope = stock.map_or(SettingScope::Sku(sku), |stock| SettingScope::SkuStock(sku, stock));
            let frozen = if arguments.lift { Change::Unset } else { Change::Set(true) };
            Command::Settings(Box::new(SettingsChange { frozen, ..SettingsChange::at(scope) }))
        }
        (None, Some(stock), _) => of(FreezeScope::Stock(stock)),
        (None, None, Some(channel)) => of(FreezeScope::Channel(server.channel(channel)?)),
        (None, None, None) => return Err(Failure::usage("name a SKU, a stock or a channel")),
    };
    send(context, &mut server, &arguments.call, command)
}
