//! Help with examples, completions and the printed configuration.

use super::harness::{code, run};
use super::waiting::server_commands;

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
    &["order", "place"],
    &["order", "confirm"],
    &["order", "extend"],
    &["order", "cancel"],
    &["order", "ship"],
    &["order", "invoice"],
    &["order", "refund"],
    &["order", "compensate"],
    &["order", "edit"],
    &["order", "unship"],
    &["order", "failed"],
    &["count"],
    &["adjust"],
    &["transfer"],
    &["count-many"],
    &["assign"],
    &["unassign"],
    &["transfer-many"],
    &["transfer-lines"],
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
    &["notify"],
    &["configure"],
    &["mark", "set"],
    &["mark", "list"],
    &["mark", "drop"],
    &["activate-rules"],
    &["import"],
    &["import", "geonames"],
    &["export"],
    &["salable"],
    &["select-sources"],
    &["pickup-locations"],
    &["show"],
    &["status"],
    &["top"],
    &["list"],
    &["list", "reservations"],
    &["list", "orders"],
    &["list", "skus"],
    &["list", "low-stock"],
    &["list", "snapshots"],
    &["list", "segments"],
    &["explain"],
    &["why"],
    &["verify"],
    &["backup"],
    &["restore"],
    &["replay"],
    &["follow"],
    &["log", "dump"],
    &["log", "skip"],
    &["log", "skips"],
    &["log", "verify"],
    &["log", "truncate"],
    &["id", "new"],
    &["completions"],
    &["man"],
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
    // Proves that completions exist and contain the commands, and that bash completes with them.
    for shell in ["bash", "zsh", "fish"] {
        let made = run(&["completions", shell]);
        assert_eq!(code(&made), 0);
        assert!(String::from_utf8_lossy(&made.stdout).contains("salable"), "{shell}");
    }
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("stockhold.bash");
    std::fs::write(&script, run(&["completions", "bash"]).stdout).unwrap();
    // The shell reads the script without running it, and then completes a word with it.
    let source = "source \"$0\"; COMP_WORDS=(stockhold show s); COMP_CWORD=2; _stockhold stockhold s show; echo ${COMPREPLY[*]}";
    let completed = std::process::Command::new("bash").args(["-c", source]).arg(&script).output().unwrap();
    let words = String::from_utf8_lossy(&completed.stdout).into_owned();
    assert_eq!(words.trim(), "sku source sources stocks", "{}", String::from_utf8_lossy(&completed.stderr));
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    // Proves that pages are made from the same description as the help: each has its name and the examples, and none has a
    // flag without meaning.
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("man1");
    let made = run(&["--json", "man", "--out", &out.display().to_string()]);
    assert_eq!(code(&made), 0, "{}", String::from_utf8_lossy(&made.stderr));
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    for command in COMMANDS {
        let file = out.join(format!("stockhold-{}.1", command.join("-")));
        let page = std::fs::read_to_string(&file).unwrap();
        assert!(
            made["files"].as_array().unwrap().contains(&file.display().to_string().into()),
            "{command:?}"
        );
        assert!(page.contains(".TH stockhold-"), "{command:?}");
        let example = format!("stockhold {}", command.join(" ").replace('-', "\\-"));
        assert!(page.contains(&example), "{command:?} has no example:\n{page}");
        let is_of = |words: &Vec<String>| words.iter().zip(*command).all(|(word, other)| word == other);
        let contacts_a_server =
            server_commands().iter().any(is_of) || [&["id", "new"][..], &["top"]].contains(command);
        assert_eq!(page.contains("\\-\\-timeout"), contacts_a_server, "{command:?}");
    }
    let main = run(&["man"]);
    assert_eq!(code(&main), 0);
    let page = std::fs::read(out.join("stockhold.1")).unwrap();
    assert_eq!(String::from_utf8_lossy(&main.stdout).trim_end(), String::from_utf8_lossy(&page).trim_end());
    assert_eq!(code(&run(&["man", "--out", "/dev/null/x"])), 2);
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
