//! What an archive contains: logs, their timelines, and the objects of each epoch.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::ArchiveError;
use super::names::{EpochName, File, parse, path};
use super::store::{Object, Store};
use crate::directory::{EpochReason, MANIFEST_NAME, Manifest};
use crate::geonames::AddressFile;

/// The objects of one epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EpochObjects {
    /// Completed segments: number and length.
    pub(super) segments: BTreeMap<u64, u64>,
    /// Pieces of segments: number, offset and length.
    pub(super) parts: BTreeMap<(u64, u64), u64>,
    /// Snapshots: op and length.
    pub(super) snapshots: BTreeMap<u64, u64>,
    /// Files of addresses: their lengths.
    pub(super) addresses: BTreeMap<AddressFile, u64>,
    pub(super) has_manifest: bool,
}

impl EpochObjects {
    /// The lengths of all objects but the manifest.
    pub(super) fn lengths(&self) -> impl Iterator<Item = &u64> {
        let log = self.segments.values().chain(self.parts.values());
        log.chain(self.snapshots.values()).chain(self.addresses.values())
    }

    /// The number of the first segment.
    pub(super) fn first_segment(&self) -> Option<u64> {
        let in_parts = self.parts.keys().map(|(segment, _)| *segment);
        self.segments.keys().copied().chain(in_parts).min()
    }
}

/// Everything that an archive contains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub(super) logs: BTreeMap<Uuid, BTreeMap<EpochName, EpochObjects>>,
    /// The length of all objects.
    pub bytes: u64,
}

/// The history of one data directory: the epochs in which it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// The log.
    pub log_uuid: Uuid,
    /// The last epoch.
    pub name: EpochName,
    /// Its manifest.
    pub manifest: Manifest,
    /// The epochs whose objects are files of the directory, oldest first.
    pub epochs: Vec<EpochName>,
}

/// What an archive has of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochSummary {
    /// The ops of its snapshots, oldest first.
    pub snapshots: Vec<u64>,
    /// The number of segments, the one in use included.
    pub segments: u64,
    /// The length of all its objects.
    pub bytes: u64,
}

impl Contents {
    /// What the archive has of an epoch.
    #[must_use]
    pub fn summary(&self, log_uuid: Uuid, epoch: EpochName) -> EpochSummary {
        let Some(objects) = self.objects(log_uuid, epoch) else { return EpochSummary::default() };
        let in_parts = objects.parts.keys().filter(|(segment, _)| !objects.segments.contains_key(segment));
        let mut open: Vec<u64> = in_parts.map(|(segment, _)| *segment).collect();
        open.dedup();
        EpochSummary {
            snapshots: objects.snapshots.keys().copied().collect(),
            segments: crate::storage::width::length(objects.segments.len() + open.len()),
            bytes: objects.lengths().sum(),
        }
    }

