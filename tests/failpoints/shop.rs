//! A shop on a server in this process, on real files whose calls can fail; and the server's log, for tests to read.

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use stockhold::config::Config;
use stockhold::error::StartError;
use stockhold::server::{self, Exit, RunningServer};
use stockhold::storage::WritePath;
use stockhold_client::blocking::Client;
use stockhold_client::{Answer, CallError, Cart, CommandBatch, Refusal, Reserved, units_of};
use stockhold_machine::Genesis;
use stockhold_protocol::command::{SkuDefinition, SourceDefinition, Target};
use stockhold_protocol::{Code, Line, SkuId, StockId, Timestamp};

use super::failing::{FailingStorage, Failpoint, Failpoints};

/// Units of the one SKU.
pub(crate) const UNITS: u32 = 1_000_000;
/// The maximum time to wait for an expected event.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The tests of this program run one after the other, because all share the log of the process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static LOG_LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static SUBSCRIBED: Once = Once::new();

struct LogLines;

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG_LINES.lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The server's log since the shop was opened or the log was last cleared.
pub(crate) fn log_lines() -> String {
    String::from_utf8_lossy(&LOG_LINES.lock()).into_owned()
}

pub(crate) fn clear_log_lines() {
    LOG_LINES.lock().clear();
}

/// Waits for an expected event.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{what} did not come about; the server logged:\n{}", log_lines());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A shop with its server.
pub(crate) struct Shop {
    folder: tempfile::TempDir,
    pub(crate) points: Failpoints,
    pub(crate) config: Config,
    wanted: WritePath,
    running: Option<RunningServer>,
    pub(crate) sku: SkuId,
    pub(crate) stock: StockId,
    _alone: MutexGuard<'static, ()>,
}

impl Shop {
    /// An open shop on files with the given write path.
    pub(crate) fn open(wanted: WritePath, change: impl FnOnce(&mut Config)) -> Self {
        let mut shop = Self::bare(wanted, change);
        shop.format().unwrap();
        shop.start().unwrap();
        let client = shop.client();
        let source = SourceDefinition {
            code: "east".to_owned(),
            name: "East".to_owned(),
            enabled: true,
            country: "US".to_owned(),
            postcode: "1".to_owned(),
            ..SourceDefinition::default()
        };
        client.define_source(&source).unwrap().into_result().unwrap();
        shop.stock = StockId(client.define_stock("web").unwrap().into_result().unwrap().outcome.value);
        client.link("web", "east", 1).unwrap().into_result().unwrap();
        let definition = SkuDefinition { sku: "A".to_owned(), ..SkuDefinition::default() };
        shop.sku = SkuId(client.define_sku(&definition).unwrap().into_result().unwrap().outcome.value);
        let counted = client.count("east", "A", units_of(UNITS), None, stockhold_client::Note::default());
        counted.unwrap().into_result().unwrap();
        shop
    }

