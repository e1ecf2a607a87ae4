//! Questions about the past. A second machine is made from a snapshot and the log after it, in a process of its own with a
//! bound on its memory: a server is never asked to do it, and a state that is too large ends that process alone.

use super::backup::{Choice, Source};
use super::context::Context;
use super::exit::{Exit, ExitWith, Failure, restore_failure};
use super::lineage::history_with;
use super::served_log::place_or_served;
use crate::calendar::parse_rfc3339;
use crate::replica::{OnProgress, ReplayProgress, Replica, Target};
use crate::restore::{RestoreError, replica_at};
use crate::server;
use clap::Args;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// The variable by which the process that replays knows itself, and the place to read.
const CHILD_VARIABLE: &str = "STOCKHOLD_REPLAYS";
const BYTES_PER_MIB: u64 = 1 << 20;

/// Where the past is read from.
#[derive(Args, Debug)]
pub(super) struct Past {
    /// Read the past from this data directory; without it and --from, from that of the running server
    #[arg(long, value_name = "DIR", conflicts_with = "from")]
    data_dir: Option<PathBuf>,
    /// Read the past from a data directory, a copy of one, or an archive
    #[arg(long, value_name = "URL|DIR")]
    from: Option<String>,
    #[command(flatten)]
    choice: Choice,
    /// The most memory that the replay may take, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 4_096)]
    #[arg(value_parser = clap::value_parser!(u64).range(16..=1 << 24))]
    memory_mib: u64,
}

/// A moment of the past: an op or a time.
pub(super) fn moment(text: &str) -> Result<Target, String> {
    match text.parse() {
        Ok(op) => Ok(Target::Op(op)),
        Err(_) if text.bytes().all(|byte| byte.is_ascii_digit()) => Err("the op is too large".to_owned()),
        Err(_) => parse_rfc3339(text).map(Target::Time).map_err(|error| format!("{error}, or an op")),
    }
}

impl Past {
    /// Whether a place was given.
    pub(super) fn is_given(&self) -> bool {
        self.data_dir.is_some() || self.from.is_some()
    }

    /// Runs `work` in a process of its own.
    pub(super) fn in_child(
        &self,
        context: Context<'_>,
        work: impl FnOnce(&Source, &Path) -> Result<Exit, Failure>,
    ) -> Result<Exit, Failure> {
        if let Ok(place) = std::env::var(CHILD_VARIABLE) {
            let bytes = Some(self.memory_mib * BYTES_PER_MIB);
            let limit = Rlimit { current: bytes, maximum: bytes };
            setrlimit(Resource::As, limit).exit_with(Exit::Usage)?;
            return work(&Source::open(&place, &self.choice)?, Path::new(&place));
        }
        let data_dir = self.data_dir.as_ref().map(|path| path.display().to_string());
        let place = place_or_served(context, data_dir.as_deref().or(self.from.as_deref()))?;
        let program = std::env::current_exe().exit_with(Exit::Disk)?;
        let mut child = Command::new(program);
        child.args(std::env::args_os().skip(1)).env(CHILD_VARIABLE, place);
        self.exit_of(child.status().exit_with(Exit::Disk)?)
    }

    /// The exit code of the process that replayed. It has printed everything, unless it was killed.
    fn exit_of(&self, status: ExitStatus) -> Result<Exit, Failure> {
        let known = status.code().and_then(Exit::of_number);
        known.ok_or_else(|| {
            let how = status.signal().map_or_else(|| status.to_string(), |signal| format!("by signal {signal}"));
            Failure::usage(format!(
                "the process that replays the log was ended {how}; if it lacked memory, allow more than {} MiB with --memory-mib",
                self.memory_mib
            ))
        })
    }

    /// The directory whose history has the moment, and the machine at that moment.
    pub(super) fn replica(
        &self,
        context: Context<'_>,
        (source, place): (&Source, &Path),
        target: Target,
    ) -> Result<Replica, Failure> {
        let replica = with_progress(context, |progress| {
            let (history, target) = history_with(source, &self.choice, target, progress)?;
            let [directory, ..] = &history[..] else { unreachable!("a history has a directory") };
            Ok(server::with_read_ahead(|spawner| replica_at(directory, target, Some(spawner), progress)))
        })?;
        replica.map_err(|error| restore_failure(RestoreError::Replica(error), place, place))
    }
}

/// Shows the progress of a replay.
pub(super) fn with_progress<T>(context: Context<'_>, replay: impl FnOnce(&mut OnProgress<'_>) -> T) -> T {
    let bar = context.output.progress(0, "replay");
    let result = replay(&mut |progress: ReplayProgress| {
        bar.set_length(progress.bytes_all);
        bar.set_position(progress.bytes_done);
        bar.set_message(format!("op {}", progress.op));
    });
    bar.finish_and_clear();
    result
}
