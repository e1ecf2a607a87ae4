//! The commands that define single parts of the catalog: define, link, unlink, channel, rename.

use super::checkout::send;
use super::context::{Call, Context};
use super::exit::{Exit, Failure};
use super::parse::ChannelName;
use crate::catalog::Degrees;
use clap::{Args, Subcommand, ValueEnum};
use stockhold_protocol::Command;
use stockhold_protocol::command::{
    ChannelAssignment, LinkDefinition, LinkRemoval, Rename, SkuDefinition, SkuKind, SourceDefinition,
    StockDefinition,
};
use stockhold_protocol::query::Name;

/// The commands that change the catalog.
#[derive(Subcommand, Debug)]
pub(super) enum Catalog {
    /// Define a source, a stock or a SKU, or change it
    #[command(subcommand)]
    Define(Define),
    /// Link a source to a stock, so that it supplies the stock
    Link(LinkArguments),
    /// Remove the link of a source to a stock
    Unlink(UnlinkArguments),
    /// Assign a sales channel to the stock that it sells from
    Channel(ChannelArguments),
    /// Give a SKU, a stock, a source or a channel another name
    #[command(subcommand)]
    Rename(Renaming),
}

/// `define`
#[derive(Subcommand, Debug)]
pub(super) enum Define {
    /// Define a source (a place that holds goods), or change all fields of an existing one
    Source(Box<SourceArguments>),
    /// Define a stock (a pool that is sold from)
    Stock(StockArguments),
    /// Define a SKU, or change its kind
    Sku(SkuArguments),
}

/// `define source`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold define source shop-nyc --name 'Shop Brooklyn' --country US --postcode 11201 --pickup
  stockhold define source shop-nyc --name 'Shop Brooklyn' --country US --postcode 11201 --disabled")]
pub(super) struct SourceArguments {
    /// The permanent code, without blanks
    code: String,
    /// The display name; unique
    #[arg(long)]
    name: String,
    /// The country as two letters, ISO 3166-1
    #[arg(long)]
    country: String,
    /// The postcode
    #[arg(long)]
    postcode: String,
    /// Disable the source: its goods are not sold, its items stay
    #[arg(long)]
    disabled: bool,
    /// Shoppers can pick up goods there
    #[arg(long)]
    pickup: bool,
    /// The name that shoppers see
    #[arg(long, default_value = "", hide_default_value = true)]
    pickup_name: String,
    /// What shoppers are told about it, such as opening hours
    #[arg(long, default_value = "", hide_default_value = true)]
    pickup_description: String,
    /// The latitude in degrees, such as 40.7128
    #[arg(long, value_name = "DEGREES", allow_hyphen_values = true, requires = "longitude")]
    latitude: Option<Degrees>,
    /// The longitude in degrees, such as -74.0060
    #[arg(long, value_name = "DEGREES", allow_hyphen_values = true, requires = "latitude")]
    longitude: Option<Degrees>,
    /// A description
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// The region or state
    #[arg(long, default_value = "", hide_default_value = true)]
    region: String,
    /// The city
    #[arg(long, default_value = "", hide_default_value = true)]
    city: String,
    /// The street
    #[arg(long, default_value = "", hide_default_value = true)]
    street: String,
    /// The name of the contact
    #[arg(long, default_value = "", hide_default_value = true)]
    contact_name: String,
    /// The e-mail address of the contact
    #[arg(long, default_value = "", hide_default_value = true)]
    email: String,
    /// The telephone number of the contact
    #[arg(long, default_value = "", hide_default_value = true)]
    phone: String,
    /// The fax number of the contact
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
    /// The permanent name; unique
    name: String,
    #[command(flatten)]
    call: Call,
}

/// The kind of a SKU.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindArgument {
    /// Physical goods
    Simple,
    /// Nothing to ship, but counted
    Virtual,
    /// Composed of other SKUs; has no units of its own
    Composite,
    /// Not in the catalog: rows of reservations may name it
    Uncatalogued,
}

/// `define sku`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold define sku BIKE-0001
  stockhold define sku CABLE-0001 --decimals
  stockhold define sku PLAN-0001 --kind virtual")]
