//! Applies the same steps to machines and the model, and compares every answer with the model's.

// A fuzz target includes this file too.
#[path = "explained.rs"]
mod explained;
#[path = "low_stock.rs"]
mod low_stock;
#[path = "orders.rs"]
mod orders;

use std::collections::{BTreeMap, BTreeSet};
use stockhold_machine::table::Progress;
use stockhold_machine::{Configuration, Genesis, Loader, Machine, SnapshotMark};
use stockhold_model::{
    CHANNELS, Limits, Mark, Model, SKUS, SOURCES, STOCKS, Step, channel_assignment, first_stock,
    long_sku_name, sku_definition, sku_name, source_definition, stock_name, with_command,
};
use stockhold_protocol::batch::{Rights, Run};
use stockhold_protocol::command::{OrderAction, StockDefinition};
use stockhold_protocol::query::{LIST_MAX, MarkView, Name, Query, QueryAnswer};
use stockhold_protocol::{Code, Command, CommandId, Envelope, Outcome, SkuId, StockId, Timestamp};

pub(crate) const START_MS: u64 = 1_763_800_000_000;
const LIMITS: Limits = Limits {
    window_ms: 600_000,
    ttl_max_ms: 3_600_000,
    ttl_total_ms: 5_400_000,
    gap_max_ms: 2_592_000_000,
    name_grace_ms: 900_000,
    order_retention_ms: 900_000,
    order_retention_min_ms: 30_000,
    ..Limits::DEFAULT
};

/// There are fewer old names than a page has.
const OLD_NAMES: Query = Query::OldNames { after: None, limit: LIST_MAX };

/// A snapshot in progress and the loader that receives it.
struct Snapshot {
    mark: SnapshotMark,
    loader: Loader,
}

/// One applied record: time, the name generation that its client knew, bytes, outcome, digest after it.
type Logged = (Timestamp, u32, Vec<u8>, Outcome, u64);

/// A run of two machines and the model in parallel.
pub(crate) struct ModelRun {
    now: Timestamp,
    machine: Machine,
    /// A second machine with the same log, swept with other budgets.
    other: Machine,
    model: Model,
    /// Every command that was sent.
    sent: Vec<(CommandId, Step, CommandId)>,
    /// Ids that may be those of reservations.
    made: Vec<CommandId>,
    /// Ids of placements that were reported as failed before they were sent.
    failed: Vec<CommandId>,
    /// Reservations that were replaced.
    replaced: BTreeSet<CommandId>,
    ids: u128,
    /// The records applied since the snapshot began.
    log: Vec<Logged>,
    snapshot: Option<Snapshot>,
    steps: u32,
    /// All invariants are validated after this many steps. Cells are compared after each.
    validate_every: u32,
    /// How often each command got each answer.
    pub(crate) seen: BTreeMap<(&'static str, &'static str), u32>,
    /// The number of completed snapshots.
    pub(crate) loaded: u32,
    /// Op and digest when the validation of the second machine began.
    marked: Option<(u64, u64)>,
    /// The number of completed validations in steps.
    pub(crate) validated: u32,
}

impl ModelRun {
    pub(crate) fn new(validate_every: u32) -> Self {
        let configuration = Configuration {
            ttl_max_ms: LIMITS.ttl_max_ms,
            ttl_total_max_ms: LIMITS.ttl_total_ms,
            late_confirm_window_ms: LIMITS.window_ms,
            id_retention_ms: LIMITS.retention_ms,
            gap_max_ms: LIMITS.gap_max_ms,
            name_grace_ms: LIMITS.name_grace_ms,
            order_retention_ms: LIMITS.order_retention_ms,
            order_retention_min_ms: LIMITS.order_retention_min_ms,
            ..Configuration::default()
        };
        let now = Timestamp(START_MS);
        let genesis = Genesis { configuration, formatted_at: now };
        let mut run = Self {
            now,
            machine: Machine::new(&genesis),
            other: Machine::new(&genesis),
            model: Model::new(LIMITS, START_MS),
            sent: Vec::new(),
            made: vec![CommandId::from_parts(START_MS, 3)],
            failed: Vec::new(),
            replaced: BTreeSet::new(),
            ids: 1_000,
            log: Vec::new(),
            snapshot: None,
            steps: 0,
            validate_every,
            seen: BTreeMap::new(),
            loaded: 0,
            marked: None,
            validated: 0,
        };
        for source in 0..SOURCES {
            run.define(Command::DefineSource(Box::new(source_definition(source, true))));
        }
        for stock in 0..STOCKS {
            run.define(Command::DefineStock(StockDefinition { name: stock_name(stock) }));
        }
        for channel in 0..CHANNELS {
            run.define(Command::Channel(channel_assignment(channel, first_stock(channel))));
        }
        for sku in 0..SKUS {
            run.define(Command::DefineSku(sku_definition(sku)));
        }
        run
    }

