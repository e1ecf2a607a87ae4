//! The only floating-point arithmetic of the tool: rates and shares of counters, for reports. No decision depends on
//! them.
#![expect(clippy::float_arithmetic, reason = "a rate is not a quantity of goods; it is only printed")]
#![expect(clippy::cast_precision_loss, reason = "counters of a run are far below 2^52")]

use crate::series::Point;
use std::time::Duration;

/// A count per second.
pub(crate) fn per_second(count: u64, span: Duration) -> f64 {
    if span.is_zero() { 0.0 } else { rounded(count as f64 / span.as_secs_f64(), 1_000.0) }
}

/// Microseconds of `span` per item of `count`. 0 if there is none.
pub(crate) fn us_each(span: Duration, count: u64) -> f64 {
    if count == 0 { 0.0 } else { rounded(span.as_secs_f64() * 1e6 / count as f64, 10_000.0) }
}

/// `part` per item of `count`. 0 if there is none.
pub(crate) fn each(part: u64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { rounded(part as f64 / count as f64, 1_000.0) }
}

/// `part` as a percentage of `whole`.
pub(crate) fn percent(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 0.0 } else { rounded(part.as_secs_f64() / whole.as_secs_f64() * 100.0, 10.0) }
}

/// Nanoseconds as microseconds.
pub(crate) fn us(nanoseconds: u64) -> f64 {
    rounded(nanoseconds as f64 / 1e3, 10.0)
}

/// A share as a percentage, rounded to ten millionths, because a latency curve has that many nines.
pub(crate) fn hundred(share: f64) -> f64 {
    rounded(share * 100.0, 1e7)
}

/// A percentage as a share.
pub(crate) fn hundredth(percentage: f64) -> f64 {
    percentage / 100.0
}

/// A counter as a number for a chart.
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

/// Bytes, positive or negative, in MiB.
pub(crate) fn mib(bytes: i64) -> f64 {
    rounded(bytes as f64 / f64::from(1 << 20), 10.0)
}

/// A span in milliseconds.
pub(crate) fn ms(span: Duration) -> f64 {
    rounded(span.as_secs_f64() * 1e3, 1e6)
}

/// Milliseconds as microseconds.
pub(crate) fn thousand(ms: f64) -> f64 {
    ms * 1e3
}

/// The middle of an interval of a series, in seconds.
pub(crate) fn middle_of(point: &Point) -> f64 {
    rounded(point.at_s + point.span_s / 2.0, 1e6)
}

/// How many times `other` fits into `one`. 0 if there is nothing to divide by.
pub(crate) fn quotient(one: f64, other: f64) -> f64 {
    if other > 0.0 { rounded(one / other, 1_000.0) } else { 0.0 }
}

/// The middle value, or the mean of the two middle ones.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values.get(middle - 1).map(|lower| rounded(f64::midpoint(*lower, upper), 1_000.0))
}

/// The lowest and the highest value.
pub(crate) fn span(values: &[f64]) -> Option<(f64, f64)> {
    let lowest = values.iter().copied().min_by(f64::total_cmp)?;
    Some((lowest, values.iter().copied().max_by(f64::total_cmp)?))
}

/// The share of a rate that was kept, in percent. Each figure of `with` is divided by the mean of the figures of
/// `alone` before and after it; the result is the median of these shares. A machine whose speed drifts therefore
/// causes no finding.
pub(crate) fn kept_percent(with: &[f64], alone: &[f64]) -> f64 {
    let shares: Vec<f64> = with
        .iter()
        .zip(alone.windows(2))
        .filter_map(|(with, alone)| {
            let around = f64::midpoint(*alone.first()?, *alone.last()?);
            (around > 0.0).then(|| with / around)
        })
        .collect();
    rounded(median(&shares).unwrap_or(0.0) * 100.0, 10.0)
}

/// Whether a percentage is below a limit.
pub(crate) fn is_below(percent: f64, limit: u32) -> bool {
    percent < f64::from(limit)
}

/// The lowest value. 0 without any.
pub(crate) fn least(values: impl Iterator<Item = f64>) -> f64 {
    values.min_by(f64::total_cmp).unwrap_or(0.0)
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_counters() {
        // Proves units, and that an empty run does not divide by zero.
        assert!((per_second(3_000, Duration::from_millis(1_500)) - 2_000.0).abs() < 1e-9);
        assert!((us_each(Duration::from_secs(1), 2_000_000) - 0.5).abs() < 1e-9);
        assert!((percent(Duration::from_secs(1), Duration::from_secs(4)) - 25.0).abs() < 1e-9);
        assert!((us(1_550) - 1.6).abs() < 1e-9);
        // A machine that becomes three times as fast in between, and one disturbed measurement.
        assert!((kept_percent(&[80.0, 1.0, 270.0], &[100.0, 100.0, 300.0, 300.0]) - 80.0).abs() < 1e-9);
        assert!(kept_percent(&[1.0], &[]).abs() < 1e-9);
        assert!(
            is_below(79.9, 80) && !is_below(80.0, 80) && (least([3.0, 2.0].into_iter()) - 2.0).abs() < 1e-9
        );
        assert!(per_second(5, Duration::ZERO).abs() < 1e-9 && us_each(Duration::ZERO, 0).abs() < 1e-9);
    }

    #[test]
    fn medians_and_spans_are_those_of_the_values() {
        // Proves odd, even and empty counts, and that the order does not matter.
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!((median(&[]), span(&[])), (None, None));
        assert_eq!(span(&[2.0, 1.0, 3.0]), Some((1.0, 3.0)));
        assert!((quotient(3.0, 2.0) - 1.5).abs() < 1e-9 && quotient(1.0, 0.0).abs() < 1e-9);
    }
}
