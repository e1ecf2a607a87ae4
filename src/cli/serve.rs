//! `serve` and `format`: runs a server, and formats its data directory.

use super::advice::shell_word;
use super::context::Context;
use super::exit::{Exit, ExitWith, Failure, start_failure};
use super::settings::Limits;
use crate::config::{Config, ListenAddress, LogFormat, Overrides};
use crate::directory::read_manifest;
use crate::recovery::RecoveryReport;
use crate::server;
use clap::Args;
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use stockhold_machine::{Configuration, Genesis};
use stockhold_protocol::Timestamp;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The sources of a server's options.
#[derive(Args, Debug)]
pub(super) struct ConfigArguments {
    /// A configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one option, with precedence over file and environment; repeat it for more
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

impl ConfigArguments {
    pub(super) fn load(
        &self,
        more: impl IntoIterator<Item = (&'static str, Option<String>)>,
    ) -> Result<Config, Failure> {
        let more = more.into_iter().filter_map(|(option, value)| Some((option.to_owned(), value?)));
        let mut overrides = Overrides::new();
        for (option, value) in self.set.iter().cloned().chain(more) {
            if let Some(before) = overrides.insert(option.clone(), value.clone()) {
                let message = format!("{option} is set twice, to {before} and to {value}; remove one");
                return Err(Failure::usage(message));
            }
        }
        Config::load(self.config.as_deref(), std::env::vars(), &overrides)
            .map_err(|error| start_failure(error, Path::new("")))
    }

    /// Refuses options that a command does not use which only writes a data directory.
    pub(super) fn only_of_the_log(&self, command: &str) -> Result<(), Failure> {
        match self.set.iter().find(|(option, _)| !option.starts_with("log.")) {
            None => Ok(()),
            Some((option, _)) => Err(Failure::usage(format!(
                "`stockhold {command}` does not use {option}, only options of the log; set it for `stockhold serve`"
            ))),
        }
    }
}

fn assignment(text: &str) -> Result<(String, String), &'static str> {
    let (option, value) =
        text.split_once('=').ok_or("write SECTION.KEY=VALUE, such as limits.connections=100")?;
    Ok((option.trim().to_owned(), value.trim().to_owned()))
}

/// `format`
#[derive(Args, Debug)]
#[command(
    after_help = "The limits are state of the machine; `stockhold configure` changes them later. Examples:
  stockhold format data
  stockhold format data --sharing independent --ttl-max 2h
  stockhold format data --set log.segment-bytes=268435456"
)]
pub(super) struct FormatArguments {
    /// The directory; it is created if it does not exist, and must be empty
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    config: ConfigArguments,
}

/// `serve`
#[derive(Args, Debug)]
#[command(
    after_help = "Options come from defaults, then the file, then the environment (STOCKHOLD__SECTION__KEY), then flags.
Examples:
  stockhold serve --data-dir data
  stockhold serve --data-dir data --listen :7411
  stockhold serve --config stockhold.toml --set limits.connections=1000
  stockhold serve --print-config > stockhold.toml
  stockhold serve --config stockhold.toml --check-config"
)]
pub(super) struct ServeArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Where to listen: HOST:PORT, or :PORT for all interfaces of this machine; port 0 takes any free port
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<ListenAddress>,
    /// Print the configuration with the meaning of every option, and exit
    #[arg(long, conflicts_with = "check_config")]
    print_config: bool,
    /// Check the configuration, and exit
    #[arg(long)]
    check_config: bool,
}

