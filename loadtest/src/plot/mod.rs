//! Line charts as SVG, with only what a report needs to show rates and latencies. Existing plotting crates use fixed
//! colours, while these charts follow the reader's light or dark theme by style sheet. Existing crates also have no
//! axis of nines.
//!
//! The same data makes the same bytes. A value that is not a number is a gap, and a chart without any number says so.
#![expect(clippy::float_arithmetic, reason = "coordinates of a picture; no decision depends on them")]

pub(crate) mod figures;
mod scale;
pub(crate) mod style;

use scale::Scale;
use style::escape;

/// The size of the whole picture.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 380.0;
/// The space around the axes.
const LEFT: f64 = 74.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 72.0;
const BOTTOM: f64 = 50.0;
/// The mean width of a letter in the legend. It is generous, because fonts are not measured.
const LETTER: f64 = 7.0;
/// The number of colours of the style sheet.
const COLOURS: usize = 4;

/// How values are laid out along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Linear, from 0.
    Linear,
    /// Logarithmic: every decade is equally wide.
    Log,
    /// Every nine of a percentile is equally wide. Values are shares below 1.
    Nines,
}

/// The unit of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds of a run.
    Seconds,
    /// Microseconds of a latency.
    Latency,
    /// A number per second.
    Rate,
    /// A plain count.
    Count,
    /// A share, as a percentile.
    Percentile,
}

/// One axis.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) unit: Unit,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stroke {
    /// In the colour with this number.
    Plain(usize),
    /// The same, with the area below it filled.
    Area(usize),
    /// The same, with a dot at each point.
    Dots(usize),
    /// Grey and dashed: the requested rate.
    Dashed,
}

/// One line. A value that is not a number is a gap.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) stroke: Stroke,
    pub(crate) points: Vec<(f64, f64)>,
}

/// An annotation.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// A vertical line at a value of the horizontal axis.
    Upright(f64, String),
    /// A horizontal line at a value of the vertical axis.
    Level(f64, String),
    /// A point, with its value.
    Point(f64, f64, String),
}

/// A chart.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
    pub(crate) marks: Vec<Mark>,
}

/// The position of values in the picture.
struct Frame {
    x: Scale,
    y: Scale,
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.share(value) * (HEIGHT - TOP - BOTTOM)
    }
}

impl Chart {
    /// The picture for a page that contains the style sheet.
    pub(crate) fn inline(&self) -> String {
        self.svg("")
    }

    /// The picture by itself.
    pub(crate) fn standalone(&self) -> String {
        let card = format!(
            r#"<rect class="card" x=".5" y=".5" width="{}" height="{}" rx="10"/>"#,
            WIDTH - 1.0,
            HEIGHT - 1.0
        );
        self.svg(&format!("<style>{}{}</style>{card}", style::THEMES, style::PLOT))
    }

