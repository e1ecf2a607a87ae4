//! Stockhold and its peers in one run: the same carts, one store after the other, round by round, with both ceilings
//! in each round. The spread of the rounds and the steal time show how reliable the figures are.

pub(crate) mod arguments;
mod closed_loop;
mod postgres;
mod program;
mod redis;
mod report;
mod resp;
mod shared_memory;
mod subject;

use crate::arguments::{CommonArguments, LoadArguments};
use crate::audit::audit;
use crate::ceilings::synced_blocks;
use crate::children::{ChildProcess, DataDir, ServerUnderTest, StorageFacts};
use crate::closed::scenario::Scenario;
use crate::control_connection::ControlConnection;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::latency::Percentiles;
use crate::measure::{Measured, Target, measure};
use crate::memory::{MemoryFacts, Prepared};
use crate::output::Output;
use crate::tally::Answers;
use crate::test_catalog::TestCatalog;
use anyhow::anyhow;
use arguments::{CompareArguments, Peer};
use closed_loop::{Load, Loaded};
use postgres::Postgres;
use redis::{Redis, Syncing};
use report::{CompareReport, Findings, Measurement, PeerFacts, Sample, SyncSample};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stockhold::config::WritePathChoice;
use stockhold::server;
use stockhold_client::units_of;
use subject::{Setting, Subject, settings, subjects};

/// Units of each SKU at Stockhold: more than any sample can sell.
const UNITS: u32 = 1_000_000_000;
/// The number of synced blocks that a round measures.
const BLOCKS: u32 = 1_000;

/// The programs and options of a run.
#[derive(Debug)]
struct Comparison<'a> {
    arguments: &'a CompareArguments,
    interrupt: &'a Interrupt,
    output: Output,
    data_dir: DataDir,
    redis: Option<Redis>,
    postgres: Option<Postgres>,
}

/// Sums over the samples.
#[derive(Debug, Default)]
struct Sums {
    measured: Duration,
    stolen: Duration,
}

/// Runs the comparison.
pub(crate) fn run(arguments: &CompareArguments, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let peers = arguments.peers();
    // A missing peer is reported before anything has started.
    let redis = peers.contains(&Peer::Redis).then(Redis::find).transpose()?;
    let postgres = peers.contains(&Peer::Postgres).then(Postgres::find).transpose()?;
    let data_dir = DataDir::make(arguments.data_dir.as_deref(), false)?;
    let medium = server::open_storage(data_dir.path(), WritePathChoice::Auto)?.medium();
    data_dir.check(&StorageFacts::of(medium))?;
    let output = Output::new(arguments.json);
    let comparison = Comparison { arguments, interrupt, output, data_dir, redis, postgres };
    if let Some(postgres) = &comparison.postgres {
        postgres.make_cluster(&comparison.cluster()?)?;
    }
    let report = comparison.rounds(&peers)?;
    output.report(&report.text(), &report)?;
    Ok(Exit::Fine)
}

