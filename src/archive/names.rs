//! The names of objects, and what they say.

use uuid::Uuid;

use crate::directory::{Epoch, Manifest};
use crate::geonames::{AddressFile, parse_address_file_name};
use crate::snapshot::parse_snapshot_name;
use crate::wal::segment::{parse_segment_name, segment_name};

/// The end of the name of a piece of the segment in use.
const PART_SUFFIX: &str = ".part";

/// The name of the object that a server writes again and again while it lives.
const ALIVE_NAME: &str = "alive";

/// The epoch of a directory in the archive, and the time at which it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EpochName {
    /// The number of the epoch.
    pub epoch: u64,
    /// When it began, in milliseconds since 1970.
    pub time_ms: u64,
}

impl EpochName {
    pub(super) fn of(epoch: &Epoch) -> Self {
        Self { epoch: epoch.epoch, time_ms: epoch.time_ms }
    }

    /// The epoch in which a data directory is now; `None` never happens, because a manifest has an epoch.
    pub(super) fn present(manifest: &Manifest) -> Option<Self> {
        manifest.epochs.last().map(Self::of)
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let (epoch, time_ms) = name.split_once('-')?;
        let parsed = Self { epoch: epoch.parse().ok()?, time_ms: time_ms.parse().ok()? };
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl std::fmt::Display for EpochName {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{:08}-{:013}", self.epoch, self.time_ms)
    }
}

/// The path of a file of one epoch.
pub(super) fn path(log_uuid: Uuid, epoch: EpochName, file: &str) -> String {
    format!("{log_uuid}/{epoch}/{file}")
}

/// The path of the object of a log that a server writes again and again while it lives.
pub(super) fn alive_path(log_uuid: Uuid) -> String {
    format!("{log_uuid}/{ALIVE_NAME}")
}

/// The name of a piece of a segment that begins at this offset.
pub(super) fn part_name(segment: u64, offset: u64) -> String {
    format!("{segment:016}.{offset:012}{PART_SUFFIX}")
}

/// A file of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    Manifest,
    /// A segment that was completed.
    Segment(u64),
    /// A piece of a segment, from this offset on.
    Part {
        segment: u64,
        offset: u64,
    },
    Snapshot(u64),
    /// The addresses of a country.
    Addresses(AddressFile),
}

/// What a path within the archive names; `None` for anything else.
pub(super) fn parse(path: &str) -> Option<(Uuid, EpochName, File)> {
    let mut parts = path.split('/');
    let (log, epoch, file) = (parts.next()?, parts.next()?, parts.next()?);
    let file = if file == crate::directory::MANIFEST_NAME {
        File::Manifest
    } else if let Some(segment) = parse_segment_name(file) {
        File::Segment(segment)
    } else if let Some(op) = parse_snapshot_name(file) {
        File::Snapshot(op)
    } else if let Some(addresses) = parse_address_file_name(file) {
        File::Addresses(addresses)
    } else {
        let (segment, offset) = file.strip_suffix(PART_SUFFIX)?.split_once('.')?;
        let (segment, offset) = (segment.parse().ok()?, offset.parse().ok()?);
        (part_name(segment, offset) == file).then_some(File::Part { segment, offset })?
    };
    let known = parts.next().is_none();
    known.then_some((Uuid::parse_str(log).ok()?, EpochName::parse(epoch)?, file))
}

/// The name of the segment that a piece belongs to.
pub(super) fn segment_of(segment: u64) -> String {
    segment_name(segment)
}
