//! A server that is started by a supervisor such as systemd.

use super::harness::{PROGRAM, Server, code, run};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

#[test]
fn a_supervisor_is_told_when_the_server_is_ready_and_when_it_stops() {
    // Proves the messages of `Type=notify`: READY only when connections are accepted, STOPPING before the end.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut program = Command::new(PROGRAM);
    program.env("NOTIFY_SOCKET", &path);
    let server = Server::start_by(program);
    let next = || {
        let mut buffer = [0; 200];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    // Recovery may have told how far it is.
    let ready =
        std::iter::repeat_with(next).find(|message| !message.starts_with("STATUS=recovering")).unwrap();
    assert!(ready.starts_with("READY=1\n"), "{ready}");
    server.ok(&["status"]);
    let (ended, _server) = server.stop_and_restart();
    assert_eq!(ended, 0);
    assert!(next().starts_with("STOPPING=1\n"));
}

#[test]
fn the_configuration_of_the_package_is_right() {
    // Proves that the service can start with the file that the package installs, and that it listens on this machine only.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/stockhold.toml");
    let checked = run(&["serve", "--config", file, "--check-config"]);
    assert_eq!(code(&checked), 0, "{}", String::from_utf8_lossy(&checked.stderr));
    let printed = run(&["serve", "--config", file, "--print-config", "--json"]);
    let config: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(
        (&config["listen"], &config["data-dir"]),
        (&"127.0.0.1:7411".into(), &"/var/lib/stockhold/data".into())
    );
}
