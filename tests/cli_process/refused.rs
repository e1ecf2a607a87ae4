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
        ("backup --data-dir x --to y", "`stockhold backup` contacts no server"),
        ("backup list x", "`stockhold backup` contacts no server"),
        ("restore --from x --dry-run", "`stockhold restore` contacts no server"),
        ("log dump x", "`stockhold log` contacts no server"),
        ("log skip x --op 1 --reason y", "`stockhold log` contacts no server"),
        ("id new", "`stockhold id new` contacts no server without --server-time"),
        ("man", "`stockhold man` contacts no server"),
        ("completions bash", "`stockhold completions` contacts no server"),
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
        ("import x.toml --behavior delete", "--behavior means nothing here: it is for source items"),
        ("import x.json --reason y", "--reason means nothing here"),
        ("export x.toml --source east", "--source, --sku, --in-stock and --without select source items"),
        ("export --as json --in-stock true", "--source, --sku, --in-stock and --without select source items"),
        ("export x.csv --as toml", "--as contradicts the name of the file"),
        ("format x --set limits.connections=5", "does not use limits.connections"),
        ("format x --set data-dir=y", "does not use data-dir"),
        ("restore --from x --to-dir y --set listen=:1", "`stockhold restore` does not use listen"),
        ("restore --from x --to-dir y --to-op 1 --latest", "cannot be used with"),
        ("backup --to y list x", "cannot be used with"),
        ("serve --check-config --data-dir x --set data-dir=y", "data-dir is set twice, to y and to x"),
        ("serve --check-config --listen :1 --set listen=:2", "listen is set twice, to :2 and to :1"),
        ("serve --check-config --set log.batch-ops=1 --set log.batch-ops=2", "log.batch-ops is set twice"),
        ("serve --check-config --print-config", "cannot be used with"),
        ("quota --sku A --stock web --limit 1 --lift", "cannot be used with"),
        ("reserve --stock web --channel a/b --line A", "cannot be used with"),
        ("settings --stock web --min-qty 1", "--sku <SKU>"),
        ("define source x --name x --country US --postcode 1 --latitude 1", "--longitude <DEGREES>"),
        ("order cancel 1 --line A=2@", "write SKU=QUANTITY or SKU=QUANTITY@STOCK"),
        ("order refund 1 --line A=2", "--return-to-stock"),
        ("order refund 1 --no-return", "--line"),
        ("order unship 1 --source east", "--document"),
        ("order cancel 1 --forced", "unexpected argument '--forced'"),
        ("order", "stockhold order place"),
        ("status --id 019a0b3c-4d5e-7f60-8123-456789abcdef", "unexpected argument '--id'"),
        ("clock --id 019a0b3c-4d5e-7f60-8123-456789abcdef", "unexpected argument '--id'"),
    ] {
        check(line, part);
    }
}

#[test]
fn bad_quantities_are_refused_with_a_reason() {
    // Proves, for every flag that takes a quantity, that the message says what is wrong and what is allowed.
    const ID: &str = "019a0b3c-4d5e-7f60-8123-456789abcdef";
    let number = "must be a number, such as 12 or 3.5";
    let decimals = "must have at most 4 decimals, such as 3.5 or 0.0001";
    let positive = "must be more than 0, such as 2 or 0.5";
    let not_negative = "must be 0 or more, such as 0, 2 or 0.5";
    let lines = [
        "reserve --stock web --line A=",
        &format!("replace {ID} --stock web --line A="),
        &format!("release {ID} --line A="),
        &format!("ship {ID} --source east --line A="),
        &format!("unship {ID} --source east --line A="),
        &format!("amend {ID} --line A="),
        "sell --stock web --source east --line A=",
        &format!("refund {ID} --unshipped A="),
        "transfer --from east --to west --line A=",
        "order place 1 --stock web --line A=",
        "order cancel 1 --line A=",
        "order ship 1 --source east --line A=",
        "order refund 1 --returned A=",
        "salable A --need ",
        "settings --qty-increments ",
    ];
    for line in lines {
        for (value, rule) in [("-2", positive), ("0", positive), ("abc", number), ("1.23456", decimals)] {
            check(&format!("{line}{value}"), &format!("the quantity \"{value}\" {rule}"));
        }
    }
    for kind in ["returned", "written-off"] {
        check(&format!("refund {ID} --{kind} A=-2@east"), &format!("the quantity \"-2\" {positive}"));
        check(&format!("refund {ID} --{kind} A=2"), "write SKU=QUANTITY@SOURCE");
    }
    for flag in ["min-sale-qty", "max-sale-qty", "notify-stock-qty"] {
        for (value, rule) in [("-2", not_negative), ("abc", number), ("1.23456", decimals)] {
            check(&format!("settings --{flag} {value}"), &format!("the quantity \"{value}\" {rule}"));
        }
    }
    check("quota --sku A --stock web --limit -2", &format!("the quantity \"-2\" {not_negative}"));
    for (line, rule) in [
        ("order edit 1 --line A=-2", not_negative),
        ("order edit 1 --line A=abc", number),
        ("order compensate 1 --line A=1.23456", decimals),
        ("settings --min-qty abc", number),
        ("count --source east --sku A --quantity abc", number),
        ("count --source east --sku A --quantity 1.23456", decimals),
        ("adjust --source east --sku A --delta 1.23456", decimals),
        ("adjust --source east --sku A --delta -100000000001", "must lie within ±100,000,000,000 units"),
    ] {
        check(line, rule);
    }
    for line in [
        "activate-rules -2",
        "link --stock a --source b --priority -2",
        "salable A --min-op -2",
        "log dump x --from -2",
    ] {
        check(line, "invalid value '-2'");
    }
}

#[test]
fn a_time_without_a_unit_is_refused_with_the_forms() {
    // Proves it for every flag that takes a time, and that a negative time is no unknown flag.
    const ID: &str = "019a0b3c-4d5e-7f60-8123-456789abcdef";
    let limits = [
        "ttl-min",
        "ttl-max",
        "ttl-total-max",
        "late-confirm-window",
        "id-retention",
        "id-retention-min",
        "gap-max",
        "clock-jump-max",
        "name-grace",
    ];
    let configured = limits.iter().map(|flag| format!("configure --{flag} "));
    let formatted = limits.iter().map(|flag| format!("format x --{flag} "));
    let others = [
        "status --timeout ".to_owned(),
        "reserve --stock web --line A --ttl ".to_owned(),
        format!("replace {ID} --stock web --line A --ttl "),
        format!("extend {ID} --ttl "),
    ];
    for line in others.into_iter().chain(configured).chain(formatted) {
        check(&format!("{line}5"), "5 has no unit; write 5ms, 5s, 5m, 5h or 5d");
        check(&format!("{line}-5m"), "a time is not negative; write a time such as 250ms");
        check(&format!("{line}soon"), "write a time such as 250ms, 90s, 15m, 2h or 1d");
    }
    check("status --timeout 0s", "the time must be more than 0");
    check("demo --seconds 5m", "invalid value '5m' for '--seconds <SECONDS>'");
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
