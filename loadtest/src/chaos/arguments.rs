//! The arguments of the scenario `chaos`.

use crate::arguments::{key_and_value, seconds};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// The longest pause between two faults, which bounds the duration of a test.
const BETWEEN_MAX: Duration = Duration::from_mins(10);

/// A sale on a server that is killed repeatedly.
#[derive(Clone, Debug, Args)]
pub(crate) struct ChaosArguments {
    /// How often the server is killed with SIGKILL. The last kill is after all shoppers have finished, so that the
    /// audit runs on a server that knows only what its directory contains.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) kills: u32,
    /// Cut the power this many times instead, and kill the server only now and then. Its data is then on separate
    /// file systems on loop devices, which requires root and the programs mkfs.ext4, mount, umount and fsfreeze.
    #[arg(long, value_name = "N", conflicts_with = "kills", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) power_cuts: Option<u32>,
    /// Shortest and longest time between two faults, in seconds.
    #[arg(long, value_name = "MIN..MAX", default_value = "0.05..0.5", value_parser = span)]
    pub(crate) seconds_between: Span,
    /// Longest time for which the server is frozen with SIGSTOP, in seconds.
    #[arg(long, default_value = "2", value_parser = seconds)]
    pub(crate) stop_seconds: Duration,
    /// Shoppers, each with one command or one frame of commands in flight.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) shoppers: u32,
    /// Seed of the faults and of the carts. The timing still differs from run to run.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// An option of the server, as in its configuration file. Default: small segments and frequent snapshots.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Data directory of the server; must be empty or absent. Default: beside this program.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Keep the data directory. It is always kept after a finding.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Print one line of JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

impl ChaosArguments {
    /// How many crashes of the requested kind are injected.
    pub(crate) fn crashes(&self) -> u32 {
        self.power_cuts.unwrap_or(self.kills)
    }
}

/// A shortest and a longest time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) shortest: Duration,
    pub(crate) longest: Duration,
}

fn span(text: &str) -> Result<Span, String> {
    const RULE: &str = "must be two numbers of seconds, the first not above the second, such as 0.05..0.5";
    let (shortest, longest) = text.split_once("..").ok_or(RULE)?;
    let span = Span { shortest: seconds(shortest)?, longest: seconds(longest)? };
    if span.shortest <= span.longest && span.longest <= BETWEEN_MAX { Ok(span) } else { Err(RULE.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_two_ends_in_order() {
        // Proves that a range is checked when it is parsed.
        let half = Duration::from_millis(500);
        assert_eq!(span("0.5..0.5"), Ok(Span { shortest: half, longest: half }));
        for wrong in ["0.5", "1..0.5", "0..1", "a..b", "1..601", ".."] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
