//! PostgreSQL as a peer: one prepared statement reserves a whole frame, each cart exactly once, in one transaction.
//! There is one cluster for the whole run; server and tables are new for each sample.

use super::closed_loop::{self, Cart, Connection, Load, Loaded};
use super::program::{self, End, PeerProcess, START_MAX, START_POLL};
use super::shared_memory;
use crate::exit::Failure;
use anyhow::{Context as _, anyhow};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use tokio_postgres::{Client, Config, NoTls, Statement};
use uuid::Uuid;

/// Where Debian installs the programs, in one directory for each version.
const DEBIAN_FOLDERS: &str = "/usr/lib/postgresql";
/// The account that runs it if we are root, which PostgreSQL refuses.
const ACCOUNT: &str = "postgres";
/// The user and the database inside the cluster.
const USER: &str = "postgres";
/// Units of each SKU: more than any sample can sell.
const UNITS: i64 = 1_000_000_000;
const TABLES: &str = include_str!("postgres.sql");
const ONE: &str = include_str!("postgres_one.sql");
const FRAME: &str = include_str!("postgres_frame.sql");
/// Options that differ from the defaults. Checkpoints are avoided during a sample; every commit is synced.
const OPTIONS: [&str; 10] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=600",
    "shared_buffers=1GB",
    "max_wal_size=8GB",
    "min_wal_size=1GB",
    "checkpoint_timeout=30min",
    "jit=off",
    "fsync=on",
    "synchronous_commit=on",
];

/// An installed PostgreSQL.
#[derive(Debug)]
pub(crate) struct Postgres {
    server: PathBuf,
    initdb: PathBuf,
    /// The program that changes to another account, if one is needed.
    setpriv: Option<PathBuf>,
    pub(crate) version: String,
}

impl Postgres {
    pub(crate) fn find() -> Result<Self, Failure> {
        let mut folders: Vec<PathBuf> = std::fs::read_dir(DEBIAN_FOLDERS)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().join("bin"))
            .collect();
        folders.sort();
        folders.reverse();
        let server = program::required("postgres", &folders)?;
        let initdb = program::required("initdb", &folders)?;
        let version = program::version(&server)?;
        let is_root = rustix::process::geteuid().is_root();
        let setpriv = is_root.then(|| program::required("setpriv", &[])).transpose()?;
        Ok(Self { server, initdb, setpriv, version })
    }

    /// The settings, for the report.
    pub(crate) fn settings() -> String {
        format!("one prepared statement per frame, one transaction; {}", OPTIONS.join(", "))
    }

    /// Creates the cluster in `directory`, which must not exist.
    pub(crate) fn make_cluster(&self, directory: &Path) -> Result<(), Failure> {
        match &self.setpriv {
            Some(_) => {
                let mut install = Command::new("install");
                install.args(["-d", "-m", "700", "-o", ACCOUNT, "-g", ACCOUNT]).arg(directory);
                finish(install)?;
            }
            None => std::fs::create_dir(directory)?,
        }
        let mut words = self.account_words();
        words.push(self.initdb.clone().into());
        words.extend(
            ["--auth=trust", "--username", USER, "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"]
                .map(Into::into),
        );
        words.push(directory.into());
        let Some((first, rest)) = words.split_first() else { return Err(anyhow!("nothing to run").into()) };
        let mut initdb = Command::new(first);
        initdb.args(rest).current_dir("/");
        finish(initdb)
    }

    /// The words before a program that make it run under a permitted account.
    fn account_words(&self) -> Vec<OsString> {
        let Some(setpriv) = &self.setpriv else { return Vec::new() };
        let mut words = vec![setpriv.clone().into_os_string()];
        words.extend(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups", "--"].map(Into::into));
        words
    }

    /// Measures one sample on the cluster in `directory`, and checks the sums.
    pub(crate) fn sample(&self, directory: &Path, load: &Load) -> Result<Loaded, Failure> {
        let port = program::free_port()?;
        let mut words: Vec<OsString> = vec!["-D".into(), directory.into()];
        for option in OPTIONS.iter().copied().chain([format!("port={port}").as_str()]) {
            words.extend(["-c".into(), option.into()]);
        }
        let account = self.setpriv.is_some().then_some(ACCOUNT);
        let words = words.iter().map(OsString::as_os_str);
        let mut process = PeerProcess::start(&self.server, words, End::Interrupt, account, &[])?;
        let mut config = Config::new();
        config.host("127.0.0.1").port(port).user(USER).dbname(USER);
        let runtime = closed_loop::runtime()?;
        let control = runtime.block_on(wait_for(&config, &mut process))?;
        runtime.block_on(set_up(&control, load.skus)).context("cannot create the tables")?;
        let connections = runtime.block_on(async {
            let mut connections = Vec::new();
            for _ in 0..load.connections {
                connections.push(Shopper::new(connect(&config).await?, load.depth).await?);
            }
            Ok::<_, tokio_postgres::Error>(connections)
        });
        let connections = connections.context("cannot connect")?;
        let touched_mib = load
            .touch_mib
            .map(|mib| shared_memory::fault_in(process.pid(), u64::from(mib) << 20))
            .transpose()?
            .map(|bytes| bytes >> 20);
        let loaded = closed_loop::run(&runtime, connections, load, process.pid())?;
        runtime.block_on(add_up(&control, load.skus, loaded.granted))?;
        drop(control);
        process.stop()?;
        Ok(Loaded { touched_mib, ..loaded })
    }
}

