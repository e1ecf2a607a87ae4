//! The commands that lay out the catalog one by one: define, link, unlink, channel.

use super::checkout::send;
use super::context::{Call, Context};
use super::exit::{Exit, Failure};
use super::parse::ChannelName;
use crate::catalog::Degrees;
use clap::{Args, Subcommand, ValueEnum};
use stockhold_protocol::Command;
use stockhold_protocol::command::{
    ChannelAssignment, LinkDefinition, LinkRemoval, SkuDefinition, SkuKind, SourceDefinition, StockDefinition,
};

/// `define`
#[derive(Subcommand, Debug)]
pub(super) enum Define {
    /// Make a source (a place that holds goods), or change all fields of the one with this code
    Source(Box<SourceArguments>),
    /// Make a stock (a pool that is sold from)
    Stock(StockArguments),
    /// Make a SKU, or change its kind
    Sku(SkuArguments),
}

/// `define source`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold define source shop-nyc --name 'Shop Brooklyn' --country US --postcode 11201 --pickup
  stockhold define source shop-nyc --name 'Shop Brooklyn' --country US --postcode 11201 --disabled")]
pub(super) struct SourceArguments {
    /// Its lasting code, without blanks
    code: String,
    /// What people call it; unique
    #[arg(long)]
    name: String,
    /// Two letters, ISO 3166-1
    #[arg(long)]
    country: String,
    /// Postcode
    #[arg(long)]
    postcode: String,
    /// Switch it off: it contributes nothing, its items stay
    #[arg(long)]
    disabled: bool,
    /// Shoppers may pick up here
    #[arg(long)]
    pickup: bool,
    /// Degrees, such as 40.7128
    #[arg(long, value_name = "DEGREES", allow_hyphen_values = true, requires = "longitude")]
    latitude: Option<Degrees>,
    /// Degrees, such as -74.0060
    #[arg(long, value_name = "DEGREES", allow_hyphen_values = true, requires = "latitude")]
    longitude: Option<Degrees>,
    /// Free text
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// Region or state
    #[arg(long, default_value = "", hide_default_value = true)]
    region: String,
    /// City
    #[arg(long, default_value = "", hide_default_value = true)]
    city: String,
    /// Street
    #[arg(long, default_value = "", hide_default_value = true)]
    street: String,
    /// Whom to call
    #[arg(long, default_value = "", hide_default_value = true)]
    contact_name: String,
    /// Where to write
    #[arg(long, default_value = "", hide_default_value = true)]
    email: String,
    /// Where to call
    #[arg(long, default_value = "", hide_default_value = true)]
    phone: String,
    /// Where to send a fax
    #[arg(long, default_value = "", hide_default_value = true)]
    fax: String,
    #[command(flatten)]
    call: Call,
}

/// `define stock`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold define stock web-us")]
pub(super) struct StockArguments {
    /// Its lasting name; unique
    name: String,
    #[command(flatten)]
    call: Call,
}

/// What a SKU stands for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindArgument {
    /// Goods on shelves
    Simple,
    /// Nothing to ship, yet counted
    Virtual,
    /// Made of other SKUs; has no units of its own
    Composite,
}

/// `define sku`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold define sku BIKE-0001
  stockhold define sku CABLE-0001 --decimals
  stockhold define sku PLAN-0001 --kind virtual")]
pub(super) struct SkuArguments {
    /// At most 64 bytes; case matters
    sku: String,
    /// What it stands for
    #[arg(long, value_enum, default_value = "simple")]
    kind: KindArgument,
    /// Parts of a unit may be sold
    #[arg(long)]
    decimals: bool,
    #[command(flatten)]
    call: Call,
}

/// `link`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold link --stock web-us --source us-east --priority 1")]
pub(super) struct LinkArguments {
    /// The stock that is fed
    #[arg(long, value_name = "NAME")]
    stock: String,
    /// The source that feeds it
    #[arg(long, value_name = "CODE")]
    source: String,
    /// 1 to 65535; smaller is earlier
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    priority: u16,
    #[command(flatten)]
    call: Call,
}

/// `unlink`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold unlink --stock web-us --source shop-nyc")]
pub(super) struct UnlinkArguments {
    /// The stock
    #[arg(long, value_name = "NAME")]
    stock: String,
    /// The source
    #[arg(long, value_name = "CODE")]
    source: String,
    #[command(flatten)]
    call: Call,
}

/// `channel`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold channel website/us --stock web-us")]
pub(super) struct ChannelArguments {
    /// The channel, as TYPE/CODE; one that exists moves
    #[arg(value_name = "TYPE/CODE")]
    channel: ChannelName,
    /// The stock that it sells from
    #[arg(long, value_name = "NAME")]
    stock: String,
    #[command(flatten)]
    call: Call,
}

pub(super) fn define(context: Context<'_>, what: &Define) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    match what {
        Define::Source(source) => {
            let command = Command::DefineSource(Box::new(definition(source)));
            send(context, &mut server, &source.call, command)
        }
        Define::Stock(stock) => {
            let command = Command::DefineStock(StockDefinition { name: stock.name.clone() });
            send(context, &mut server, &stock.call, command)
        }
        Define::Sku(sku) => {
            let kind = match sku.kind {
                KindArgument::Simple => SkuKind::Simple,
                KindArgument::Virtual => SkuKind::Virtual,
                KindArgument::Composite => SkuKind::Composite,
            };
            let definition = SkuDefinition { sku: sku.sku.clone(), kind, decimals: sku.decimals };
            send(context, &mut server, &sku.call, Command::DefineSku(definition))
        }
    }
}

fn definition(source: &SourceArguments) -> SourceDefinition {
    let contact = [&source.contact_name, &source.email, &source.phone, &source.fax];
    SourceDefinition {
        code: source.code.clone(),
        name: source.name.clone(),
        enabled: !source.disabled,
        description: source.description.clone(),
        latitude_micro: source.latitude.unwrap_or_default().0,
        longitude_micro: source.longitude.unwrap_or_default().0,
        country: source.country.clone(),
        region: source.region.clone(),
        city: source.city.clone(),
        street: source.street.clone(),
        postcode: source.postcode.clone(),
        contact: contact.map(Clone::clone),
        pickup: source.pickup,
    }
}

pub(super) fn link(context: Context<'_>, arguments: &LinkArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let (stock, source) = (server.stock(&arguments.stock)?, server.source(&arguments.source)?);
    let link = LinkDefinition { stock, source, priority: arguments.priority };
    send(context, &mut server, &arguments.call, Command::Link(link))
}

pub(super) fn unlink(context: Context<'_>, arguments: &UnlinkArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let (stock, source) = (server.stock(&arguments.stock)?, server.source(&arguments.source)?);
    send(context, &mut server, &arguments.call, Command::Unlink(LinkRemoval { stock, source }))
}

pub(super) fn channel(context: Context<'_>, arguments: &ChannelArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let assignment = ChannelAssignment {
        channel_type: arguments.channel.kind.clone(),
        code: arguments.channel.code.clone(),
        stock: server.stock(&arguments.stock)?,
    };
    send(context, &mut server, &arguments.call, Command::Channel(assignment))
}
