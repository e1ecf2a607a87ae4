//! `follow`: keeps a copy of an archive and a replica of its log beside it, and makes a data directory of them on request.

use super::advice::shell_word;
use super::backup::{Choice, Source, archive_failure, open_store};
use super::context::Context;
use super::exit::{Exit, Failure, restore_failure, start_failure};
use super::restore;
use super::serve::ConfigArguments;
use crate::archive::{Contents, Mirror, Mirrored};
use crate::calendar::rfc3339;
use crate::directory::{LOCK_NAME, MANIFEST_NAME, Manifest, ReadOnlyDirectory, RestoreOptions, STANDBY_NAME};
use crate::replica::{Replica, Target, wall_ms};
use crate::restore::{ATTEMPTS, replica_at};
use crate::server;
use crate::wal::ReadTo;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stockhold_machine::Machine;

/// `follow`
#[derive(Args, Debug)]
#[command(
    after_help = "The archive is only read. DIR/archive is a copy of it, which `backup verify` and `restore --from` read too. Each line tells the
last op of the copy, its time, and how long ago that was. A process that is started again continues with its copy.

With --promote, the copy is brought up to date and becomes a data directory with a new epoch, so clients that come back are told
`epoch_changed`. It is refused while the archive still grows: then the old server lives. Stop that server first, and make sure that
it cannot start again.

Examples:
  stockhold follow --from s3://bucket/shop --data-dir standby
  stockhold follow --from s3://bucket/shop --data-dir standby --promote
  stockhold serve --data-dir standby"
)]
pub(super) struct FollowArguments {
    /// The archive
    #[arg(long, value_name = "URL|DIR")]
    from: String,
    #[command(flatten)]
    choice: Choice,
    /// The data directory to be; it is created if it does not exist
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Make a data directory of the copy, with a new epoch, and end
    #[arg(long)]
    promote: bool,
    /// Milliseconds between two looks at the archive
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..))]
    interval_ms: u64,
    /// With --promote: how many milliseconds nothing may be written to the archive; more than the server's archive.interval-ms
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    watch_ms: u64,
    #[command(flatten)]
    config: ConfigArguments,
}

/// The copy, and the machine after the log in it.
struct Standby<'a> {
    from: &'a str,
    copy: String,
    choice: Choice,
    mirror: Mirror,
    state: Option<(Manifest, Replica)>,
}

pub(super) fn run(context: Context<'_>, arguments: &FollowArguments) -> Result<Exit, Failure> {
    arguments.config.only_of_the_log("follow")?;
    let data_dir = &arguments.data_dir;
    let config = arguments.config.load([("data-dir", Some(data_dir.display().to_string()))])?;
    if data_dir.join(MANIFEST_NAME).exists() {
        return Err(Failure::usage(format!(
            "{} is a data directory already; choose another one with --data-dir",
            data_dir.display()
        )));
    }
    let storage = server::create_storage(&config).map_err(|e| start_failure(e, data_dir))?;
    let lock = storage.lock(LOCK_NAME).map_err(|e| start_failure(e, data_dir))?;
    let mut standby = Standby::open(arguments)?;
    let interval = Duration::from_millis(arguments.interval_ms);
    if !arguments.promote {
        loop {
            match standby.step() {
                Ok(mirrored) => standby.tell(context, mirrored)?,
                // An archive that does not answer may do so later; one that cannot be read by this program never will.
                Err(failure) if failure.exit == Exit::Unreachable => {
                    context.output.note(&format!("{:#}", failure.error));
                }
                Err(failure) => return Err(failure),
            }
            std::thread::sleep(interval);
        }
    }
    standby.refuse_living(Duration::from_millis(arguments.watch_ms))?;
    let mirrored = standby.step()?;
    standby.tell(context, mirrored)?;
    let Some((manifest, mut replica)) = standby.state else {
        unreachable!("a step that succeeds leaves a state")
    };
    let options = RestoreOptions {
        now_ms: stockhold_client::wall_clock_ms(),
        salt_seed: server::salt_seed(),
        segment_bytes: config.log.segment_bytes,
        known_epoch: Source::open(&standby.copy, &standby.choice)?.known_epoch,
    };
    // Creating the directory takes the lock itself.
    drop(lock);
    let restored = crate::restore::restore(&manifest, &mut replica, storage, options)
        .map_err(|e| restore_failure(e, Path::new(&arguments.from), data_dir))?;
    let copy = Source::open(&standby.copy, &standby.choice)?;
    super::addresses::bring_from(copy.files.as_ref(), &restored, data_dir)?;
    restore::report(context, &restored, None, &data_dir.display().to_string())?;
    Ok(Exit::Ok)
}

