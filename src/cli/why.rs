//! `why`: what a command was decided by. The log is replayed to just before the op of the command, the SKUs of the command
//! are explained as they were then, and the outcome is what the replay computes.

use super::answering::Answering;
use super::backup::Source;
use super::context::Context;
use super::exit::{Exit, Failure, restore_failure};
use super::explain::{Subject, explanation};
use super::output::Text;
use super::past::{Past, with_progress};
use super::report;
use crate::calendar::rfc3339;
use crate::describe;
use crate::directory::ReadOnlyDirectory;
use crate::named::NamedCommand;
use crate::pipeline::apply::{Observer, Step};
use crate::replica::{Replica, ReplicaError, Target, wall_ms};
use crate::restore::RestoreError;
use crate::server;
use crate::wal::ReadTo;
use clap::Args;
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::Path;
use stockhold_machine::Machine;
use stockhold_protocol::command::{Kind, Target as SoldFrom};
use stockhold_protocol::query::{LIST_MAX, Query, QueryAnswer};
use stockhold_protocol::{Command, CommandId, Envelope, Line, Outcome, ReservationId, SkuId, StockId};

/// The search begins with the state of so long before the time in the id. An id is refused that is 5 minutes ahead of the
/// server; the rest is for a clock that was set.
const BEFORE_ID_MS: u64 = 3_600_000;
/// The most SKUs of a command that are explained.
const EXPLAINED_MAX: usize = 20;

/// `why`
#[derive(Args, Debug)]
#[command(
    after_help = "Prints the command with this id, its outcome, and for each SKU of its cart what `stockhold explain` would have said just
before it. The id is that of any command; that of a reserve, a replace or a sell is the id of its reservation. The log is read from a
data directory, by default that of the running server, or from an archive. Refusals that the server gave without its log (\"recorded\": false)
are not in it.

Examples:
  stockhold why 019a0b3c-4d5e-7f60-8123-456789abcdef
  stockhold why 019a0b3c-4d5e-7f60-8123-456789abcdef --from /backups/stockhold --json"
)]
pub(super) struct WhyArguments {
    /// The id of a command or a reservation
    id: CommandId,
    /// How many reservations to list for each SKU, the oldest first
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=i64::from(LIST_MAX)))]
    limit: u32,
    #[command(flatten)]
    past: Past,
}

pub(super) fn run(context: Context<'_>, arguments: &WhyArguments) -> Result<Exit, Failure> {
    arguments.past.in_child(context, |source, place| {
        let mut next = Some(source);
        while let Some(source) = next {
            if let Some(found) = search(context, source, place, arguments)? {
                let (text, document) = found.rendered()?;
                context.output.result(&text, &document)?;
                return Ok(Exit::Ok);
            }
            next = source.parent.as_deref();
        }
        let id = arguments.id;
        let text = format!(
            "the log has no command {id}, as far back as it reaches; a refusal that the server gave without its log is not in it"
        );
        context.output.result(&text, &json!({"id": id.to_string(), "found": false}))?;
        Ok(Exit::Refused)
    })
}

impl WhyArguments {
    /// Whether the server is asked where its log is.
    pub(super) fn asks_the_server(&self) -> bool {
        !self.past.is_given()
    }
}

/// Searches one history for the command.
fn search(
    context: Context<'_>,
    source: &Source,
    place: &Path,
    arguments: &WhyArguments,
) -> Result<Option<Decision>, Failure> {
    let directory = source.directory()?;
    let failed = |error| restore_failure(RestoreError::Replica(error), place, place);
    let after_ms = arguments.id.client_time_ms().saturating_sub(BEFORE_ID_MS);
    for start in [Target::Time(after_ms), Target::Op(0)] {
        let Some(mut replica) = load(&directory, start).map_err(failed)? else { continue };
        let mut decision = Decision { id: arguments.id, limit: arguments.limit, seen: None, outcome: None };
        let end = (ReadTo::Present, Target::End);
        let replayed = with_progress(context, |progress| {
            server::with_read_ahead(|spawner| {
                replica.replay(&directory, end, Some(spawner), &mut decision, progress)
            })
        });
        replayed.map_err(failed)?;
        // A repetition is in the log too, and it decides nothing.
        let is_first = decision.outcome.as_ref().is_some_and(|outcome| !outcome.outcome.replayed);
        if is_first || start == Target::Op(0) {
            return Ok(decision.outcome.is_some().then_some(decision));
        }
    }
    Ok(None)
}

