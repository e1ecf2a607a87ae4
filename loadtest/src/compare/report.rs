//! The report of a comparison: every sample, and the ratios of their medians. A ratio compares figures of one run.
//! Figures of different runs are not comparable, because machines drift.

use super::arguments::{CompareArguments, Pace};
use super::subject::{Role, Setting, Shape, Subject, settings};
use crate::latency::Percentiles;
use crate::memory::MemoryFacts;
use crate::ratio;
use crate::system::{Cost, MachineFacts, PagingFacts};
use crate::table::Table;
use crate::tally::Latencies;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// One sample.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    round: u32,
    #[serde(rename = "subject", serialize_with = "setting_name")]
    setting: Setting,
    #[serde(serialize_with = "role_name")]
    role: Role,
    #[serde(flatten)]
    shape: Shape,
    /// Carts granted in the whole sample, including before and after the measured time.
    granted: u64,
    reservations_per_second: f64,
    #[serde(flatten)]
    latency: Percentiles,
    client_cpu_percent: f64,
    server_cpu_percent: f64,
    client_cpu_us_per_reservation: f64,
    server_cpu_us_per_reservation: f64,
    steal_percent: f64,
    #[serde(flatten)]
    paging: Option<PagingFacts>,
    memory: MemoryFacts,
}

/// A measurement, before figures are computed.
#[derive(Debug)]
pub(crate) struct Measurement<'a> {
    /// Carts granted in the measured time.
    pub(crate) measured: u64,
    /// Carts granted in the whole sample.
    pub(crate) granted: u64,
    pub(crate) latencies: &'a Latencies,
    pub(crate) span: Duration,
    pub(crate) cost: Cost,
    pub(crate) memory: MemoryFacts,
}

/// The time to make one block durable, in one round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SyncSample {
    pub(crate) round: u32,
    #[serde(flatten)]
    pub(crate) latency: Percentiles,
}

/// The configuration of a peer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PeerFacts {
    pub(crate) version: String,
    pub(crate) settings: String,
    pub(crate) durability: &'static str,
}

/// The two ceilings, as medians of all rounds.
#[derive(Clone, Copy, Debug, Serialize)]
struct CeilingFigures {
    echo_deep: f64,
    echo_single: f64,
    synced_block_p50_us: f64,
}

/// Ratios of Stockhold's rate to a peer's, by the peer's setting.
#[derive(Clone, Debug, Default, Serialize)]
struct Ratios<T> {
    deep: BTreeMap<&'static str, T>,
    single: BTreeMap<&'static str, T>,
}

/// The report, in the order in which it is printed as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct CompareReport {
    scenario: &'static str,
    r#loop: &'static str,
    rounds: u32,
    seconds: f64,
    warmup: f64,
    skus: u32,
    seed: u64,
    quick: bool,
    /// Ratios of medians over all rounds. In the deep role, the peer's best shape is used.
    ratios: Ratios<f64>,
    /// The lowest and the highest ratio of a single round.
    ratios_of_rounds: Ratios<(f64, f64)>,
    /// The peer's best shape.
    best_shapes: BTreeMap<&'static str, Shape>,
    ceilings: CeilingFigures,
    /// Steal over all samples, in percent of one core.
    steal_percent: f64,
    peers: BTreeMap<&'static str, PeerFacts>,
    samples: Vec<Sample>,
    synced_blocks: Vec<SyncSample>,
    machine: MachineFacts,
    interrupted: bool,
}

impl Sample {
    pub(crate) fn new(round: u32, subject: &Subject, measured: Measurement<'_>) -> Self {
        let Measurement { measured, granted, latencies, span, cost, memory } = measured;
        Self {
            round,
            setting: subject.setting,
            role: subject.role,
            shape: subject.shape,
            granted,
            reservations_per_second: ratio::per_second(measured, span),
            latency: Percentiles::of(latencies),
            client_cpu_percent: ratio::percent(cost.client_cpu, span),
            server_cpu_percent: ratio::percent(cost.server_cpu, span),
            client_cpu_us_per_reservation: ratio::us_each(cost.client_cpu, measured),
            server_cpu_us_per_reservation: ratio::us_each(cost.server_cpu, measured),
            steal_percent: ratio::percent(cost.steal, span),
            paging: cost.paging.map(|paging| paging.facts(span)),
            memory,
        }
    }

    /// The paging of all measured processes.
    fn paging(&self) -> PagingFacts {
        self.paging.unwrap_or_default()
    }

    /// A line of progress, for people.
    pub(crate) fn text(&self) -> String {
        format!(
            "round {}: {:<15} {:>4} × {:<4} {:>10.0} per second, steal {:.0} %",
            self.round,
            self.setting.name(),
            self.shape.connections,
            self.shape.depth,
            self.reservations_per_second,
            self.steal_percent
        )
    }
}

