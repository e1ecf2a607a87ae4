//! A time series: answers and their latencies in equal intervals of the measured time, so that a report can show the
//! course of a run. It is coarser than the latencies of the whole run, because there are many intervals.

use crate::pace::Pace;
use crate::ratio;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

/// The intended number of intervals, if their limits allow it.
const INTERVALS_AIM: u32 = 100;
/// The shortest interval. A shorter one contains too few answers for a percentile.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// The longest interval, unless there would be too many of them.
const INTERVAL_MAX: Duration = Duration::from_secs(1);
/// Maximum number of intervals: twenty minutes of seconds. Longer runs have longer intervals.
const INTERVALS_MAX: u32 = 1_200;
/// The limits of a latency in nanoseconds. Values outside are clamped.
const LATENCY_NS: (u64, u64) = (1_000, 600_000_000_000);
/// Significant decimal digits of a latency.
const LATENCY_DIGITS: u8 = 2;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    span: Duration,
    interval: Duration,
    /// The initial histogram of every interval.
    empty: Option<Histogram<u32>>,
    intervals: Vec<Option<Histogram<u32>>>,
}

/// One interval of a report.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Point {
    /// When it began, in seconds since the beginning of the measured time.
    pub(crate) at_s: f64,
    /// How long it was.
    pub(crate) span_s: f64,
    /// The requested rate. Only in an open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asked_per_second: Option<u64>,
    /// Answers per second in it.
    pub(crate) per_second: f64,
    /// Their latency. Absent if there was no answer.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) latency: Option<PointLatency>,
}

/// Latencies of one interval.
#[expect(clippy::struct_field_names, reason = "they are the names in the report, which carry their unit")]
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct PointLatency {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
}

impl Series {
    /// A series over `span`.
    pub(crate) fn over(span: Duration) -> Result<Self, anyhow::Error> {
        let wanted = (span / INTERVALS_AIM).clamp(INTERVAL_MIN, INTERVAL_MAX);
        let interval = wanted.max(part_of(span, INTERVALS_MAX));
        let empty = Histogram::new_with_bounds(LATENCY_NS.0, LATENCY_NS.1, LATENCY_DIGITS)?;
        Ok(Self { span, interval, empty: Some(empty), intervals: Vec::new() })
    }

