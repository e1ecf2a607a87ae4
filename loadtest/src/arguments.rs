//! The command line. It says what may be asked, not how it is done.

use crate::bad_peers::arguments::BadPeersArguments;
use crate::chaos::arguments::ChaosArguments;
use crate::compare::arguments::CompareArguments;
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

const LONG_ABOUT: &str = "\
Measures a Stockhold server through its client, and audits every answer from the client's own ledger.

Without a subcommand it runs the canonical flash sale: 1,000 SKUs, one of them hot and scarce, carts of one \
and three lines, holds that are confirmed or abandoned, availability checks in between. The sale is open \
loop: carts are due at a fixed rate whatever the server does, and latency counts from the moment a cart was \
due. The subcommand uniform is closed loop and says so: it shows the highest rate, not the latency that \
shoppers would see.

Unless --server is given, a server is started as a child process on an empty data directory beside this \
program, and both are removed afterwards. Client and server then share this machine; the report says how much \
CPU each took.";

const EXAMPLES: &str = "\
Examples:
  stockhold-loadtest                                       the canonical flash sale
  stockhold-loadtest --rate 50000 --seconds 30             the same, faster and longer
  stockhold-loadtest uniform --connections 64 --depth 128  the highest rate, in frames of 128 carts
  stockhold-loadtest uniform --connections 64 --depth 1    one cart in flight on each connection
  stockhold-loadtest ceilings --connections 64 --depth 1   what this machine would allow at best
  stockhold-loadtest compare --peers redis,postgres        beside other stores, in the same run
  stockhold-loadtest chaos --kills 20                      kill the server twenty times and audit it
  stockhold-loadtest --server 10.0.0.5:7411 --json         against a running server, one line of JSON

Exit codes: 0 fine, 1 the audit found a violation (or a rate was not kept), 2 wrong arguments, 3 could not run.";

/// Everything on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "stockhold-loadtest",
    version,
    about = "Flash sales against Stockhold, measured and audited."
)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) sale: SaleArguments,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What else may be asked than the sale.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Single-line carts over uniformly chosen SKUs, closed loop: the highest rate of durable reservations.
    ///
    /// Each connection keeps --depth carts in flight, sent as one frame; a round ends when all its outcomes
    /// have come. Stock is plentiful, every id is new. Latency is that of a cart within its round, so at
    /// saturation it is mostly waiting.
    Uniform(ClosedArguments),
    /// As uniform, and all carts want the same SKU.
    Hot(ClosedArguments),
    /// As uniform, and the n-th SKU is wanted with a weight of 1/n.
    Zipf(ClosedArguments),
    /// As uniform, with three lines in each cart.
    Carts(ClosedArguments),
    /// Availability checks only, closed loop; nothing is sold, so every answer is known.
    Checks(ClosedArguments),
    /// As uniform, with ten units of each SKU: nearly everybody is refused, at the edge where the client may be.
    SoldOut(ClosedArguments),
    /// Holds, half of which are then confirmed and half released, closed loop.
    HoldChurn(ClosedArguments),
    /// As uniform, and every cart is sent twice in the same frame: as new and as a retry, which must get the same answer.
    RetryStorm(ClosedArguments),
    /// Of a hundred rounds 40 check, 30 reserve one line and 10 three lines, 15 hold and confirm or release, 5 send everything twice; as zipf.
    Mixed(ClosedArguments),
    /// The two ceilings of this machine: E(c,d), the same client against an echo server that answers with
    /// frames of the same size and decides nothing; and S, one synced block by the server's own log code.
    Ceilings(CeilingArguments),
    /// Stockhold and other stores in one run: the same carts, sample by sample in turn, and the ratios of their medians.
    ///
    /// Each sample gets a fresh server on an empty directory. Deep, Stockhold with 64 connections × 128 carts in flight is held
    /// against a peer's best of several shapes; single, both with 64 × 1. Every sample is audited.
    Compare(CompareArguments),
    /// A scarce sale while the server is killed, stopped and started again, and an audit of every answer.
    ///
    /// The server is ended with SIGKILL at random moments: while it serves, while it writes a snapshot, while it recovers. Now and
    /// then it is frozen with SIGSTOP for longer than a call may take. Shoppers repeat what was not answered under the same id. At the
    /// end every recorded id is asked again, and every set of stocks that share goods is added up.
    Chaos(ChaosArguments),
    /// Healthy carts beside peers that misbehave: mute, idle, slow, flooding and broken ones.
    ///
    /// Each kind comes and goes while the same healthy connections go on, closed loop. The exit code is 1 when they keep less than
    /// --keep-percent of their throughput, when one of them is harmed, or when the server's memory grows beyond its bound.
    BadPeers(BadPeersArguments),
    /// The server in a child process.
    #[command(hide = true)]
    ServeChild(ServeChildArguments),
    /// The echo server in a child process.
    #[command(hide = true)]
    EchoChild,
}

