//! `log truncate`: cuts the log of a data directory after an op, and keeps what it removes.

use super::advice::shell_word;
use super::context::Context;
use super::exit::{Exit, Failure, exit_of_file, start_failure};
use super::opened::{open, read_only};
use super::output::Text;
use crate::calendar::rfc3339;
use crate::directory::{Cut, MANIFEST_NAME, ReadOnlyDirectory};
use crate::recovery::RecoveryError;
use crate::replica::{ReplayProgress, Replica, ReplicaError, Target, wall_ms};
use crate::server;
use crate::snapshot::{LogPoint, snapshot_name};
use crate::storage::{FileEntry, ReadFrom, ReadStorage, ReadableFile, SharedReadStorage, StorageError};
use crate::wal::segment::{parse_segment_name, segment_name};
use crate::wal::segment_list::list_segments;
use crate::wal::{LogError, ReadTo, SegmentList};
use clap::Args;
use serde_json::json;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stockhold_machine::Machine;

/// `log truncate`
#[derive(Args, Debug)]
#[command(
    after_help = "The op and everything before it stay. What comes after it is no part of the log any more, in a new epoch, so clients are
told `epoch_changed`. Use it when the log is damaged after the op and there is no better copy; to go back for another reason, `restore`
writes a new directory and leaves this one as it is. The manifest and the files with something after the op are copied to a new directory
first. A kill at any moment leaves the log as it was or cut. What is after the op is listed by `restore --from DIR --to-op OP --dry-run`,
as far as it can be read.

Examples:
  stockhold log truncate data --at 120417 --keep-as removed --dry-run
  stockhold log truncate data --at 120417 --keep-as removed"
)]
pub(super) struct TruncateArguments {
    /// The data directory; no server may be using it
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The last op that stays; it must be the last one of a batch
    #[arg(long, value_name = "OP")]
    at: u64,
    /// A new directory for copies of the files that have something after the op
    #[arg(long, value_name = "NEW")]
    keep_as: PathBuf,
    /// Change nothing, and say what would be removed
    #[arg(long)]
    dry_run: bool,
}

/// The files of a directory without the segments from a damaged one on.
#[derive(Debug)]
struct UpTo {
    files: SharedReadStorage,
    before_segment: u64,
}

impl ReadStorage for UpTo {
    fn open_to_read(&self, name: &str, from: ReadFrom) -> Result<Box<dyn ReadableFile>, StorageError> {
        self.files.open_to_read(name, from)
    }

    fn list(&self) -> Result<Vec<FileEntry>, StorageError> {
        let mut files = self.files.list()?;
        files.retain(|file| {
            parse_segment_name(&file.name).is_none_or(|segment| segment < self.before_segment)
        });
        Ok(files)
    }
}

pub(super) fn truncate(context: Context<'_>, arguments: &TruncateArguments) -> Result<Exit, Failure> {
    let (path, keep) = (&arguments.directory, &arguments.keep_as);
    if keep.exists() {
        return Err(Failure::usage(format!(
            "{} exists already; --keep-as takes a new directory, so that nothing in it is overwritten",
            keep.display()
        )));
    }
    // The lock is held from here on, so no server starts meanwhile.
    let mut directory = if arguments.dry_run { None } else { Some(open(path)?) };
    let files = read_only(path)?;
    let read = ReadOnlyDirectory::open(files.clone()).map_err(|error| start_failure(error, path))?;
    let Reached { point, at_ms, is_last } = reach(context, &files, &read, arguments)?;
    if is_last {
        return Err(Failure::usage(format!("op {} is the last one: there is nothing after it", point.op)));
    }
    let cut =
        Cut::find(files.as_ref(), read.manifest(), point).map_err(|error| start_failure(error, path))?;
    let mut names = vec![MANIFEST_NAME.to_owned()];
    names.extend(cut.segments.iter().map(|segment| segment_name(*segment)));
    names.extend(cut.snapshots.iter().map(|op| snapshot_name(*op)));
    let mut text = Text::default();
    text.line(&format!("the log keeps op {}, {}, and everything before it", point.op, rfc3339(at_ms)));
    text.line(&format!("files with something after it: {}", names[1..].join(" ")));
    let mut document = json!({
        "op": point.op, "position": point.position, "time": rfc3339(at_ms), "dry_run": arguments.dry_run,
        "keep_as": keep.display().to_string(), "files": names,
    });
    if let Some(directory) = &mut directory {
        let kept_bytes = keep_files(path, keep, &names)?;
        let now_ms = stockhold_client::wall_clock_ms();
        let epoch = directory.truncate(&cut, now_ms).map_err(|error| start_failure(error, path))?;
        document["epoch"] = json!(epoch);
        document["kept_bytes"] = json!(kept_bytes);
        text.line(&format!("they were copied to {}, {kept_bytes} bytes", keep.display()));
        text.line(&format!("the log was cut; epoch {epoch} begins after position {}", point.position));
        text.line(&format!("next: stockhold serve --data-dir {}", shell_word(path)));
    } else {
        text.line("nothing was changed");
    }
    context.output.result(&text.into_string(), &document)?;
    Ok(Exit::Ok)
}