    /// Counts answers that arrived `at` after the beginning.
    pub(crate) fn record(&mut self, at: Duration, latency: Duration, count: u64) {
        if at >= self.span {
            return;
        }
        let interval = at.as_nanos() / self.interval.as_nanos().max(1);
        let Ok(index) = usize::try_from(interval) else { return };
        if index >= self.intervals.len() {
            self.intervals.resize_with(index + 1, || None);
        }
        let Some(slot) = self.intervals.get_mut(index) else { return };
        if slot.is_none() {
            slot.clone_from(&self.empty);
        }
        if let Some(latencies) = slot {
            let ns = u64::try_from(latency.as_nanos()).unwrap_or(LATENCY_NS.1);
            latencies.saturating_record_n(ns, u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// Adds the series of another thread over the same time.
    pub(crate) fn merge(&mut self, other: Self) -> Result<(), anyhow::Error> {
        if self.intervals.is_empty() {
            *self = other;
            return Ok(());
        }
        if other.intervals.len() > self.intervals.len() {
            self.intervals.resize_with(other.intervals.len(), || None);
        }
        for (sum, more) in self.intervals.iter_mut().zip(other.intervals) {
            match (sum.as_mut(), more) {
                (Some(sum), Some(more)) => sum.add(&more)?,
                (None, more) => *sum = more,
                (Some(_), None) => {}
            }
        }
        Ok(())
    }

    /// The intervals of the first `span`, which may have been cut short, for a report. `asked` is the pace, and the
    /// start of the measured time in it.
    pub(crate) fn points(&self, span: Duration, asked: Option<(&Pace, Duration)>) -> Vec<Point> {
        let span = span.min(self.span);
        let mut points = Vec::new();
        let mut at = Duration::ZERO;
        let mut intervals = self.intervals.iter();
        while at < span && !self.interval.is_zero() {
            let length = self.interval.min(span.saturating_sub(at));
            let latencies = intervals.next().and_then(Option::as_ref);
            points.push(point(at, length, latencies, asked));
            at += length;
        }
        points
    }
}

fn point(
    at: Duration,
    length: Duration,
    latencies: Option<&Histogram<u32>>,
    asked: Option<(&Pace, Duration)>,
) -> Point {
    let asked_per_second = asked.map(|(pace, ahead)| {
        let ns = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        pace.rate_between(ns(ahead + at), ns(ahead + at + length))
    });
    let latency = latencies.map(|latencies| {
        let us = |quantile| ratio::us(latencies.value_at_quantile(quantile));
        PointLatency { p50_us: us(0.5), p99_us: us(0.99), p999_us: us(0.999) }
    });
    let count = latencies.map_or(0, Histogram::len);
    Point {
        at_s: at.as_secs_f64(),
        span_s: length.as_secs_f64(),
        asked_per_second,
        per_second: ratio::per_second(count, length),
        latency,
    }
}

/// A part of `span`, rounded up, so that `parts` of them cover it.
fn part_of(span: Duration, parts: u32) -> Duration {
    let part = span / parts;
    if part * parts < span { part + Duration::from_nanos(1) } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn intervals_are_neither_too_short_nor_too_many() {
        // Proves the length of intervals from a fifth of a second to a day.
        for (seconds_of_run, interval_ms, count) in
            [(0.2, 100, 2), (5.0, 100, 50), (30.0, 300, 100), (600.0, 1_000, 600), (86_400.0, 72_000, 1_200)]
        {
            let span = Duration::from_secs_f64(seconds_of_run);
            let series = Series::over(span).unwrap();
            assert_eq!(series.interval, MS * interval_ms, "{seconds_of_run}");
            assert_eq!(series.points(span, None).len(), count, "{seconds_of_run}");
        }
    }

    #[test]
    fn answers_fall_into_their_interval() {
        // Proves rates and percentiles of each interval, empty ones in between, and that nothing counts after the
        // end.
        let span = MS * 300;
        let mut series = Series::over(span).unwrap();
        series.record(MS * 10, MS, 99);
        series.record(MS * 99, MS * 20, 1);
        series.record(MS * 250, MS * 5, 10);
        series.record(MS * 300, MS * 5, 10);
        let points = series.points(span, None);
        assert_eq!(points.len(), 3);
        assert!((points[0].per_second - 1_000.0).abs() < 1e-9 && (points[2].per_second - 100.0).abs() < 1e-9);
        assert_eq!((points[1].latency, points[1].per_second.abs() < 1e-9), (None, true));
        let first = points[0].latency.unwrap();
        assert!(
            (first.p50_us - 1_000.0).abs() < 10.0 && (first.p999_us - 20_000.0).abs() < 200.0,
            "{first:?}"
        );
        // A run that ended within an interval has a shorter last interval, and its rate is over that.
        let cut = series.points(MS * 50, None);
        assert!(cut.len() == 1 && (cut[0].per_second - 2_000.0).abs() < 1e-9, "{cut:?}");
    }

    #[test]
    fn threads_add_up() {
        // Proves that merging loses nothing, whichever of the two is longer.
        let span = MS * 500;
        let (mut one, mut other) = (Series::over(span).unwrap(), Series::over(span).unwrap());
        one.record(MS * 10, MS, 5);
        other.record(MS * 10, MS, 7);
        other.record(MS * 410, MS, 1);
        let mut sum = Series::default();
        for series in [one, other] {
            sum.merge(series).unwrap();
        }
        let rates: Vec<f64> = sum.points(span, None).iter().map(|point| point.per_second).collect();
        assert_eq!(rates, [120.0, 0.0, 0.0, 0.0, 10.0]);
    }

    #[test]
    fn an_open_loop_shows_what_was_asked_for() {
        // Proves that each interval has the pace's own rate, starting after the warm-up.
        let pace = Pace::steady(1_000, MS * 100).then(1_000, 3_000, MS * 200);
        let series = Series::over(MS * 200).unwrap();
        let points = series.points(MS * 200, Some((&pace, MS * 100)));
        let asked: Vec<Option<u64>> = points.iter().map(|point| point.asked_per_second).collect();
        assert_eq!(asked, [Some(1_500), Some(2_500)]);
        let text = serde_json::to_string(&points[0]).unwrap();
        assert_eq!(text, r#"{"at_s":0.0,"span_s":0.1,"asked_per_second":1500,"per_second":0.0}"#);
    }
}