    fn define(&mut self, command: Command<'_>) {
        let id = self.next_id();
        let mut record = Vec::new();
        Envelope::new(id, command).encode(&mut record).expect("encodes");
        let outcome = self.apply(0, record, 0);
        assert_eq!(outcome.code, Code::Ok);
        assert_eq!(outcome, self.model.define(id, outcome.value));
    }

    fn next_id(&mut self) -> CommandId {
        self.ids += 1;
        CommandId::from_parts(self.now.0, self.ids)
    }

    /// Applies a record of a client that knows this name generation to both machines, which must agree however they are
    /// swept.
    fn apply(&mut self, names: u32, record: Vec<u8>, budget: u32) -> Outcome {
        self.machine.begin_run(&run_of(names));
        self.other.begin_run(&run_of(names));
        let outcome = self.machine.apply(self.now, &record);
        assert_eq!(self.other.apply(self.now, &record), outcome, "sweeping changes an answer");
        self.other.sweep(budget);
        assert_eq!(self.machine.digest(), self.other.digest(), "sweeping changes the digest");
        if self.snapshot.is_some() {
            self.log.push((self.now, names, record, outcome.clone(), self.machine.digest()));
        }
        outcome
    }

    /// Lets time pass and applies one step.
    pub(crate) fn step(&mut self, pause_ms: u64, step: &Step, budget: u32) {
        self.now.0 += pause_ms;
        let (id, step, named) = self.resolve(step);
        let mut record = Vec::new();
        with_command(&step, named, &mut |command| {
            Envelope::new(id, command).encode(&mut record).expect("encodes");
        });
        // Some clients do not know yet that a name means another thing.
        let is_late = budget == 3;
        let names = self.model.name_generation().saturating_sub(is_late.into());
        let outcome = self.apply(names, record, budget);
        self.model.know_names(names);
        let before = self.model.at_time(self.now.0);
        if before.hold_ms() < self.model.hold_ms() + pause_ms {
            *self.seen.entry(("pause", "gap")).or_default() += 1;
        }
        let expected = self.model.answer(self.now.0, id, &step, named);
        assert_eq!(outcome, expected, "machine (left) and model (right) differ at {step:?} of {named}");
        // A report that overtakes its placement has recorded the placement's outcome.
        let is_replayed = outcome.replayed && outcome.code != Code::PlaceFailed;
        let answer = if is_replayed { "replayed" } else { outcome.code.name() };
        if let Step::Event(event) = &step {
            let answer = if outcome.value == 1 && outcome.code.is_success() { "repeated" } else { answer };
            *self.seen.entry((action_name(event.action), answer)).or_default() += 1;
        }
        if matches!(step, Step::State(_)) && outcome.value == 1 && outcome.code.is_success() {
            *self.seen.entry((kind_of(&step), "known")).or_default() += 1;
        }
        *self.seen.entry((kind_of(&step), answer)).or_default() += 1;
        if matches!(step, Step::Channel(..)) && outcome.code == Code::Ok && outcome.value >= CHANNELS {
            *self.seen.entry(("channel", "new")).or_default() += 1;
        }
        if step.makes_reservation() && outcome.code.is_success() && !outcome.replayed {
            self.made.push(id);
        }
        let (was, is) = (before.ended_orders(), self.model.ended_orders());
        for (answer, has_ended) in [("ended", is.0 > was.0), ("made_room", is.1 > was.1)] {
            *self.seen.entry(("order", answer)).or_default() += u32::from(has_ended);
        }
        self.check_shortfalls(&before, &outcome, &step);
        self.check_replaced(&step, named, &outcome);
        self.check_state();
        self.sent.push((id, step, named));
    }