pub(super) fn format(context: Context<'_>, arguments: &FormatArguments) -> Result<Exit, Failure> {
    let data_dir = arguments.directory.display().to_string();
    arguments.config.only_of_the_log("format")?;
    let config = arguments.config.load([("data-dir", Some(data_dir))])?;
    let change = arguments.limits.change();
    let configuration =
        Configuration::default().changed(&change).map_err(|e| Failure::new(Exit::Usage, e))?;
    let formatted_at = Timestamp(stockhold_client::wall_clock_ms());
    server::format_directory(&config, &Genesis { configuration, formatted_at })
        .map_err(|error| start_failure(error, &config.data_dir))?;
    let files = super::opened::read_only(&config.data_dir)?;
    let manifest = read_manifest(files.as_ref()).map_err(|e| start_failure(e, &config.data_dir))?;
    let path = config.data_dir.display();
    let text = format!(
        "{path} is formatted: log {}, epoch {}\nnext: stockhold serve --data-dir {path}",
        manifest.log_uuid,
        manifest.epoch()
    );
    let document = json!({
        "data_dir": path.to_string(),
        "log_uuid": manifest.log_uuid.to_string(),
        "epoch": manifest.epoch(),
    });
    context.output.result(&text, &document)?;
    Ok(Exit::Ok)
}

pub(super) fn serve(context: Context<'_>, arguments: &ServeArguments) -> Result<Exit, Failure> {
    let more = [
        ("data-dir", arguments.data_dir.clone()),
        ("listen", arguments.listen.as_ref().map(ToString::to_string)),
    ];
    let config = arguments.config.load(more)?;
    if arguments.print_config {
        let document = serde_json::to_value(&config).exit_with(Exit::BadData)?;
        context.output.result(&config.render(), &document)?;
        return Ok(Exit::Ok);
    }
    if arguments.check_config {
        context.output.result("the configuration is right", &json!({"success": true}))?;
        return Ok(Exit::Ok);
    }
    start_log(context, &config)?;
    server::install_panic_hook();
    let bar = context.output.progress(0, "recovery");
    let supervisor = server::Supervisor::from_environment();
    let mut percent_told = None;
    let running = server::start(&config, |progress| {
        bar.set_length(progress.bytes_all);
        bar.set_position(progress.bytes_done);
        bar.set_message(format!("op {}", progress.op));
        let percent = (progress.bytes_done.saturating_mul(100)).checked_div(progress.bytes_all);
        if percent_told != percent {
            percent_told = percent;
            supervisor.status(&format!("recovering, {} %, op {}", percent.unwrap_or(0), progress.op));
        }
    })
    .map_err(|error| start_failure(error, &config.data_dir))?;
    bar.finish_and_clear();
    server::stop_on_signals(running.stopper()).map_err(|error| start_failure(error, &config.data_dir))?;
    let (log_uuid, epoch) = running.identity();
    let addresses: Vec<String> = running.addresses().iter().map(ToString::to_string).collect();
    let text = format!(
        "listening at {}\nlog {log_uuid} epoch {epoch}; {}",
        addresses.join(" and "),
        recovery_text(running.report())
    );
    let document = json!({
        "event": "listening",
        "address": addresses[0],
        "addresses": addresses,
        "log_uuid": log_uuid.to_string(),
        "epoch": epoch,
        "recovery": recovery_document(running.report()),
    });
    context.output.result(&text, &document)?;
    supervisor.ready();
    match running.wait_and_tell(&supervisor) {
        server::Exit::Clean => Ok(Exit::Ok),
        server::Exit::LogFailed => {
            let error = anyhow::anyhow!(
                "the log could not be continued, so the server has ended; its last messages say why. Once the disk works, \
                 `stockhold verify {0}` and `stockhold serve --data-dir {0}` are next",
                shell_word(&config.data_dir)
            );
            Err(Failure { exit: Exit::Disk, error })
        }
    }
}

/// Parses the log filter: a level, or levels by target.
fn log_filter(text: &str) -> Result<Targets, Failure> {
    text.parse()
        .map_err(|e| Failure { exit: Exit::Usage, error: anyhow::Error::new(e).context("logging.level") })
}