/// Runs a program to its end. Its error output becomes the cause of a failure.
fn finish(mut command: Command) -> Result<(), Failure> {
    let name = command.get_program().to_owned();
    let output = command.output().with_context(|| format!("cannot run {}", Path::new(&name).display()))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(anyhow!(
        "cannot create the PostgreSQL cluster (can account {ACCOUNT} access --data-dir?): {complaint}"
    )
    .into())
}

/// Connects. The connection's own task runs on this runtime.
async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    // The error that breaks a connection is also returned to the pending query.
    drop(tokio::task::spawn_local(async move { drop(connection.await) }));
    Ok(client)
}

/// Connects as soon as the server answers.
async fn wait_for(config: &Config, process: &mut PeerProcess) -> Result<Client, Failure> {
    let until = Instant::now() + START_MAX;
    let mut last = None;
    while Instant::now() < until {
        if process.has_ended()? {
            return Err(anyhow!("postgres ended at once").into());
        }
        match connect(config).await {
            Ok(client) => return Ok(client),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(START_POLL).await;
    }
    Err(anyhow!("postgres did not answer within {START_MAX:?}: {last:?}").into())
}

/// Creates the tables and fills the stock of every SKU.
async fn set_up(control: &Client, skus: u32) -> Result<(), anyhow::Error> {
    control.batch_execute(TABLES).await?;
    let last = i32::try_from(skus)? - 1;
    let stocked = "INSERT INTO stock SELECT sku, $1 FROM generate_series(0, $2::int) AS sku";
    control.execute(stocked, &[&UNITS, &last]).await?;
    // Neither may run within a transaction, and several statements in one text form one.
    for upkeep in ["VACUUM ANALYZE stock", "CHECKPOINT"] {
        control.batch_execute(upkeep).await?;
    }
    Ok(())
}

/// Checks that every unit that was taken belongs to an answered grant and to a stored record.
async fn add_up(control: &Client, skus: u32, granted: u64) -> Result<(), anyhow::Error> {
    let there = UNITS * i64::from(skus);
    let taken: i64 =
        control.query_one("SELECT $1 - sum(units)::bigint FROM stock", &[&there]).await?.try_get(0)?;
    let kept: i64 = control.query_one("SELECT count(*) FROM reservation", &[]).await?.try_get(0)?;
    let granted = i64::try_from(granted)?;
    if (taken, kept) != (granted, granted) {
        return Err(anyhow!(
            "PostgreSQL granted {granted} units, took {taken} and keeps {kept} reservations"
        ));
    }
    Ok(())
}

/// A connection that reserves carts.
#[derive(Debug)]
struct Shopper {
    client: Client,
    statement: Statement,
    ids: Vec<Uuid>,
    skus: Vec<i32>,
}

impl Shopper {
    async fn new(client: Client, depth: u16) -> Result<Self, tokio_postgres::Error> {
        let statement = client.prepare(if depth == 1 { ONE } else { FRAME }).await?;
        Ok(Self { client, statement, ids: Vec::new(), skus: Vec::new() })
    }
}

impl Connection for Shopper {
    async fn reserve(&mut self, carts: &[Cart]) -> Result<usize, anyhow::Error> {
        if let [cart] = carts {
            let id = Uuid::from_bytes(cart.id.to_bytes());
            let sku = i32::try_from(cart.sku)?;
            return Ok(usize::try_from(self.client.execute(&self.statement, &[&id, &sku]).await?)?);
        }
        self.ids.clear();
        self.ids.extend(carts.iter().map(|cart| Uuid::from_bytes(cart.id.to_bytes())));
        self.skus.clear();
        for cart in carts {
            self.skus.push(i32::try_from(cart.sku)?);
        }
        let row = self.client.query_one(&self.statement, &[&self.ids, &self.skus]).await?;
        Ok(usize::try_from(row.try_get::<_, i64>(0)?)?)
    }
}
