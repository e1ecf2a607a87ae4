//! Directories, files and addresses that cannot be used. Exit code 74 means a failing disk or file and nothing else;
//! what the command line can correct has exit code 2, and its message has the next command to run.

use super::harness::{Server, code, run};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

/// Checks the exit code of a command and a part of its message.
fn check(arguments: &[&str], exit: i32, part: &str) {
    let output = run(arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(code(&output), exit, "{arguments:?}: {error}");
    assert!(error.contains(part), "{arguments:?} does not say {part:?}: {error}");
}

#[test]
fn a_directory_that_is_missing_unformatted_or_no_directory_is_a_wrong_request() {
    // Proves exit code and advice of every command that takes a data directory.
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (missing, bare, file) = (path("no such"), path("bare"), path("file"));
    std::fs::create_dir(&bare).unwrap();
    std::fs::write(&file, "").unwrap();
    for (place, advice) in [
        (
            &missing,
            format!("there is no directory {missing}; is the path right? `stockhold format '{missing}'`"),
        ),
        (&bare, format!("the directory {bare} is not formatted; run `stockhold format {bare}`")),
        (&file, format!("{file} is not a directory; `ls -l {file}`")),
    ] {
        check(&["serve", "--listen", "127.0.0.1:0", "--data-dir", place], 2, &advice);
        check(&["verify", place], 2, &advice);
        check(&["log", "skip", place, "--op", "1", "--reason", "x"], 2, &advice);
    }
    for place in [&missing, &bare, &file] {
        let advice = format!(
            "{place} is neither a data directory nor an archive of one; `stockhold backup --data-dir DIR --to "
        );
        check(&["log", "dump", place], 2, &advice);
        check(&["restore", "--from", place, "--dry-run"], 2, &advice);
        check(&["backup", "verify", place], 2, &advice);
    }
    let archive = path("archive");
    check(&["backup", "--data-dir", &missing, "--to", &archive], 2, "is the path right?");
    check(&["backup", "--data-dir", &bare, "--to", &archive], 2, "run `stockhold format");
    check(&["backup", "--data-dir", &file, "--to", &archive], 2, "is not a directory");
    check(&["format", &file], 2, "is not a directory");
    check(&["demo", "--data-dir", &file], 2, "is not a directory");
    std::fs::write(format!("{bare}/notes.txt"), "").unwrap();
    let advice = format!("is not empty, it contains notes.txt; choose a new one, such as {bare}/data");
    check(&["format", &bare], 2, &advice);
    check(&["demo", "--data-dir", &bare], 2, &advice);
}

#[test]
fn a_directory_in_use_and_a_port_in_use_are_wrong_requests() {
    // Proves that the message names the process that has the directory, and what to run.
    let server = Server::start();
    let data = server.path("data");
    let in_use =
        format!("the data directory {data} is in use by process {}; `stockhold status`", server.pid());
    check(&["serve", "--data-dir", &data, "--listen", "127.0.0.1:0"], 2, &in_use);
    check(&["log", "skip", &data, "--op", "1", "--reason", "x"], 2, &in_use);
    check(&["format", &data], 2, &in_use);

    let other = server.path("other");
    check(&["format", &other], 0, "");
    let formatted = format!(
        "{other} is not empty: it is formatted already; `stockhold serve --data-dir {other}` runs it"
    );
    check(&["format", &other], 2, &formatted);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let holder = TcpListener::bind(taken).unwrap();
    let listen = format!(
        "cannot listen on {taken}: Address already in use (os error 98); `stockhold --server {taken} status`"
    );
    check(&["serve", "--data-dir", &other, "--listen", &taken.to_string()], 2, &listen);
    drop(holder);
    check(&["serve", "--data-dir", &other, "--listen", "192.0.2.1:7411"], 2, "`--listen :7411`");
    check(
        &["log", "skip", &other, "--op", "9", "--reason", "x"],
        2,
        &format!("`stockhold log dump {other}`"),
    );
}

#[test]
fn a_lost_manifest_is_damage_and_no_unformatted_directory() {
    // Proves that nobody is told to format a directory that contains a log.
    let directory = Server::start().crash();
    let data = directory.path().join("data");
    std::fs::remove_file(data.join("MANIFEST")).unwrap();
    let data = data.display().to_string();
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0", "--data-dir", &data][..],
        &["verify", &data],
        &["log", "dump", &data],
    ] {
        check(arguments, 4, "the file MANIFEST is missing, although the directory contains");
    }
    check(&["format", &data], 2, "is not empty");
}

#[test]
fn files_that_fail_are_told_from_wrong_paths() {
    // Proves both kinds for every command that reads or writes a file that the command line names.
    let server = Server::start();
    server.ok(&["define", "source", "east", "--name", "East", "--country", "US", "--postcode", "1"]);
    let path = |name: &str| server.path(name);
    std::fs::create_dir(path("folder.csv")).unwrap();
    std::fs::create_dir(path("folder.toml")).unwrap();
    std::fs::write(path("latin.toml"), b"[[source]]\ncode = \"\xe9\"\n").unwrap();
    std::os::unix::fs::symlink("/proc/self/mem", path("failing.csv")).unwrap();
    std::os::unix::fs::symlink("/proc/self/mem", path("failing.toml")).unwrap();
    std::os::unix::fs::symlink("/dev/full", path("full.csv")).unwrap();
    std::os::unix::fs::symlink("/dev/full", path("full.toml")).unwrap();
    for (command, file, exit, part) in [
        ("import", "missing.csv", 2, "No such file"),
        ("import", "missing.toml", 2, "No such file"),
        ("import", "folder.csv", 2, "Is a directory"),
        ("import", "folder.toml", 2, "Is a directory"),
        ("import", "latin.toml", 4, "UTF-8"),
        ("import", "failing.csv", 74, "Input/output error"),
        ("import", "failing.toml", 74, "Input/output error"),
        ("export", "no/such/stock.csv", 2, "; run `mkdir -p "),
        ("export", "no/such/catalog.toml", 2, "; run `mkdir -p "),
        ("export", "folder.csv", 2, "Is a directory"),
        ("export", "folder.toml", 2, "Is a directory"),
        ("export", "full.csv", 74, "No space left"),
        ("export", "full.toml", 74, "No space left"),
    ] {
        check(&["--server", server.address(), command, &path(file)], exit, part);
        if command == "import" {
            check(&["import", "--dry-run", &path(file)], exit, part);
        }
    }
    check(&["serve", "--config", &path("missing.toml")], 2, "No such file");
    check(&["serve", "--config", &path("folder.toml")], 2, "Is a directory");
    check(&["serve", "--config", &path("failing.toml")], 74, "Input/output error");
    let full = Command::new("sh")
        .args([
            "-c",
            "exec \"$0\" --server \"$1\" status > /dev/full",
            super::harness::PROGRAM,
            server.address(),
        ])
        .output()
        .unwrap();
    assert_eq!(code(&full), 74);
    assert!(Path::new(&path("data")).exists());
}
