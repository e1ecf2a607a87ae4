//! Prints everything: text for people, or one JSON document for programs.
//!
//! Results go to standard output, progress and failures to standard error, so that a pipe receives only results.

use super::exit::{Exit, ExitWith, Failure, OutcomeUnknown};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};

/// The maximum number of times per second that a progress bar is drawn.
const DRAWS_PER_SECOND: u8 = 10;

/// The output of a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) const fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) const fn is_json(self) -> bool {
        self.json
    }

    /// Prints a result: the text for people, or the document on one line for programs.
    pub(super) fn result(self, text: &str, document: &Value) -> Result<(), Failure> {
        if self.json { print(&document.to_string()) } else { print(text) }
    }

    /// Prints a message for people; with JSON output it is omitted.
    pub(super) fn note(self, text: &str) {
        if !self.json {
            complain(text);
        }
    }

    /// Prints why a command failed.
    pub(super) fn failure(self, failure: &Failure) {
        let message = failure.text();
        if self.json {
            let mut document = json!({"error": message, "exit_code": failure.exit.number()});
            if let Some(unknown) = failure.error.downcast_ref::<OutcomeUnknown>() {
                document["id"] = unknown.id.to_string().into();
            }
            complain(&document.to_string());
        } else {
            complain(&format!("error: {message}"));
        }
    }

    /// A progress bar over `total` steps of `what`. It is hidden with JSON output and without a terminal.
    pub(super) fn progress(self, total: u64, what: &'static str) -> ProgressBar {
        if self.json || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
        let bar = ProgressBar::with_draw_target(Some(total), target).with_prefix(what);
        let style = ProgressStyle::with_template("{prefix:>10} [{bar:40}] {percent:>3}% {msg} {eta}");
        match style {
            Ok(style) => bar.with_style(style.progress_chars("=> ")),
            Err(_) => bar,
        }
    }
}

/// Prints text unchanged.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()).exit_with(Exit::Disk)
}

/// Writes to standard error. If that is closed too, the text is dropped.
pub(super) fn complain(text: &str) {
    if writeln!(io::stderr().lock(), "{text}").is_err() {
        // Nothing else can be done.
    }
}

/// Text for people, line by line.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// Appends a line.
    pub(super) fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// The whole text.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Aligns rows in columns, two blanks apart.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|at| {
            rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = Text::default();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.line(cells.join("  ").trim_end());
    }
    text.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        // Proves that cells are aligned with their headings, whatever their length.
        let rows = [["sku", "salable"], ["BIKE-0001", "12"], ["X", "3"]];
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
        assert_eq!(table(&rows), "sku        salable\nBIKE-0001  12\nX          3\n");
    }
}
