//! How far a scan over all records has progressed. Snapshots and validations use one each. The scan itself
//! is in `snapshot`.

use crate::ledger::record::Section;

/// The progress of the snapshot.
#[derive(Debug, Default)]
pub(crate) struct SnapshotCursor {
    /// The remaining sections. It is empty if no snapshot is in progress.
    pub(crate) sections: Sections,
    /// Frames of the core and the small catalog, which are encoded when the snapshot begins.
    pub(crate) ready: Vec<(Section, u32, Vec<u8>)>,
    /// The frame that is being filled, and the number of its records.
    pub(crate) frame: Vec<u8>,
    pub(crate) records: u32,
}

impl SnapshotCursor {
    /// Whether no snapshot is in progress.
    pub(crate) const fn is_done(&self) -> bool {
        self.sections.is_done()
    }
}

/// The sections that are still to be scanned, the next one last.
#[derive(Debug, Default)]
pub(crate) struct Sections(Vec<Section>);

impl Sections {
    /// All sections that are scanned in steps. The core and the small catalog are copied when a snapshot
    /// begins.
    pub(crate) fn all() -> Self {
        Self(Section::ALL.iter().rev().copied().filter(|section| !section.is_of_catalog()).collect())
    }

    /// The section that is being scanned.
    pub(crate) fn current(&self) -> Option<Section> {
        self.0.last().copied()
    }

    /// Advances to the next section.
    pub(crate) fn advance(&mut self) {
        self.0.pop();
    }

    /// Whether no sections are left.
    pub(crate) const fn is_done(&self) -> bool {
        self.0.is_empty()
    }
}

/// The progress of a scan over the outcomes of plain grants, which are computed from reservations.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct GrantCursor {
    /// The next slot of a reservation to visit.
    pub(crate) next_slot: u32,
    /// The last op when the scan began.
    pub(crate) op: u64,
    /// The lowest number of a generation when the scan began.
    pub(crate) number_min: u64,
}

/// The destination of the records of a scan.
pub(crate) trait RecordSink {
    /// Receives one record of a section. `put` appends its bytes.
    fn write_record(&mut self, section: Section, put: impl FnOnce(&mut Vec<u8>));
}
