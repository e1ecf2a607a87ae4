//! A real server process on a small disk, and runs of the program.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use stockhold_client::Availability;
use stockhold_client::blocking::Client;
use stockhold_protocol::limits::QUANTITY_SCALE;

use super::small_disk::SmallDisk;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_stockhold");
/// Options for segments that hold some dozen writes.
pub(crate) const SMALL: [&str; 4] = ["--set", "log.segment-bytes=131072", "--set", "log.batch-bytes=66560"];
/// The segment length of these options.
pub(crate) const SEGMENT_BYTES: u64 = 131_072;
/// The maximum time to wait for an expected event.
const PATIENCE: Duration = Duration::from_mins(1);
/// The interval of polling.
const POLL: Duration = Duration::from_millis(20);

/// Runs the program until it ends. Returns its exit code and its standard error.
pub(crate) fn run_to_end(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(PROGRAM).args(arguments).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A server process; killed when dropped.
pub(crate) struct Served {
    child: Child,
    address: String,
    log_lines: PathBuf,
}

impl Served {
    /// Makes the disk's data directory and serves it.
    pub(crate) fn format_and_start(disk: &SmallDisk) -> Self {
        let (code, said) = run_to_end(&[&["format", &disk.data_dir()], SMALL.as_slice()].concat());
        assert_eq!(code, 0, "{said}");
        Self::start(disk)
    }

    /// Serves the disk's data directory.
    pub(crate) fn start(disk: &SmallDisk) -> Self {
        let log_lines = disk.beside("log-lines");
        let mut child = Command::new(PROGRAM)
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir", &disk.data_dir()])
            .args(SMALL)
            .args(["--set", "logging.level=info"])
            .stdout(Stdio::piped())
            .stderr(File::create(&log_lines).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = std::fs::read_to_string(&log_lines).unwrap();
        let ready: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("it does not start: {said}"));
        let address = ready["address"].as_str().unwrap().to_owned();
        Self { child, address, log_lines }
    }

    pub(crate) fn client(&self) -> Client {
        let builder = stockhold_client::Client::builder().deadline(PATIENCE).connections(1);
        Client::connect_by(builder, self.address.clone()).unwrap()
    }

    /// The number of units that can still be sold.
    pub(crate) fn salable(&self) -> u32 {
        let Availability::Salable(units) = self.client().check("A", "web").unwrap() else {
            panic!("the SKU is counted");
        };
        u32::try_from(units.raw() / QUANTITY_SCALE).unwrap()
    }

    /// The server's log since its start.
    pub(crate) fn log_lines(&self) -> String {
        std::fs::read_to_string(&self.log_lines).unwrap()
    }

    /// Waits for an expected event.
    pub(crate) fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(
                Instant::now() < until,
                "{what} did not come about; the server said:\n{}",
                self.log_lines()
            );
            std::thread::sleep(POLL);
        }
    }

    /// Kills the process.
    pub(crate) fn kill(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "it has ended by itself:\n{}", self.log_lines());
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops the process cleanly and returns its exit code.
    pub(crate) fn stop(&mut self) -> i32 {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // A process that has ended already cannot be killed.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