    fn svg(&self, head: &str) -> String {
        let title = escape(&self.title);
        let mut out = vec![format!(
            r#"<svg class="plot" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{head}"#
        )];
        out.push(format!(r#"<text class="title" x="20" y="30">{title}</text>"#));
        if let Some(frame) = self.frame() {
            out.push(self.legend());
            out.push(self.grid(&frame));
            for line in &self.lines {
                out.push(draw(line, &frame));
            }
            out.push(self.pointers(&frame));
        } else {
            let (x, y) = (WIDTH / 2.0, HEIGHT / 2.0);
            out.push(format!(
                r#"<text class="tick" text-anchor="middle" x="{x}" y="{y}">nothing was measured</text>"#
            ));
        }
        out.push("</svg>".to_owned());
        out.concat()
    }

    /// The position of values. `None` if there are none.
    fn frame(&self) -> Option<Frame> {
        let (x_kind, y_kind) = (self.x.kind, self.y.kind);
        let is_there = |(x, y): &(f64, f64)| x_kind.takes(*x) && y_kind.takes(*y);
        let points = || self.lines.iter().flat_map(|line| &line.points).copied().filter(is_there);
        let uprights = self.marks.iter().filter_map(|mark| match mark {
            Mark::Upright(x, _) => Some(*x).filter(|x| x_kind.takes(*x)),
            Mark::Level(..) | Mark::Point(..) => None,
        });
        let levels = self.marks.iter().filter_map(|mark| match mark {
            Mark::Level(y, _) => Some(*y).filter(|y| y_kind.takes(*y)),
            Mark::Upright(..) | Mark::Point(..) => None,
        });
        points().next()?;
        let x = Scale::around(self.x.kind, points().map(|(x, _)| x).chain(uprights), false)?;
        let y = Scale::around(self.y.kind, points().map(|(_, y)| y).chain(levels), true)?;
        Some(Frame { x, y })
    }

    fn legend(&self) -> String {
        if self.lines.len() < 2 {
            return String::new();
        }
        let mut out = Vec::new();
        let mut right = WIDTH - RIGHT;
        for line in self.lines.iter().rev() {
            let letters: f64 = line.name.chars().map(|_| LETTER).sum();
            let (text, class) = (right - letters, line.stroke.class());
            let (from, to) = (text - 28.0, text - 8.0);
            out.push(format!(r#"<path class="line {class}" d="M{from:.1} 26H{to:.1}"/>"#));
            out.push(format!(r#"<text class="legend" x="{text:.1}" y="30">{}</text>"#, escape(&line.name)));
            right = from - 16.0;
        }
        out.concat()
    }

    fn grid(&self, frame: &Frame) -> String {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let mut out = Vec::new();
        for (value, is_named) in frame.y.ticks() {
            let y = frame.y(value);
            let class = if is_named { "grid" } else { "grid fine" };
            out.push(format!(r#"<path class="{class}" d="M{LEFT} {y:.1}H{right}"/>"#));
            if is_named {
                let (x, y) = (LEFT - 10.0, y + 4.0);
                let label = self.y.unit.text(value);
                out.push(format!(
                    r#"<text class="tick" text-anchor="end" x="{x}" y="{y:.1}">{label}</text>"#
                ));
            }
        }
        for (value, is_named) in frame.x.ticks() {
            let x = frame.x(value);
            let class = if is_named { "grid" } else { "grid fine" };
            out.push(format!(r#"<path class="{class}" d="M{x:.1} {TOP}V{bottom}"/>"#));
            if is_named {
                let y = bottom + 19.0;
                let label = self.x.unit.text(value);
                out.push(format!(
                    r#"<text class="tick" text-anchor="middle" x="{x:.1}" y="{y}">{label}</text>"#
                ));
            }
        }
        out.push(format!(r#"<path class="axis" d="M{LEFT} {bottom}H{right}"/>"#));
        let (above, below) = (TOP - 14.0, bottom + 40.0);
        out.push(format!(r#"<text class="name" x="20" y="{above}">{}</text>"#, escape(self.y.name)));
        out.push(format!(
            r#"<text class="name" text-anchor="end" x="{right}" y="{below}">{}</text>"#,
            escape(self.x.name)
        ));
        out.concat()
    }

    /// The annotations.
    fn pointers(&self, frame: &Frame) -> String {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let mut out = Vec::new();
        for mark in &self.marks {
            out.push(match mark {
                Mark::Upright(value, text) if self.x.kind.takes(*value) => {
                    let (x, y, text) = (frame.x(*value), TOP + 14.0, escape(text));
                    // In the right half, the text is on the left side of the line.
                    let (anchor, at) = if x > WIDTH / 2.0 { ("end", x - 7.0) } else { ("start", x + 7.0) };
                    format!(
                        r#"<path class="mark" d="M{x:.1} {TOP}V{bottom}"/><text class="note" text-anchor="{anchor}" x="{at:.1}" y="{y}">{text}</text>"#
                    )
                }
                Mark::Level(value, text) if self.y.kind.takes(*value) => {
                    let y = frame.y(*value);
                    let (above, text) = (y - 7.0, escape(text));
                    format!(
                        r#"<path class="mark" d="M{LEFT} {y:.1}H{right}"/><text class="note" x="{}" y="{above:.1}">{text}</text>"#,
                        LEFT + 8.0
                    )
                }
                Mark::Point(x, y, text) if self.x.kind.takes(*x) && self.y.kind.takes(*y) => {
                    let (x, y, text) = (frame.x(*x), frame.y(*y), escape(text));
                    // The curve comes from the lower left, so the area above it on the left is free.
                    let (at, above) = (x - 4.0, y - 10.0);
                    format!(
                        r#"<circle class="dot c0" cx="{x:.1}" cy="{y:.1}" r="3.5"/><text class="value" text-anchor="end" x="{at:.1}" y="{above:.1}">{text}</text>"#
                    )
                }
                Mark::Upright(..) | Mark::Level(..) | Mark::Point(..) => String::new(),
            });
        }
        out.concat()
    }
}

impl Stroke {
    fn class(self) -> String {
        match self {
            Self::Plain(colour) | Self::Area(colour) | Self::Dots(colour) => format!("c{}", colour % COLOURS),
            Self::Dashed => "dashed".to_owned(),
        }
    }
}

impl Unit {
    fn text(self, value: f64) -> String {
        match self {
            Self::Seconds => format!("{} s", figures::short(value)),
            Self::Latency => figures::latency(value),
            Self::Rate | Self::Count => figures::count(value),
            Self::Percentile => figures::percentile(value),
        }
    }
}

/// A line, in as many parts as its gaps require.
fn draw(line: &Line, frame: &Frame) -> String {
    let class = line.stroke.class();
    let mut out = Vec::new();
    let takes = |(x, y): &(f64, f64)| frame.x.kind().takes(*x) && frame.y.kind().takes(*y);
    for piece in line.points.split(|point| !takes(point)).filter(|piece| !piece.is_empty()) {
        let places: Vec<(f64, f64)> = piece.iter().map(|(x, y)| (frame.x(*x), frame.y(*y))).collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        let path = path.join("L");
        if let (Stroke::Area(_), [(first, _), .., (last, _)]) = (line.stroke, places.as_slice()) {
            let bottom = HEIGHT - BOTTOM;
            out.push(format!(
                r#"<path class="area {class}" d="M{first:.1} {bottom}L{path}L{last:.1} {bottom}Z"/>"#
            ));
        }
        out.push(format!(r#"<path class="line {class}" d="M{path}"/>"#));
        if let (Stroke::Dots(_), _) | (_, [_]) = (line.stroke, places.as_slice()) {
            for (x, y) in &places {
                out.push(format!(r#"<circle class="dot {class}" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#));
            }
        }
    }
    out.concat()
}

#[cfg(test)]
#[path = "plot_tests.rs"]
mod tests;