/// An op that a replay has come to.
struct Reached {
    point: LogPoint,
    at_ms: u64,
    /// Whether the log ends with it.
    is_last: bool,
}

/// Replays up to the op. What comes after it may be damaged.
fn reach(
    context: Context<'_>,
    files: &SharedReadStorage,
    directory: &ReadOnlyDirectory,
    arguments: &TruncateArguments,
) -> Result<Reached, Failure> {
    let (path, target) = (&arguments.directory, Target::Op(arguments.at));
    let listed = files.list().map_err(|error| start_failure(error, path))?;
    let uuid = directory.manifest().log_uuid;
    let (_, faults) = SegmentList::read_runs(files.as_ref(), uuid, &list_segments(&listed));
    let before_segment = faults.first().map_or(u64::MAX, |(segment, _)| *segment);
    let sound: SharedReadStorage = Arc::new(UpTo { files: files.clone(), before_segment });
    let directory = ReadOnlyDirectory::open(sound).map_err(|error| start_failure(error, path))?;
    let bar = context.output.progress(0, "replay");
    let mut progress = |progress: ReplayProgress| {
        bar.set_length(progress.bytes_all);
        bar.set_position(progress.bytes_done);
    };
    let reached = server::with_read_ahead(|spawner| {
        let mut replica = Replica::load(&directory, target, Some(spawner))?;
        let mut observer = |_: &Machine, _| ();
        let to = (ReadTo::Present, target);
        let replayed = replica.replay(&directory, to, Some(spawner), &mut observer, &mut progress);
        let is_last = match replayed {
            // The damage comes after the op.
            Err(ReplicaError::Log(LogError::Damage { .. } | LogError::Predecessor { .. }))
                if replica.machine().op() == arguments.at =>
            {
                false
            }
            other => other?.is_some() && faults.is_empty(),
        };
        Ok(Reached { point: replica.point(), at_ms: wall_ms(replica.machine()), is_last })
    });
    bar.finish_and_clear();
    reached.map_err(|error: ReplicaError| {
        if matches!(error, ReplicaError::TargetTooEarly { .. } | ReplicaError::TargetTooLate { .. }) {
            Failure::new(Exit::Usage, error)
        } else {
            start_failure(RecoveryError::Replica(error), path)
        }
    })
}

/// Copies files to a new directory and makes the copies durable. Returns their length.
fn keep_files(from: &Path, keep: &Path, names: &[String]) -> Result<u64, Failure> {
    let copied = || -> io::Result<u64> {
        fs::create_dir(keep)?;
        let mut bytes = 0;
        for name in names {
            bytes += fs::copy(from.join(name), keep.join(name))?;
            File::open(keep.join(name))?.sync_all()?;
        }
        File::open(keep)?.sync_all()?;
        let parent = keep.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(bytes)
    };
    copied().map_err(|error| {
        let message = format!("{} cannot be written: {error}; the log was not changed", keep.display());
        Failure { exit: exit_of_file(&error), error: anyhow::anyhow!(message) }
    })
}
