//! The trace of a world: everything that happened, line by line. Two runs of a seed must have the same trace, byte
//! for byte, so it may contain only what the seed determines.

use std::fmt::Write;

/// Longest trace that is kept as text. Of later lines only the hash is kept.
const TRACE_BYTES_MAX: usize = 64 << 20;

/// The lines so far.
#[derive(Debug, Default)]
pub struct Trace {
    text: String,
    hash: u64,
    lines: u64,
    print: bool,
}

impl Trace {
    /// An empty trace. `print` prints every line at once.
    #[must_use]
    pub fn new(print: bool) -> Self {
        Self { print, ..Self::default() }
    }

    /// Adds a line.
    pub fn note(&mut self, line: std::fmt::Arguments<'_>) {
        let start = self.text.len();
        let written = writeln!(self.text, "{:>6} {line}", self.lines);
        assert!(written.is_ok(), "writing to a string cannot fail");
        self.lines += 1;
        let added = &self.text[start..];
        if self.print {
            show(added);
        }
        self.hash = xxhash_rust::xxh3::xxh3_64_with_seed(added.as_bytes(), self.hash);
        if self.text.len() > TRACE_BYTES_MAX {
            self.text.clear();
        }
    }

    /// The lines.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A hash over all lines.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many lines there are.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }
}

#[expect(clippy::print_stdout, reason = "printing the trace is its purpose")]
fn show(line: &str) {
    print!("{line}");
}
