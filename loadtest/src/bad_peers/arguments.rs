//! The arguments of the scenario `bad-peers`.

use super::peers::Kind;
use crate::arguments::{CommonArguments, seconds};
use clap::Args;
use std::time::Duration;

/// Healthy carts beside misbehaving peers.
#[derive(Clone, Debug, Args)]
pub(crate) struct BadPeersArguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// Only these kinds. Default: all of them, one after the other.
    #[arg(long = "kind", value_enum)]
    pub(crate) kinds: Vec<Kind>,
    /// Healthy connections.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) connections: u32,
    /// Carts in flight on each healthy connection.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=8_192))]
    pub(crate) depth: u16,
    /// How often each kind is started and stopped. Throughput with it is compared with throughput before and after.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Length of each measurement, in seconds.
    #[arg(long, default_value = "1", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Idle connections.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub(crate) idle: u32,
    /// Healthy carts reserved before the measurement, which the server then has to search.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) reservations: u64,
    /// Maximum 99th percentile of healthy carts, as a multiple of that without the peers.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) p99_ratio_max: f64,
    /// Minimum share of throughput that healthy connections must keep, in percent.
    #[arg(long, default_value_t = 80, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) keep_percent: u32,
}
