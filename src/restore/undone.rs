//! What a restore would undo: a replay of the whole log that watches the commands after the target.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use serde_json::Value;
use stockhold_machine::Machine;
use stockhold_protocol::command::{Command, Kind, Role};
use stockhold_protocol::query::{Query, QueryAnswer, ReservationState, ReservationView};
use stockhold_protocol::{CommandId, Envelope, Outcome, Timestamp};

use super::tables::{GoodsChange, PromiseChange, Tables};
use crate::describe;
use crate::named::NamedCommand;
use crate::pipeline::apply::{Observer, Step};
use crate::replica::{ReplicaError, Target, wall_ms};

/// Commands of a merchant that follow each other within this time, by one actor, are one bulk change.
const BULK_PAUSE_MS: u64 = 10_000;
/// Fewer commands are no bulk change.
const BULK_COMMANDS_MIN: u64 = 10;
/// The maximum numbers of catalog and bulk changes that are listed. The rest is only counted.
const LISTED_MAX: usize = 10_000;
/// One hour in milliseconds.
const HOUR_MS: u64 = 3_600_000;

/// How many commands took effect and how many were refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Commands that took effect.
    pub accepted: u64,
    /// Commands that were refused.
    pub refused: u64,
}

/// A command that changed the catalog, the settings or the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogChange {
    /// Its op.
    pub op: u64,
    /// Its time by the wall clock.
    pub wall_ms: u64,
    /// Who sent it.
    pub actor: String,
    /// The kind of command.
    pub kind: &'static str,
    /// Its body, with names.
    pub body: Value,
}

/// Many commands of a merchant by one actor, one soon after the other, such as an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bulk {
    /// Who sent them.
    pub actor: String,
    /// The op of the first one.
    pub first_op: u64,
    /// The op of the last one.
    pub last_op: u64,
    /// The time of the first one by the wall clock.
    pub first_ms: u64,
    /// The time of the last one by the wall clock.
    pub last_ms: u64,
    /// How many there are of each kind.
    pub kinds: BTreeMap<&'static str, u64>,
}

impl Bulk {
    fn commands(&self) -> u64 {
        self.kinds.values().sum()
    }
}

/// Reservations by their states at the target and at the end of the log; `None`: there was none.
pub type Fates = BTreeMap<(Option<&'static str>, Option<&'static str>), Fate>;

/// Reservations with the same two states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// The number of reservations.
    pub reservations: u64,
    /// Their open units at the target, in ten-thousandths.
    pub open_then: i64,
    /// Their open units at the end of the log, in ten-thousandths.
    pub open_now: i64,
}

/// What a restore would undo.
#[derive(Debug)]
pub struct Undone {
    /// The last op that would be kept, and its time by the wall clock.
    pub target: (u64, u64),
    /// The last op of the log, and its time by the wall clock.
    pub end: (u64, u64),
    /// The digest of the state at the target.
    pub digest: u64,
    /// Commands by actor, hour (its first millisecond) and kind.
    pub commands: BTreeMap<(String, u64, &'static str), Tally>,
    /// Reservations by what became of them.
    pub fates: Fates,
    /// Promised units that differ.
    pub promises: Vec<PromiseChange>,
    /// Goods on hand that differ.
    pub goods: Vec<GoodsChange>,
    /// Changes of the catalog, the first of them.
    pub catalog: Vec<CatalogChange>,
    /// The number of all changes of the catalog.
    pub catalog_changes: u64,
    /// Bulk changes, the first of them.
    pub bulks: Vec<Bulk>,
}

impl Undone {
    /// The number of ops that would be undone.
    #[must_use]
    pub fn ops(&self) -> u64 {
        self.end.0 - self.target.0
    }
}

/// The state at the target.
struct Then {
    op: u64,
    wall_ms: u64,
    digest: u64,
    tables: Tables,
}

impl Then {
    fn of(machine: &Machine) -> Self {
        let (op, digest) = (machine.op(), machine.digest());
        Self { op, wall_ms: wall_ms(machine), digest, tables: Tables::of(machine) }
    }
}

/// Watches a replay of the whole log.
pub(super) struct Watcher {
    target: Target,
    then: Option<Then>,
    /// Whether an op after the target is before it by the wall clock.
    occurs_twice: bool,
    commands: BTreeMap<(String, u64, &'static str), Tally>,
    /// The reservations that were touched after the target, as they were before.
    touched: BTreeMap<CommandId, Option<(ReservationState, i64)>>,
    catalog: Vec<CatalogChange>,
    catalog_changes: u64,
    bulks: Vec<Bulk>,
    /// The bulk change that each actor may be making.
    open_bulks: BTreeMap<String, Bulk>,
    /// The merchant's command that is being applied, with the names from before it.
    named: Option<NamedCommand>,
}

impl Watcher {
    pub(super) fn new(target: Target) -> Self {
        Self {
            target,
            then: None,
            occurs_twice: false,
            commands: BTreeMap::new(),
            touched: BTreeMap::new(),
            catalog: Vec::new(),
            catalog_changes: 0,
            bulks: Vec::new(),
            open_bulks: BTreeMap::new(),
            named: None,
        }
    }