/// Rates of one setting in one role, in the rounds that `is_wanted` selects. If there are several shapes, its best
/// one is used.
fn best(
    samples: &[Sample],
    setting: Setting,
    role: Role,
    is_wanted: impl Fn(u32) -> bool,
) -> Option<(Shape, f64)> {
    let of_it = |sample: &&Sample| sample.setting == setting && sample.role == role;
    let mut shapes: Vec<Shape> = samples.iter().filter(of_it).map(|sample| sample.shape).collect();
    shapes.dedup();
    let median_of = |shape: Shape| {
        let here = |sample: &&Sample| of_it(sample) && sample.shape == shape && is_wanted(sample.round);
        let rates: Vec<f64> =
            samples.iter().filter(here).map(|sample| sample.reservations_per_second).collect();
        ratio::median(&rates).map(|rate| (shape, rate))
    };
    shapes.into_iter().filter_map(median_of).max_by(|one, other| one.1.total_cmp(&other.1))
}

fn quotient(
    samples: &[Sample],
    setting: Setting,
    role: Role,
    is_wanted: impl Fn(u32) -> bool,
) -> Option<f64> {
    let (_, ours) = best(samples, setting.rival()?, role, &is_wanted)?;
    let (_, theirs) = best(samples, setting, role, &is_wanted)?;
    Some(ratio::quotient(ours, theirs))
}

/// Values that only the run knows.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) peers: BTreeMap<&'static str, PeerFacts>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) synced_blocks: Vec<SyncSample>,
    /// The total measured time of the samples, and the steal in it.
    pub(crate) measured: Duration,
    pub(crate) stolen: Duration,
    pub(crate) interrupted: bool,
}

impl CompareReport {
    pub(crate) fn new(arguments: &CompareArguments, findings: Findings) -> Self {
        let Findings { peers, samples, synced_blocks, measured, stolen, interrupted } = findings;
        let Pace { seconds, warmup, .. } = arguments.pace();
        let rounds = samples.iter().map(|sample| sample.round).max().unwrap_or(0);
        let (mut ratios, mut ratios_of_rounds) = (Ratios::default(), Ratios::default());
        let mut best_shapes = BTreeMap::new();
        for setting in settings(&arguments.peers()) {
            for role in [Role::Deep, Role::Single] {
                if let Some(quotient) = quotient(&samples, setting, role, |_| true) {
                    ratios.of(role).insert(setting.name(), quotient);
                }
                let of_rounds: Vec<f64> = (1..=rounds)
                    .filter_map(|round| quotient(&samples, setting, role, |of| of == round))
                    .collect();
                if let Some(span) = ratio::span(&of_rounds) {
                    ratios_of_rounds.of(role).insert(setting.name(), span);
                }
            }
            if let Some((shape, _)) = best(&samples, setting, Role::Deep, |_| true) {
                best_shapes.insert(setting.name(), shape);
            }
        }
        let echo = |role| best(&samples, Setting::Echo, role, |_| true).map_or(0.0, |(_, rate)| rate);
        let blocks: Vec<f64> = synced_blocks.iter().map(|sample| sample.latency.p50_us).collect();
        let ceilings = CeilingFigures {
            echo_deep: echo(Role::Deep),
            echo_single: echo(Role::Single),
            synced_block_p50_us: ratio::median(&blocks).unwrap_or(0.0),
        };
        let machine = MachineFacts::new(stolen, measured);
        Self {
            scenario: "compare",
            r#loop: "closed",
            rounds,
            seconds: seconds.as_secs_f64(),
            warmup: warmup.as_secs_f64(),
            skus: arguments.skus,
            seed: arguments.seed,
            quick: arguments.quick,
            ratios,
            ratios_of_rounds,
            best_shapes,
            ceilings,
            steal_percent: machine.steal_percent,
            peers,
            samples,
            synced_blocks,
            machine,
            interrupted,
        }
    }

