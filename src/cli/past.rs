//! Questions about the past. A second machine is made from a snapshot and the log after it, in a process of its own with a
//! bound on its memory: a server is never asked to do it, and a state that is too large ends that process alone.

use super::backup::{Choice, Source};
use super::context::Context;
use super::exit::{Exit, Failure, restore_failure};
use super::lineage::history_with;
use super::memory_bound::MemoryBound;
use super::served_log::place_or_served;
use crate::calendar::parse_rfc3339;
use crate::replica::{OnProgress, ReplayProgress, Replica, Target};
use crate::restore::{RestoreError, replica_at};
use crate::server;
use clap::Args;
use std::path::{Path, PathBuf};

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
    #[command(flatten)]
    memory: MemoryBound,
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
        let given =
            || self.data_dir.as_ref().map(|path| path.display().to_string()).or_else(|| self.from.clone());
        let place = || place_or_served(context, given().as_deref());
        self.memory.in_child(place, |place| work(&Source::open(place, &self.choice)?, Path::new(place)))
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