    /// The id and the reservation of a step. A retry becomes the step that it repeats.
    fn resolve(&mut self, step: &Step) -> (CommandId, Step, CommandId) {
        match step {
            Step::Retry(which, other) if !self.sent.is_empty() => {
                let (id, step, named) = self.sent[which % self.sent.len()].clone();
                // A till that was offline sends its documents again under new ids.
                if matches!(&step, Step::Event(event) if event.document.is_some()) && which % 4 != 0 {
                    return (self.next_id(), step, named);
                }
                let step = if *other { step.with_other_body() } else { step };
                (id, step, named)
            }
            Step::Retry(..) => (self.next_id(), Step::Tick, CommandId::NONE),
            // A report may overtake its placement.
            Step::PlaceFailed(pick, _) if *pick >= 56 => {
                let (failed, id) = (self.next_id(), self.next_id());
                self.failed.push(failed);
                (id, step.clone(), failed)
            }
            Step::Place(_) if self.failed.len() > 1 && self.ids.is_multiple_of(3) => {
                let failed = self.failed.pop().expect("two are left");
                (failed, step.clone(), CommandId::NONE)
            }
            step => {
                let named = step.pick().map_or(CommandId::NONE, |pick| self.picked(pick));
                (self.next_id(), self.model.make_plausible(step, named), named)
            }
        }
    }

    /// A reservation: mostly one of the latest, so that many steps affect the same one.
    fn picked(&self, pick: usize) -> CommandId {
        let back = if pick < 48 { pick % self.made.len().min(8) } else { pick % self.made.len() };
        self.made[self.made.len() - 1 - back]
    }

    /// Checks that no grant increases the shortfall of any SKU.
    fn check_shortfalls(&self, before: &Model, outcome: &Outcome, step: &Step) {
        let is_row_in_exact = matches!(step, Step::Append(_)) && !self.model.is_independent();
        if !step.is_grant() && !is_row_in_exact || !outcome.code.is_success() || outcome.replayed {
            return;
        }
        for sku in 0..SKUS {
            let (was, is) = (before.total_shortfall(sku), self.model.total_shortfall(sku));
            assert!(is <= was, "{step:?} raises the shortfall of SKU {sku} from {was} to {is}");
        }
    }

    /// Checks that a replaced reservation is neither replaced nor confirmed again.
    fn check_replaced(&mut self, step: &Step, named: CommandId, outcome: &Outcome) {
        if !outcome.code.is_success() || outcome.replayed {
            return;
        }
        match step {
            Step::Replace(..) => assert!(self.replaced.insert(named), "{named} was replaced twice"),
            Step::Confirm(_) | Step::Extend(..) => {
                assert!(!self.replaced.contains(&named), "{named} was replaced, but {step:?} succeeded");
            }
            _ => {}
        }
    }

    fn check_state(&mut self) {
        self.steps += 1;
        if self.steps.is_multiple_of(self.validate_every) {
            assert_eq!(self.machine.validate(), Vec::<String>::new());
            assert_eq!(self.other.validate(), Vec::<String>::new());
        }
        assert_eq!(self.machine.name_generation(), self.model.name_generation());
        for name in names() {
            assert_eq!(self.machine.resolve(&name), self.model.resolve(&name), "{name:?}");
        }
        let Some(QueryAnswer::OldNames(old_names)) = self.machine.query(&OLD_NAMES) else {
            panic!("the machine lists old names");
        };
        let old_names =
            old_names.into_iter().map(|view| (view.name, (view.number, view.present, view.until_ms)));
        assert_eq!(old_names.collect::<BTreeMap<_, _>>(), self.model.old_names());
        assert_eq!(marks_of(&self.machine), self.model.marks());
        explained::check(&self.machine, &self.model);
        orders::check(&self.machine, &self.model);
        let is_listed = low_stock::check(&self.machine, &self.model);
        *self.seen.entry(("low_stock", "listed")).or_default() += u32::from(is_listed);
        for sku in 0..SKUS {
            for stock in 0..STOCKS {
                let cell = self.machine.cell(SkuId(sku), StockId(stock));
                assert_eq!(cell, self.model.cell(sku, stock), "cell of SKU {sku} in stock {stock}");
            }
        }
    }

