//! The two programs, and servers of either.

use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// A program of one release.
#[derive(Debug)]
pub(crate) struct Program {
    path: PathBuf,
}

/// The result of a call.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) code: i32,
    pub(crate) document: Value,
    pub(crate) stderr: String,
}

impl Called {
    pub(crate) fn text(&self, field: &str) -> &str {
        self.document[field].as_str().unwrap_or_default()
    }
}

/// This release.
pub(crate) fn present() -> &'static Program {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = Program { path: env!("CARGO_BIN_EXE_stockhold").into() };
        assert!(!program.takes_notes(), "the program under test has the feature `next-release` itself");
        program
    })
}

/// The stand-in for a later release.
pub(crate) fn next() -> &'static Program {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let path = std::env::var_os("STOCKHOLD_NEXT").unwrap_or_else(|| {
            panic!(
                "STOCKHOLD_NEXT must name a program with the feature `next-release`: run scripts/upgrade.sh"
            )
        });
        let program = Program { path: path.into() };
        assert!(program.takes_notes(), "{program:?} was built without the feature `next-release`");
        program
    })
}

impl Program {
    fn takes_notes(&self) -> bool {
        let output = Command::new(&self.path).args(["mark", "set", "--help"]).output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).contains("--note")
    }

    /// Runs the program to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Called {
        let mut command = Command::new(&self.path);
        let output = command.arg("--json").args(arguments).env_remove("STOCKHOLD_SERVER").output().unwrap();
        let code = output.status.code().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let document = serde_json::from_str(&stdout).unwrap_or(Value::String(stdout));
        Called { code, document, stderr: String::from_utf8(output.stderr).unwrap() }
    }

    /// Calls a server.
    pub(crate) fn call(&self, address: &str, arguments: &[&str]) -> Called {
        self.run(&[&["--server", address], arguments].concat())
    }

    /// Calls a server. The call must succeed.
    pub(crate) fn ok(&self, address: &str, arguments: &[&str]) -> Value {
        let called = self.call(address, arguments);
        assert_eq!(called.code, 0, "{arguments:?}: {called:?}");
        called.document
    }

    /// Makes a shop with 10 units of one SKU on a server.
    pub(crate) fn open_shop(&self, address: &str) {
        self.ok(
            address,
            &["define", "source", "east", "--name", "East", "--country", "US", "--postcode", "1"],
        );
        self.ok(address, &["define", "stock", "web"]);
        self.ok(address, &["define", "sku", "A"]);
        self.ok(address, &["link", "--stock", "web", "--source", "east"]);
        self.ok(address, &["channel", "website/us", "--stock", "web"]);
        self.ok(address, &["count", "--source", "east", "--sku", "A", "--quantity", "10"]);
    }

    /// Formats a new directory.
    pub(crate) fn format(&self) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let data = data(directory.path());
        let formatted = self.run(&["format", data.to_str().unwrap(), "--set", SMALL_SEGMENTS]);
        assert_eq!(formatted.code, 0, "{formatted:?}");
        directory
    }

    /// Serves a directory.
    pub(crate) fn serve(&self, directory: tempfile::TempDir) -> Server {
        let mut child = Command::new(&self.path)
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data(directory.path()))
            .args(["--set", SMALL_SEGMENTS, "--set", "logging.level=warn"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let address = ready["address"].as_str().unwrap().to_owned();
        Server { child, address, directory: Some(directory), ready }
    }
}

const SMALL_SEGMENTS: &str = "log.segment-bytes=4194304";

/// The data directory within a directory of a test.
pub(crate) fn data(directory: &Path) -> PathBuf {
    directory.join("data")
}

/// A server process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    directory: Option<tempfile::TempDir>,
    /// The line that the server printed when it was ready.
    pub(crate) ready: Value,
}

impl Server {
    /// Stops the server cleanly and returns its directory.
    pub(crate) fn stop(mut self) -> tempfile::TempDir {
        let process = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success(), "the server stopped with an error");
        self.directory.take().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process that has ended already cannot be killed.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
