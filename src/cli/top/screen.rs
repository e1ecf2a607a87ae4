//! One frame of the screen: what is shown where. It asks nobody and reads no clock.

use crate::cli::output::Text;
use crate::cli::summary::{Readings, archive, health, snapshot};
use crate::cli::units::{bytes, count, grouped, micros, span};
use crate::warning::TO_DO;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Widget};
use std::time::Duration;
use stockhold_protocol::query::{NamedCount, Status};

/// The stages whose times are shown, by the names of their histograms.
const STAGES: [(&str, &str); 7] = [
    ("fill a batch", "populate_us"),
    ("log write", "write_us"),
    ("hand over", "handoff_us"),
    ("apply", "apply_us"),
    ("publish, answer", "publish_us"),
    ("questions", "question_turn_us"),
    ("snapshot step", "snapshot_step_us"),
];
/// The height of the upper boxes, titles included.
const UPPER_LINES: u16 = 9;

/// The last two statuses of a server.
#[derive(Debug)]
pub(super) struct View {
    server: String,
    interval: Duration,
    status: Status,
    before: Option<Status>,
    /// Why the last question was not answered.
    failure: Option<String>,
}

impl View {
    pub(super) fn new(server: &str, interval: Duration, status: Status) -> Self {
        Self { server: server.to_owned(), interval, status, before: None, failure: None }
    }

    /// A later status. That of another start of the server cannot be compared with the one before.
    pub(super) fn update(&mut self, status: Status) {
        let uptime = |status: &Status| Readings::of(status).of_name("uptime_ms");
        let is_same_start = uptime(&status) > uptime(&self.status) && status.log_uuid == self.status.log_uuid;
        let before = std::mem::replace(&mut self.status, status);
        self.before = is_same_start.then_some(before);
        self.failure = None;
    }

    /// The server has not answered.
    pub(super) fn fail(&mut self, reason: String) {
        self.failure = Some(reason);
    }

    /// The frame as lines of text.
    pub(super) fn text(&self, area: Rect) -> String {
        let mut buffer = Buffer::empty(area);
        self.render(area, &mut buffer);
        let mut text = Text::default();
        for row in buffer.content.chunks(usize::from(area.width.max(1))) {
            let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
            text.line(line.trim_end());
        }
        text.into_string()
    }

    /// How much a counter has grown each second of the last interval.
    fn rate(&self, name: &str) -> Option<u64> {
        let before = Readings::of(self.before.as_ref()?);
        let now = Readings::of(&self.status);
        let elapsed_ms = now.of_name("uptime_ms").saturating_sub(before.of_name("uptime_ms"));
        let grown = now.of_name(name).saturating_sub(before.of_name(name));
        grown.saturating_mul(1_000).checked_div(elapsed_ms)
    }

    fn rate_text(&self, name: &str, show: impl Fn(u64) -> String) -> String {
        self.rate(name).map_or_else(|| "-".to_owned(), |rate| format!("{}/s", show(rate)))
    }

