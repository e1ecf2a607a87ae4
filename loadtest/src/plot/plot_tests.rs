//! Whole pictures: their contents, and their handling of values that are not numbers.

use super::*;

fn chart(points: Vec<(f64, f64)>) -> Chart {
    Chart {
        title: "a <b> & \"c\"".to_owned(),
        x: Axis { name: "time", kind: Kind::Linear, unit: Unit::Seconds },
        y: Axis { name: "latency", kind: Kind::Log, unit: Unit::Latency },
        lines: vec![
            Line { name: "p99".to_owned(), stroke: Stroke::Area(0), points },
            Line { name: "p50".to_owned(), stroke: Stroke::Plain(1), points: Vec::new() },
        ],
        marks: vec![Mark::Upright(1.5, "doors < open".to_owned()), Mark::Level(f64::NAN, "never".to_owned())],
    }
}

/// Checks that every element is closed and every attribute quoted, which covers the XML that is written here.
fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, _) = part.split_once('>').unwrap();
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{svg}");
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap());
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_same_data_make_the_same_bytes() {
    // Proves that pictures are deterministic, that their parts are present and that their text is escaped.
    let points = vec![(0.0, 100.0), (1.0, 300.0), (2.0, 200.0)];
    let svg = chart(points.clone()).standalone();
    assert_eq!(svg, chart(points).standalone());
    assert_well_formed(&svg);
    for part in [
        "a &lt;b&gt; &amp; &quot;c&quot;",
        "doors &lt; open",
        "200 µs",
        "prefers-color-scheme:dark",
        "class=\"area c0\"",
        ">p50</text>",
    ] {
        assert!(svg.contains(part), "{part} in {svg}");
    }
    assert!(!svg.contains("NaN") && !svg.contains("never"), "{svg}");
}

#[test]
fn what_is_no_number_is_a_gap() {
    // Proves that a line breaks at an interval without answers, and that one point between gaps is still visible.
    let points = vec![
        (0.0, 1.0),
        (1.0, 2.0),
        (2.0, f64::NAN),
        (3.0, 5.0),
        (4.0, 0.0),
        (5.0, 3.0),
        (6.0, f64::INFINITY),
    ];
    let svg = chart(points).inline();
    assert_well_formed(&svg);
    assert_eq!(svg.matches("class=\"line c0\" d=\"M").count(), 3 + 1, "three pieces, and the legend: {svg}");
    assert_eq!(svg.matches("<circle").count(), 2, "{svg}");
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn nothing_at_all_says_so() {
    // Proves that a run without answers makes a picture too.
    for points in [Vec::new(), vec![(f64::NAN, 1.0), (1.0, f64::NAN), (1.0, -5.0)]] {
        let svg = chart(points).inline();
        assert_well_formed(&svg);
        assert!(svg.contains("nothing was measured") && !svg.contains("NaN"), "{svg}");
    }
}
