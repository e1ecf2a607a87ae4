//! The load tool of Stockhold. It measures a server through the client that checkouts use, and audits every answer
//! from the client's own ledger. It is not part of the server. It uses the server library only to start a server in a
//! child process and to measure the log's own writes.
#![forbid(unsafe_code)]

mod arguments;
mod audit;
mod bad_peers;
mod ceilings;
mod chaos;
mod charts;
mod children;
mod closed;
mod compare;
mod control_connection;
mod echo;
mod exit;
mod generator;
mod interrupt;
mod latency;
mod ledger_audit;
mod load_error;
mod lost_machine;
mod measure;
mod memory;
mod open_loop;
mod output;
mod pace;
mod page;
mod plot;
mod ratio;
mod sale;
mod samples;
mod schedule;
mod series;
mod serve;
mod server_log;
mod sweep;
mod system;
mod table;
mod tally;
mod test_catalog;

use arguments::{Arguments, Command};
use clap::Parser;
use closed::scenario::Scenario;
use exit::{Exit, Failure};
use interrupt::Interrupt;
use std::ffi::OsString;
use std::process::ExitCode;
use stockhold::cli::usage;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let is_json = usage::asks_for_json(&words);
    let arguments = match Arguments::try_parse_from(&words) {
        Ok(arguments) => arguments,
        Err(error) if is_json && error.use_stderr() => {
            output::failure(is_json, &Failure::usage(usage::sentence(&error)));
            return Exit::Usage.into();
        }
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Fine };
            // If both streams are closed, the error cannot be reported.
            drop(error.print());
            return exit.into();
        }
    };
    run(&arguments)
        .unwrap_or_else(|failure| {
            output::failure(is_json, &failure);
            failure.exit
        })
        .into()
}

fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match &arguments.command {
        Some(Command::ServeChild(serve)) => serve::serve(serve),
        Some(Command::EchoChild) => echo::serve_echo(),
        Some(Command::Uniform(load)) => closed::run(load, Scenario::UNIFORM, &Interrupt::listen()),
        Some(Command::Hot(load)) => closed::run(load, Scenario::HOT, &Interrupt::listen()),
        Some(Command::Shared(load)) => closed::run(load, Scenario::SHARED, &Interrupt::listen()),
        Some(Command::Shops(load)) => closed::run(load, Scenario::SHOPS, &Interrupt::listen()),
        Some(Command::Zipf(load)) => closed::run(load, Scenario::ZIPF, &Interrupt::listen()),
        Some(Command::Carts(load)) => closed::run(load, Scenario::THREE_LINES, &Interrupt::listen()),
        Some(Command::Checks(load)) => closed::run(load, Scenario::CHECKS, &Interrupt::listen()),
        Some(Command::SoldOut(load)) => closed::run(load, Scenario::SOLD_OUT, &Interrupt::listen()),
        Some(Command::HoldChurn(load)) => closed::run(load, Scenario::HOLD_CHURN, &Interrupt::listen()),
        Some(Command::RetryStorm(load)) => closed::run(load, Scenario::RETRY_STORM, &Interrupt::listen()),
        Some(Command::Mixed(load)) => closed::run(load, Scenario::MIXED, &Interrupt::listen()),
        Some(Command::BadPeers(bad_peers)) => bad_peers::run(bad_peers, &Interrupt::listen()),
        Some(Command::Chaos(chaos)) => chaos::run(chaos, &Interrupt::listen()),
        Some(Command::LostMachine(lost)) => lost_machine::run(lost, &Interrupt::listen()),
        Some(Command::Compare(compare)) => compare::run(compare, &Interrupt::listen()),
        Some(Command::FlashSale(flash)) => sale::flash::run(flash, &Interrupt::listen()),
        Some(Command::Sweep(sweep)) => sweep::run(sweep, &Interrupt::listen()),
        Some(Command::Ceilings(ceilings)) => ceilings::run(ceilings, &Interrupt::listen()),
        None => sale::run(&arguments.sale, &Interrupt::listen()),
    }
}