pub(super) struct SkuArguments {
    /// The SKU, at most 64 characters and case-sensitive
    sku: String,
    /// The kind of the SKU
    #[arg(long, value_enum, default_value = "simple")]
    kind: KindArgument,
    /// Fractions of a unit may be sold
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
    /// The stock
    #[arg(long, value_name = "NAME")]
    stock: String,
    /// The source that supplies the stock
    #[arg(long, value_name = "CODE")]
    source: String,
    /// The priority, 1 to 65535; lower is earlier
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
    /// The channel, as TYPE/CODE; an existing channel is moved
    #[arg(value_name = "TYPE/CODE")]
    channel: ChannelName,
    /// The stock that the channel sells from
    #[arg(long, value_name = "NAME")]
    stock: String,
    #[command(flatten)]
    call: Call,
}

const RENAMED: &str = "What is renamed keeps its number, its goods, its promises and its history. The old name stands for it \
                       too and is given to nothing else, for the time that `stockhold configure --name-grace` sets \
                       (24 hours unless it was changed).";

/// `rename`
#[derive(Subcommand, Debug)]
#[command(after_help = RENAMED)]
pub(super) enum Renaming {
    /// A SKU
    #[command(after_help = "Examples:\n  stockhold rename sku BIKE-0001 BIKE-0001-RED")]
    Sku(NewName),
    /// A stock
    #[command(after_help = "Examples:\n  stockhold rename stock web-us web-america")]
    Stock(NewName),
    /// A source, by its code
    #[command(after_help = "Examples:\n  stockhold rename source us-east us-newark")]
    Source(NewName),
    /// A channel
    #[command(after_help = "Examples:\n  stockhold rename channel website/us website/usa")]
    Channel(NewChannelName),
}

/// `rename sku`, `rename stock` and `rename source`
#[derive(Args, Debug)]
pub(super) struct NewName {
    /// What it is called now
    old: String,
    /// What it is to be called
    new: String,
    #[command(flatten)]
    call: Call,
}

/// `rename channel`
#[derive(Args, Debug)]
pub(super) struct NewChannelName {
    /// What it is called now, as TYPE/CODE
    #[arg(value_name = "TYPE/CODE")]
    old: ChannelName,
    /// What it is to be called, as TYPE/CODE
    #[arg(value_name = "NEW TYPE/CODE")]
    new: ChannelName,
    #[command(flatten)]
    call: Call,
}

pub(super) fn run(context: Context<'_>, action: &Catalog) -> Result<Exit, Failure> {
    match action {
        Catalog::Define(what) => define(context, what),
        Catalog::Link(arguments) => link(context, arguments),
        Catalog::Unlink(arguments) => unlink(context, arguments),
        Catalog::Channel(arguments) => channel(context, arguments),
        Catalog::Rename(what) => rename(context, what),
    }
}

fn define(context: Context<'_>, what: &Define) -> Result<Exit, Failure> {
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
                KindArgument::Uncatalogued => SkuKind::Uncatalogued,
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
        pickup_name: source.pickup_name.clone(),
        pickup_description: source.pickup_description.clone(),
    }
}

fn link(context: Context<'_>, arguments: &LinkArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let (stock, source) = (server.stock(&arguments.stock)?, server.source(&arguments.source)?);
    let link = LinkDefinition { stock, source, priority: arguments.priority };
    send(context, &mut server, &arguments.call, Command::Link(link))
}

fn unlink(context: Context<'_>, arguments: &UnlinkArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let (stock, source) = (server.stock(&arguments.stock)?, server.source(&arguments.source)?);
    send(context, &mut server, &arguments.call, Command::Unlink(LinkRemoval { stock, source }))
}

fn channel(context: Context<'_>, arguments: &ChannelArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let assignment = ChannelAssignment {
        channel_type: arguments.channel.kind.clone(),
        code: arguments.channel.code.clone(),
        stock: server.stock(&arguments.stock)?,
    };
    send(context, &mut server, &arguments.call, Command::Channel(assignment))
}

fn rename(context: Context<'_>, what: &Renaming) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let (number, to, call) = match what {
        Renaming::Sku(name) => (server.sku(&name.old)?.0, Name::Sku(name.new.clone()), &name.call),
        Renaming::Stock(name) => (server.stock(&name.old)?.0, Name::Stock(name.new.clone()), &name.call),
        Renaming::Source(name) => (server.source(&name.old)?.0, Name::Source(name.new.clone()), &name.call),
        Renaming::Channel(name) => {
            let ChannelName { kind, code } = name.new.clone();
            (server.channel(&name.old)?.0, Name::Channel(kind, code), &name.call)
        }
    };
    send(context, &mut server, call, Command::Rename(Rename { number, to }))
}
