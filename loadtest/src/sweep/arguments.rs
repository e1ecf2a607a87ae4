//! The arguments of a sweep.

use crate::arguments::{CommonArguments, LoadArguments, PageArguments, Ramp, ramp};
use crate::closed::scenario::Scenario;
use clap::{Args, ValueEnum};
use std::time::Duration;

/// Maximum number of depths of one sweep.
const DEPTHS_MAX: usize = 32;

/// The scenarios that can be swept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Swept {
    Uniform,
    Hot,
    Shared,
    Shops,
    Zipf,
    Carts,
    Checks,
    SoldOut,
    HoldChurn,
    RetryStorm,
    Mixed,
}

impl Swept {
    pub(super) const fn scenario(self) -> Scenario {
        match self {
            Self::Uniform => Scenario::UNIFORM,
            Self::Hot => Scenario::HOT,
            Self::Shared => Scenario::SHARED,
            Self::Shops => Scenario::SHOPS,
            Self::Zipf => Scenario::ZIPF,
            Self::Carts => Scenario::THREE_LINES,
            Self::Checks => Scenario::CHECKS,
            Self::SoldOut => Scenario::SOLD_OUT,
            Self::HoldChurn => Scenario::HOLD_CHURN,
            Self::RetryStorm => Scenario::RETRY_STORM,
            Self::Mixed => Scenario::MIXED,
        }
    }
}

/// A sweep.
#[derive(Clone, Debug, Args)]
pub(crate) struct SweepArguments {
    /// The scenario of every step.
    #[arg(value_enum, default_value = "uniform")]
    pub(crate) scenario: Swept,
    /// Rates to step through, open loop: they double until one is not kept, then the knee is bisected.
    #[arg(long, value_name = "FROM..TO", default_value = "10k..2M", value_parser = rising, help_heading = "Sweep")]
    pub(crate) rates: Ramp,
    /// Depths to step through instead, closed loop (1,4,16,64,256).
    #[arg(long, value_name = "D,…", value_delimiter = ',', num_args = 1.., conflicts_with = "rates", help_heading = "Sweep")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=8_192))]
    pub(crate) depths: Vec<u16>,
    /// The 99th percentile that a good step must stay below, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "10", value_parser = milliseconds, help_heading = "Sweep")]
    pub(crate) p99_limit_ms: Duration,
    /// How often the interval between the last good and the first bad rate is bisected.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=12), help_heading = "Sweep")]
    pub(crate) refine: u32,
    #[command(flatten)]
    pub(crate) load: LoadArguments,
    /// SKUs to choose from.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) skus: u32,
    #[command(flatten)]
    pub(crate) page: PageArguments,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

impl SweepArguments {
    /// Whether there are too many depths to show.
    pub(super) const fn has_too_many_depths(&self) -> bool {
        self.depths.len() > DEPTHS_MAX
    }
}

fn rising(text: &str) -> Result<Ramp, String> {
    let rates = ramp(text)?;
    if rates.from <= rates.to { Ok(rates) } else { Err("must begin with the lower rate".to_owned()) }
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    const RULE: &str = "must be a number of milliseconds between 0.001 and 600000, such as 10 or 0.5";
    let ms: f64 = text.parse().map_err(|_| RULE.to_owned())?;
    let limit = Duration::try_from_secs_f64(ms).map_err(|_| RULE.to_owned())? / 1_000;
    if (Duration::from_micros(1)..=Duration::from_mins(10)).contains(&limit) {
        Ok(limit)
    } else {
        Err(RULE.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments, Command};
    use clap::Parser;

    fn parse(words: &[&str]) -> Result<SweepArguments, clap::Error> {
        let words = ["stockhold-loadtest", "sweep"].iter().chain(words);
        Arguments::try_parse_from(words).map(|arguments| match arguments.command {
            Some(Command::Sweep(sweep)) => sweep,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_sweep_goes_through_rates_or_depths() {
        // Proves the defaults, that limits are numbers of milliseconds, and that contradictions are refused.
        let sweep = parse(&[]).unwrap();
        assert_eq!((sweep.scenario, sweep.rates), (Swept::Uniform, Ramp { from: 10_000, to: 2_000_000 }));
        let sweep = parse(&["hold-churn", "--depths", "1,4,16", "--p99-limit-ms", "0.5"]).unwrap();
        assert_eq!((sweep.depths, sweep.p99_limit_ms), (vec![1, 4, 16], Duration::from_micros(500)));
        assert_eq!(parse(&["mixed"]).unwrap().scenario.scenario(), Scenario::MIXED);
        for wrong in [
            &["--rates", "2k..1k"][..],
            &["--rates", "1k..2k", "--depths", "1"],
            &["--p99-limit-ms", "0"],
            &["--depths", "0"],
            &["chaos"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
