//! `backup`: copies a data directory to an archive, lists what an archive contains, and verifies it.

use super::advice::shell_word;
use super::context::Context;
use super::exit::{Exit, Failure, exit_of_file, start_failure};
use super::opened::read_only;
use super::output::{Text, table};
use super::served_log::place_or_served;
use super::verify;
use crate::archive::{ArchiveError, ArchiveView, Archiver, Contents, Store, Timeline};
use crate::calendar::rfc3339;
use crate::directory::{EpochReason, MANIFEST_NAME, ReadOnlyDirectory};
use crate::error::StartError;
use crate::restore::ATTEMPTS;
use crate::storage::{ReadOnlyFs, SharedReadStorage};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// `backup`
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "The data directory is only read, and a server may be using it: the backup contains everything up to a moment near the end
of the command. A repeated backup to the same place copies only what is new, segment by segment, without their unused rest. Everything
that is written is read back and compared. URLs: a directory, file:///…, s3://BUCKET/…, gs://BUCKET/…, az://CONTAINER/…

Examples:
  stockhold backup --to /backups/stockhold
  stockhold backup --data-dir data --to s3://shop-backups/stockhold
  stockhold backup list /backups/stockhold
  stockhold backup verify /backups/stockhold
  stockhold restore --from /backups/stockhold --to-dir restored --latest"
)]
pub(super) struct BackupArguments {
    #[command(subcommand)]
    action: Option<BackupAction>,
    /// The data directory; without it, that of the running server
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where the archive is; a missing directory is created
    #[arg(long, value_name = "URL|DIR", required = true)]
    to: Option<String>,
}

impl BackupArguments {
    /// Whether the server is asked where its log is.
    pub(super) const fn asks_the_server(&self) -> bool {
        self.action.is_none() && self.data_dir.is_none()
    }
}

#[derive(Subcommand, Debug)]
enum BackupAction {
    /// List the logs, epochs and snapshots of an archive
    List {
        /// Where the archive is
        #[arg(value_name = "URL|DIR")]
        from: String,
    },
    /// Read everything that an archive contains of a log, replay it and compare digests
    Verify {
        /// Where the archive is
        #[arg(value_name = "URL|DIR")]
        from: String,
        #[command(flatten)]
        choice: Choice,
    },
}

/// Which history of an archive is meant.
#[derive(Args, Debug, Clone, Default)]
pub(super) struct Choice {
    /// The log, if the archive has several
    #[arg(long, value_name = "UUID")]
    pub(super) log: Option<Uuid>,
    /// The last epoch of the history, by its number or its name in `backup list`; without it, the newest
    #[arg(long, value_name = "EPOCH")]
    pub(super) epoch: Option<String>,
}

pub(super) fn run(context: Context<'_>, arguments: &BackupArguments) -> Result<Exit, Failure> {
    match (&arguments.action, &arguments.to) {
        (Some(BackupAction::List { from }), _) => list(context, from),
        (Some(BackupAction::Verify { from, choice }), _) => {
            let source = Source::open(from, choice)?;
            verify::report_on(context, Path::new(from), &source.files)
        }
        (None, Some(to)) => match &arguments.data_dir {
            Some(data_dir) => backup(context, data_dir, to),
            None => backup(context, Path::new(&place_or_served(context, None)?), to),
        },
        (None, None) => Err(Failure::usage("--to URL is needed")),
    }
}

/// An error of an archive with its exit code.
pub(super) fn archive_failure(error: ArchiveError, place: &str) -> Failure {
    if matches!(error, ArchiveError::NoLog { wanted: None }) {
        return no_archive(place);
    }
    let exit = match &error {
        ArchiveError::Location { .. }
        | ArchiveError::NoLog { .. }
        | ArchiveError::Several { .. }
        | ArchiveError::NoEpoch { .. } => Exit::Usage,
        ArchiveError::Store { source, .. } => exit_of_store(source),
        ArchiveError::Timeout { .. } | ArchiveError::Interrupted => Exit::Unreachable,
        ArchiveError::Gap { .. }
        | ArchiveError::Misplaced { .. }
        | ArchiveError::Differs { .. }
        | ArchiveError::Damaged(_)
        | ArchiveError::OtherRecords { .. } => Exit::BadData,
        ArchiveError::Storage(_) | ArchiveError::Log(_) | ArchiveError::Directory(_) => {
            let error = match error {
                ArchiveError::Storage(error) => StartError::Storage(error),
                ArchiveError::Log(error) => StartError::Log(error),
                ArchiveError::Directory(error) => StartError::Directory(error),
                ArchiveError::Location { .. }
                | ArchiveError::Store { .. }
                | ArchiveError::Timeout { .. }
                | ArchiveError::Interrupted
                | ArchiveError::NoLog { .. }
                | ArchiveError::Several { .. }
                | ArchiveError::NoEpoch { .. }
                | ArchiveError::Gap { .. }
                | ArchiveError::Misplaced { .. }
                | ArchiveError::OtherRecords { .. }
                | ArchiveError::Damaged(_)
                | ArchiveError::Differs { .. } => unreachable!("the outer match has them"),
            };
            return start_failure(error, Path::new(place));
        }
    };
    Failure::new(exit, error)
}

