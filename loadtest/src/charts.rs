//! The charts of a run: latencies by percentile, and rates and latencies over time.

use crate::latency::CurvePoint;
use crate::plot::{Axis, Chart, Kind, Line, Mark, Stroke, Unit, figures};
use crate::ratio;
use crate::series::{Point, PointLatency};

/// The percentiles whose latency is labelled on the curve.
const NAMED: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 99.99];

/// The first percentile of the curve. Lower ones would stretch the axis without being useful.
const FIRST: f64 = 5.0;

/// Latencies by percentile, with every nine equally wide.
pub(crate) fn latencies(title: &str, curve: &[CurvePoint]) -> Chart {
    let share = |point: &CurvePoint| ratio::hundredth(point.percentile);
    let named = NAMED.iter().filter_map(|percentile| {
        let point = curve.iter().find(|point| point.percentile >= *percentile)?;
        Some(Mark::Point(ratio::hundredth(*percentile), point.us, figures::latency(point.us)))
    });
    Chart {
        title: title.to_owned(),
        x: Axis { name: "percentile", kind: Kind::Nines, unit: Unit::Percentile },
        y: Axis { name: "latency", kind: Kind::Log, unit: Unit::Latency },
        lines: vec![Line {
            name: "latency".to_owned(),
            stroke: Stroke::Area(0),
            points: curve
                .iter()
                .filter(|point| point.percentile >= FIRST)
                .map(|point| (share(point), point.us))
                .collect(),
        }],
        marks: named.collect(),
    }
}

/// The two charts over time.
pub(crate) fn over_time(series: &[Point], marks: &[(f64, String)]) -> [Chart; 2] {
    let marks = || marks.iter().map(|(at_s, text)| Mark::Upright(*at_s, text.clone())).collect();
    let axis = || Axis { name: "time", kind: Kind::Linear, unit: Unit::Seconds };
    let at = ratio::middle_of;
    let answered = series.iter().map(|point| (at(point), point.per_second)).collect();
    let asked: Vec<(f64, f64)> =
        series.iter().filter_map(|point| Some((at(point), ratio::number(point.asked_per_second?)))).collect();
    let mut rates = vec![Line { name: "answered".to_owned(), stroke: Stroke::Area(0), points: answered }];
    if !asked.is_empty() {
        rates.push(Line { name: "requested".to_owned(), stroke: Stroke::Dashed, points: asked });
    }
    let line = |name: &str, colour, of: fn(&PointLatency) -> f64| Line {
        name: name.to_owned(),
        stroke: Stroke::Plain(colour),
        points: series.iter().map(|point| (at(point), point.latency.as_ref().map_or(f64::NAN, of))).collect(),
    };
    [
        Chart {
            title: "Throughput over time".to_owned(),
            x: axis(),
            y: Axis { name: "answers per second", kind: Kind::Linear, unit: Unit::Rate },
            lines: rates,
            marks: marks(),
        },
        Chart {
            title: "Latency over time".to_owned(),
            x: axis(),
            y: Axis { name: "latency", kind: Kind::Log, unit: Unit::Latency },
            lines: vec![
                line("p50", 0, |latency| latency.p50_us),
                line("p99", 1, |latency| latency.p99_us),
                line("p99.9", 2, |latency| latency.p999_us),
            ],
            marks: marks(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_names_its_percentiles_as_far_as_it_goes() {
        // Proves that only measured percentiles are labelled, each with the latency of the curve.
        let point = |percentile, us| CurvePoint { percentile, us };
        let chart = latencies("latency", &[point(10.0, 5.0), point(60.0, 10.0), point(95.0, 2_500.0)]);
        let marks: Vec<String> = chart
            .marks
            .iter()
            .map(|mark| match mark {
                Mark::Point(_, _, text) => text.clone(),
                Mark::Upright(..) | Mark::Level(..) => panic!("a curve has points only"),
            })
            .collect();
        assert_eq!(marks, ["10 µs", "2.5 ms"]);
    }

    #[test]
    fn an_interval_without_answers_is_a_gap() {
        // Proves that a stall is not drawn as a latency, that its throughput is 0, and that only an open loop shows
        // the requested rate.
        let point = |at_s, asked_per_second, latency| Point {
            at_s,
            span_s: 0.1,
            asked_per_second,
            per_second: 0.0,
            latency,
        };
        let latency = PointLatency { p50_us: 1.0, p99_us: 2.0, p999_us: 3.0 };
        let [rates, times] = over_time(&[point(0.0, Some(5), Some(latency)), point(0.1, Some(5), None)], &[]);
        assert_eq!((rates.lines.len(), times.lines.len()), (2, 3));
        assert!(times.lines.iter().all(|line| line.points[0].1 > 0.0 && line.points[1].1.is_nan()));
        assert_eq!(rates.lines[1].points, [(0.05, 5.0), (0.15, 5.0)]);
        let [closed, _] = over_time(&[point(0.0, None, Some(latency))], &[]);
        assert_eq!(closed.lines.len(), 1);
    }
}