    /// Completes the report at the end of the log.
    pub(super) fn finish(mut self, machine: &Machine) -> Result<Undone, ReplicaError> {
        let end = (machine.op(), wall_ms(machine));
        if self.then.is_none() {
            if !self.target.is_reached_by(machine) {
                let (last_op, last_ms) = end;
                return Err(ReplicaError::TargetTooLate { target: self.target, last_op, last_ms });
            }
            self.then = Some(Then::of(machine));
        }
        let Some(then) = self.then else { unreachable!("it was just set") };
        if self.occurs_twice {
            return Err(ReplicaError::TargetTwice { target: self.target, op: then.op });
        }
        let mut fates = Fates::new();
        for (id, before) in &self.touched {
            let now = state_of(machine, *id);
            let name = |state: Option<(ReservationState, i64)>| state.map(|(state, _)| state.name());
            if before.is_none() && now.is_none() {
                continue;
            }
            let fate = fates.entry((name(*before), name(now))).or_default();
            fate.reservations += 1;
            fate.open_then += before.map_or(0, |(_, open)| open);
            fate.open_now += now.map_or(0, |(_, open)| open);
        }
        let now = Tables::of(machine);
        let mut bulks = self.bulks;
        bulks.extend(self.open_bulks.into_values().filter(|bulk| bulk.commands() >= BULK_COMMANDS_MIN));
        bulks.sort_by_key(|bulk| bulk.first_op);
        bulks.truncate(LISTED_MAX);
        Ok(Undone {
            target: (then.op, then.wall_ms),
            end,
            digest: then.digest,
            commands: self.commands,
            fates,
            promises: then.tables.promises_changed(&now),
            goods: then.tables.goods_changed(&now),
            catalog: self.catalog,
            catalog_changes: self.catalog_changes,
            bulks,
        })
    }

    /// Keeps the state at the target, if the next op is beyond it.
    fn notice_target(&mut self, machine: &Machine, op: u64, proposed: Timestamp) {
        match (&self.then, self.target.is_before(machine, op, proposed)) {
            (None, true) => self.then = Some(Then::of(machine)),
            (Some(_), false) => self.occurs_twice = true,
            (None, false) | (Some(_), true) => {}
        }
    }

    fn touch(&mut self, machine: &Machine, envelope: &Envelope<'_>) {
        let mut touch = |id: CommandId| {
            self.touched.entry(id).or_insert_with(|| state_of(machine, id));
        };
        match &envelope.command {
            Command::Reserve(_) | Command::Sell(_) => touch(envelope.id),
            Command::OrderPlaced(placement) => {
                touch(envelope.id);
                reservations_of_order(machine, placement.0.reference).for_each(touch);
            }
            Command::OrderEvent(event) => reservations_of_order(machine, &event.order).for_each(touch),
            Command::PlaceFailed(failure) => touch(failure.placement.0),
            Command::AppendReservations(append) => {
                let orders: BTreeSet<&str> = append.rows.iter().map(|row| row.order.as_str()).collect();
                for order in orders {
                    reservations_of_order(machine, order).for_each(&mut touch);
                }
            }
            Command::Replace(replace) => {
                touch(envelope.id);
                touch(replace.old.0);
            }
            Command::Confirm(reservation) => touch(reservation.0),
            Command::Extend(extend) => touch(extend.reservation.0),
            Command::Release(release) => touch(release.reservation.0),
            Command::Ship(ship) => touch(ship.reservation.0),
            Command::Unship(unship) => touch(unship.reservation.0),
            Command::Amend(amend) => touch(amend.reservation.0),
            Command::Refund(refund) => touch(refund.reservation.0),
            Command::OrderState(_)
            | Command::Count(_)
            | Command::Adjust(_)
            | Command::Transfer(_)
            | Command::CountMany(_)
            | Command::Assign(_)
            | Command::Unassign(_)
            | Command::TransferMany(_)
            | Command::TransferLines(_)
            | Command::Tick
            | Command::DefineSource(_)
            | Command::DefineStock(_)
            | Command::DefineSku(_)
            | Command::Link(_)
            | Command::Unlink(_)
            | Command::Channel(_)
            | Command::Settings(_)
            | Command::Quota(_)
            | Command::Freeze(_)
            | Command::Notify(_)
            | Command::Rename(_)
            | Command::Configure(_)
            | Command::Mark(_)
            | Command::Unmark(_)
            | Command::ActivateRules(_)
            | Command::WallOffset(_)
            | Command::AcceptClock(_)
            | Command::BeginEpoch(_) => {}
            Command::Readmit(readmit) => {
                if let Ok(undone) = Envelope::decode(&readmit.record) {
                    self.touch(machine, &undone);
                }
            }
        }
    }

