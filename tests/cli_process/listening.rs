//! Where a server listens: names, and all interfaces.

use super::harness::{Server, code, run};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// A port that is free at all addresses of this machine.
fn free_port() -> u16 {
    TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
}

/// The addresses that a server reports.
fn addresses(server: &Server) -> Vec<SocketAddr> {
    let reported = server.ready["addresses"].as_array().unwrap();
    reported.iter().map(|address| address.as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn a_server_listens_on_every_address_of_a_name() {
    // Proves `--listen localhost:PORT`, with a given and with a free port, and that clients can use the name too.
    for port in [free_port(), 0] {
        let server = Server::start_at(&format!("localhost:{port}"));
        let addresses = addresses(&server);
        let port = if port == 0 { addresses[0].port() } else { port };
        assert!(addresses.contains(&SocketAddr::from(([127, 0, 0, 1], port))), "{addresses:?}");
        for address in &addresses {
            assert!(address.ip().is_loopback() && address.port() == port, "{addresses:?}");
            TcpStream::connect(address).unwrap();
        }
        let status = run(&["--server", &format!("localhost:{port}"), "status"]);
        assert_eq!(code(&status), 0, "{}", String::from_utf8_lossy(&status.stderr));
    }
}

#[test]
fn a_port_alone_means_all_interfaces() {
    // Proves `--listen :PORT`, in the configuration too, and that IPv4 is served wherever IPv6 exists.
    let port = free_port();
    let server = Server::start_at(&format!(":{port}"));
    assert!(addresses(&server).iter().all(|address| address.ip().is_unspecified()));
    server.ok(&["status"]);
    let through_ipv4 = run(&["--server", &format!("127.0.0.1:{port}"), "status"]);
    assert_eq!(code(&through_ipv4), 0, "{}", String::from_utf8_lossy(&through_ipv4.stderr));
    if TcpListener::bind("[::1]:0").is_ok() {
        TcpStream::connect(("::1", port)).unwrap();
    }
    let printed = run(&["serve", "--print-config", "--set", "listen=:7501"]);
    assert!(String::from_utf8_lossy(&printed.stdout).contains("listen = \":7501\""));
}

#[test]
fn the_environment_says_where_the_server_is() {
    // Proves that the variable is used, and that the flag is stronger.
    let server = Server::start();
    let status = |address: &str, flags: &[&str]| {
        let mut command = std::process::Command::new(super::harness::PROGRAM);
        let output =
            command.args(["status", "--timeout", "5s"]).args(flags).env("STOCKHOLD_SERVER", address).output();
        code(&output.unwrap())
    };
    assert_eq!(status(server.address(), &[]), 0);
    assert_eq!(status("nowhere", &[]), 2);
    assert_eq!(status("127.0.0.1:1", &["--server", server.address()]), 0);
}

#[test]
fn other_addresses_are_refused_with_the_forms_that_work() {
    // Proves it for the flag, the configuration and the client's flag, and for a name that does not exist.
    for words in [
        &["serve", "--listen", "7411"][..],
        &["serve", "--listen", "::1:7411"],
        &["serve", "--check-config", "--set", "listen=7411"],
    ] {
        let refused = run(words);
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(code(&refused), 2, "{words:?}: {error}");
        assert!(error.contains("write HOST:PORT"), "{words:?}: {error}");
        assert!(error.contains(":7411 for all interfaces"), "{words:?}: {error}");
    }
    let refused = run(&["--server", ":7411", "status"]);
    assert_eq!(code(&refused), 2);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("write HOST:PORT, such as 127.0.0.1:7411"));
}