    /// A folder without a server.
    pub(crate) fn bare(wanted: WritePath, change: impl FnOnce(&mut Config)) -> Self {
        let alone = ONE_AT_A_TIME.lock();
        SUBSCRIBED.call_once(|| {
            tracing_subscriber::fmt().with_ansi(false).with_writer(|| LogLines).init();
        });
        clear_log_lines();
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { data_dir: folder.path().to_owned(), ..Config::default() };
        config.listen = "127.0.0.1:0".parse().unwrap();
        config.log.segment_bytes = 1 << 20;
        config.log.batch_bytes = 131_072;
        config.stop.checks_after_failure_ms = 200;
        change(&mut config);
        let points = Failpoints::default();
        let (sku, stock) = (SkuId(0), StockId(0));
        Self { folder, points, config, wanted, running: None, sku, stock, _alone: alone }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The number of segments.
    pub(crate) fn segments(&self) -> usize {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|end| end == "segment")).count()
    }

    fn storage(&self) -> stockhold::storage::SharedStorage {
        Arc::new(FailingStorage::open(self.folder.path(), self.wanted, &self.points))
    }

    /// Formats the folder as a data directory.
    pub(crate) fn format(&self) -> Result<(), StartError> {
        let genesis =
            Genesis { formatted_at: Timestamp(stockhold_client::wall_clock_ms()), ..Genesis::default() };
        let (log_uuid, segment_bytes) = (uuid::Uuid::new_v4(), self.config.log.segment_bytes);
        stockhold::assembly::format(self.storage(), &genesis, segment_bytes, log_uuid, 7).map(drop)
    }

    pub(crate) fn start(&mut self) -> Result<(), StartError> {
        assert!(self.running.is_none());
        self.running = Some(server::start_on(self.storage(), &self.config, |_| ())?);
        Ok(())
    }

    pub(crate) fn running(&self) -> &RunningServer {
        self.running.as_ref().unwrap()
    }

    /// Stops the server cleanly.
    pub(crate) fn stop(&mut self) -> Exit {
        self.running.take().unwrap().stop()
    }

    /// Waits until the server ends by itself.
    pub(crate) fn wait(&mut self) -> Exit {
        self.running.take().unwrap().wait()
    }

    /// The number of ops that a start recovers.
    pub(crate) fn recovered_ops(&self) -> u64 {
        self.running().report().recovered_ops
    }

    pub(crate) fn client(&self) -> Client {
        self.client_within(PATIENCE)
    }

    /// A client with a short timeout, for calls that get no answer.
    pub(crate) fn hasty_client(&self) -> Client {
        self.client_within(Duration::from_millis(150))
    }

    fn client_within(&self, deadline: Duration) -> Client {
        let builder = stockhold_client::Client::builder().deadline(deadline).connections(1);
        Client::connect_by(builder, self.running().address().to_string()).unwrap()
    }

    /// The number of units that can still be sold.
    pub(crate) fn salable(&self) -> u32 {
        let cell = self.client().check("A", "web").unwrap();
        let stockhold_client::Availability::Salable(units) = cell else { panic!("{cell:?}") };
        u32::try_from(units.raw() / stockhold_protocol::limits::QUANTITY_SCALE).unwrap()
    }

    /// Makes calls fail from now on.
    pub(crate) fn arm(&self, failpoint: Failpoint) {
        self.points.arm(failpoint);
    }

    pub(crate) fn state(&self) -> String {
        self.client().status().unwrap().state
    }

    /// A metric of `status`.
    pub(crate) fn metric(&self, name: &str) -> i64 {
        let status = self.client().status().unwrap();
        status.metrics.iter().find(|metric| metric.name == name).unwrap().value
    }

    /// Files whose names contain a word.
    pub(crate) fn files(&self, word: &str) -> Vec<String> {
        let names = self.folder.path().read_dir().unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| name.contains(word)).collect()
    }

    /// Waits until the next segment is prepared: it has its name and was never opened.
    pub(crate) fn wait_for_spare(&self) {
        let is_spare = |name: &String| {
            let mut opening = [1; 4_096];
            let file = std::fs::File::open(self.path(name)).unwrap();
            file.read_exact_at(&mut opening, 4_096).unwrap();
            opening.iter().all(|byte| *byte == 0)
        };
        wait_until("a spare segment", || {
            self.files(".segment").iter().any(|name| name.ends_with(".segment") && is_spare(name))
        });
    }

    /// A frame of carts with one unit each, several log blocks long.
    pub(crate) fn frame(&self, client: &Client, carts: u16) -> CommandBatch {
        let mut batch = CommandBatch::new();
        for _ in 0..carts {
            let lines = [Line::new(self.sku, units_of(1))];
            batch.push_reserve(client.new_id(), Target::Stock(self.stock), &lines, None).unwrap();
        }
        batch
    }
}

/// Sells one unit.
pub(crate) fn buy(client: &Client) -> Result<Answer<Reserved>, CallError> {
    client.reserve(&Cart::from_stock("web").line("A", 1))
}

/// The code of a refusal.
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<Answer<T>, CallError>) -> Code {
    match answer {
        Ok(Answer::Refused(refusal)) => Refusal::code(&refusal),
        other => panic!("not refused: {other:?}"),
    }
}