/// The failure for a place that has nothing to read.
fn no_archive(place: &str) -> Failure {
    let word = shell_word(Path::new(place));
    Failure::usage(format!(
        "{place} is neither a data directory nor an archive of one; `stockhold backup --data-dir DIR --to {word}` makes an archive there"
    ))
}

/// Whether only a connection fails so.
fn is_of_network(kind: ErrorKind) -> bool {
    [
        ErrorKind::ConnectionRefused,
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::NotConnected,
        ErrorKind::HostUnreachable,
        ErrorKind::NetworkUnreachable,
        ErrorKind::NetworkDown,
        ErrorKind::BrokenPipe,
        ErrorKind::TimedOut,
    ]
    .contains(&kind)
}

/// A place in a directory fails as its files do; any other is a server.
fn exit_of_store(error: &object_store::Error) -> Exit {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>().filter(|e| e.raw_os_error().is_some()) {
            return if is_of_network(error.kind()) { Exit::Unreachable } else { exit_of_file(error) };
        }
        cause = error.source();
    }
    let is_refused = matches!(
        error,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }
    );
    if is_refused { Exit::Usage } else { Exit::Unreachable }
}

pub(super) fn open_store(url: &str, create: bool) -> Result<Arc<Store>, Failure> {
    if !create && !url.contains("://") && !Path::new(url).is_dir() {
        return Err(no_archive(url));
    }
    Ok(Arc::new(Store::open(url, create).map_err(|e| archive_failure(e, url))?))
}

fn backup(context: Context<'_>, data_dir: &Path, to: &str) -> Result<Exit, Failure> {
    let files = read_only(data_dir)?;
    let failed = |e| archive_failure(e, &data_dir.display().to_string());
    let listed = files.list().map_err(|e| start_failure(e, data_dir))?;
    let bytes = listed.iter().map(|file| file.bytes).sum();
    let bar = context.output.progress(bytes, "backup");
    let store = open_store(to, true)?;
    let mut attempt = 1;
    let passed = loop {
        let archiver = Archiver::open(files.clone(), store.clone()).map_err(failed)?;
        match archiver.reading_back().pass(u64::MAX, |bytes| bar.set_position(bytes)) {
            // The server has trimmed what was to be read; what is copied already stays.
            Err(error) if error.is_vanished() && attempt < ATTEMPTS => attempt += 1,
            other => break other,
        }
    };
    bar.finish_and_clear();
    let passed = passed.map_err(failed)?;
    let text = format!(
        "{to} has the log up to position {}: {} segments, {} pieces and {} snapshots are new, {} bytes, read back and equal\n\
         next: stockhold backup verify {to}",
        passed.last_position, passed.segments, passed.parts, passed.snapshots, passed.bytes
    );
    let text = match passed.damaged {
        0 => text,
        damaged => format!(
            "{text}\n{damaged} damaged snapshots were left out: stockhold verify {}",
            shell_word(data_dir)
        ),
    };
    let document = json!({
        "to": to, "last_position": passed.last_position, "segments": passed.segments, "parts": passed.parts,
        "snapshots": passed.snapshots, "bytes": passed.bytes, "damaged_snapshots": passed.damaged,
    });
    context.output.result(&text, &document)?;
    Ok(if passed.damaged == 0 { Exit::Ok } else { Exit::BadData })
}

/// Whether a place is a data directory, a damaged one included.
fn is_data_directory(place: &str) -> bool {
    let path = Path::new(place);
    let is_of_log = |name: &std::ffi::OsStr| {
        let end = Path::new(name).extension();
        end.is_some_and(|end| end == "segment" || end == "snapshot")
    };
    let has_log = || {
        let entries = std::fs::read_dir(path).ok()?;
        Some(entries.flatten().any(|entry| is_of_log(&entry.file_name())))
    };
    !place.contains("://") && (path.join(MANIFEST_NAME).exists() || has_log() == Some(true))
}

