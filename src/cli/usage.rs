//! Refuses a command line that cannot be parsed: in words, or as JSON if it asks for JSON.

use super::exit::{Exit, Failure};
use super::output::Output;
use clap::error::ErrorKind;
use std::ffi::OsString;

/// Prints why the words are refused, or the help that they ask for.
pub(super) fn refuse(error: &clap::Error, words: &[OsString]) -> Exit {
    if !error.use_stderr() {
        // If standard output is closed, there is no reader.
        error.print().ok();
        return Exit::Ok;
    }
    if asks_for_json(words) {
        Output::new(true).failure(&Failure::usage(sentence(error)));
    } else {
        error.print().ok();
    }
    Exit::Usage
}

/// Whether `--json` is among the words. They cannot be parsed, so they are only searched.
#[must_use]
pub fn asks_for_json(words: &[OsString]) -> bool {
    words.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--json")
}

/// The reason and the tips on one line, without the usage.
#[must_use]
pub fn sentence(error: &clap::Error) -> String {
    if [ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, ErrorKind::MissingSubcommand]
        .contains(&error.kind())
    {
        return "a command is missing; `stockhold --help` lists all".to_owned();
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let is_said = |part: &&str| !part.starts_with("Usage:") && !part.starts_with("For more information");
    let parts = text.split("\n\n").map(str::trim).filter(|part| !part.is_empty()).filter(is_said);
    let lines = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    parts.map(lines).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parse_words;

    fn refused(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        sentence(&parse_words(&words).map(|_| ()).unwrap_err())
    }

    #[test]
    fn a_reason_is_one_line() {
        // Proves that all parts of a reason are kept, and that usage and advice to read the help are not.
        assert_eq!(
            refused("stockhold reserve --ttl 5m"),
            "the following required arguments were not provided: --line <SKU=QTY> <--stock <NAME>|--channel <TYPE/CODE>>"
        );
        for line in ["stockhold", "stockhold --json", "stockhold show"] {
            assert_eq!(refused(line), "a command is missing; `stockhold --help` lists all");
        }
        assert_eq!(
            refused("stockhold statuss"),
            "unrecognized subcommand 'statuss'; tip: a similar subcommand exists: 'status'"
        );
    }

    #[test]
    fn json_is_asked_for_anywhere_before_the_end_of_flags() {
        // Proves that the words are searched although they cannot be parsed.
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(asks_for_json(&words("stockhold nonsense --what --json")));
        assert!(!asks_for_json(&words("stockhold salable -- --json")));
        assert!(!asks_for_json(&words("--json salable")));
    }
}
