//! The arguments of `compare`.

use crate::arguments::seconds;
use crate::memory::MemoryArguments;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use stockhold::cli::times::duration;

/// The measured time of a sample in a quick run: enough to see that everything works, not enough for meaningful
/// figures.
const QUICK_SECONDS: Duration = Duration::from_millis(300);
/// The warm-up of a quick run.
const QUICK_WARMUP: Duration = Duration::from_millis(200);

/// The same carts against Stockhold and its peers.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompareArguments {
    /// The peers to measure beside Stockhold. Their programs must be installed (scripts/install-peers.sh).
    #[arg(long, value_enum, value_delimiter = ',', default_value = "redis")]
    pub(crate) peers: Vec<Peer>,
    /// How often every store is measured, one after the other. Medians are reported.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100), conflicts_with = "quick")]
    pub(crate) rounds: u32,
    /// Seconds to measure in each sample.
    #[arg(long, default_value = "2", value_parser = seconds, conflicts_with = "quick")]
    pub(crate) seconds: Duration,
    /// Length of the warm-up, which is not measured.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration, conflicts_with = "quick")]
    pub(crate) warmup: Duration,
    /// One round of very short samples in fewer shapes. It shows that everything works; its figures are not
    /// meaningful.
    #[arg(long)]
    pub(crate) quick: bool,
    /// SKUs to choose from, except in samples with one hot SKU.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) skus: u32,
    /// Data directory of all stores; must be empty or absent. Default: beside this program.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print one line of JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Seed of the carts.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) memory: MemoryArguments,
}

/// Another store that can hold stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Peer {
    /// Redis with a Lua script.
    Redis,
    /// PostgreSQL with one statement per frame.
    Postgres,
}

/// The duration and number of samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) rounds: u32,
    pub(crate) seconds: Duration,
    pub(crate) warmup: Duration,
}

impl CompareArguments {
    pub(crate) const fn pace(&self) -> Pace {
        if self.quick {
            Pace { rounds: 1, seconds: QUICK_SECONDS, warmup: QUICK_WARMUP }
        } else {
            Pace { rounds: self.rounds, seconds: self.seconds, warmup: self.warmup }
        }
    }

    /// Each peer once, in a fixed order.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        let mut peers = self.peers.clone();
        peers.sort_unstable();
        peers.dedup();
        peers
    }
}