/// Where a log is read from: a data directory, or a timeline of an archive.
pub(super) struct Source {
    /// As it was given.
    pub(super) from: String,
    pub(super) files: SharedReadStorage,
    /// For an archive, the highest epoch of the log in all its histories.
    pub(super) known_epoch: u64,
    /// For an archive, the timeline that this one was restored from.
    pub(super) parent: Option<Box<Source>>,
}

impl Source {
    /// Opens a data directory, a copy of one, or an archive.
    pub(super) fn open(from: &str, choice: &Choice) -> Result<Self, Failure> {
        if is_data_directory(from) {
            let files = ReadOnlyFs::open(Path::new(from)).map_err(|e| start_failure(e, Path::new(from)))?;
            return Ok(Self { from: from.to_owned(), files: Arc::new(files), known_epoch: 0, parent: None });
        }
        let store = open_store(from, false)?;
        let failed = |e| archive_failure(e, from);
        let contents = Contents::read(&store).map_err(failed)?;
        let log = contents.log(choice.log).map_err(failed)?;
        let timeline = contents.timeline(&store, log, choice.epoch.as_deref()).map_err(failed)?;
        Self::of(from, &store, &contents, &timeline)
    }

    fn of(from: &str, store: &Arc<Store>, contents: &Contents, timeline: &Timeline) -> Result<Self, Failure> {
        let failed = |e| archive_failure(e, from);
        let files = ArchiveView::open(store.clone(), contents, timeline).map_err(failed)?;
        let parent = match contents.parent(store, timeline) {
            Ok(parent) => parent.map(|parent| Self::of(from, store, contents, &parent)).transpose(),
            Err(error) => Err(failed(error)),
        };
        let parent = parent.unwrap_or_else(|error| {
            tracing::warn!(?error, "the history before the last restore cannot be read");
            None
        });
        let known_epoch = contents.epochs(timeline.log_uuid).map(|name| name.epoch).max().unwrap_or(0);
        Ok(Self { from: from.to_owned(), files: Arc::new(files), known_epoch, parent: parent.map(Box::new) })
    }

    /// The failure of a directory or an archive that is read.
    pub(super) fn failure(&self, error: impl Into<StartError>) -> Failure {
        start_failure(error, Path::new(&self.from))
    }

    /// The directory.
    pub(super) fn directory(&self) -> Result<ReadOnlyDirectory, Failure> {
        ReadOnlyDirectory::open(self.files.clone()).map_err(|e| self.failure(e))
    }
}

fn list(context: Context<'_>, from: &str) -> Result<Exit, Failure> {
    let store = open_store(from, false)?;
    let failed = |e| archive_failure(e, from);
    let contents = Contents::read(&store).map_err(failed)?;
    let mut rows = vec![
        ["log", "epoch", "began", "because", "after op", "snapshots", "segments", "bytes"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut documents = Vec::new();
    for log in contents.logs() {
        for name in contents.epochs(log) {
            let timeline = contents.timeline(&store, log, Some(&name.to_string())).map_err(failed)?;
            let Some(epoch) = timeline.manifest.epochs.last() else { continue };
            let because = match epoch.reason {
                EpochReason::Format => "format",
                EpochReason::Restore => "restore",
                EpochReason::Skip => "skip",
                EpochReason::UncleanStop => "unclean stop",
                EpochReason::Truncate => "truncate",
            };
            let summary = contents.summary(log, name);
            let snapshots = summary.snapshots.iter().map(u64::to_string).collect::<Vec<_>>();
            rows.push(vec![
                log.to_string(),
                name.to_string(),
                rfc3339(epoch.time_ms),
                because.to_owned(),
                timeline.manifest.base.op.to_string(),
                snapshots.join(" "),
                summary.segments.to_string(),
                summary.bytes.to_string(),
            ]);
            documents.push(json!({
                "log": log.to_string(), "epoch": epoch.epoch, "name": name.to_string(),
                "began": rfc3339(epoch.time_ms), "because": because, "after_op": timeline.manifest.base.op,
                "snapshots": summary.snapshots, "segments": summary.segments, "bytes": summary.bytes,
            }));
        }
    }
    let mut text = Text::default();
    if documents.is_empty() {
        text.line(&format!("{from} contains no log"));
    } else {
        text.line(table(&rows).trim_end());
        text.line(&format!("{} bytes in all", contents.bytes));
    }
    context.output.result(&text.into_string(), &Value::from(documents))?;
    Ok(Exit::Ok)
}
