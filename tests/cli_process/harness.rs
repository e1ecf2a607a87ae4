//! Real processes for the tests of the command line: a server on a data directory of its own, and calls.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_stockhold");

/// The sample merchant's files.
pub(crate) fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/bicycles").join(name)
}

/// Runs the program without a server.
pub(crate) fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .env_remove("STOCKHOLD_SERVER")
        .output()
        .expect("the program can be started")
}

/// Any free port of this machine.
const ANY_PORT: &str = "127.0.0.1:0";

/// A new directory with a formatted data directory in it.
fn formatted() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let data = directory.path().join("data");
    let small = "log.segment-bytes=4194304";
    let formatted = run(&["format", &data.display().to_string(), "--set", small]);
    assert_eq!(code(&formatted), 0, "{}", String::from_utf8_lossy(&formatted.stderr));
    directory
}

/// The exit code.
pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().expect("the program ended by itself")
}

/// The result of a call.
pub(crate) struct Called {
    pub(crate) code: i32,
    pub(crate) document: Value,
    pub(crate) stderr: String,
}

/// A server process on its own directory; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: String,
    directory: tempfile::TempDir,
    /// The line that the server printed when it was ready.
    pub(crate) ready: Value,
}

impl Server {
    /// Formats a new directory and serves it.
    pub(crate) fn start() -> Self {
        Self::serve(formatted())
    }

    /// Formats a new directory and serves it at an address.
    pub(crate) fn start_at(address: &str) -> Self {
        Self::serve_as(Command::new(PROGRAM), formatted(), address, &[])
    }

    /// Formats a new directory and serves it with more flags. `{}` in a flag is the parent of the data directory.
    pub(crate) fn start_with(flags: &[&str]) -> Self {
        Self::serve_as(Command::new(PROGRAM), formatted(), ANY_PORT, flags)
    }

    /// Serves a copy of a data directory.
    pub(crate) fn start_on(original: &Path) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let data = directory.path().join("data");
        std::fs::create_dir(&data).expect("it is empty");
        for file in std::fs::read_dir(original).expect("the original exists") {
            let file = file.expect("it can be listed");
            std::fs::copy(file.path(), data.join(file.file_name())).expect("it can be copied");
        }
        Self::serve(directory)
    }

    /// Serves a directory whose server was killed.
    pub(crate) fn serve_again(directory: tempfile::TempDir) -> Self {
        Self::serve(directory)
    }

    fn serve(directory: tempfile::TempDir) -> Self {
        Self::serve_as(Command::new(PROGRAM), directory, ANY_PORT, &[])
    }

    /// Formats a new directory and serves it with a process that can survive a file size limit. Its standard error is kept.
    pub(crate) fn start_limitable() -> Self {
        let mut shell = Command::new("sh");
        // The program replaces the shell and inherits the ignored signal.
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", PROGRAM]).stderr(Stdio::piped());
        Self::start_by(shell)
    }

    fn serve_as(mut program: Command, directory: tempfile::TempDir, listen: &str, flags: &[&str]) -> Self {
        let parent = directory.path().display().to_string();
        let flags = flags.iter().map(|flag| flag.replace("{}", &parent));
        let mut child = program
            .args(["serve", "--json", "--listen", listen, "--data-dir"])
            .arg(directory.path().join("data"))
            .args(["--set", "log.segment-bytes=4194304", "--set", "logging.level=warn"])
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server can be started");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it tells when it is ready");
        let ready: Value = serde_json::from_str(&line).expect("it tells so in JSON");
        let address = ready["address"].as_str().expect("it tells its address").to_owned();
        Self { child, address, directory, ready }
    }

    /// Formats a new directory and serves it with a process started by `shell`.
    pub(crate) fn start_by(shell: Command) -> Self {
        Self::serve_as(shell, formatted(), ANY_PORT, &[])
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The address on which it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Kills the process and serves the same directory again.
    pub(crate) fn crash_and_restart(self) -> Self {
        Self::serve(self.crash())
    }

    /// Kills the process, removes its data directory, and serves another one beside it.
    pub(crate) fn lose_directory(self) -> Lost {
        let directory = self.crash();
        std::fs::remove_dir_all(directory.path().join("data")).expect("a directory can be removed");
        Lost { directory }
    }

    /// Kills the process and serves another data directory beside its own.
    pub(crate) fn serve_instead(self, name: &str) -> Self {
        let directory = self.crash();
        let (data, other) = (directory.path().join("data"), directory.path().join(name));
        std::fs::rename(&data, directory.path().join("former")).expect("a directory can be renamed");
        std::fs::rename(other, data).expect("a directory can be renamed");
        Self::serve(directory)
    }

    /// Kills the process and returns its directory.
    pub(crate) fn crash(mut self) -> tempfile::TempDir {
        self.kill();
        let unused = tempfile::tempdir().expect("a directory can be made");
        std::mem::replace(&mut self.directory, unused)
    }

    /// From now on every write of the process beyond this size of a file fails, including log lines if the output of
    /// the test is a file.
    pub(crate) fn limit_file_size(&self, bytes: u64) {
        let limit = rustix::process::Rlimit { current: Some(bytes), maximum: Some(bytes) };
        let id = i32::try_from(self.child.id()).expect("a process id");
        let process = rustix::process::Pid::from_raw(id);
        rustix::process::prlimit(process, rustix::process::Resource::Fsize, limit).expect("it is our child");
    }

    /// Waits for the process to end by itself. Returns its exit code, and what it has written to standard error if that
    /// is kept.
    pub(crate) fn wait(&mut self) -> (i32, String) {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut text).expect("it can be read");
        }
        (self.child.wait().expect("it is our child").code().expect("it ended by itself"), text)
    }

    /// Stops the process cleanly. Returns its exit code and the same directory served again.
    pub(crate) fn stop_and_restart(mut self) -> (i32, Self) {
        let asked = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status();
        assert!(asked.expect("a signal can be sent").success());
        let ended = self.child.wait().expect("it is our child").code().expect("it ended by itself");
        (ended, self.crash_and_restart())
    }

    fn kill(&mut self) {
        // A process that has ended already cannot be killed.
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// A path in the parent of the data directory.
    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Runs the program against this server and reads its JSON.
    pub(crate) fn call(&self, arguments: &[&str]) -> Called {
        let output = Command::new(PROGRAM)
            .args(["--json", "--server", &self.address])
            .args(arguments)
            .output()
            .expect("the program can be started");
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let document = if stdout.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&stdout).expect("the program prints one JSON document")
        };
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Called { code: code(&output), document, stderr }
    }

    /// A call that contacts no server and must succeed.
    pub(crate) fn local(arguments: &[&str]) -> Value {
        let output = run(&[&["--json"], arguments].concat());
        assert_eq!(code(&output), 0, "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("the program prints one JSON document")
    }

    /// A call that must succeed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Value {
        let called = self.call(arguments);
        assert_eq!(called.code, 0, "{arguments:?}: {} {}", called.document, called.stderr);
        called.document
    }

    /// Imports the sample merchant.
    pub(crate) fn import_sample(&self) {
        let (catalog, rows) = (sample("catalog.toml"), sample("stock.csv"));
        self.ok(&["import", &catalog.display().to_string(), &rows.display().to_string()]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server whose data directory is lost.
pub(crate) struct Lost {
    directory: tempfile::TempDir,
}

impl Lost {
    /// A path in the parent of the data directory.
    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Serves the data directory, which was made again.
    pub(crate) fn serve(self) -> Server {
        Server::serve(self.directory)
    }
}