    /// Begins a validation of the second machine, or advances it by `budget` records. It must find nothing,
    /// whatever was applied since.
    pub(crate) fn advance_validation(&mut self, budget: u32) {
        let Some(marked) = self.marked else {
            self.other.begin_validation();
            self.marked = Some((self.other.op(), self.other.digest()));
            return;
        };
        if let Some(validation) = self.other.validation_step(budget) {
            assert_eq!(validation.violations, Vec::<String>::new());
            assert_eq!((validation.op, validation.digest), marked);
            self.marked = None;
            self.validated += 1;
        }
    }

    /// Begins a snapshot, or advances the one in progress by `budget` records. A complete snapshot must
    /// load to the state of its mark, and then give the same answers for the rest of the log.
    pub(crate) fn advance_snapshot(&mut self, budget: u32) {
        if self.snapshot.is_none() {
            self.log.clear();
            self.snapshot = Some(Snapshot { mark: self.machine.begin_snapshot(), loader: Machine::loader() });
            // Changes before the first step are those of records that it has not visited.
            return;
        }
        let Some(snapshot) = &mut self.snapshot else { return };
        let loader = &mut snapshot.loader;
        let mut sink = |section: u16, records: u32, bytes: &[u8]| {
            assert_eq!(loader.section(section, records, bytes), Ok(()));
        };
        if self.machine.snapshot_step(budget, &mut sink) == Progress::Done
            && let Some(snapshot) = self.snapshot.take()
        {
            let mut loaded = snapshot.loader.finish(&snapshot.mark).expect("a snapshot loads");
            assert_eq!((loaded.op(), loaded.digest()), (snapshot.mark.op, snapshot.mark.digest));
            assert_eq!(loaded.validate(), Vec::<String>::new());
            for (time, names, record, outcome, digest) in self.log.drain(..) {
                loaded.begin_run(&run_of(names));
                assert_eq!(loaded.apply(time, &record), outcome, "the loaded machine gives another answer");
                assert_eq!(loaded.digest(), digest, "the loaded machine differs after {outcome:?}");
            }
            assert_eq!(loaded.validate(), Vec::<String>::new());
            self.loaded += 1;
            // The loaded machine becomes the second machine.
            self.other = loaded;
            self.marked = None;
        }
    }
}

/// Names that things have or can get: those of their definitions, and some that are free at first.
pub(crate) fn names() -> Vec<Name> {
    let mut names = Vec::new();
    for number in 0..4 {
        names.push(Name::Sku(if number < SKUS { sku_name(number) } else { "new".into() }));
        names.push(Name::Stock(if number < 2 { stock_name(number) } else { format!("new {number}") }));
        names.push(Name::Source(if number < 2 { format!("A{number}") } else { format!("new-{number}") }));
        let code = if number < CHANNELS { format!("shop-{number}") } else { "new".into() };
        names.push(Name::Channel("website".into(), code));
    }
    names.extend(["a SKU of more bytes than a row has", &long_sku_name()].map(|sku| Name::Sku(sku.into())));
    names
}

/// All marks of a machine, page by page.
fn marks_of(machine: &Machine) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    loop {
        let after = marks.last().map(|mark| mark.op);
        let Some(QueryAnswer::Marks(page)) = machine.query(&Query::Marks { after, limit: LIST_MAX }) else {
            panic!("a machine lists marks");
        };
        if page.is_empty() {
            return marks;
        }
        marks.extend(page.into_iter().map(|MarkView { op, name, time_ms, .. }| Mark { op, name, time_ms }));
    }
}

fn run_of(name_generation: u32) -> Run<'static> {
    Run { actor: 0, introduces: None, rights: Rights::ALL, name_generation, records: 1 }
}

/// The name under which the answers to events with this action are counted.
fn action_name(action: OrderAction) -> &'static str {
    match action {
        OrderAction::Confirm => "order_confirm",
        OrderAction::Extend => "order_extend",
        OrderAction::Cancel => "order_cancel",
        OrderAction::Ship => "order_ship",
        OrderAction::Invoice => "order_invoice",
        OrderAction::Refund => "order_refund",
        OrderAction::Compensate => "order_compensate",
        OrderAction::Edit => "order_edit",
        OrderAction::Unship => "order_unship",
    }
}

/// The command's name.
fn kind_of(step: &Step) -> &'static str {
    let mut name = "";
    with_command(step, CommandId::NONE, &mut |command| name = command.kind().name());
    name
}
