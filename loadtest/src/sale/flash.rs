//! The flash sale: a few shoppers until the doors open, then a crowd that wants the same few goods and shrinks over
//! time. This module has its parameters and its report; the other modules of `sale` run it.

use super::goods::Hot;
use super::{Offer, hold};
use crate::arguments::{CommonArguments, PageArguments, rate, seconds};
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::pace::Pace;
use clap::Args;
use serde::Serialize;
use std::time::Duration;
use stockhold::cli::times::some_duration;

/// Percentage of shoppers that only check while the doors are closed.
pub(super) const CHECK_PERCENT_BEFORE: u32 = 75;
/// Percentage of lines that want the hot SKUs once the doors are open.
const HOT_PERCENT: u32 = 80;
/// A shorter half-life is refused: too few groups of the spike would be due within it.
const HALF_LIFE_MIN: Duration = Duration::from_millis(50);

/// The flash sale.
#[derive(Clone, Debug, Args)]
pub(crate) struct FlashArguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    #[command(flatten)]
    pub(crate) page: PageArguments,
    /// When the doors open.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = some_duration)]
    pub(crate) doors_at: Duration,
    /// Shoppers due each second at the moment when the doors open (200000, 200k).
    #[arg(long, value_name = "R", default_value = "100k", value_parser = rate)]
    pub(crate) spike_rate: u32,
    /// How long it takes until half of that crowd has left.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = some_duration)]
    pub(crate) half_life: Duration,
    /// Shoppers due each second before the doors open, and at least afterwards.
    #[arg(long, value_name = "R", default_value = "1k", value_parser = rate)]
    pub(crate) rate: u32,
    /// How long shoppers arrive, in seconds.
    #[arg(long, default_value = "12", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Connections to the server.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4_000))]
    pub(crate) connections: u32,
    /// SKUs of the shop. The first ones are hot.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(4..=1_000_000))]
    pub(crate) skus: u32,
    /// Hot SKUs: four of five lines want them once the doors are open, and no line before.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) hot_skus: u32,
    /// Units of each hot SKU in each of the two warehouses.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) hot_units: u32,
}

/// When the doors open, and the crowd after that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doors {
    pub(crate) at: Duration,
    spike_rate: u32,
    half_life: Duration,
}

/// The report about the doors.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DoorsFacts {
    pub(crate) doors_at_s: f64,
    spike_rate: u32,
    half_life_s: f64,
    hot_skus: u32,
    hot_units: u64,
    /// How long after the doors opened the first cart was refused as sold out.
    first_sold_out_after_s: Option<f64>,
}

/// Runs the flash sale.
pub(crate) fn run(arguments: &FlashArguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let FlashArguments { doors_at, spike_rate, half_life, seconds, .. } = *arguments;
    if seconds <= doors_at {
        return Err(Failure::usage("--seconds: the sale must continue after --doors-at"));
    }
    if spike_rate < arguments.rate {
        return Err(Failure::usage("--spike-rate: must be at least --rate"));
    }
    if half_life < HALF_LIFE_MIN {
        return Err(Failure::usage("--half-life: must be at least 50ms"));
    }
    if arguments.skus < arguments.hot_skus.saturating_add(3) {
        return Err(Failure::usage("--skus: must be at least three more than --hot-skus"));
    }
    let offer = Offer {
        name: "flash-sale",
        common: &arguments.common,
        page: &arguments.page,
        connections: arguments.connections,
        skus: arguments.skus,
        hot: Hot { skus: arguments.hot_skus, units: arguments.hot_units, percent: HOT_PERCENT },
        pace: Pace::steady(arguments.rate, doors_at).spike(arguments.rate, spike_rate, half_life, seconds),
        rate: arguments.rate,
        ramp: None,
        doors: Some(Doors { at: doors_at, spike_rate, half_life }),
    };
    hold(&offer, interrupt)
}

impl Doors {
    pub(super) fn facts(self, hot: Hot, sold_out_ns: Option<u64>) -> DoorsFacts {
        let after = |ns| Duration::from_nanos(ns).saturating_sub(self.at).as_secs_f64();
        DoorsFacts {
            doors_at_s: self.at.as_secs_f64(),
            spike_rate: self.spike_rate,
            half_life_s: self.half_life.as_secs_f64(),
            hot_skus: hot.skus,
            hot_units: u64::from(hot.skus) * u64::from(hot.units) * 2,
            first_sold_out_after_s: sold_out_ns.map(after),
        }
    }
}

impl DoorsFacts {
    pub(super) fn text(&self) -> String {
        let Self { doors_at_s, spike_rate, half_life_s, hot_skus, hot_units, .. } = self;
        let sold_out = self.first_sold_out_after_s.map_or_else(
            || "nothing sold out".to_owned(),
            |after_s| format!("the first \"sold out\" {after_s:.3} s later"),
        );
        format!(
            "opened at {doors_at_s} s for {spike_rate} shoppers per second (half as many every {half_life_s} s) who want {hot_units} units \
             of {hot_skus} SKUs; {sold_out}"
        )
    }
}
