//! A walk over all records, as far as it is: for snapshots and for validation. Whoever walks has one; what is visited stands in
//! `snapshot`.

use crate::ledger::record::Section;

/// The walk under way.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// The sections that are left; none = no snapshot.
    pub(crate) left: Sections,
    /// Small parts, encoded at the mark.
    pub(crate) ready: Vec<(Section, u32, Vec<u8>)>,
    pub(crate) frame: Vec<u8>,
    pub(crate) records: u32,
}

impl Walk {
    /// Whether no snapshot is under way.
    pub(crate) const fn is_over(&self) -> bool {
        self.left.is_over()
    }
}

/// The sections that a walk has still to visit, the next one last.
#[derive(Debug, Default)]
pub(crate) struct Sections(Vec<Section>);

impl Sections {
    /// All that are walked over; the small parts before them are taken at the mark.
    pub(crate) fn all() -> Self {
        Self(Section::ALL.iter().rev().copied().filter(|section| *section >= Section::Sku).collect())
    }

    /// The section in hand.
    pub(crate) fn current(&self) -> Option<Section> {
        self.0.last().copied()
    }

    /// Goes on to the next section.
    pub(crate) fn pass(&mut self) {
        self.0.pop();
    }

    /// Whether none is left.
    pub(crate) const fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

/// Where a walk over the outcomes of grants stands, and of which instant it is.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct GrantWalk {
    pub(crate) cursor: u32,
    /// The last op of the instant.
    pub(crate) op: u64,
    /// The oldest generation that was alive then.
    pub(crate) number_min: u64,
}

/// Where the records of a walk go.
pub(crate) trait RecordSink {
    /// Takes one record of a section; `put` writes its bytes.
    fn take(&mut self, section: Section, put: impl FnOnce(&mut Vec<u8>));
}