impl<'a> Standby<'a> {
    fn open(arguments: &'a FollowArguments) -> Result<Self, Failure> {
        let from = &arguments.from;
        let store = open_store(from, false)?;
        let failed = |e| archive_failure(e, from);
        let contents = Contents::read(&store).map_err(failed)?;
        let log = contents.log(arguments.choice.log).map_err(failed)?;
        let copy = arguments.data_dir.join(STANDBY_NAME).display().to_string();
        let mirror = Mirror::new(store, open_store(&copy, true)?, log);
        Ok(Self { from, copy, choice: arguments.choice.clone(), mirror, state: None })
    }

    /// Copies what is new and applies it.
    fn step(&mut self) -> Result<Mirrored, Failure> {
        let mut attempt = 1;
        let mirrored = loop {
            match self.mirror.step() {
                Err(error) if error.is_vanished() && attempt < ATTEMPTS => attempt += 1,
                other => break other.map_err(|e| archive_failure(e, self.from))?,
            }
        };
        if mirrored.objects > 0 || self.state.is_none() {
            self.apply()?;
        }
        Ok(mirrored)
    }

    fn apply(&mut self) -> Result<(), Failure> {
        let source = Source::open(&self.copy, &self.choice)?;
        let directory = source.directory()?;
        let manifest = directory.manifest().clone();
        let mut continued = None;
        if let Some((before, mut replica)) = self.state.take() {
            // Another manifest may skip ops that were applied, or be of another history.
            let is_same = before == manifest;
            if is_same && advance(&mut replica, &directory).is_ok() {
                continued = Some(replica);
            }
        }
        let replica = match continued {
            Some(replica) => replica,
            None => server::with_read_ahead(|spawner| {
                replica_at(&directory, Target::End, Some(spawner), &mut |_| ())
            })
            .map_err(|e| restore_failure(e.into(), Path::new(&self.copy), Path::new(&self.copy)))?,
        };
        self.state = Some((manifest, replica));
        Ok(())
    }

    fn tell(&self, context: Context<'_>, mirrored: Mirrored) -> Result<(), Failure> {
        let Some((manifest, replica)) = &self.state else { return Ok(()) };
        let (op, at_ms) = (replica.machine().op(), wall_ms(replica.machine()));
        let lag_ms = stockhold_client::wall_clock_ms().saturating_sub(at_ms);
        let epoch = manifest.epoch();
        let text = format!(
            "op {op}, epoch {epoch}, {}, {}.{} s ago; {} bytes are new",
            rfc3339(at_ms),
            lag_ms / 1_000,
            lag_ms % 1_000 / 100,
            mirrored.bytes
        );
        let document = json!({
            "op": op, "epoch": epoch, "time": rfc3339(at_ms), "lag_ms": lag_ms, "objects": mirrored.objects,
            "removed": mirrored.removed, "bytes": mirrored.bytes,
        });
        context.output.result(&text, &document)
    }

    /// Refuses an archive that grows.
    fn refuse_living(&self, watch: Duration) -> Result<(), Failure> {
        let seen = || self.mirror.signs_of_life().map_err(|e| archive_failure(e, self.from));
        let before = seen()?;
        std::thread::sleep(watch);
        if seen()? == before {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "a server lives that writes to the archive {}; stop it, and make sure that it cannot start again",
            shell_word(Path::new(self.from))
        )))
    }
}

fn advance(replica: &mut Replica, directory: &ReadOnlyDirectory) -> Result<(), crate::replica::ReplicaError> {
    let mut observer = |_: &Machine, _| ();
    replica.replay(directory, (ReadTo::Present, Target::End), None, &mut observer, &mut |_| ()).map(drop)
}
