//! Percentiles in reports, in microseconds.

use crate::page::Tile;
use crate::plot::figures;
use crate::ratio;
use crate::tally::Latencies;
use serde::Serialize;

/// One point of a latency curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct CurvePoint {
    /// In percent, below 100.
    pub(crate) percentile: f64,
    pub(crate) us: f64,
}

/// The curve of some latencies, for a chart.
pub(crate) fn curve_of(latencies: &Latencies) -> Vec<CurvePoint> {
    let curve = latencies.curve().into_iter();
    curve
        .map(|(quantile, ns)| CurvePoint { percentile: ratio::hundred(quantile), us: ratio::us(ns) })
        .collect()
}

/// Percentiles of one kind of request.
#[expect(clippy::struct_field_names, reason = "they are the names in the report, which carry their unit")]
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

impl Percentiles {
    pub(crate) fn of(latencies: &Latencies) -> Self {
        let at = |quantile| ratio::us(latencies.quantile(quantile));
        Self {
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: ratio::us(latencies.max()),
        }
    }

    /// The tiles at the top of a page.
    pub(crate) fn tiles(&self) -> [Tile; 4] {
        let named =
            [(self.p50_us, "p50"), (self.p99_us, "p99"), (self.p999_us, "p99.9"), (self.max_us, "longest")];
        named.map(|(us, name)| Tile { figure: figures::latency(us), name })
    }

    /// The text for people.
    pub(crate) fn text(&self) -> String {
        let Self { p50_us, p90_us, p99_us, p999_us, max_us } = self;
        format!(
            "p50 {p50_us:.0} µs · p90 {p90_us:.0} µs · p99 {p99_us:.0} µs · p99.9 {p999_us:.0} µs · max {max_us:.0} µs"
        )
    }
}
