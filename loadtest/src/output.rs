//! All output: reports go to standard output, progress and failures to standard error, so that a pipe gets only
//! reports.

use crate::exit::Failure;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

/// How often a progress bar is drawn at most, per second.
const DRAWS_PER_SECOND: u8 = 10;

/// The output of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a report: the text for people, or one line of JSON for programs.
    pub(crate) fn report(self, text: &str, report: &impl Serialize) -> Result<(), anyhow::Error> {
        if self.json {
            line(&serde_json::to_string(report)?)?;
        } else {
            line(text.trim_end_matches('\n'))?;
        }
        Ok(())
    }

    /// Prints a note for people. It is suppressed for programs.
    pub(crate) fn note(self, text: &str) {
        if !self.json {
            complain(text);
        }
    }

    /// Tells where the data directory is kept.
    pub(crate) fn kept(self, path: &Path) {
        let path = path.display();
        if self.json {
            complain(&serde_json::json!({"kept_data_dir": path.to_string()}).to_string());
        } else {
            complain(&format!("the data directory is kept at {path}"));
        }
    }

    /// A progress bar over `duration`. It is hidden for programs and without a terminal.
    pub(crate) fn progress(self, duration: Duration, what: &'static str) -> ProgressBar {
        self.progress_to(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), what)
    }

    /// A progress bar up to `total`. It is hidden for programs and without a terminal.
    pub(crate) fn progress_to(self, total: u64, what: &'static str) -> ProgressBar {
        if self.json || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
        let bar = ProgressBar::with_draw_target(Some(total), target).with_prefix(what);
        match ProgressStyle::with_template("{prefix:>10} [{bar:40}] {percent:>3}% {msg}") {
            Ok(style) => bar.with_style(style.progress_chars("=> ")),
            Err(_) => bar,
        }
    }
}

/// Writes one line to standard output.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Reports why a run failed: a sentence for people, or one line of JSON for programs.
pub(crate) fn failure(json: bool, failure: &Failure) {
    let text = failure.text();
    if json {
        let document = serde_json::json!({"error": text, "exit_code": failure.exit.number()});
        complain(&document.to_string());
    } else {
        complain(&format!("error: {text}"));
    }
}

/// Writes to standard error. If that is closed too, the error is ignored.
pub(crate) fn complain(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}
