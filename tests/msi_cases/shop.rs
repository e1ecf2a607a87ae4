//! A shop: a server process with the data of a fixture, and the command line.

use super::catalog::{catalog, geonames, list, rows};
use super::expect::CallError;
use super::text;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What a transfer from a source to itself is told.
const SAME_SOURCE: &str = "must not be the source from which the goods come";

const PROGRAM: &str = env!("CARGO_BIN_EXE_stockhold");

/// A server process on a directory of its own; killed when dropped.
pub(crate) struct Shop {
    server: Child,
    address: String,
    directory: tempfile::TempDir,
    /// The names of the stocks by Magento's numbers.
    pub(crate) stocks: BTreeMap<u64, String>,
    /// The numbers of the orders that were placed.
    pub(crate) orders: BTreeSet<String>,
    /// How many rows of orders were appended.
    pub(crate) rows: usize,
    /// SKUs in stocks of which rows were appended.
    pub(crate) loose: BTreeSet<(String, String)>,
    /// Whether Magento's global setting `can_subtract` is off.
    pub(crate) can_subtract_is_off: bool,
}

impl Shop {
    /// Starts a server with MSI's own figures and imports a fixture.
    pub(crate) fn open(fixture: &Value) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let data = directory.path().join("data");
        let small = ["--set", "log.segment-bytes=4194304"];
        let mut format = Command::new(PROGRAM);
        format.args(["format", "--sharing", "independent"]).args(small).arg(&data).stdout(Stdio::null());
        let formatted = format.status().map_err(|error| error.to_string())?;
        assert!(formatted.success(), "a directory can be formatted");
        if list(fixture, "geonames").next().is_some() {
            import_geonames(directory.path(), &geonames(fixture)).map_err(|error| error.to_string())?;
        }
        let mut serve = Command::new(PROGRAM);
        serve.args(["serve", "--json", "--listen", "127.0.0.1:0", "--set", "logging.level=warn"]).args(small);
        let mut server = serve
            .arg("--data-dir")
            .arg(&data)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut line = String::new();
        let stdout = server.stdout.take().expect("its output is piped");
        BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        let ready: Value = serde_json::from_str(&line).expect("it tells in JSON when it is ready");
        let address = text(&ready, "address").to_owned();
        let number = |stock: &Value| stock["stock_id"].as_u64().expect("a stock has a number");
        let stocks =
            list(fixture, "stocks").map(|stock| (number(stock), text(stock, "name").to_owned())).collect();
        let shop = Self {
            server,
            address,
            directory,
            stocks,
            orders: BTreeSet::new(),
            rows: 0,
            loose: BTreeSet::new(),
            can_subtract_is_off: false,
        };
        let broken = |error| format!("the fixture: {error:?}");
        shop.import("catalog.json", &catalog(fixture).to_string(), &["--no-mark"]).map_err(broken)?;
        shop.import("items.csv", &rows(fixture), &["--create-skus", "yes", "--no-mark"]).map_err(broken)?;
        list(fixture, "low_stock").try_for_each(|row| shop.notify(row)).map_err(broken)?;
        Ok(shop)
    }

    /// Sets a low-stock configuration of a fixture. `null` means the global threshold.
    fn notify(&self, row: &Value) -> Result<(), CallError> {
        let threshold = &row["notify_stock_qty"];
        let below = if threshold.is_null() { "--default".to_owned() } else { format!("--below={threshold}") };
        let item = ["--source", text(row, "source_code"), "--sku", text(row, "sku")];
        self.call(&[&["notify", &below][..], &item].concat()).map(|_| ())
    }

    /// Imports a file.
    pub(crate) fn import(&self, name: &str, contents: &str, flags: &[&str]) -> Result<Value, CallError> {
        let path = self.directory.path().join(name);
        std::fs::write(&path, contents).map_err(|error| CallError::Broken(error.to_string()))?;
        self.call(&[&["import", &path.display().to_string()], flags].concat())
    }

    /// Appends rows, a JSON array. SKUs that the catalog does not know are defined.
    pub(crate) fn append(&self, rows: &str) -> Result<Value, CallError> {
        let path = self.directory.path().join("rows.json");
        std::fs::write(&path, rows).map_err(|error| CallError::Broken(error.to_string()))?;
        self.call(&["append-reservations", "--uncatalogued", "--rows-from", &path.display().to_string()])
    }

    /// Exports source items.
    pub(crate) fn export(&self, flags: &[&str]) -> Result<String, CallError> {
        let path = self.directory.path().join("export.csv").display().to_string();
        self.call(&[&["export", &path][..], flags].concat())?;
        std::fs::read_to_string(path).map_err(|error| CallError::Broken(error.to_string()))
    }

    /// Runs a command. Its document, or why it was refused: in the words of the shop, with Magento's status.
    pub(crate) fn call(&self, words: &[&str]) -> Result<Value, CallError> {
        let (code, document) = self.run(words)?;
        match code {
            Some(0) => Ok(document),
            Some(1) => Err(CallError::Refused { status: 400, message: document["code"].to_string() }),
            Some(2) if document["error"].as_str().is_some_and(|error| error.starts_with("there is no ")) => {
                Err(CallError::Refused { status: 404, message: text(&document, "error").to_owned() })
            }
            Some(2) if document["error"].as_str().is_some_and(|error| error.contains(SAME_SOURCE)) => {
                Err(CallError::Refused { status: 400, message: text(&document, "error").to_owned() })
            }
            code => Err(CallError::Broken(format!("{words:?}: exit code {code:?}: {document}"))),
        }
    }

    /// Runs a command whose exit code 1 is an answer.
    pub(crate) fn ask(&self, words: &[&str]) -> Result<Value, CallError> {
        match self.run(words)? {
            (Some(0 | 1), document) => Ok(document),
            (Some(2), document)
                if document["error"].as_str().is_some_and(|error| error.starts_with("there is no ")) =>
            {
                Err(CallError::Refused { status: 404, message: text(&document, "error").to_owned() })
            }
            (code, document) => Err(CallError::Broken(format!("{words:?}: exit code {code:?}: {document}"))),
        }
    }

    fn run(&self, words: &[&str]) -> Result<(Option<i32>, Value), CallError> {
        let ran = Command::new(PROGRAM).args(words).args(["--json", "--server", &self.address]).output();
        let output = ran.map_err(|error| CallError::Broken(error.to_string()))?;
        let bytes = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
        let document: Value = serde_json::from_slice(bytes).map_err(|error| {
            CallError::Broken(format!("{words:?}: {error}: {}", String::from_utf8_lossy(bytes)))
        })?;
        Ok((output.status.code(), document))
    }
}

/// Imports addresses into the data directory, before its server starts.
fn import_geonames(directory: &Path, rows: &str) -> std::io::Result<()> {
    let (file, data) = (directory.join("geonames.txt"), directory.join("data"));
    std::fs::write(&file, rows)?;
    let mut import = Command::new(PROGRAM);
    import.args(["import", "geonames"]).arg(&file).arg("--data-dir").arg(&data).stdout(Stdio::null());
    let imported = import.status()?;
    assert!(imported.success(), "addresses can be imported");
    Ok(())
}

impl Drop for Shop {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.server.kill().ok();
        self.server.wait().ok();
    }
}