    fn head(&self) -> Vec<Line<'static>> {
        let (status, readings) = (&self.status, Readings::of(&self.status));
        let state = match &self.failure {
            Some(_) => Span::styled("no answer", alarm()),
            None if status.state == "ok" => Span::styled(health(status), Style::new().fg(Color::Green)),
            None => Span::styled(health(status), alarm()),
        };
        let first = Line::from(vec![
            Span::styled(format!("stockhold {}", status.version), Style::new().add_modifier(Modifier::BOLD)),
            Span::raw(format!("  {}  up {}  ", self.server, span(readings.of_name("uptime_ms")))),
            state,
        ]);
        let second = match &self.failure {
            Some(reason) => Line::styled(reason.clone(), alarm()),
            None => match status.warnings.first() {
                Some(warning) => {
                    let found = warning.split_once(TO_DO).map_or(warning.as_str(), |(found, _)| found);
                    Line::styled(found.to_owned(), alarm())
                }
                None => Line::raw(format!(
                    "epoch {}, op {}, durability {}",
                    status.epoch,
                    grouped(readings.of_name("op_applied")),
                    status.durability
                )),
            },
        };
        vec![first, second]
    }

    fn throughput(&self) -> Vec<Line<'static>> {
        let per_batch = match (self.rate("ops_logged"), self.rate("batches")) {
            (Some(ops), Some(batches)) => ops.checked_div(batches).map_or_else(|| "-".to_owned(), count),
            _ => "-".to_owned(),
        };
        let rows = [
            ("commands", self.rate_text("commands_received", count)),
            ("ops", self.rate_text("ops_logged", count)),
            ("sold out at once", self.rate_text("edge_refusals", count)),
            ("checks", self.rate_text("checks_answered", count)),
            ("syncs", self.rate_text("batches", count)),
            ("ops per sync", per_batch),
            ("in", self.rate_text("bytes_read", bytes)),
            ("out", self.rate_text("bytes_written", bytes)),
        ];
        rows.into_iter().map(|(name, value)| Line::raw(format!("{name:<17}{value:>15}"))).collect()
    }

    fn stages(&self) -> Vec<Line<'static>> {
        let readings = Readings::of(&self.status);
        let row = |(label, name): (&str, &str)| {
            let of = |end: &str| micros(readings.of_name(&format!("{name}_{end}")));
            let (p50, p99, p999) = (of("p50"), of("p99"), of("p999"));
            Line::raw(format!("{label:<16}{p50:>9}{p99:>9}{p999:>9}"))
        };
        let heading = format!("{:<16}{:>9}{:>9}{:>9}", "", "p50", "p99", "p99.9");
        std::iter::once(Line::styled(heading, Style::new().add_modifier(Modifier::BOLD)))
            .chain(STAGES.into_iter().map(row))
            .collect()
    }

    fn state(&self) -> Vec<Line<'static>> {
        let readings = Readings::of(&self.status);
        let of = |name: &str| readings.of_name(name);
        vec![
            Line::raw(format!(
                "queues     {} of {} commands, {}, {} questions; {} behind",
                count(of("queue_depth")),
                count(of("queue_commands_max")),
                bytes(of("queue_bytes")),
                count(of("questions_depth")),
                count(of("op_synced").saturating_sub(of("op_applied"))),
            )),
            Line::raw(format!(
                "memory     {}; {} reservations; disk {} of {} free",
                bytes(of("machine_memory_bytes")),
                count(of("machine_reservations")),
                bytes(of("disk_free_bytes")),
                bytes(of("disk_bytes")),
            )),
            Line::raw(format!("snapshot   {}", snapshot(&readings))),
            Line::raw(format!("archive    {}", archive(&readings))),
        ]
    }

    /// What was refused in the last interval, or since the start if there is nothing to compare with.
    fn refusals(&self) -> Vec<NamedCount> {
        let before = |name: &str| {
            let earlier = self.before.iter().flat_map(|status| &status.refusals);
            earlier.filter(|entry| entry.name == name).map(|entry| entry.count).sum::<u64>()
        };
        let mut new: Vec<NamedCount> = (self.status.refusals.iter())
            .map(|entry| NamedCount {
                name: entry.name.clone(),
                count: entry.count.saturating_sub(before(&entry.name)),
            })
            .collect();
        new.sort_by_key(|entry| std::cmp::Reverse(entry.count));
        new
    }
}

fn alarm() -> Style {
    Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
}

/// Names with numbers in a column of this width; a name that is too long is cut.
fn rows(counts: &[NamedCount], width: u16, show: impl Fn(u64) -> String) -> Vec<Line<'static>> {
    let row = |entry: &NamedCount| {
        let value = show(entry.count);
        let room = usize::from(width).saturating_sub(value.chars().count() + 1);
        let name: String = entry.name.chars().filter(|c| !c.is_control()).take(room).collect();
        Line::raw(format!("{name:<room$} {value}"))
    };
    counts.iter().map(row).collect()
}

/// The share of one sample in all, in percent.
fn shares(counts: &[NamedCount]) -> impl Fn(u64) -> String {
    let all = counts.iter().map(|entry| entry.count).sum::<u64>().max(1);
    move |count| format!("{} %", count.saturating_mul(100) / all)
}

fn boxed(title: &'static str, lines: Vec<Line<'static>>, area: Rect, buffer: &mut Buffer) {
    let block = Block::new().borders(Borders::TOP).title(title);
    Paragraph::new(lines).block(block).render(area, buffer);
}

