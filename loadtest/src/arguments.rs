//! The command line of the load tool.

use crate::bad_peers::arguments::BadPeersArguments;
use crate::chaos::arguments::ChaosArguments;
use crate::compare::arguments::CompareArguments;
use crate::lost_machine::LostMachineArguments;
use crate::memory::MemoryArguments;
use crate::pace::Pace;
use crate::sale::flash::FlashArguments;
use crate::sweep::arguments::SweepArguments;
use clap::{Args, Parser, Subcommand};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;
use stockhold::cli::times::duration;
use stockhold_client::SERVER_VARIABLE;

const LONG_ABOUT: &str = "\
Measures a Stockhold server through its client, and audits every answer from the client's own ledger.

Without a subcommand it runs the canonical sale: 1,000 SKUs, one of them hot and scarce, carts of one \
to three lines, holds that are confirmed or abandoned, availability checks in between.

There are two kinds of loop:
  closed  each connection keeps --depth operations in flight and waits for them. It finds the highest rate. \
Its latency is mostly waiting, and during a stall it sends less.
  open    operations are due at a rate (--rate, --ramp), whatever the server does. Latency counts from the \
moment an operation was due, so it is what shoppers would see, including stalls.
The sales are open loop. The scenarios from uniform to mixed are closed loop, and open loop with --rate or \
--ramp; sweep finds the highest rate that is kept with a tolerable latency.

Unless --server is given, a server is started as a child process on an empty data directory beside this \
program, and both are removed afterwards. Client and server then share this machine; the report says how much \
CPU each used. If the client used nearly 100 % per thread, it was the limit.";

const EXAMPLES: &str = "\
Examples:
  stockhold-loadtest                                       the canonical sale
  stockhold-loadtest --rate 50k --seconds 30               the same, faster and longer
  stockhold-loadtest flash-sale --spike-rate 200k          a crowd when the doors open
  stockhold-loadtest uniform --connections 64 --depth 128  the highest rate, in frames of 128 carts
  stockhold-loadtest uniform --rate 200k                   latency at a rate, open loop
  stockhold-loadtest mixed --ramp 10k..500k --seconds 30   latency while the rate rises
  stockhold-loadtest sweep mixed --p99-limit-ms 5          the highest rate that is kept with a p99 below 5 ms
  stockhold-loadtest uniform --rate 100k --report a.html   a page with charts; --svg a.svg for the latency chart only
  stockhold-loadtest ceilings --connections 64 --depth 1   the limits of this machine
  stockhold-loadtest compare --peers redis,postgres        other stores, in the same run
  stockhold-loadtest uniform --memory touched              page faults are not measured
  stockhold-loadtest chaos --kills 20                      kill the server twenty times and audit it
  stockhold-loadtest --server 10.0.0.5:7411 --json         against a running server, one line of JSON
  stockhold-loadtest --server --json                       the same, at the address in STOCKHOLD_SERVER

Exit codes: 0 success; 1 the audit found a violation, a rate was not kept, or a sweep found no knee; 2 wrong \
arguments; 3 could not run.";

/// The whole command line.
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

