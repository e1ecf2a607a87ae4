//! Many holds with one deadline: they end at one instant, and no answer depends on sweeps.

use super::machines::{START_S, without_gaps};
use super::script::run;
use stockhold_machine::{Genesis, Machine};
use stockhold_protocol::command::{
    Change, Count, LinkDefinition, Reserve, SettingScope, SettingsChange, SkuDefinition, SourceDefinition,
    StockDefinition, Target,
};
use stockhold_protocol::{
    Code, Command, CommandId, Envelope, Line, Lines, Outcome, Quantity, ReservationId, SkuId, SourceId,
    StockId, Timestamp,
};

const HOLDS: u32 = 100_000;

/// A machine with its time and its ids.
struct Run {
    machine: Machine,
    now: Timestamp,
    ids: u128,
}

impl Run {
    fn send(&mut self, command: Command<'_>) -> Outcome {
        self.ids += 1;
        let id = CommandId::from_parts(self.now.0, self.ids);
        let mut bytes = Vec::new();
        Envelope::new(id, command).encode(&mut bytes).unwrap();
        self.machine.apply(self.now, &bytes)
    }

    fn reserve(&mut self, units: i64, ttl_ms: Option<u32>) -> Outcome {
        let lines = [Line::new(SkuId(0), Quantity::units(units).unwrap())];
        self.send(Command::Reserve(Reserve {
            target: Target::Stock(StockId(0)),
            lines: Lines::Slice(&lines),
            best_effort: false,
            ttl_ms,
            owner: 0,
            reference: "",
        }))
    }

    /// A machine with as many units as there will be holds.
    fn new() -> Self {
        let now = Timestamp(START_S * 1_000);
        let genesis = Genesis { formatted_at: now, configuration: without_gaps() };
        let mut run = Self { machine: Machine::new(&genesis), now, ids: 0 };
        let source = SourceDefinition {
            code: "A1".into(),
            name: "A1".into(),
            enabled: true,
            country: "DE".into(),
            postcode: "1".into(),
            ..SourceDefinition::default()
        };
        run.send(Command::DefineSource(Box::new(source)));
        run.send(Command::DefineStock(StockDefinition { name: "WEB".into() }));
        run.send(Command::DefineSku(SkuDefinition { sku: "BIKE".into(), ..SkuDefinition::default() }));
        run.send(Command::Link(LinkDefinition { stock: StockId(0), source: SourceId(0), priority: 1 }));
        let mut settings = SettingsChange::at(SettingScope::Global);
        settings.max_sale_qty = Change::Set(Quantity::ZERO);
        run.send(Command::Settings(Box::new(settings)));
        run.send(Command::Count(Count {
            source: SourceId(0),
            sku: SkuId(0),
            quantity: Quantity::units(i64::from(HOLDS)).unwrap(),
            in_stock: None,
            reason: String::new(),
            reference: String::new(),
        }));
        run
    }
}

#[test]
fn a_hundred_thousand_equal_deadlines_end_in_one_step() {
    // Proves that the op at the deadline finds all units free, and that four budgets of sweeping give the
    // same answers and digests at every op, although records are erased at different times.
    let budgets = [0, 1, 100, u32::MAX];
    let mut runs: Vec<Run> = budgets.iter().map(|_| Run::new()).collect();
    for run in &mut runs {
        for _ in 0..HOLDS {
            assert_eq!(run.reserve(1, Some(60_000)).code, Code::Ok);
        }
        assert_eq!(run.reserve(1, None).code, Code::SoldOut);
        assert_eq!(run.machine.next_due(), Some(Timestamp((START_S + 60) * 1_000)));
    }
    // The second before the deadline, the deadline itself, and the end of the window in which records are
    // known.
    for (step, seconds) in [59, 60, 61, 60 + 86_399, 60 + 86_400, 60 + 86_401].into_iter().enumerate() {
        let mut seen = Vec::new();
        for (run, budget) in runs.iter_mut().zip(budgets) {
            run.now = Timestamp((START_S + seconds) * 1_000);
            let mut answers = Vec::new();
            let first = CommandId::from_parts(START_S * 1_000, 7);
            answers.push(run.reserve(i64::from(HOLDS), Some(1_000)));
            if step > 0 {
                answers.push(run.send(Command::Confirm(ReservationId(first))));
            }
            for _ in 0..10 {
                if budget > 0 {
                    run.machine.sweep(budget);
                }
                answers.push(run.reserve(i64::from(HOLDS) + 1, None));
                answers.push(run.reserve(1, Some(1_000)));
            }
            seen.push((answers, run.machine.digest(), run.machine.cell(SkuId(0), StockId(0))));
        }
        for other in &seen[1..] {
            assert_eq!(other, &seen[0], "budgets disagree in step {step}");
        }
        let first = seen[0].0[0].code;
        assert_eq!(
            first,
            if step == 0 {
                Code::SoldOut
            } else if step < 2 {
                Code::Ok
            } else {
                first
            }
        );
    }
    for run in &mut runs {
        assert_eq!(run.machine.validate(), Vec::<String>::new());
        while run.machine.sweep(u32::MAX) {}
        assert_eq!(run.machine.validate(), Vec::<String>::new());
        assert!(run.machine.stats().reservations < 100, "only recent reservations are known");
    }
}

#[test]
fn a_hold_ends_at_its_second_and_not_before() {
    // Proves deadline <= op time, ticks that free units for readers, and holds with a changed deadline.
    run(super::reserving::PLAIN).go("
        reserve a WEB 4xBIKE ttl=10s
        reserve b WEB 6xBIKE ttl=20s
        time +9s
        time +999ms
        reserve c WEB 1xBIKE ttl=5s -> sold_out
        time +1ms
        reserve c2 WEB 4xBIKE ttl=5s -> ok
        extend b ttl=60s
        time +5s
        tick
        salable WEB BIKE -> 4
        time +5s
        tick
        salable WEB BIKE -> 4
        state b -> held 6xBIKE
        time +50s
        tick
        salable WEB BIKE -> 10
    ");
}

#[test]
fn time_never_goes_back_and_has_an_end() {
    // Proves op time = max(last, proposed), and that the last second of time gives an outcome and no panic.
    let mut run = Run::new();
    let held = run.reserve(1, Some(5_000));
    run.now = Timestamp(0);
    let later = run.reserve(1, Some(5_000));
    assert_eq!((held.code, later.code, held.value), (Code::Ok, Code::IdTooOld, later.value + held.value));
    assert_eq!(run.machine.time(), Timestamp(START_S * 1_000));
    run.machine.apply(Timestamp(u64::MAX), &[]);
    run.now = run.machine.time();
    assert_eq!(run.reserve(1, Some(5_000)).code, Code::Ok);
    assert_eq!(run.reserve(1, None).code, Code::Ok);
    assert_eq!(run.machine.validate(), Vec::<String>::new());
}