impl Comparison<'_> {
    fn rounds(&self, peers: &[Peer]) -> Result<CompareReport, Failure> {
        let (mut samples, mut blocks, mut sums) = (Vec::new(), Vec::new(), Sums::default());
        let subjects = subjects(peers, self.arguments.quick);
        'rounds: for round in 1..=self.arguments.pace().rounds {
            for subject in &subjects {
                let sample = self.sample(round, subject, &mut sums)?;
                // A sample that was cut short is meaningless.
                if self.interrupt.is_set() {
                    break 'rounds;
                }
                self.output.note(&sample.text());
                samples.push(sample);
            }
            let latencies = synced_blocks(&self.sample_dir("blocks")?, BLOCKS, self.interrupt)?;
            blocks.push(SyncSample { round, latency: Percentiles::of(&latencies) });
            self.clear("blocks")?;
        }
        if samples.len() < subjects.len() {
            return Err(anyhow!("stopped before every store was measured once").into());
        }
        let findings = Findings {
            peers: self.facts(peers),
            samples,
            synced_blocks: blocks,
            measured: sums.measured,
            stolen: sums.stolen,
            interrupted: self.interrupt.is_set(),
        };
        Ok(CompareReport::new(self.arguments, findings))
    }

    fn sample(&self, round: u32, subject: &Subject, sums: &mut Sums) -> Result<Sample, Failure> {
        match subject.setting {
            Setting::Stockhold | Setting::StockholdHot => self.stockhold(round, subject, sums),
            Setting::RedisEverysec => self.redis(round, subject, Syncing::EverySecond, sums),
            Setting::RedisAlways => self.redis(round, subject, Syncing::Always, sums),
            Setting::Postgres | Setting::PostgresHot => self.postgres(round, subject, sums),
            Setting::Echo => self.echo(round, subject, sums),
        }
    }

    /// A sample of Stockhold: a fresh server, the closed loop of `uniform`, and its audit.
    fn stockhold(&self, round: u32, subject: &Subject, sums: &mut Sums) -> Result<Sample, Failure> {
        let server = ServerUnderTest::get(&CommonArguments {
            server: None,
            server_pid: None,
            set: Vec::new(),
            data_dir: Some(self.sample_dir("stockhold")?),
            keep: false,
            json: self.arguments.json,
            seed: self.seed(round),
            memory: self.arguments.memory,
        })?;
        let memory = server.memory.clone();
        let mut control = ControlConnection::connect(server.address)?;
        let catalog = Arc::new(TestCatalog::prepare(&mut control, self.skus(subject), units_of(UNITS), 0)?);
        let target = Target {
            address: server.address,
            server_pid: server.pid,
            catalog: Arc::clone(&catalog),
            seed: self.seed(round),
            scenario: Scenario::UNIFORM,
            asked: None,
            name: "stockhold",
        };
        let measured = self.measure(&target, subject)?;
        let audit = audit(&mut control, &catalog, &measured.tally, true)?;
        if audit.is_violated(true) {
            return Err(Failure::violation(format!("the audit of a sample found {audit:?}")));
        }
        drop(control);
        server.finish()?;
        Ok(sums.sample(round, subject, Answers::successes, &measured, memory))
    }

    fn echo(&self, round: u32, subject: &Subject, sums: &mut Sums) -> Result<Sample, Failure> {
        let prepared = self.arguments.memory.prepare()?;
        let echo = ChildProcess::start(&["echo-child".as_ref()], None)?;
        let target = Target {
            address: echo.ready.address,
            server_pid: Some(echo.pid()),
            catalog: Arc::new(TestCatalog::imaginary(self.skus(subject))),
            seed: self.seed(round),
            scenario: Scenario::UNIFORM,
            asked: None,
            name: "echo",
        };
        let measured = self.measure(&target, subject)?;
        echo.stop()?;
        // The echo server keeps nothing, so there is nothing to fault in.
        let memory = prepared.facts_of(None);
        Ok(sums.sample(round, subject, Answers::total, &measured, memory))
    }

    fn measure(&self, target: &Target, subject: &Subject) -> Result<Measured, Failure> {
        let pace = self.arguments.pace();
        let load = LoadArguments {
            connections: subject.shape.connections,
            depth: subject.shape.depth,
            threads: 1,
            seconds: pace.seconds,
            warmup: pace.warmup,
        };
        let measured = measure(target, &load, self.output, self.interrupt, || Ok(()))?;
        match measured.tally.broken.first() {
            Some(broken) => Err(anyhow!("a connection to {} broke: {broken}", target.name).into()),
            None => Ok(measured),
        }
    }

    fn redis(
        &self,
        round: u32,
        subject: &Subject,
        syncing: Syncing,
        sums: &mut Sums,
    ) -> Result<Sample, Failure> {
        let redis = self.redis.as_ref().ok_or_else(|| anyhow!("Redis is not part of this run"))?;
        let prepared = self.arguments.memory.prepare()?;
        let loaded =
            redis.sample(&self.sample_dir("redis")?, syncing, &self.load(round, subject, &prepared))?;
        Ok(sums.loaded(round, subject, &loaded, &prepared))
    }

    fn postgres(&self, round: u32, subject: &Subject, sums: &mut Sums) -> Result<Sample, Failure> {
        let postgres = self.postgres.as_ref().ok_or_else(|| anyhow!("PostgreSQL is not part of this run"))?;
        let prepared = self.arguments.memory.prepare()?;
        let loaded = postgres.sample(&self.cluster()?, &self.load(round, subject, &prepared))?;
        Ok(sums.loaded(round, subject, &loaded, &prepared))
    }

    /// The directory of the PostgreSQL cluster. Every account must be able to reach it.
    fn cluster(&self) -> Result<PathBuf, Failure> {
        Ok(self.data_dir.path().canonicalize()?.join("postgres"))
    }

    fn skus(&self, subject: &Subject) -> u32 {
        subject.setting.skus(self.arguments.skus)
    }

    fn load(&self, round: u32, subject: &Subject, prepared: &Prepared) -> Load {
        let pace = self.arguments.pace();
        Load {
            connections: subject.shape.connections,
            depth: subject.shape.depth,
            skus: self.skus(subject),
            seed: self.seed(round),
            warmup: pace.warmup,
            seconds: pace.seconds,
            touch_mib: prepared.touch_mib,
            interrupt: self.interrupt.clone(),
        }
    }

    /// The seed, which is the same for all stores in a round.
    fn seed(&self, round: u32) -> u64 {
        self.arguments.seed.wrapping_add(u64::from(round) - 1)
    }

    /// An empty directory for one sample.
    fn sample_dir(&self, name: &str) -> Result<PathBuf, Failure> {
        let dir = self.data_dir.path().join(name);
        std::fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    fn clear(&self, name: &str) -> Result<(), Failure> {
        Ok(std::fs::remove_dir_all(self.data_dir.path().join(name))?)
    }

    fn facts(&self, peers: &[Peer]) -> BTreeMap<&'static str, PeerFacts> {
        let facts = |setting: Setting| {
            let (version, settings) = match setting {
                Setting::RedisEverysec => (self.redis_version(), Redis::settings(Syncing::EverySecond)),
                Setting::RedisAlways => (self.redis_version(), Redis::settings(Syncing::Always)),
                Setting::Postgres | Setting::PostgresHot => (self.postgres_version(), Postgres::settings()),
                Setting::Stockhold | Setting::StockholdHot | Setting::Echo => (String::new(), String::new()),
            };
            (setting.name(), PeerFacts { version, settings, durability: setting.durability() })
        };
        settings(peers).into_iter().map(facts).collect()
    }

    fn redis_version(&self) -> String {
        self.redis.as_ref().map(|redis| redis.version.clone()).unwrap_or_default()
    }

    fn postgres_version(&self) -> String {
        self.postgres.as_ref().map(|postgres| postgres.version.clone()).unwrap_or_default()
    }
}

impl Sums {
    fn sample(
        &mut self,
        round: u32,
        subject: &Subject,
        granted: fn(&Answers) -> u64,
        measured: &Measured,
        memory: MemoryFacts,
    ) -> Sample {
        let Measured { tally, span, cost } = measured;
        let measurement = Measurement {
            measured: granted(&tally.measured),
            granted: granted(&tally.answers),
            latencies: &tally.latencies,
            span: *span,
            cost: *cost,
            memory,
        };
        self.add(round, subject, measurement)
    }

    fn loaded(&mut self, round: u32, subject: &Subject, loaded: &Loaded, prepared: &Prepared) -> Sample {
        let Loaded { measured, granted, latencies, span, cost, touched_mib } = loaded;
        let memory = prepared.facts_of(*touched_mib);
        let (measured, granted) = (*measured, *granted);
        let measurement = Measurement { measured, granted, latencies, span: *span, cost: *cost, memory };
        self.add(round, subject, measurement)
    }

    fn add(&mut self, round: u32, subject: &Subject, measured: Measurement<'_>) -> Sample {
        self.measured += measured.span;
        self.stolen += measured.cost.steal;
        Sample::new(round, subject, measured)
    }
}