/// The scenarios, besides the canonical sale.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Single-line carts over uniformly chosen SKUs, closed loop (or open, with --rate): the highest rate of durable
    /// reservations.
    ///
    /// Each connection keeps --depth carts in flight, sent as one frame; a round ends when all its outcomes have
    /// arrived. Stock is plentiful, and every id is new. Latency is that of a cart within its round, so at saturation
    /// it is mostly waiting. With --rate or --ramp the loop is open, and latency counts from the moment a cart was
    /// due.
    Uniform(ClosedArguments),
    /// Like uniform, but all carts want the same SKU.
    Hot(ClosedArguments),
    /// Like hot, but four stocks sell the SKU: a web shop sells all of it, three shops sell what they have.
    Shared(ClosedArguments),
    /// Like uniform, but a web shop sells the goods of its warehouse and of 50 shops, which sell them too.
    Shops(ClosedArguments),
    /// Like uniform, but the n-th SKU has a weight of 1/n.
    Zipf(ClosedArguments),
    /// Like uniform, with three lines in each cart.
    Carts(ClosedArguments),
    /// Availability checks only. Nothing is sold, so every answer is known.
    Checks(ClosedArguments),
    /// Like uniform, with ten units of each SKU. Nearly all carts are refused, at the edge if possible.
    SoldOut(ClosedArguments),
    /// Holds, half of which are then confirmed and half released.
    HoldChurn(ClosedArguments),
    /// Like uniform, but every cart is sent twice in the same frame: as new and as a retry, which must get the same
    /// answer.
    RetryStorm(ClosedArguments),
    /// A mix of rounds, with SKUs as in zipf: 40 % check, 30 % reserve one line, 10 % reserve three lines, 15 % hold
    /// and then confirm or release, 5 % send everything twice.
    Mixed(ClosedArguments),
    /// A few shoppers until the doors open, then a crowd that wants the same few goods, open loop.
    ///
    /// Until --doors-at three of four shoppers only check, and the hot goods are not on sale. Then the rate jumps to
    /// --spike-rate and halves every --half-life, and four of five lines want one of --hot-skus. Otherwise it is the
    /// canonical sale.
    FlashSale(FlashArguments),
    /// Increasing rates (or depths) of one scenario, until the knee is found.
    ///
    /// The knee is the highest rate of which at least 98 % are reached, with a 99th percentile below --p99-limit-ms.
    /// Rates double from the first of --rates until one is bad; then the interval is bisected --refine times. A bad
    /// step is measured once more before it counts. With --depths the loop is closed, and the knee is the depth with
    /// the most answers among those below the limit.
    Sweep(SweepArguments),
    /// The two ceilings of this machine: E(c,d), the same client against an echo server that answers with frames of
    /// the same size and decides nothing; and S, one synced block by the server's own log code.
    Ceilings(CeilingArguments),
    /// Stockhold and other stores in one run: the same carts, in alternating samples, and the ratios of their
    /// medians.
    ///
    /// Each sample gets a fresh server on an empty directory. In the deep role, Stockhold with 64 connections × 128
    /// carts in flight is compared with a peer's best of several shapes; in the single role, both have 64 × 1. Every
    /// sample is audited.
    Compare(CompareArguments),
    /// A scarce sale while the server is killed, frozen and restarted, and an audit of every answer.
    ///
    /// The server is killed with SIGKILL at random moments: while it serves, while it writes a snapshot, while it
    /// recovers. At times it is frozen with SIGSTOP for longer than a call may take. Shoppers repeat unanswered
    /// commands under the same ids. At the end every recorded id is repeated, and the promises of every set of stocks
    /// that share goods are compared with the goods.
    Chaos(ChaosArguments),
    /// A machine that is lost: a server with an archive sells, is killed, and its directory is removed.
    ///
    /// The state is restored from the archive alone. Every answered reservation is looked for in it. The exit code is 1 if
    /// one up to the restored op is missing, or if a missing one was answered longer ago than an interval of the archive
    /// and one upload.
    LostMachine(LostMachineArguments),
    /// Healthy carts beside misbehaving peers: mute, idle, slow, flooding and broken ones.
    ///
    /// Each kind is started and stopped while the same healthy connections continue, closed loop. The exit code is 1
    /// when they keep less than --keep-percent of their throughput, when one of them is harmed, or when the server's
    /// memory grows beyond its bound.
    BadPeers(BadPeersArguments),
    /// The server in a child process.
    #[command(hide = true)]
    ServeChild(ServeChildArguments),
    /// The echo server in a child process.
    #[command(hide = true)]
    EchoChild,
}

