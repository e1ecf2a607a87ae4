//! The position of values on an axis, and the values that are labelled.
#![expect(clippy::float_arithmetic, reason = "coordinates of a picture; no decision depends on them")]

use super::Kind;

/// Maximum number of labelled values of a linear axis.
const TICKS_MAX: f64 = 6.0;
/// Above this many decades, only the first value of each is labelled.
const DECADES_NAMED_FINELY: f64 = 2.2;
/// The decades that an axis may show.
const DECADES: std::ops::RangeInclusive<i32> = -9..=18;
/// The percentiles that are labelled.
const PERCENTILES: [f64; 8] = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.999_99, 0.999_999];
/// An axis of nines shows at least two of them.
const NINES_MIN: f64 = 2.0;

/// One axis with its ends. On a logarithmic axis, the ends are already logarithms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    kind: Kind,
    low: f64,
    high: f64,
}

impl Kind {
    /// Whether the axis can show a value.
    pub(super) fn takes(self, value: f64) -> bool {
        value.is_finite()
            && match self {
                Self::Linear => true,
                Self::Log => value > 0.0,
                Self::Nines => (0.0..1.0).contains(&value),
            }
    }

    fn lies(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.log10(),
            Self::Nines => -(1.0 - value).log10(),
        }
    }
}

impl Scale {
    /// An axis for all these values that it can show. `None` without any. With `air`, the highest value does not
    /// touch the end.
    pub(super) fn around(kind: Kind, values: impl Iterator<Item = f64>, air: bool) -> Option<Self> {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            let place = kind.lies(value);
            (low, high) = (low.min(place), high.max(place));
        }
        if low > high {
            return None;
        }
        match kind {
            Kind::Linear => {
                low = low.min(0.0);
                high = if air { high + (high - low) * 0.08 } else { high };
                high = if high > low { high } else { low + 1.0 };
            }
            Kind::Log => {
                let span = (high - low).max(0.5);
                let middle = f64::midpoint(low, high);
                low = low.min(middle - span / 2.0) - if air { span * 0.06 } else { 0.0 };
                high = high.max(middle + span / 2.0) + if air { span * 0.12 } else { 0.0 };
            }
            Kind::Nines => (low, high) = (0.0, high.max(NINES_MIN)),
        }
        Some(Self { kind, low, high })
    }

    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    /// The position, from 0 at one end to 1 at the other.
    pub(super) fn share(&self, value: f64) -> f64 {
        ((self.kind.lies(value) - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Values with a grid line, and whether they are labelled.
    pub(super) fn ticks(&self) -> Vec<(f64, bool)> {
        match self.kind {
            Kind::Linear => self.even_ticks(),
            Kind::Log => self.log_ticks(),
            Kind::Nines => {
                let shown = PERCENTILES.iter().filter(|share| self.kind.lies(**share) <= self.high + 1e-9);
                shown.map(|share| (*share, true)).collect()
            }
        }
    }

    fn even_ticks(&self) -> Vec<(f64, bool)> {
        let span = self.high - self.low;
        let steps = DECADES.flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(decade)));
        let step = steps.into_iter().find(|step| span / step <= TICKS_MAX).unwrap_or(span);
        let first = (self.low / step).ceil() * step;
        let values = (0..=100_u32).map(|number| first + f64::from(number) * step);
        values.take_while(|value| *value <= self.high + step * 1e-9).map(|value| (value, true)).collect()
    }

    fn log_ticks(&self) -> Vec<(f64, bool)> {
        let decades = self.high - self.low;
        let mut ticks = Vec::new();
        for decade in DECADES {
            for digit in 1..=9_u32 {
                let value = f64::from(digit) * 10_f64.powi(decade);
                let place = value.log10();
                if place < self.low - 1e-9 || place > self.high + 1e-9 {
                    continue;
                }
                let is_named = match digit {
                    1 => true,
                    2 | 5 => decades <= DECADES_NAMED_FINELY,
                    _ => false,
                };
                // Over many decades the lines between them would be too dense.
                if is_named || decades <= 4.0 {
                    ticks.push((value, is_named));
                }
            }
        }
        ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(scale: &Scale) -> Vec<f64> {
        scale.ticks().into_iter().filter(|(_, is_named)| *is_named).map(|(value, _)| value).collect()
    }

    fn around(kind: Kind, values: &[f64]) -> Scale {
        Scale::around(kind, values.iter().copied(), false).unwrap()
    }

    #[test]
    fn even_axes_name_round_values_from_nothing() {
        // Proves that an axis begins at 0 and has few, round numbers, whatever the size of its values.
        for (high, step, count) in
            [(10.0, 2.0, 6), (1_234_567.0, 500_000.0, 3), (0.07, 0.02, 4), (3.0, 0.5, 7)]
        {
            let ticks = named(&around(Kind::Linear, &[high / 2.0, high]));
            assert_eq!(ticks.len(), count, "{high}: {ticks:?}");
            assert!((ticks[1] - step).abs() < step * 1e-9 && ticks[0].abs() < 1e-12, "{high}: {ticks:?}");
        }
    }

    #[test]
    fn logarithmic_axes_name_decades_and_few_decades_finer() {
        // Proves the labelled values of short and of long axes.
        assert_eq!(named(&around(Kind::Log, &[100.0, 1_000.0])), [100.0, 200.0, 500.0, 1_000.0]);
        let long = named(&around(Kind::Log, &[10.0, 1_000_000.0]));
        assert_eq!(long, [10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0]);
    }

    #[test]
    fn every_nine_is_as_wide_as_the_next() {
        // Proves the axis of percentiles: 90, 99 and 99.9 % are evenly spaced, and two nines are always shown.
        let scale = around(Kind::Nines, &[0.0, 0.999]);
        for (share, place) in [(0.0, 0.0), (0.9, 1.0 / 3.0), (0.99, 2.0 / 3.0), (0.999, 1.0)] {
            assert!((scale.share(share) - place).abs() < 1e-9, "{share}");
        }
        assert_eq!(named(&scale), [0.0, 0.5, 0.9, 0.99, 0.999]);
        assert_eq!(named(&around(Kind::Nines, &[0.2])), [0.0, 0.5, 0.9, 0.99]);
    }

    #[test]
    fn one_value_alone_has_an_axis_too() {
        // Proves that an axis of zero length causes no division by zero, and that no axis shows a value that is not a
        // number.
        for (kind, value) in [(Kind::Linear, 0.0), (Kind::Linear, 5.0), (Kind::Log, 7.0), (Kind::Nines, 0.0)]
        {
            let scale = around(kind, &[value]);
            assert!(scale.share(value).is_finite() && !scale.ticks().is_empty(), "{kind:?} {value}");
        }
        assert!(Scale::around(Kind::Linear, std::iter::empty(), true).is_none());
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!([Kind::Linear, Kind::Log, Kind::Nines].iter().all(|kind| !kind.takes(value)));
        }
        assert!(!Kind::Log.takes(0.0) && !Kind::Nines.takes(1.0) && Kind::Linear.takes(-1.0));
    }
}