    /// Lists an archive.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn read(store: &Store) -> Result<Self, ArchiveError> {
        let mut contents = Self::default();
        for Object { path, bytes } in store.list()? {
            let Some((log, epoch, file)) = parse(&path) else { continue };
            contents.bytes += bytes;
            let objects = contents.logs.entry(log).or_default().entry(epoch).or_default();
            match file {
                File::Manifest => objects.has_manifest = true,
                File::Segment(segment) => drop(objects.segments.insert(segment, bytes)),
                File::Part { segment, offset } => drop(objects.parts.insert((segment, offset), bytes)),
                File::Snapshot(op) => drop(objects.snapshots.insert(op, bytes)),
                File::Addresses(file) => drop(objects.addresses.insert(file, bytes)),
            }
        }
        Ok(contents)
    }

    /// The objects of an epoch.
    pub(super) fn objects(&self, log_uuid: Uuid, epoch: EpochName) -> Option<&EpochObjects> {
        self.logs.get(&log_uuid)?.get(&epoch)
    }

    /// The logs.
    pub fn logs(&self) -> impl Iterator<Item = Uuid> {
        self.logs.keys().copied()
    }

    /// The log that was asked for, or the only one.
    ///
    /// # Errors
    /// [`ArchiveError::NoLog`], [`ArchiveError::Several`].
    pub fn log(&self, wanted: Option<Uuid>) -> Result<Uuid, ArchiveError> {
        let choices: Vec<Uuid> =
            self.logs().filter(|log| wanted.is_none_or(|wanted| wanted == *log)).collect();
        match choices[..] {
            [] => Err(ArchiveError::NoLog { wanted: wanted.map(|log| log.to_string()) }),
            [log] => Ok(log),
            _ => Err(ArchiveError::Several {
                what: "logs",
                choices: choices.iter().map(Uuid::to_string).collect(),
                flag: "--log",
            }),
        }
    }

    /// The epochs of a log that have a manifest, oldest first.
    pub fn epochs(&self, log_uuid: Uuid) -> impl Iterator<Item = EpochName> {
        let epochs = self.logs.get(&log_uuid).into_iter().flatten();
        epochs.filter(|(_, objects)| objects.has_manifest).map(|(name, _)| *name)
    }

    /// The timeline that ends with the epoch that was asked for, by its number or its whole name, or with the last one.
    ///
    /// # Errors
    /// [`ArchiveError`], [`ArchiveError::Several`] if two epochs have the number.
    pub fn timeline(
        &self,
        store: &Store,
        log_uuid: Uuid,
        wanted: Option<&str>,
    ) -> Result<Timeline, ArchiveError> {
        let all: Vec<EpochName> = self.epochs(log_uuid).collect();
        let last = all.last().map(|name| name.epoch);
        let is_chosen = |name: &EpochName| match wanted {
            None => Some(name.epoch) == last,
            Some(wanted) => wanted == name.to_string() || wanted.parse() == Ok(name.epoch),
        };
        let chosen: Vec<EpochName> = all.iter().copied().filter(is_chosen).collect();
        let names = |list: &[EpochName]| list.iter().map(EpochName::to_string).collect();
        match (chosen[..].first(), chosen.len(), wanted) {
            (Some(name), 1, _) => timeline_of(store, log_uuid, *name),
            (Some(_), _, _) => {
                Err(ArchiveError::Several { what: "epochs", choices: names(&chosen), flag: "--epoch" })
            }
            (None, _, Some(wanted)) => {
                Err(ArchiveError::NoEpoch { wanted: wanted.to_owned(), choices: names(&all) })
            }
            (None, _, None) => Err(ArchiveError::NoLog { wanted: Some(log_uuid.to_string()) }),
        }
    }

    /// The timeline that a timeline was restored from, if the archive has it.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn parent(&self, store: &Store, timeline: &Timeline) -> Result<Option<Timeline>, ArchiveError> {
        let epochs = &timeline.manifest.epochs;
        let restored = epochs.iter().rposition(|epoch| epoch.reason == EpochReason::Restore);
        let before = restored.and_then(|at| at.checked_sub(1)).map(|at| EpochName::of(&epochs[at]));
        let known = before.filter(|name| {
            self.objects(timeline.log_uuid, *name).is_some_and(|objects| objects.has_manifest)
        });
        known.map(|name| timeline_of(store, timeline.log_uuid, name)).transpose()
    }
}

/// The timeline that ends with this epoch.
fn timeline_of(store: &Store, log_uuid: Uuid, name: EpochName) -> Result<Timeline, ArchiveError> {
    let at = path(log_uuid, name, MANIFEST_NAME);
    let bytes = store.read_all(&at)?.unwrap_or_default();
    let manifest = Manifest::decode(&bytes).map_err(crate::directory::DirectoryError::from)?;
    // So each timeline has a later epoch than its parent, and a chain of parents ends.
    if manifest.log_uuid != log_uuid || EpochName::present(&manifest) != Some(name) {
        return Err(ArchiveError::Misplaced { path: at });
    }
    let epochs = own_epochs(&manifest);
    Ok(Timeline { log_uuid, name, manifest, epochs })
}

/// The epochs in which a data directory was written. A restore begins a new directory; what came before is in the
/// timeline of the directory that it read.
pub(super) fn own_epochs(manifest: &Manifest) -> Vec<EpochName> {
    let begin = manifest.epochs.iter().rposition(|epoch| epoch.reason == EpochReason::Restore);
    manifest.epochs[begin.unwrap_or(0)..].iter().map(EpochName::of).collect()
}