/// Options of every scenario.
#[derive(Clone, Debug, Args)]
pub(crate) struct CommonArguments {
    /// Measure a running server instead of starting one; without HOST:PORT the one of the environment variable
    /// STOCKHOLD_SERVER. Its SKUs named LOAD-… are used.
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, default_missing_value = "", conflicts_with = "memory")]
    #[arg(value_parser = server)]
    pub(crate) server: Option<SocketAddr>,
    /// The process of that server, if it runs on this machine. Its CPU time and page faults are then reported too.
    #[arg(long, value_name = "PID", requires = "server")]
    pub(crate) server_pid: Option<u32>,
    /// An option of the started server, as in its configuration file (log.durability=interval).
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value, conflicts_with = "server")]
    pub(crate) set: Vec<(String, String)>,
    /// Data directory of the started server; must be empty or absent. Default: beside this program.
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Keep the data directory.
    #[arg(long, conflicts_with = "server")]
    pub(crate) keep: bool,
    /// Print one line of JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Seed of the carts: the same seed makes the same carts (ids are always new).
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) memory: MemoryArguments,
}

/// Options of the load.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct LoadArguments {
    /// Connections to the server.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4_000))]
    pub(crate) connections: u32,
    /// Carts in flight on each connection. More than one are sent as one frame.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=8_192))]
    pub(crate) depth: u16,
    /// Threads that generate load. The connections are divided among them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) threads: u32,
    /// Seconds to measure.
    #[arg(long, default_value = "5", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Length of the warm-up, which is not measured (but audited).
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(crate) warmup: Duration,
}

/// The pace: a closed loop, or an open loop at a rate.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct PaceArguments {
    /// Open loop: operations due each second over all connections, whatever the server does (20000, 20k, 1.5M).
    ///
    /// Latency counts from the moment an operation was due. At most connections × depth are in flight; operations
    /// beyond that wait, and the wait is part of their latency. Without --rate or --ramp the loop is closed.
    #[arg(long, value_name = "R", value_parser = rate, conflicts_with = "ramp", help_heading = "Open loop")]
    pub(crate) rate: Option<u32>,
    /// Open loop at a rate that changes linearly over --seconds (1k..200k). The warm-up runs at the first rate.
    #[arg(long, value_name = "FROM..TO", value_parser = ramp, help_heading = "Open loop")]
    pub(crate) ramp: Option<Ramp>,
}

/// A rate that changes linearly.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub(crate) struct Ramp {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl PaceArguments {
    /// The pace of an open loop: a warm-up at the first rate, then the measured time. `None`: the loop is closed.
    pub(crate) fn pace(&self, load: &LoadArguments) -> Option<Pace> {
        let Ramp { from, to } = self.ramp.or(self.rate.map(|rate| Ramp { from: rate, to: rate }))?;
        Some(Pace::steady(from, load.warmup).then(from, to, load.seconds))
    }
}

/// Output files with charts.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PageArguments {
    /// Write the report as a self-contained HTML page with charts.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Write only the latency chart, as a picture for a document.
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) svg: Option<PathBuf>,
}

/// Options of scenarios that can be closed or open loop.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClosedArguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    #[command(flatten)]
    pub(crate) load: LoadArguments,
    #[command(flatten)]
    pub(crate) pace: PaceArguments,
    #[command(flatten)]
    pub(crate) page: PageArguments,
    /// SKUs to choose from.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) skus: u32,
}

/// Options of the ceilings.
#[derive(Clone, Debug, Args)]
pub(crate) struct CeilingArguments {
    #[command(flatten)]
    pub(crate) load: LoadArguments,
    /// Directory for the synced blocks. Default: beside this program.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Number of blocks to write. One segment of the log holds them all.
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(1..=16_000))]
    pub(crate) blocks: u32,
    /// Print one line of JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of the canonical sale.
