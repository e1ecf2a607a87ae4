//! With `--json` every failure is one JSON document on standard error, whatever fails and wherever the flag stands.

use super::harness::{Server, code, run};
use super::help::COMMANDS;
use super::waiting::server_commands;
use serde_json::Value;

/// Runs a command that fails without a result, and checks that it says why in JSON and nothing else.
fn failure(arguments: &[&str], exit: i32) -> String {
    let output = run(arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(code(&output), exit, "{arguments:?}: {error}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    let document: Value =
        serde_json::from_str(&error).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {error}"));
    assert_eq!(document["exit_code"], exit, "{arguments:?}: {error}");
    assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
    document["error"].as_str().unwrap().to_owned()
}

#[test]
fn words_that_cannot_be_parsed_are_refused_in_json() {
    // Proves it for a missing and an unknown command, and for every command with an unknown flag, before and after the
    // command.
    assert!(failure(&["--json"], 2).contains("a command is missing"));
    assert!(failure(&["--json", "statuss"], 2).contains("a similar subcommand exists: 'status'"));
    assert!(failure(&["--json", "show"], 2).contains("a command is missing"));
    for command in COMMANDS {
        for words in [
            [command, &["--json", "--no-such-flag"][..]].concat(),
            [&["--json"], *command, &["--no-such-flag"]].concat(),
        ] {
            let error = failure(&words, 2);
            assert!(error.starts_with("unexpected argument '--no-such-flag' found"), "{words:?}: {error}");
        }
    }
    for (words, part) in [
        (
            &["reserve", "--stock", "web", "--json"][..],
            "required arguments were not provided: --line <SKU=QTY>",
        ),
        (&["reserve", "--stock", "web", "--channel", "a/b", "--line", "A", "--json"], "cannot be used with"),
        (
            &["reserve", "--stock", "web", "--line", "A=x", "--json"],
            "invalid value 'A=x' for '--line <SKU=QTY>'",
        ),
        (&["confirm", "7", "--json"], "invalid value '7' for '<RESERVATION>'"),
        (
            &["define", "sku", "A", "--kind", "huge", "--json"],
            "[possible values: simple, virtual, composite, uncatalogued]",
        ),
        (&["settings", "--json"], "required arguments were not provided"),
        (&["mark", "now", "--json"], "to name this moment so: stockhold mark set now"),
        (&["--json", "mark", "now"], "to name this moment so: stockhold mark set now"),
        (&["status", "--timeout", "soon", "--json"], "invalid value 'soon' for '--timeout <TIME>'"),
        (&["serve", "--set", "nonsense", "--json"], "limits.connections=100"),
    ] {
        let error = failure(words, 2);
        assert!(error.contains(part), "{words:?}: {error}");
    }
    let help = run(&["--json", "reserve", "--help"]);
    assert_eq!(code(&help), 0);
    assert!(String::from_utf8_lossy(&help.stdout).contains("Usage:"), "help is no failure");
}

#[test]
fn commands_without_an_answer_fail_in_json() {
    // Proves it for every command without a server, and for commands on files and directories.
    for command in server_commands() {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let flags = ["--json", "--timeout", "30ms", "--server", "127.0.0.1:1"];
        let error = failure(&[&words[..], &flags[..]].concat(), 3);
        assert!(error.contains("127.0.0.1:1"), "{command:?}: {error}");
    }
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing").display().to_string();
    let file = format!("{missing}.csv");
    for words in [
        &["serve", "--listen", "127.0.0.1:0", "--data-dir", &missing][..],
        &["serve", "--set", "limits.connections=0", "--check-config"],
        &["verify", &missing],
        &["log", "dump", &missing],
        &["log", "skip", &missing, "--op", "1", "--reason", "x"],
        &["import", "--dry-run", &file],
        &["export"],
        &["configure"],
        &["demo", "--seconds", "0"],
    ] {
        failure(&[words, &["--json"]].concat(), 2);
    }
}

#[test]
fn results_are_documents_and_failures_name_the_id_to_repeat() {
    // Proves that a refusal and findings are results, on standard output, and that a program can read the id of an
    // outcome that is unknown.
    let mut server = Server::start_limitable();
    server.ok(&["define", "source", "east", "--name", "East", "--country", "US", "--postcode", "1"]);
    server.ok(&["define", "stock", "web"]);
    server.ok(&["define", "sku", "A"]);
    let refused = server.call(&["reserve", "--stock", "web", "--line", "A=1"]);
    assert_eq!((refused.code, refused.stderr.as_str()), (1, ""));
    assert_eq!(refused.document["success"], false);
    let unknown = server.call(&["show", "reservation", "019a0b3c-4d5e-7f60-8123-456789abcdef"]);
    assert_eq!((unknown.code, unknown.stderr.as_str()), (1, ""));
    assert_eq!(unknown.document["state"], "unknown");
    let printed = run(&["serve", "--print-config", "--json"]);
    let config: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(config["limits"]["connections"], 4_096);

    server.limit_file_size(4_096);
    let lost = server.call(&["--timeout", "500ms", "reserve", "--stock", "web", "--line", "A=1"]);
    assert_eq!((lost.code, &lost.document), (3, &Value::Null), "{}", lost.stderr);
    let document: Value = serde_json::from_str(&lost.stderr).unwrap();
    let id = document["id"].as_str().unwrap();
    assert!(document["error"].as_str().unwrap().contains(&format!("--id {id}")), "{document}");
    let (exit, stderr) = server.wait();
    let last: Value = serde_json::from_str(stderr.lines().last().unwrap()).unwrap();
    assert_eq!((exit, &last["exit_code"]), (74, &Value::from(74)), "{stderr}");
}