/// The state at the start, or for the first op the oldest one that there is. `None` if the log does not reach back to a time.
fn load(directory: &ReadOnlyDirectory, start: Target) -> Result<Option<Replica>, ReplicaError> {
    match Replica::load(directory, start, None) {
        Ok(replica) => Ok(Some(replica)),
        Err(ReplicaError::TargetTooEarly { oldest_op, .. }) if start == Target::Op(0) => {
            Replica::load(directory, Target::Op(oldest_op), None).map(Some)
        }
        Err(ReplicaError::TargetTooEarly { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The command as it was found, before it was applied.
struct Seen {
    op: u64,
    kind: Kind,
    body: Value,
    /// Text and document of each explanation.
    explained: Vec<Result<(String, Value), Failure>>,
}

/// How the command was decided.
struct Decided {
    outcome: Outcome,
    actor: String,
    wall_ms: u64,
    text: String,
    document: Value,
}

/// Waits for a command during a replay, and keeps what it was decided by.
struct Decision {
    id: CommandId,
    limit: u32,
    seen: Option<Seen>,
    outcome: Option<Decided>,
}

impl Observer for Decision {
    fn before(&mut self, machine: &Machine, step: &Step<'_>) -> ControlFlow<()> {
        if self.outcome.is_some() {
            return ControlFlow::Break(());
        }
        let Ok(envelope) = Envelope::decode(step.record) else { return ControlFlow::Continue(()) };
        if envelope.id != self.id {
            return ControlFlow::Continue(());
        }
        let mut subjects = subjects(machine, &envelope.command);
        subjects.truncate(EXPLAINED_MAX);
        let explained = subjects.into_iter().map(|(sku, stock)| {
            let stock = stock.map(|stock| describe::stock(machine, stock));
            let subject = Subject::new(describe::sku(machine, sku), stock, self.limit);
            explanation(&mut &*machine, &subject)
        });
        self.seen = Some(Seen {
            op: step.op,
            kind: envelope.command.kind(),
            body: NamedCommand::of(machine, &envelope.command).body(),
            explained: explained.collect(),
        });
        ControlFlow::Continue(())
    }

    fn after(&mut self, mut machine: &Machine, step: &Step<'_>, outcome: Outcome) {
        let Some(seen) = self.seen.as_ref().filter(|seen| seen.op == step.op) else { return };
        let clock = machine.clock();
        let shown_offset_ms = clock.wall_offset_ms.saturating_add_unsigned(clock.hold_offset_ms);
        let (text, document) = report::rendered(&mut machine, shown_offset_ms, seen.kind, self.id, &outcome);
        let (actor, wall_ms) = (describe::actor(machine.actor()), wall_ms(machine));
        self.outcome = Some(Decided { outcome, actor, wall_ms, text, document });
    }
}

impl Decision {
    fn rendered(self) -> Result<(String, Value), Failure> {
        let (Some(seen), Some(decided)) = (self.seen, self.outcome) else {
            return Err(Failure::usage("the command was not found"));
        };
        let (mut text, mut documents) = (Text::default(), Vec::new());
        let time = rfc3339(decided.wall_ms);
        text.line(&decided.text);
        text.line(&format!("  {:<9}{time}", "time"));
        text.line(&format!("  {:<9}{}", "by", decided.actor.escape_debug()));
        text.line(&format!("  {:<9}{}", "command", describe::line(&seen.body)));
        for explained in seen.explained {
            let (words, document) = explained?;
            text.line("");
            text.line(words.trim_end());
            documents.push(document);
        }
        let document = json!({
            "id": self.id.to_string(), "found": true, "op": seen.op, "time": time, "actor": decided.actor,
            "command": seen.kind.name(), "body": seen.body, "outcome": decided.document, "explained": documents,
        });
        Ok((text.into_string(), document))
    }
}

/// The SKUs that a command is about, with the stock that sells them; without one, all stocks of the SKU matter.
fn subjects(machine: &Machine, command: &Command<'_>) -> Vec<(SkuId, Option<StockId>)> {
    let sold = |target: SoldFrom, lines: &mut dyn Iterator<Item = Line>| {
        let stock = match target {
            SoldFrom::Stock(stock) => Some(stock),
            SoldFrom::Channel(channel) => machine.channel_stock(channel),
        };
        let known = stock.filter(|stock| machine.stock_name(*stock).is_some());
        known.map_or_else(Vec::new, |stock| lines.map(|line| (line.sku, Some(stock))).collect())
    };
    let mut subjects = match command {
        Command::Reserve(cart) => sold(cart.target, &mut cart.lines.iter()),
        Command::Replace(replace) => sold(replace.new.target, &mut replace.new.lines.iter()),
        Command::Sell(sell) => sold(sell.target, &mut sell.lines.iter()),
        Command::Confirm(reservation) => lines_of(machine, *reservation),
        Command::Extend(extend) => lines_of(machine, extend.reservation),
        Command::Release(release) => lines_of(machine, release.reservation),
        Command::Ship(ship) => lines_of(machine, ship.reservation),
        Command::Unship(unship) => lines_of(machine, unship.reservation),
        Command::Amend(amend) => lines_of(machine, amend.reservation),
        Command::Refund(refund) => lines_of(machine, refund.reservation),
        Command::OrderPlaced(placement) => sold(placement.0.target, &mut placement.0.lines.iter()),
        Command::OrderEvent(event) if event.lines.is_empty() => lines_of_order(machine, &event.order),
        Command::OrderEvent(event) => event.lines.iter().map(|line| (line.sku, line.stock)).collect(),
        Command::OrderState(report) => lines_of_order(machine, &report.order),
        Command::PlaceFailed(failure) => lines_of(machine, failure.placement),
        Command::AppendReservations(append) => {
            append.rows.iter().map(|row| (row.sku, Some(row.stock))).collect()
        }
        Command::Count(count) => vec![(count.sku, None)],
        Command::Adjust(adjust) => vec![(adjust.sku, None)],
        Command::Transfer(transfer) => transfer.lines.iter().map(|line| (line.sku, None)).collect(),
        Command::CountMany(count) => count.lines.iter().map(|line| (line.sku, None)).collect(),
        Command::Assign(assign) => assign.skus.iter().map(|sku| (*sku, None)).collect(),
        Command::Unassign(unassign) => unassign.skus.iter().map(|sku| (*sku, None)).collect(),
        Command::TransferMany(transfer) => transfer.skus.iter().map(|sku| (*sku, None)).collect(),
        Command::TransferLines(transfer) => transfer.lines.iter().map(|line| (line.sku, None)).collect(),
        Command::Quota(quota) => vec![(quota.sku, Some(quota.stock))],
        Command::Notify(notify) => vec![(notify.sku, None)],
        Command::Readmit(readmit) => {
            let undone = Envelope::decode(&readmit.record);
            undone.map_or_else(|_| Vec::new(), |undone| subjects(machine, &undone.command))
        }
        Command::DefineSource(_)
        | Command::DefineStock(_)
        | Command::DefineSku(_)
        | Command::Link(_)
        | Command::Unlink(_)
        | Command::Channel(_)
        | Command::Settings(_)
        | Command::Freeze(_)
        | Command::Configure(_)
        | Command::Rename(_)
        | Command::Mark(_)
        | Command::Unmark(_)
        | Command::ActivateRules(_)
        | Command::AcceptClock(_)
        | Command::WallOffset(_)
        | Command::BeginEpoch(_)
        | Command::Tick => Vec::new(),
    };
    let is_known = |stock: StockId| machine.stock_name(stock).is_some();
    subjects.retain(|(sku, stock)| machine.sku_name(*sku).is_some() && stock.is_none_or(is_known));
    subjects.sort_unstable();
    subjects.dedup();
    subjects
}

/// The SKUs of an order, in its stocks.
fn lines_of_order(mut machine: &Machine, number: &str) -> Vec<(SkuId, Option<StockId>)> {
    let answer = Answering::query(&mut machine, &Query::Order(number.to_owned()));
    let Ok(QueryAnswer::Order(Some(view))) = answer else { return Vec::new() };
    view.lines.iter().map(|line| (line.sku, Some(line.stock))).collect()
}

/// The SKUs of a reservation, in its stock.
fn lines_of(mut machine: &Machine, reservation: ReservationId) -> Vec<(SkuId, Option<StockId>)> {
    let answer = Answering::query(&mut machine, &Query::Reservation(reservation.0.to_bytes()));
    let Ok(QueryAnswer::Reservation(Some(view))) = answer else { return Vec::new() };
    view.lines.iter().map(|line| (line.sku, Some(view.stock))).collect()
}