/// What every scenario takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct CommonArguments {
    /// Measure a server that runs already, instead of starting one. Its SKUs named LOAD-… are used.
    #[arg(long, value_name = "ADDR")]
    pub(crate) server: Option<SocketAddr>,
    /// The process of that server, if it runs on this machine: its CPU time is then reported too.
    #[arg(long, value_name = "PID", requires = "server")]
    pub(crate) server_pid: Option<u32>,
    /// An option of the started server, as in its configuration file (log.durability=interval).
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value, conflicts_with = "server")]
    pub(crate) set: Vec<(String, String)>,
    /// Where the started server keeps its data; must be empty or absent. Default: beside this program.
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Leave the data directory behind.
    #[arg(long, conflicts_with = "server")]
    pub(crate) keep: bool,
    /// Print one line of JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Seed of the carts: the same seed makes the same carts (ids are always new).
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// What is measured and for how long.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct LoadArguments {
    /// Connections to the server.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4_000))]
    pub(crate) connections: u32,
    /// Carts in flight on each connection; more than one are sent as one frame.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=8_192))]
    pub(crate) depth: u16,
    /// Threads that generate load; the connections are shared out among them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) threads: u32,
    /// Seconds that are measured.
    #[arg(long, default_value = "5", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Seconds before that which are not measured (their carts are audited all the same).
    #[arg(long, default_value = "1", value_parser = seconds_or_none)]
    pub(crate) warmup: Duration,
}

/// What every closed-loop scenario takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClosedArguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    #[command(flatten)]
    pub(crate) load: LoadArguments,
    /// SKUs to choose from.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) skus: u32,
}

/// The measurement of ceilings.
#[derive(Clone, Debug, Args)]
pub(crate) struct CeilingArguments {
    #[command(flatten)]
    pub(crate) load: LoadArguments,
    /// Where the synced blocks are written. Default: beside this program.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// How many blocks are written; one segment of the log holds them all.
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(1..=16_000))]
    pub(crate) blocks: u32,
    /// Print one line of JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The canonical flash sale.
#[derive(Clone, Debug, Args)]
pub(crate) struct SaleArguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// Carts that are due each second, whatever the server does.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) rate: u32,
    /// How long carts come.
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Connections to the server.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=4_000))]
    pub(crate) connections: u32,
    /// SKUs in the sale; the first of them is hot and scarce.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(4..=1_000_000))]
    pub(crate) skus: u32,
}

/// How the child process is told what to serve.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServeChildArguments {
    /// The data directory; formatted if it is empty.
    #[arg(long)]
    pub(crate) data_dir: PathBuf,
    /// Options of the configuration.
    #[arg(long = "set", value_parser = key_and_value)]
    pub(crate) set: Vec<(String, String)>,
}

pub(crate) fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("must have the form section.key=value".to_owned()),
    }
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    match seconds_or_none(text)? {
        Duration::ZERO => Err("must be more than 0".to_owned()),
        span => Ok(span),
    }
}

pub(crate) fn seconds_or_none(text: &str) -> Result<Duration, String> {
    const RULE: &str = "must be a number of seconds between 0 and 86400, such as 5 or 0.5";
    let seconds: f64 = text.parse().map_err(|_| RULE.to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(span) if span <= Duration::from_hours(24) => Ok(span),
        Ok(_) | Err(_) => Err(RULE.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        // Proves that names and conflicts of arguments fit each other.
        Arguments::command().debug_assert();
    }

    #[test]
    fn no_arguments_mean_the_canonical_sale() {
        // Proves the defaults that the documentation promises.
        let arguments = Arguments::try_parse_from(["stockhold-loadtest"]).unwrap();
        assert!(arguments.command.is_none());
        assert_eq!((arguments.sale.rate, arguments.sale.skus), (20_000, 1_000));
        assert_eq!(arguments.sale.seconds, Duration::from_secs(10));
    }

    #[test]
    fn wrong_values_are_refused() {
        // Proves that limits are checked where they are typed.
        for wrong in [
            ["uniform", "--depth", "0"],
            ["uniform", "--connections", "0"],
            ["uniform", "--seconds", "0"],
            ["uniform", "--seconds", "-1"],
            ["uniform", "--set", "nonsense"],
            ["ceilings", "--depth", "8193"],
        ] {
            assert!(
                Arguments::try_parse_from(["stockhold-loadtest"].iter().chain(&wrong)).is_err(),
                "{wrong:?}"
            );
        }
    }
}
