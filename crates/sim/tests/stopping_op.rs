//! A command that stops the server whenever it is applied, from the first stop to the start without it. The program
//! that runs here is the whole `stockhold`, with a bug: records with the reference `stopper` cannot be applied.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "this is a test that is its own program"
)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Output, Stdio};

use serde_json::Value;

/// The variable by which a process knows that it is the program and not the test.
const PROGRAM_VARIABLE: &str = "STOCKHOLD_WITH_A_BUG";
const REFERENCE: &str = "stopper";

fn main() -> ExitCode {
    if std::env::var_os(PROGRAM_VARIABLE).is_some() {
        stockhold::mutant::stop_at_records_with(REFERENCE.as_bytes());
        return stockhold::cli::main();
    }
    an_op_that_stops_every_start_is_named_and_skipped();
    println!("an op that stops every start is named and skipped: ok");
    ExitCode::SUCCESS
}

fn program(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(words).env(PROGRAM_VARIABLE, "1").env("RUST_BACKTRACE", "0");
    command
}

fn run(words: &[&str]) -> (bool, Value, String) {
    let Output { status, stdout, stderr } = program(words).output().unwrap();
    let document = serde_json::from_slice(&stdout).unwrap_or(Value::Null);
    (status.success(), document, String::from_utf8_lossy(&stderr).into_owned())
}

/// A server process, and its address if it came that far.
fn serve(data: &Path) -> (Child, Option<String>) {
    let mut command = program(&["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir"]);
    let mut child = command.arg(data).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address =
        serde_json::from_str(&line).ok().and_then(|ready: Value| Some(ready["address"].as_str()?.to_owned()));
    (child, address)
}

/// Waits until the server has ended, and returns what it wrote.
fn ended(mut child: Child) -> String {
    let mut written = String::new();
    child.stderr.take().unwrap().read_to_string(&mut written).unwrap();
    assert!(!child.wait().unwrap().success(), "{written}");
    written
}

/// Proves that the stop names the op and what to do; that the next start stops at the same op, before it answers anybody;
/// that `log skip` shows the command and that it stops the process; and that the start after that has everything else.
fn an_op_that_stops_every_start_is_named_and_skipped() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let path = data.display().to_string();
    assert!(run(&["format", &path]).0);
    let (server, address) = serve(&data);
    let address = address.expect("the server starts");
    let done = |words: &[&str]| {
        let (is_done, document, complaint) = run(&[words, &["--json", "--server", &address]].concat());
        assert!(is_done, "{words:?}: {complaint}");
        document
    };
    done(&["define", "source", "east", "--name", "East", "--country", "US", "--postcode", "1"]);
    done(&["define", "stock", "web"]);
    done(&["define", "sku", "A"]);
    done(&["link", "--stock", "web", "--source", "east"]);
    done(&["count", "--source", "east", "--sku", "A", "--quantity", "10"]);
    let before = done(&["reserve", "--stock", "web", "--line", "A=3"]);
    let op = before["op"].as_u64().unwrap() + 1;
    let stopper = ["reserve", "--stock", "web", "--line", "A=2", "--reference", REFERENCE];
    let (is_done, _, complaint) = run(&[&stopper[..], &["--server", &address, "--timeout", "2s"]].concat());
    assert!(!is_done && complaint.contains("unknown"), "nobody says what became of it: {complaint}");

    let advice = format!("stockhold log skip --op {op}");
    let written = ended(server);
    assert!(written.contains(&advice), "{written}");
    let (server, address) = serve(&data);
    assert_eq!(address, None, "a start answers nobody before the whole log is applied");
    let written = ended(server);
    assert!(written.contains(&advice), "{written}");

    let number = op.to_string();
    let (is_done, shown, complaint) = run(&["log", "skip", &path, "--op", &number, "--dry-run", "--json"]);
    assert!(is_done, "{complaint}");
    assert!(shown["stopped"].as_str().unwrap().contains("a mutant cannot apply"), "{shown}");
    assert_eq!(shown["outcome"], Value::Null, "{shown}");
    assert!(shown["command"]["body"].to_string().contains(REFERENCE), "{shown}");
    let reason = "it stops every start";
    let (is_done, _, complaint) = run(&["log", "skip", &path, "--op", &number, "--reason", reason]);
    assert!(is_done, "{complaint}");

    let (mut server, address) = serve(&data);
    let address = address.expect("without the op the server starts");
    let (_, salable, complaint) = run(&["salable", "A", "--stock", "web", "--json", "--server", &address]);
    assert_eq!(salable["salable"][0]["salable"], "7", "{complaint}");
    let (_, status, _) = run(&["status", "--json", "--server", &address]);
    assert!(status["warnings"].to_string().contains("ops_skipped"), "{status}");
    server.kill().unwrap();
    server.wait().unwrap();
    let (is_done, skips, complaint) = run(&["log", "skips", &path, "--json"]);
    assert!(is_done && skips.to_string().contains(reason), "{skips} {complaint}");
}
