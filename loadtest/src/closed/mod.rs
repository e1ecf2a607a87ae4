//! The scenarios from `uniform` to `mixed`: one server, one load, one audit, one report. Their contents are in
//! `scenario` and `round`, the closed loop is in `generator`, and the open loop is in `open_loop`.

mod report;
pub(crate) mod round;
pub(crate) mod scenario;

use crate::arguments::ClosedArguments;
use crate::audit::audit;
use crate::children::ServerUnderTest;
use crate::control_connection::ControlConnection;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::measure::{Target, measure};
use crate::open_loop::rounds::OpenLoopPlan;
use crate::output::Output;
use crate::system::resident_bytes;
use crate::test_catalog::TestCatalog;
use anyhow::anyhow;
use report::{ClosedReport, Seen};
use scenario::Scenario;
use std::sync::Arc;
use std::time::Duration;
use stockhold_client::units_of;

/// How long after the end of an open loop overdue operations are still sent. It is never longer than the loop itself.
const LATE_MAX: Duration = Duration::from_secs(10);

/// Runs a scenario.
pub(crate) fn run(
    arguments: &ClosedArguments,
    scenario: Scenario,
    interrupt: &Interrupt,
) -> Result<Exit, Failure> {
    let output = Output::new(arguments.common.json);
    let skus = scenario.skus(arguments.skus);
    check_arguments(arguments, &scenario, skus)?;
    arguments.page.check()?;
    let server = ServerUnderTest::get(&arguments.common)?;
    let mut control = ControlConnection::connect(server.address)?;
    check_limits(arguments.load.depth, &control)?;
    output.note(&format!("preparing {skus} SKUs at {}", server.address));
    let catalog =
        Arc::new(TestCatalog::prepare(&mut control, skus, units_of(scenario.units), scenario.shops)?);
    let pace = arguments.pace.pace(&arguments.load).map(Arc::new);
    let target = Target {
        address: server.address,
        server_pid: server.pid,
        catalog: Arc::clone(&catalog),
        seed: arguments.common.seed,
        scenario,
        asked: pace.clone().map(|pace| OpenLoopPlan { pace, late_max: LATE_MAX.min(arguments.load.seconds) }),
        name: scenario.name,
    };
    let mut edges = Vec::new();
    let measured = measure(&target, &arguments.load, output, interrupt, || {
        edges.push(control.status()?);
        Ok(())
    })?;
    let server_resident_bytes = server.pid.and_then(resident_bytes).unwrap_or(0);
    output.note("auditing");
    let audit = audit(&mut control, &catalog, &measured.tally, scenario.is_plentiful())?;
    let [before, after] = edges.as_slice() else {
        return Err(anyhow!("the measurement window is missing").into());
    };
    let interrupted = interrupt.is_set();
    let edges = (before, after);
    let pace = pace.as_deref();
    let seen = Seen { measured: &measured, pace, edges, audit, server_resident_bytes, interrupted };
    let report = ClosedReport::new(arguments, &scenario, &server, seen);
    output.report(&report.text(), &report)?;
    let is_ours = server.is_ours;
    arguments.page.write(|| report.page(is_ours))?;
    drop(control);
    server.finish()?;
    Ok(report.exit(is_ours))
}

fn check_arguments(arguments: &ClosedArguments, scenario: &Scenario, skus: u32) -> Result<(), Failure> {
    if skus < scenario.skus_min() {
        return Err(Failure::usage(format!(
            "--skus: must be at least {}, the number of lines of a cart",
            scenario.skus_min()
        )));
    }
    if u64::from(arguments.load.depth) < scenario.unit() {
        return Err(Failure::usage("--depth: must be at least 2, for a cart and its retry"));
    }
    Ok(())
}

/// Checks that the server's limits allow the carts in flight on one connection.
pub(crate) fn check_limits(depth: u16, control: &ControlConnection) -> Result<(), Failure> {
    let limits = control.welcome().limits;
    let most = limits.in_flight_max.min(limits.frame_count_max);
    if u32::from(depth) > most {
        return Err(Failure::usage(format!(
            "--depth: this server accepts {most} commands in flight on one connection"
        )));
    }
    Ok(())
}
