//! The commands of a checkout: reserve, extend, replace, confirm, release.

use super::context::{Call, Context};
use super::exit::{Exit, Failure};
use super::parse::{CartLine, ChannelName};
use super::report;
use super::server_connection::ServerConnection;
use super::times::{duration, milliseconds};
use clap::Args;
use std::time::Duration;
use stockhold_protocol::command::{Extend, Kind, Release, Replace, Reserve, Target};
use stockhold_protocol::{Command, Line, Lines, ReservationId};

/// The stock that is sold from.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct SoldFrom {
    /// The stock, by name
    #[arg(long, value_name = "NAME")]
    stock: Option<String>,
    /// The sales channel, as TYPE/CODE; it sells from the stock that it is assigned to now
    #[arg(long, value_name = "TYPE/CODE")]
    channel: Option<ChannelName>,
}

impl SoldFrom {
    pub(super) fn resolve(&self, server: &mut ServerConnection) -> Result<Target, Failure> {
        match (&self.stock, &self.channel) {
            (Some(stock), _) => server.stock(stock).map(Target::Stock),
            (None, Some(channel)) => server.channel(channel).map(Target::Channel),
            (None, None) => Err(Failure::usage("one of --stock and --channel is needed")),
        }
    }
}

/// The owner and the reference of a cart.
#[derive(Args, Debug)]
pub(super) struct Owner {
    /// An opaque number that identifies the owner; 0 means none
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub(super) owner: u64,
    /// An order or receipt number, at most 32 bytes
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub(super) reference: String,
}

/// The cart of `reserve` or `replace`.
#[derive(Args, Debug)]
pub(super) struct Cart {
    #[command(flatten)]
    target: SoldFrom,
    /// A line of the cart; repeat it for more lines
    #[arg(long = "line", required = true, value_name = "SKU=QTY")]
    lines: Vec<CartLine>,
    /// Hold the units for this time (90s, 15m, 2h); without it they are confirmed at once
    #[arg(long, value_name = "TIME", value_parser = duration)]
    ttl: Option<Duration>,
    /// Grant what fits instead of refusing the cart
    #[arg(long)]
    best_effort: bool,
    #[command(flatten)]
    owner: Owner,
}

impl Cart {
    fn reserve<'a>(&'a self, target: Target, lines: &'a [Line]) -> Result<Reserve<'a>, Failure> {
        Ok(Reserve {
            target,
            lines: Lines::Slice(lines),
            best_effort: self.best_effort,
            ttl_ms: self.ttl.map(ttl_ms).transpose()?,
            owner: self.owner.owner,
            reference: &self.owner.reference,
        })
    }
}

pub(super) fn ttl_ms(ttl: Duration) -> Result<u32, Failure> {
    u32::try_from(milliseconds(ttl)).map_err(|_| Failure::usage("--ttl: the maximum is 49 days"))
}

/// Resolves the SKUs of cart lines.
pub(super) fn resolve_lines(server: &mut ServerConnection, lines: &[CartLine]) -> Result<Vec<Line>, Failure> {
    lines.iter().map(|line| Ok(Line::new(server.sku(&line.sku)?, line.quantity))).collect()
}

/// The id of a reservation.
#[derive(Args, Debug)]
pub(super) struct Which {
    /// The reservation, by the id that its reserve printed
    #[arg(value_name = "RESERVATION")]
    pub(super) reservation: ReservationId,
}

/// `reserve`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold reserve --stock web-us --line BIKE-0001=2 --ttl 15m
  stockhold reserve --channel website/us --line BIKE-0001 --line HELM-0001=2 --reference ORDER-1001
  stockhold reserve --stock web-us --line TUBE-0001=500 --best-effort")]
pub(super) struct ReserveArguments {
    #[command(flatten)]
    cart: Cart,
    #[command(flatten)]
    call: Call,
}

/// `replace`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold replace 019a0b3c-4d5e-7f60-8123-456789abcdef --stock web-us --line BIKE-0001=3 --ttl 15m")]
pub(super) struct ReplaceArguments {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    cart: Cart,
    #[command(flatten)]
    call: Call,
}

/// `extend`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold extend 019a0b3c-4d5e-7f60-8123-456789abcdef --ttl 10m")]
pub(super) struct ExtendArguments {
    #[command(flatten)]
    which: Which,
    /// The time from now to the new deadline; a deadline never becomes earlier
    #[arg(long, value_name = "TIME", value_parser = duration)]
    ttl: Duration,
    #[command(flatten)]
    call: Call,
}

/// `confirm`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold confirm 019a0b3c-4d5e-7f60-8123-456789abcdef")]
pub(super) struct ConfirmArguments {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    call: Call,
}

/// `release`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold release 019a0b3c-4d5e-7f60-8123-456789abcdef
  stockhold release 019a0b3c-4d5e-7f60-8123-456789abcdef --line BIKE-0001=1")]
pub(super) struct ReleaseArguments {
    #[command(flatten)]
    which: Which,
    /// The units to release; without lines all open units
    #[arg(long = "line", value_name = "SKU=QTY")]
    lines: Vec<CartLine>,
    #[command(flatten)]
    call: Call,
}

/// Sends one command and prints its outcome.
pub(super) fn send(
    context: Context<'_>,
    server: &mut ServerConnection,
    call: &Call,
    command: Command<'_>,
) -> Result<Exit, Failure> {
    let kind: Kind = command.kind();
    let (id, outcome) = server.execute(call.id, command)?;
    report::outcome(server, context.output, kind, id, &outcome)
}

pub(super) fn reserve(context: Context<'_>, arguments: &ReserveArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let target = arguments.cart.target.resolve(&mut server)?;
    let lines = resolve_lines(&mut server, &arguments.cart.lines)?;
    let command = Command::Reserve(arguments.cart.reserve(target, &lines)?);
    send(context, &mut server, &arguments.call, command)
}

pub(super) fn replace(context: Context<'_>, arguments: &ReplaceArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let target = arguments.cart.target.resolve(&mut server)?;
    let lines = resolve_lines(&mut server, &arguments.cart.lines)?;
    let new = arguments.cart.reserve(target, &lines)?;
    let command = Command::Replace(Replace { old: arguments.which.reservation, new });
    send(context, &mut server, &arguments.call, command)
}

pub(super) fn extend(context: Context<'_>, arguments: &ExtendArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let extend = Extend { reservation: arguments.which.reservation, ttl_ms: ttl_ms(arguments.ttl)? };
    send(context, &mut server, &arguments.call, Command::Extend(extend))
}

pub(super) fn confirm(context: Context<'_>, arguments: &ConfirmArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    send(context, &mut server, &arguments.call, Command::Confirm(arguments.which.reservation))
}

pub(super) fn release(context: Context<'_>, arguments: &ReleaseArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let lines = resolve_lines(&mut server, &arguments.lines)?;
    let release = Release { reservation: arguments.which.reservation, lines: Lines::Slice(&lines) };
    send(context, &mut server, &arguments.call, Command::Release(release))
}