    fn count_bulk(&mut self, actor: &str, op: u64, at_ms: u64, kind: Kind) {
        let new = || Bulk {
            actor: actor.to_owned(),
            first_op: op,
            last_op: op,
            first_ms: at_ms,
            last_ms: at_ms,
            kinds: BTreeMap::new(),
        };
        let bulk = self.open_bulks.entry(actor.to_owned()).or_insert_with(new);
        if at_ms.saturating_sub(bulk.last_ms) > BULK_PAUSE_MS {
            let ended = std::mem::replace(bulk, new());
            if ended.commands() >= BULK_COMMANDS_MIN && self.bulks.len() < LISTED_MAX {
                self.bulks.push(ended);
            }
        }
        (bulk.last_op, bulk.last_ms) = (op, at_ms);
        *bulk.kinds.entry(kind.name()).or_default() += 1;
    }
}

impl Observer for Watcher {
    fn before_batch(&mut self, machine: &Machine, op: u64, proposed: Timestamp) -> ControlFlow<()> {
        self.notice_target(machine, op, proposed);
        ControlFlow::Continue(())
    }

    fn before(&mut self, machine: &Machine, step: &Step<'_>) -> ControlFlow<()> {
        self.notice_target(machine, step.op, step.proposed);
        if self.then.is_none() {
            return ControlFlow::Continue(());
        }
        if let Ok(envelope) = Envelope::decode(step.record) {
            self.touch(machine, &envelope);
            self.named = match envelope.command.kind().role() {
                Role::Catalog | Role::Operator | Role::Clock => {
                    Some(NamedCommand::of(machine, &envelope.command))
                }
                Role::Promise | Role::Settle | Role::Goods | Role::Server => None,
            };
        }
        ControlFlow::Continue(())
    }

    fn after(&mut self, machine: &Machine, step: &Step<'_>, outcome: Outcome) {
        if self.then.is_none() || outcome.replayed {
            return;
        }
        let Ok(envelope) = Envelope::decode(step.record) else { return };
        let kind = envelope.command.kind();
        if kind.is_of_servers() {
            return;
        }
        let (actor, at_ms) = (describe::actor(machine.actor()), wall_ms(machine));
        let tally = self.commands.entry((actor.clone(), at_ms - at_ms % HOUR_MS, kind.name())).or_default();
        if !outcome.code.is_success() {
            tally.refused += 1;
            return;
        }
        tally.accepted += 1;
        match kind.role() {
            Role::Promise | Role::Settle | Role::Server => {}
            Role::Goods => self.count_bulk(&actor, step.op, at_ms, kind),
            Role::Catalog | Role::Operator | Role::Clock => {
                self.count_bulk(&actor, step.op, at_ms, kind);
                self.catalog_changes += 1;
                if self.catalog.len() < LISTED_MAX {
                    let body = self.named.take().map_or(Value::Null, |named| named.body());
                    let change =
                        CatalogChange { op: step.op, wall_ms: at_ms, actor, kind: kind.name(), body };
                    self.catalog.push(change);
                }
            }
        }
    }
}

/// The reservations of an order that the machine knows.
fn reservations_of_order(machine: &Machine, number: &str) -> impl Iterator<Item = CommandId> {
    let reservations = match machine.query(&Query::Order(number.to_owned())) {
        Some(QueryAnswer::Order(Some(order))) => order.reservations,
        Some(_) | None => Vec::new(),
    };
    reservations.into_iter().map(CommandId::from_bytes)
}

/// The state of a reservation and its open units.
fn state_of(machine: &Machine, id: CommandId) -> Option<(ReservationState, i64)> {
    let Some(QueryAnswer::Reservation(Some(view))) = machine.query(&Query::Reservation(id.to_bytes())) else {
        return None;
    };
    let ReservationView { state, lines, .. } = view;
    Some((state, lines.iter().fold(0, |sum, line| sum + line.open.raw())))
}
