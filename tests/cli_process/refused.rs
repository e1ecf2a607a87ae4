//! Flags that mean nothing where they are given are refused, and so are values that a flag does not take.

use super::harness::{code, run};

/// Checks that words are refused before anything is done, with a part of the message.
fn check(line: &str, part: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let output = run(&words);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(code(&output), 2, "{line}: {error}");
    assert!(error.contains(part), "{line} does not say {part:?}: {error}");
    assert!(output.stdout.is_empty(), "{line}");
}

#[test]
fn flags_without_meaning_are_refused() {
    // Proves it for the flags of a server, before and after the command, and for flags that exclude each other by what
    // they are about.
    for (command, reason) in [
        ("serve --check-config", "`stockhold serve` is the server; --listen"),
        ("demo", "`stockhold demo` runs a server of its own"),
        ("format x", "`stockhold format` contacts no server"),
        ("verify x", "`stockhold verify` contacts no server"),
        ("log dump x", "`stockhold log` contacts no server"),
        ("log skip x --op 1 --reason y", "`stockhold log` contacts no server"),
        ("completions bash", "`stockhold completions` contacts no server"),
        ("import x.csv --dry-run", "with --dry-run `stockhold import` contacts no server"),
    ] {
        for flag in ["--server 127.0.0.1:7411", "--timeout 5s"] {
            let name = flag.split(' ').next().unwrap();
            let message = format!("{name} means nothing here: {reason}");
            check(&format!("{flag} {command}"), &message);
            check(&format!("{command} {flag}"), &message);
        }
    }
    for (line, part) in [
        ("import x.toml --create-skus no", "--create-skus means nothing here: it is for source items"),
        ("import x.json --reason y", "--reason means nothing here"),
        ("import x.csv --reason y --dry-run", "with --dry-run nothing is imported"),
        ("export x.toml --source east", "--source, --sku and --in-stock select source items"),
        ("export --as json --in-stock true", "--source, --sku and --in-stock select source items"),
        ("export x.csv --as toml", "--as contradicts the name of the file"),
        ("format x --set limits.connections=5", "does not use limits.connections"),
        ("format x --set data-dir=y", "does not use data-dir"),
        ("serve --check-config --data-dir x --set data-dir=y", "data-dir is set twice, to y and to x"),
        ("serve --check-config --listen :1 --set listen=:2", "listen is set twice, to :2 and to :1"),
        ("serve --check-config --set log.batch-ops=1 --set log.batch-ops=2", "log.batch-ops is set twice"),
        ("serve --check-config --print-config", "cannot be used with"),
        ("quota --sku A --stock web --limit 1 --lift", "cannot be used with"),
        ("reserve --stock web --channel a/b --line A", "cannot be used with"),
        ("settings --stock web --min-qty 1", "--sku <SKU>"),
        ("define source x --name x --country US --postcode 1 --latitude 1", "--longitude <DEGREES>"),
        ("status --id 019a0b3c-4d5e-7f60-8123-456789abcdef", "unexpected argument '--id'"),
        ("clock --id 019a0b3c-4d5e-7f60-8123-456789abcdef", "unexpected argument '--id'"),
    ] {
        check(line, part);
    }
}

#[test]
fn the_environment_refuses_no_command() {
    // Proves that an address in the environment, which is there for all commands, does not count as a flag.
    let output = std::process::Command::new(super::harness::PROGRAM)
        .args(["completions", "bash"])
        .env("STOCKHOLD_SERVER", "127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
}
