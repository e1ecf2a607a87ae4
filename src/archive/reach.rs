//! To which states an archive leads back. Only a few heads are read.

use std::collections::BTreeMap;

use super::ArchiveError;
use super::names::{EpochName, part_name, path, segment_of};
use super::pass::Archiver;
use super::retention::first_position;
use crate::snapshot::{LogPoint, SnapshotHeader, snapshot_name};
use crate::storage::layout::snapshot;
use crate::storage::width::length;

impl Archiver {
    /// The op of the oldest state that the archived history of this data directory leads back to; every later one can be
    /// restored from it. `None` if there is none. A history before a restore is not looked at.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn restorable_from(&self) -> Result<Option<u64>, ArchiveError> {
        let (log_uuid, epochs) = self.history()?;
        let base = self.base();
        let mut segments: BTreeMap<u64, (EpochName, bool)> = BTreeMap::new();
        let mut snapshots: BTreeMap<u64, EpochName> = BTreeMap::new();
        for epoch in epochs {
            let Some(objects) = self.known_objects(log_uuid, epoch) else { continue };
            // An archiver removes the pieces of a completed segment, and a start in a new epoch may have replaced a segment.
            let in_pieces = objects.parts.keys().filter(|(_, offset)| *offset == 0);
            segments.extend(in_pieces.map(|(segment, _)| (*segment, (epoch, false))));
            segments.extend(objects.segments.keys().map(|segment| (*segment, (epoch, true))));
            snapshots.extend(objects.snapshots.keys().map(|op| (*op, epoch)));
        }
        let Some((mut first, mut at)) = segments.pop_last() else { return Ok(None) };
        while let Some((segment, before)) = segments.pop_last() {
            // A segment of which only pieces are archived has no end, unless it is the one in use.
            if segment + 1 != first || !before.1 {
                break;
            }
            (first, at) = (segment, before);
        }
        let (epoch, is_complete) = at;
        let name = if is_complete { segment_of(first) } else { part_name(first, 0) };
        let Some(first_position) = first_position(self.store(), &path(log_uuid, epoch, &name))? else {
            return Ok(None);
        };
        if base == LogPoint::default() && first_position == 1 {
            return Ok(Some(0));
        }
        for (op, epoch) in snapshots {
            let at = path(log_uuid, epoch, &snapshot_name(op));
            let head = self.store().read(&at, 0, length(snapshot::HEAD_BYTES))?;
            let Ok(header) = SnapshotHeader::decode(&head) else { continue };
            if header.position + 1 >= first_position {
                return Ok(Some(op));
            }
        }
        Ok(None)
    }
}