#[derive(Clone, Debug, Args)]
pub(crate) struct SaleArguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    #[command(flatten)]
    pub(crate) page: PageArguments,
    /// Shoppers due each second, whatever the server does (20000, 20k).
    #[arg(long, default_value = "20000", value_parser = rate)]
    pub(crate) rate: u32,
    /// A rate that changes linearly over --seconds, instead of --rate.
    #[arg(long, value_name = "FROM..TO", value_parser = ramp, conflicts_with = "rate")]
    pub(crate) ramp: Option<Ramp>,
    /// How long shoppers arrive, in seconds.
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Connections to the server.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=4_000))]
    pub(crate) connections: u32,
    /// SKUs in the sale. The first one is hot and scarce.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(4..=1_000_000))]
    pub(crate) skus: u32,
}

/// Arguments of the child process.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServeChildArguments {
    /// The data directory. It is formatted if it is empty.
    #[arg(long)]
    pub(crate) data_dir: PathBuf,
    /// Options of the server's configuration.
    #[arg(long = "set", value_parser = key_and_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Memory in MiB that is faulted in before the start.
    #[arg(long, default_value_t = 0)]
    pub(crate) touch_mib: u32,
}

/// The address of a running server. Without one it is that of the environment: a load is never aimed at a server only
/// because a variable is set.
fn server(text: &str) -> Result<SocketAddr, String> {
    const RULE: &str = "write HOST:PORT, such as 127.0.0.1:7411";
    let address = match text {
        "" => std::env::var(SERVER_VARIABLE).map_err(|_| format!("{SERVER_VARIABLE} is not set; {RULE}"))?,
        text => text.to_owned(),
    };
    let mut resolved = address.to_socket_addrs().map_err(|error| format!("{address}: {error}; {RULE}"))?;
    resolved.next().ok_or_else(|| format!("{address} has no address"))
}

pub(crate) fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("must have the form section.key=value".to_owned()),
    }
}

/// The highest accepted rate.
const RATE_MAX: u32 = 10_000_000;