/// Writes the server's own log to standard error.
fn start_log(context: Context<'_>, config: &Config) -> Result<(), Failure> {
    let filter = log_filter(&config.logging.level)?;
    let colour = std::io::stderr().is_terminal();
    // An error while writing a log line, for example on a full disk, must not end the server. The subscriber would
    // report it on the same stream and panic.
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(colour)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    let filtered = tracing_subscriber::registry().with(filter);
    let started = match config.logging.format {
        LogFormat::Text => filtered.with(lines).try_init(),
        LogFormat::Json => filtered.with(lines.json()).try_init(),
    };
    if started.is_err() {
        context.output.note("the log of an earlier start is still in use");
    }
    Ok(())
}

/// The recovery report as a sentence.
pub(super) fn recovery_text(report: &RecoveryReport) -> String {
    let start = report
        .snapshot_op()
        .map_or_else(|| "the first op".to_owned(), |op| format!("the snapshot of op {op}"));
    let passed_over = match report.passed_over.batches {
        0 => String::new(),
        batches => format!("; {batches} batches were passed over"),
    };
    let end = if report.clean_stop {
        "after a clean stop"
    } else if report.torn_tail {
        "after a crash in the middle of a write, which was never answered"
    } else {
        "after a crash"
    };
    format!(
        "recovered op {} from {start} and {} ops of the log in {} ms, {end}{passed_over}",
        report.recovered_ops, report.replayed_ops, report.elapsed_ms
    )
}

/// The recovery report as JSON.
pub(super) fn recovery_document(report: &RecoveryReport) -> Value {
    json!({
        "snapshot_op": report.snapshot_op(),
        "snapshots_refused": report.snapshots_refused,
        "replayed_ops": report.replayed_ops,
        "recovered_ops": report.recovered_ops,
        "skipped_ops": report.skipped_ops,
        "passed_over": {"batches": report.passed_over.batches, "records": report.passed_over.records},
        "torn_tail": report.torn_tail,
        "clean_stop": report.clean_stop,
        "elapsed_ms": report.elapsed_ms,
        "digest": format!("{:016x}", report.digest),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::filter::LevelFilter;

    #[test]
    fn options_of_flags_are_split_at_the_first_equals_sign() {
        // Proves that a value may contain an equals sign, as a log filter does.
        let parts = ("logging.level".to_owned(), "info,stockhold=debug".to_owned());
        assert_eq!(assignment("logging.level=info,stockhold=debug"), Ok(parts));
        assert!(assignment("logging.level").is_err());
    }

    fn highest(filter: &str, target: &str) -> LevelFilter {
        let filter = log_filter(filter).map_err(|failure| failure.error).unwrap();
        let levels = [
            LevelFilter::TRACE,
            LevelFilter::DEBUG,
            LevelFilter::INFO,
            LevelFilter::WARN,
            LevelFilter::ERROR,
        ];
        let enabled = |level: &LevelFilter| filter.would_enable(target, &level.into_level().unwrap());
        levels.into_iter().find(enabled).unwrap_or(LevelFilter::OFF)
    }

    #[test]
    fn log_lines_are_chosen_by_level_and_by_target() {
        // Proves every documented form of a filter, and that others are refused.
        let levels =
            [("error", LevelFilter::ERROR), ("warn", LevelFilter::WARN), ("info", LevelFilter::INFO)];
        for (word, level) in
            [levels.as_slice(), &[("debug", LevelFilter::DEBUG), ("trace", LevelFilter::TRACE)]].concat()
        {
            assert_eq!(highest(word, "stockhold::net"), level, "{word}");
        }
        assert_eq!(highest("stockhold=debug", "stockhold::net"), LevelFilter::DEBUG);
        assert_eq!(highest("stockhold=debug", "tokio"), LevelFilter::OFF);
        assert_eq!(highest("warn,stockhold::net=trace", "stockhold::net::listener"), LevelFilter::TRACE);
        assert_eq!(highest("warn,stockhold::net=trace", "stockhold::wal"), LevelFilter::WARN);
        let refused = log_filter("stockhold=loud").map(drop).unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
    }
}
