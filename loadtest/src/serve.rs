//! The server in a child process of the tool. It formats an empty directory, serves until its standard input is
//! closed, and stops cleanly.

use crate::arguments::ServeChildArguments;
use crate::children::{Ready, RecoveryFacts, StorageFacts};
use crate::exit::{Exit, Failure};
use crate::{memory, output};
use anyhow::Context as _;
use std::io::Read;
use stockhold::config::{Config, Overrides};
use stockhold::server;
use stockhold_client::wall_clock_ms;
use stockhold_machine::{Configuration, Genesis};
use stockhold_protocol::Timestamp;

/// Serves until standard input is closed.
pub(crate) fn serve(arguments: &ServeChildArguments) -> Result<Exit, Failure> {
    memory::fault_in(arguments.touch_mib);
    let mut overrides: Overrides = arguments.set.iter().cloned().collect();
    overrides.insert("data-dir".to_owned(), arguments.data_dir.display().to_string());
    overrides.entry("listen".to_owned()).or_insert_with(|| "127.0.0.1:0".to_owned());
    let config = Config::load(None, std::iter::empty(), &overrides)?;
    let is_empty = arguments.data_dir.read_dir().map_or(true, |mut entries| entries.next().is_none());
    if is_empty {
        let genesis =
            Genesis { configuration: Configuration::default(), formatted_at: Timestamp(wall_clock_ms()) };
        server::format_directory(&config, &genesis).context("cannot format the data directory")?;
    }
    let medium = server::open_storage(&config.data_dir, config.log.write_path)?.medium();
    let running = server::start(&config, |_| {}).context("the server does not start")?;
    let ready = Ready {
        address: running.address(),
        storage: Some(StorageFacts::of(medium)),
        recovery: Some(RecoveryFacts::of(running.report())),
    };
    output::line(&serde_json::to_string(&ready)?)?;
    let stopper = running.stopper();
    std::thread::Builder::new().name("parent".to_owned()).spawn(move || {
        wait_for_parent();
        stopper.stop();
    })?;
    Ok(match running.wait() {
        server::Exit::Clean => Exit::Fine,
        server::Exit::LogFailed => Exit::NotRun,
    })
}

/// Returns when the parent has closed our standard input, or has ended.
pub(crate) fn wait_for_parent() {
    let mut byte = [0];
    while matches!(std::io::stdin().lock().read(&mut byte), Ok(1)) {}
}
