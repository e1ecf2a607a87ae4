//! A sweep: the same scenario at increasing rates (open loop) or depths (closed loop) on one server, until the knee
//! is found. Then everything is audited once.

pub(crate) mod arguments;
mod knee;
mod report;

use crate::arguments::LoadArguments;
use crate::audit::audit;
use crate::children::ServerUnderTest;
use crate::closed::check_limits;
use crate::closed::scenario::Scenario;
use crate::control_connection::ControlConnection;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::measure::{Measured, Target, measure};
use crate::open_loop::facts::OpenFacts;
use crate::open_loop::rounds::OpenLoopPlan;
use crate::output::Output;
use crate::pace::Pace;
use crate::plot::figures;
use crate::tally::Tally;
use crate::test_catalog::TestCatalog;
use arguments::SweepArguments;
use knee::{KneeSearch, Verdict};
use report::{Findings, Knee, Step, SweepReport};
use std::sync::Arc;
use std::time::Duration;
use stockhold_client::units_of;

/// How long after the end of a step overdue operations are still sent. Beyond the knee they would never end.
const LATE_MAX: Duration = Duration::from_millis(500);

/// State that all steps share.
struct Sweep<'a> {
    arguments: &'a SweepArguments,
    scenario: Scenario,
    server: &'a ServerUnderTest,
    catalog: &'a Arc<TestCatalog>,
    output: Output,
    interrupt: &'a Interrupt,
    /// The tallies of all steps together, for the audit.
    all: Tally,
    steps: Vec<Step>,
}

/// Runs the sweep.
pub(crate) fn run(arguments: &SweepArguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let output = Output::new(arguments.common.json);
    let scenario = arguments.scenario.scenario();
    let skus = scenario.skus(arguments.skus);
    check_arguments(arguments, &scenario, skus)?;
    let server = ServerUnderTest::get(&arguments.common)?;
    let mut control = ControlConnection::connect(server.address)?;
    let deepest = arguments.depths.iter().copied().max().unwrap_or(arguments.load.depth);
    check_limits(deepest, &control)?;
    output.note(&format!("preparing {skus} SKUs at {}", server.address));
    let catalog =
        Arc::new(TestCatalog::prepare(&mut control, skus, units_of(scenario.units), scenario.shops)?);
    let before = control.status()?;
    let mut sweep = Sweep {
        arguments,
        scenario,
        server: &server,
        catalog: &catalog,
        output,
        interrupt,
        all: Tally::new(catalog.skus.len())?,
        steps: Vec::new(),
    };
    let knee = if arguments.depths.is_empty() { sweep.rates()? } else { sweep.depths()? };
    let Sweep { all, steps, .. } = sweep;
    let after = control.status()?;
    output.note("auditing");
    let audit = audit(&mut control, &catalog, &all, scenario.is_plentiful())?;
    let interrupted = interrupt.is_set();
    let findings = Findings { steps, knee, tally: &all, edges: (&before, &after), audit, interrupted };
    let report = SweepReport::new(arguments, &scenario, &server, findings);
    output.report(&report.text(), &report)?;
    let is_ours = server.is_ours;
    arguments.page.write(|| report.page(is_ours))?;
    drop(control);
    server.finish()?;
    Ok(report.exit(is_ours))
}

fn check_arguments(arguments: &SweepArguments, scenario: &Scenario, skus: u32) -> Result<(), Failure> {
    if skus < scenario.skus_min() {
        return Err(Failure::usage(format!(
            "--skus: must be at least {}, the number of lines of a cart",
            scenario.skus_min()
        )));
    }
    let shallowest = arguments.depths.iter().copied().min().unwrap_or(arguments.load.depth);
    if u64::from(shallowest) < scenario.unit() {
        return Err(Failure::usage("--depth, --depths: must be at least 2, for a cart and its retry"));
    }
    if arguments.has_too_many_depths() {
        return Err(Failure::usage("--depths: too many"));
    }
    arguments.page.check()
}

impl Sweep<'_> {
    /// Steps through rates, open loop.
    fn rates(&mut self) -> Result<Option<Knee>, Failure> {
        let rates = self.arguments.rates;
        let mut search = KneeSearch::new(rates.from, rates.to, self.arguments.refine);
        while let Some(rate) = search.next() {
            let Some(step) = self.open_step(rate)? else { break };
            match search.note(step.is_good) {
                Verdict::Good | Verdict::Bad => self.steps.push(step),
                Verdict::Doubtful => {
                    let text = figures::count(f64::from(rate));
                    self.output.note(&format!("{text} was not good; measuring it again"));
                }
            }
        }
        // The search jumps between rates; the report sorts them.
        self.steps.sort_by_key(|step| step.rate);
        let found = search.knee();
        let knee = self.steps.iter().find(|step| step.rate == found && found.is_some());
        Ok(knee.map(|step| Knee::at(step, search.is_bounded())))
    }

    /// Steps through depths, closed loop. The knee is the good depth with the most answers.
    fn depths(&mut self) -> Result<Option<Knee>, Failure> {
        for depth in self.arguments.depths.clone() {
            let load = LoadArguments { depth, ..self.arguments.load };
            let Some(measured) = self.measure(&load, None)? else { break };
            let step = Step::closed(depth, &measured, self.arguments.p99_limit_ms);
            self.take(measured.tally)?;
            self.steps.push(step);
        }
        let good = self.steps.iter().filter(|step| step.is_good);
        let best = good.max_by(|one, other| one.reached_rate.total_cmp(&other.reached_rate));
        Ok(best.map(|step| Knee::at(step, true)))
    }

    fn open_step(&mut self, rate: u32) -> Result<Option<Step>, Failure> {
        let load = self.arguments.load;
        let pace = Arc::new(Pace::steady(rate, load.warmup + load.seconds));
        let asked = OpenLoopPlan { pace: Arc::clone(&pace), late_max: LATE_MAX };
        let Some(measured) = self.measure(&load, Some(asked))? else { return Ok(None) };
        let facts = OpenFacts::new(&pace, None, &load, &measured);
        let step = Step::open(rate, load.depth, &facts, &measured, self.arguments.p99_limit_ms);
        self.take(measured.tally)?;
        Ok(Some(step))
    }

    /// Measures one step. `None` if it was cut short and is meaningless.
    fn measure(
        &self,
        load: &LoadArguments,
        asked: Option<OpenLoopPlan>,
    ) -> Result<Option<Measured>, Failure> {
        let what = match &asked {
            Some(asked) => format!("{} per second", figures::count(f64::from(asked.pace.peak()))),
            None => format!("depth {}", load.depth),
        };
        self.output.note(&what);
        let target = Target {
            address: self.server.address,
            server_pid: self.server.pid,
            catalog: Arc::clone(self.catalog),
            // Each step uses other carts.
            seed: self.arguments.common.seed.wrapping_add(u64::try_from(self.steps.len())?),
            scenario: self.scenario,
            asked,
            name: self.scenario.name,
        };
        let measured = measure(&target, load, self.output, self.interrupt, || Ok(()))?;
        Ok(Some(measured).filter(|_| !self.interrupt.is_set()))
    }

    /// Adds a step to the audited tallies.
    fn take(&mut self, mut tally: Tally) -> Result<(), Failure> {
        tally.series = crate::series::Series::default();
        Ok(self.all.merge(tally)?)
    }
}
