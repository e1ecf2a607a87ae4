//! Help with examples, completions and the printed configuration.

use super::harness::{code, run};

/// Every sub-command with arguments.
pub(super) const COMMANDS: &[&[&str]] = &[
    &["serve"],
    &["format"],
    &["demo"],
    &["reserve"],
    &["confirm"],
    &["release"],
    &["extend"],
    &["replace"],
    &["ship"],
    &["unship"],
    &["amend"],
    &["sell"],
    &["refund"],
    &["count"],
    &["adjust"],
    &["transfer"],
    &["define", "source"],
    &["define", "stock"],
    &["define", "sku"],
    &["link"],
    &["unlink"],
    &["channel"],
    &["rename", "sku"],
    &["rename", "stock"],
    &["rename", "source"],
    &["rename", "channel"],
    &["settings"],
    &["quota"],
    &["configure"],
    &["mark", "set"],
    &["mark", "list"],
    &["mark", "drop"],
    &["activate-rules"],
    &["import"],
    &["export"],
    &["salable"],
    &["show"],
    &["verify"],
    &["log", "dump"],
    &["log", "skip"],
    &["id", "new"],
    &["completions"],
];

#[test]
fn help_has_examples() {
    // Proves that the help of each sub-command has an example, and that docs/cli.md contains the command.
    let page = include_str!("../../docs/cli.md");
    for command in COMMANDS {
        let words: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        let help = run(&words);
        let text = String::from_utf8_lossy(&help.stdout).into_owned();
        assert_eq!(code(&help), 0, "{command:?}");
        let example = format!("  stockhold {}", command.join(" "));
        assert!(text.contains(&example), "{command:?} shows no example:\n{text}");
        assert!(page.contains(&format!("`{}", command.join(" "))), "docs/cli.md does not name {command:?}");
    }
}

#[test]
fn completions_are_made_for_three_shells() {
    // Proves that completions exist and contain the commands.
    for shell in ["bash", "zsh", "fish"] {
        let made = run(&["completions", shell]);
        assert_eq!(code(&made), 0);
        assert!(String::from_utf8_lossy(&made.stdout).contains("salable"), "{shell}");
    }
}

#[test]
fn a_printed_configuration_is_read_back() {
    // Proves that the printed configuration can be used as a file, and that an invalid option is a usage error.
    let printed = run(&["serve", "--print-config", "--set", "limits.connections=17"]);
    assert_eq!(code(&printed), 0);
    let text = String::from_utf8_lossy(&printed.stdout).into_owned();
    assert!(text.contains("connections = 17"), "{text}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("stockhold.toml");
    std::fs::write(&file, &text).unwrap();
    let file = file.display().to_string();
    assert_eq!(code(&run(&["serve", "--config", &file, "--check-config"])), 0);
    assert_eq!(code(&run(&["serve", "--set", "limits.conections=17", "--check-config"])), 2);
}
