//! Parsing of a scenario line: quantities, lines of carts, options.

use std::collections::BTreeMap;
use stockhold_protocol::{Quantity, SourceId};

/// One parsed line of a scenario: words, `key=value` options, and what is expected after `->`.
#[derive(Debug, Default)]
pub(crate) struct Sentence {
    pub(crate) words: Vec<String>,
    pub(crate) options: BTreeMap<String, String>,
    /// If it is empty, `ok` is expected.
    pub(crate) expected: Vec<String>,
}

impl Sentence {
    /// Parses a line; `None` for blank lines and comments.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let line = line.split("//").next().unwrap_or_default().trim();
        if line.is_empty() {
            return None;
        }
        let (command, expected) = line.split_once("->").unwrap_or((line, ""));
        let mut sentence =
            Self { expected: expected.split_whitespace().map(str::to_owned).collect(), ..Self::default() };
        for word in command.split_whitespace() {
            match word.split_once('=') {
                Some((key, value)) => {
                    sentence.options.insert(key.to_owned(), value.to_owned());
                }
                None => sentence.words.push(word.to_owned()),
            }
        }
        Some(sentence)
    }

    /// The word at a position, counted from 0.
    pub(crate) fn word(&self, at: usize) -> &str {
        self.words.get(at).unwrap_or_else(|| panic!("word {at} is missing in {self:?}"))
    }

    pub(crate) fn option(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str)
    }

    pub(crate) fn has(&self, flag: &str) -> bool {
        self.words.iter().any(|word| word == flag)
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.option(key).map(|text| text.parse().unwrap_or_else(|_| panic!("{key}={text} is no number")))
    }
}

/// `3xBIKE` as (quantity, name).
pub(crate) fn line(word: &str) -> Option<(Quantity, &str)> {
    let (quantity, name) = word.split_once('x')?;
    Some((quantity.parse().ok()?, name))
}

/// `60s`, `500ms`, `15m` or `24h` in milliseconds.
pub(crate) fn span_ms(text: &str) -> u64 {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let unit = &text[digits.len()..];
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => panic!("{text} is no span of time"),
    };
    digits.parse::<u64>().unwrap_or_else(|_| panic!("{text} is no span of time")) * scale
}

/// A list of names, such as `A1,A2`.
pub(crate) fn joined(sources: &[SourceId], name: impl Fn(u32) -> String) -> String {
    sources.iter().map(|source| name(source.0)).collect::<Vec<_>>().join(",")
}