    pub(crate) fn text(&self) -> String {
        let mut table = Table::new();
        table.row("compare", format!("{} rounds of {:.1} s, closed loop", self.rounds, self.seconds));
        let mut told: Vec<(Setting, Role, Shape)> = Vec::new();
        for sample in &self.samples {
            let key = (sample.setting, sample.role, sample.shape);
            if !told.contains(&key) {
                told.push(key);
                table.row(sample.setting.name(), self.shape_text(key));
            }
        }
        for (name, ratios, spans) in [
            ("deep", &self.ratios.deep, &self.ratios_of_rounds.deep),
            ("single", &self.ratios.single, &self.ratios_of_rounds.single),
        ] {
            for (setting, quotient) in ratios {
                let (lowest, highest) = spans.get(setting).copied().unwrap_or_default();
                table.row(
                    "ratio",
                    format!(
                        "{name}: {quotient:.2} times {setting} ({lowest:.2} to {highest:.2} in single rounds)"
                    ),
                );
            }
        }
        let mut states: BTreeMap<String, u64> = BTreeMap::new();
        for sample in &self.samples {
            *states.entry(sample.memory.state_text()).or_default() += 1;
        }
        let states = states.iter().map(|(state, samples)| format!("{state} in {samples} samples"));
        table.row("memory", states.collect::<Vec<String>>().join(" · "));
        table.row("S", format!("{:.0} µs for one synced block", self.ceilings.synced_block_p50_us));
        for (setting, peer) in &self.peers {
            table.row("peer", format!("{setting}: {}; {}; {}", peer.version, peer.settings, peer.durability));
        }
        table.machine(&self.machine, None);
        if self.quick {
            table.row(
                "note",
                "a quick run only shows that everything works; its figures are not meaningful".to_owned(),
            );
        }
        if self.interrupted {
            table.row("note", "stopped early by Ctrl-C".to_owned());
        }
        table.text()
    }

    fn shape_text(&self, (setting, role, shape): (Setting, Role, Shape)) -> String {
        let of = |figure: fn(&Sample) -> f64| -> Vec<f64> {
            let is_it =
                |sample: &&Sample| (sample.setting, sample.role, sample.shape) == (setting, role, shape);
            self.samples.iter().filter(is_it).map(figure).collect()
        };
        let middle = |figure| ratio::median(&of(figure)).unwrap_or(0.0);
        let rates = of(|sample| sample.reservations_per_second);
        let (lowest, highest) = ratio::span(&rates).unwrap_or_default();
        format!(
            "{:>4} × {:<4} {:>10.0} per second ({lowest:.0} to {highest:.0}), p50 {:.0} µs · p99 {:.0} µs, \
             server {:.0} % · client {:.0} % of a core, steal {:.0} %; server {:.0} % in the kernel, {:.0} faults, {:+.0} MiB",
            shape.connections,
            shape.depth,
            ratio::median(&rates).unwrap_or(0.0),
            middle(|sample| sample.latency.p50_us),
            middle(|sample| sample.latency.p99_us),
            middle(|sample| sample.server_cpu_percent),
            middle(|sample| sample.client_cpu_percent),
            middle(|sample| sample.steal_percent),
            middle(|sample| sample.paging().system_percent),
            middle(|sample| ratio::number(sample.paging().minor_faults)),
            middle(|sample| ratio::mib(sample.paging().resident_growth_bytes)),
        )
    }
}

impl<T> Ratios<T> {
    fn of(&mut self, role: Role) -> &mut BTreeMap<&'static str, T> {
        match role {
            Role::Deep => &mut self.deep,
            Role::Single => &mut self.single,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the serializer gives a reference")]
fn setting_name<S: serde::Serializer>(setting: &Setting, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(setting.name())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the serializer gives a reference")]
fn role_name<S: serde::Serializer>(role: &Role, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(role.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(round: u32, setting: Setting, connections: u32, rate: f64) -> Sample {
        let subject = Subject { setting, role: Role::Deep, shape: Shape { connections, depth: 1 } };
        let latencies = Latencies::new().unwrap();
        let measured = Measurement {
            measured: 0,
            granted: 0,
            latencies: &latencies,
            span: Duration::from_secs(1),
            cost: Cost::default(),
            memory: MemoryFacts::as_is(),
        };
        Sample { reservations_per_second: rate, ..Sample::new(round, &subject, measured) }
    }

    #[test]
    fn the_best_shape_of_a_peer_counts() {
        // Proves that a peer is compared by the median of its best shape, not by its best moment or its first shape.
        let (us, them) = (Setting::Stockhold, Setting::RedisEverysec);
        let samples: Vec<Sample> =
            [(1, 900.0, 100.0, 40.0), (2, 1_000.0, 100.0, 60.0), (3, 1_300.0, 500.0, 50.0)]
                .iter()
                .flat_map(|(round, ours, first, second)| {
                    [
                        sample(*round, us, 64, *ours),
                        sample(*round, them, 64, *first),
                        sample(*round, them, 512, *second),
                    ]
                })
                .collect();
        assert_eq!(
            best(&samples, them, Role::Deep, |_| true),
            Some((Shape { connections: 64, depth: 1 }, 100.0))
        );
        assert_eq!(quotient(&samples, them, Role::Deep, |_| true), Some(10.0));
        assert_eq!(quotient(&samples, them, Role::Deep, |round| round == 3), Some(2.6));
        assert_eq!(quotient(&samples, them, Role::Single, |_| true), None);
    }
}