/// Parses a rate in whole operations per second, also in thousands (`20k`) or millions (`1.5M`).
pub(crate) fn rate(text: &str) -> Result<u32, String> {
    let rule = || format!("must be a rate between 1 and {RATE_MAX}, such as 20000, 20k or 1.5M");
    let (digits, thousands) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1_000),
        None => text.strip_suffix(['m', 'M']).map_or((text, 1), |digits| (digits, 1_000_000)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = [whole, part].iter().all(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let places = u32::try_from(part.len()).ok().and_then(|places| 10_u64.checked_pow(places));
    let (Some(places), true) = (places, all_digits) else { return Err(rule()) };
    let (whole, part): (u64, u64) = (whole.parse().map_err(|_| rule())?, part.parse().map_err(|_| rule())?);
    let all = whole.checked_mul(places).and_then(|whole| whole.checked_add(part)?.checked_mul(thousands));
    let rate = all.filter(|all| all.is_multiple_of(places)).map(|all| all / places);
    rate.and_then(|rate| u32::try_from(rate).ok())
        .filter(|rate| (1..=RATE_MAX).contains(rate))
        .ok_or_else(rule)
}

/// Parses two rates.
pub(crate) fn ramp(text: &str) -> Result<Ramp, String> {
    let (from, to) = text.split_once("..").ok_or("must have the form FROM..TO, such as 1k..200k")?;
    Ok(Ramp { from: rate(from)?, to: rate(to)? })
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    const RULE: &str = "must be a number of seconds above 0 and up to 86400, such as 5 or 0.5";
    let seconds: f64 = text.parse().map_err(|_| RULE.to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(span) if span > Duration::ZERO && span <= Duration::from_hours(24) => Ok(span),
        Ok(_) | Err(_) => Err(RULE.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        // Proves that names and conflicts of arguments are consistent.
        Arguments::command().debug_assert();
    }

    #[test]
    fn no_arguments_mean_the_canonical_sale() {
        // Proves the documented defaults.
        let arguments = Arguments::try_parse_from(["stockhold-loadtest"]).unwrap();
        assert!(arguments.command.is_none());
        assert_eq!((arguments.sale.rate, arguments.sale.skus), (20_000, 1_000));
        assert_eq!((arguments.sale.seconds, arguments.sale.ramp), (Duration::from_secs(10), None));
        let parse = |words: &[&str]| Arguments::try_parse_from(["stockhold-loadtest"].iter().chain(words));
        let ramp = Some(Ramp { from: 1_000, to: 2_000 });
        assert_eq!(parse(&["--ramp", "1k..2k"]).unwrap().sale.ramp, ramp, "instead of the default rate");
        assert!(parse(&["--ramp", "1k..2k", "--rate", "5"]).is_err());
    }

    #[test]
    fn wrong_values_are_refused() {
        // Proves that limits are checked when arguments are parsed.
        for wrong in [
            ["uniform", "--depth", "0"],
            ["uniform", "--connections", "0"],
            ["uniform", "--seconds", "0"],
            ["uniform", "--seconds", "-1"],
            ["uniform", "--set", "nonsense"],
            ["uniform", "--warmup", "1"],
            ["flash-sale", "--doors-at", "3"],
            ["flash-sale", "--doors-at", "0s"],
            ["flash-sale", "--half-life", "1"],
            ["compare", "--warmup", "1"],
            ["ceilings", "--depth", "8193"],
            ["uniform", "--rate", "0"],
            ["uniform", "--ramp", "5"],
        ] {
            assert!(
                Arguments::try_parse_from(["stockhold-loadtest"].iter().chain(&wrong)).is_err(),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn a_server_may_have_a_name() {
        // Proves that names are resolved, and that what is no address is refused with the form.
        assert_eq!(server("127.0.0.1:7411"), Ok(SocketAddr::from(([127, 0, 0, 1], 7_411))));
        assert!(server("localhost:7411").unwrap().ip().is_loopback());
        assert!(server("7411").unwrap_err().contains("write HOST:PORT"));
    }

    #[test]
    fn rates_may_be_written_short() {
        // Proves thousands and millions, fractions of them, and that anything but a whole rate within the limits is
        // refused.
        let written = [("1", 1), ("20k", 20_000), ("1.5M", 1_500_000), ("0.25k", 250), ("10M", RATE_MAX)];
        for (text, expected) in written {
            assert_eq!(rate(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "k",
            "0",
            "-1",
            "1.5",
            "1e3",
            "10.1M",
            "1..2",
            "0.00001k",
            "99999999999999999999k",
            "1.00000000000000000000k",
        ] {
            assert!(rate(text).is_err(), "{text}");
        }
        assert_eq!(ramp("1k..2M"), Ok(Ramp { from: 1_000, to: 2_000_000 }));
        assert!(["1k", "1k..", "..5", "1k-2k"].iter().all(|text| ramp(text).is_err()));
    }

    #[test]
    fn a_rate_makes_the_loop_open() {
        // Proves that the pace has its warm-up, that a ramp covers its whole range, and that only one of the two
        // options may be given.
        let parse = |words: &[&str]| {
            let words =
                ["stockhold-loadtest", "uniform", "--warmup", "1s", "--seconds", "4"].iter().chain(words);
            Arguments::try_parse_from(words).map(|arguments| match arguments.command {
                Some(Command::Uniform(closed)) => closed.pace.pace(&closed.load),
                _ => None,
            })
        };
        assert_eq!(parse(&[]).unwrap(), None);
        let second = Duration::from_secs(1);
        assert_eq!(
            parse(&["--rate", "5k"]).unwrap(),
            Some(Pace::steady(5_000, second).then(5_000, 5_000, second * 4))
        );
        let ramp = Pace::steady(10, second).then(10, 20, second * 4);
        assert_eq!(parse(&["--ramp", "10..20"]).unwrap(), Some(ramp));
        assert!(parse(&["--ramp", "10..20", "--rate", "5"]).is_err());
    }
}