impl Widget for &View {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let parts = [2, UPPER_LINES, 5, 0, 1];
        let parts =
            parts.map(|lines| if lines == 0 { Constraint::Min(0) } else { Constraint::Length(lines) });
        let [head, upper, state, lower, foot] = Layout::vertical(parts).areas(area);
        Paragraph::new(self.head()).render(head, buffer);
        let [left, right] =
            Layout::horizontal([Constraint::Length(33), Constraint::Min(0)]).spacing(2).areas(upper);
        boxed("Throughput ", self.throughput(), left, buffer);
        boxed("Latency ", self.stages(), right, buffer);
        boxed("State ", self.state(), state, buffer);
        let columns: [Rect; 4] = Layout::horizontal([Constraint::Fill(1); 4]).spacing(1).areas(lower);
        let status = &self.status;
        let refusals = self.refusals();
        for (column, (title, counts, lines)) in columns.into_iter().zip([
            ("Hot SKUs ", &status.wanted, rows(&status.wanted, columns[0].width, shares(&status.wanted))),
            (
                "Sold out ",
                &status.sold_out,
                rows(&status.sold_out, columns[1].width, shares(&status.sold_out)),
            ),
            ("Refusals ", &refusals, rows(&refusals, columns[2].width, count)),
            ("Connections ", &status.clients, rows(&status.clients, columns[3].width, grouped)),
        ]) {
            let lines = if counts.is_empty() { vec![Line::raw("none")] } else { lines };
            boxed(title, lines, column, buffer);
        }
        let keys =
            format!("q quits; every {}", span(u64::try_from(self.interval.as_millis()).unwrap_or(u64::MAX)));
        Paragraph::new(Line::styled(keys, Style::new().add_modifier(Modifier::DIM))).render(foot, buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::metric;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn named(name: &str, count: u64) -> NamedCount {
        NamedCount { name: name.to_owned(), count }
    }

    fn status(uptime_ms: u64, commands: u64, sold_out: u64) -> Status {
        let metrics = [
            ("uptime_ms", uptime_ms),
            ("commands_received", commands),
            ("ops_logged", commands),
            ("batches", commands / 100),
            ("op_applied", commands),
            ("op_synced", commands + 50),
            ("write_us_p99", 1_900),
            ("disk_free_bytes", 40 << 30),
            ("disk_bytes", 252 << 30),
        ];
        Status {
            version: "0.1.0".to_owned(),
            log_uuid: [1; 16],
            epoch: 3,
            state: "ok".to_owned(),
            durability: "sync".to_owned(),
            metrics: metrics.iter().map(|(name, value)| metric(name, "", *value)).collect(),
            warnings: Vec::new(),
            data_dir: "/srv/data".to_owned(),
            refusals: vec![named("not_assigned", 5), named("sold_out", sold_out)],
            clients: vec![named("checkout", 40), named("a-client-with-a-very-long-name", 2)],
            wanted: vec![named("BIKE-0001", 75), named("HELM-0001", 25)],
            sold_out: Vec::new(),
        }
    }

    fn second_view() -> View {
        let mut view = View::new("127.0.0.1:7411", Duration::from_secs(1), status(60_000, 1_000_000, 7));
        view.update(status(62_000, 3_400_000, 2_007));
        view
    }

    #[test]
    fn everything_fits_the_smallest_terminal() {
        // Proves that a frame of 80 × 24 has each part, with rates of the interval that has passed on the server.
        let text = second_view().text(Rect::new(0, 0, 80, 24));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 24, "{text}");
        assert_eq!(lines[0], "stockhold 0.1.0  127.0.0.1:7411  up 1 min  ok");
        assert_eq!(lines[1], "epoch 3, op 3,400,000, durability sync");
        let line_with = |start: &str| {
            *lines.iter().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {text}"))
        };
        assert!(line_with("commands").contains(" 1.2 M/s"), "{text}");
        assert!(line_with("ops per sync").contains(" 100 "), "{text}");
        assert!(text.contains("log write") && text.contains("1.9 ms"), "{text}");
        assert!(line_with("queues").ends_with("; 50 behind"), "{text}");
        assert!(line_with("archive").contains("none (archive.url)"), "{text}");
        let hot = line_with("BIKE-0001");
        assert!(hot.contains("75 %") && hot.contains("sold_out") && hot.contains("2,000"), "{text}");
        assert!(hot.contains("checkout") && hot.ends_with(" 40"), "{text}");
        assert!(text.contains("a-client-with-a- 2") || text.contains("a-client-with-a-v 2"), "{text}");
        assert_eq!(lines[23], "q quits; every 1.0 s");
    }

    #[test]
    fn a_terminal_of_any_size_is_drawn_on() {
        // Proves that neither a tiny nor a large terminal breaks the screen.
        for (width, height) in [(1, 1), (20, 5), (80, 24), (300, 100)] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            let view = second_view();
            terminal.draw(|frame| frame.render_widget(&view, frame.area())).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_compared_has_no_rate() {
        // Proves the first frame, a restart of the server, a warning, and a server that does not answer.
        let mut view = View::new("shop:1", Duration::from_secs(1), status(60_000, 1_000_000, 7));
        assert!(view.text(Rect::new(0, 0, 80, 24)).contains("commands                       -"));
        view.update(status(500, 10, 1));
        assert_eq!(view.rate("ops_logged"), None);
        let mut warned = status(900, 20, 1);
        warned.warnings = vec!["disk_low: Little is free. To do: Make space.".to_owned()];
        view.update(warned);
        let text = view.text(Rect::new(0, 0, 80, 24));
        assert!(text.contains("works, with 1 warning\ndisk_low: Little is free.\n"), "{text}");
        view.fail("the server does not answer".to_owned());
        let text = view.text(Rect::new(0, 0, 80, 24));
        assert!(text.contains("no answer\nthe server does not answer\n"), "{text}");
    }
}
