//! Notes of marks: the kind of record that the feature `next-release` adds, as a stand-in for one that a
//! later release adds.

use super::Catalog;
use crate::ledger::record::CatalogSection;
use stockhold_protocol::BadField;
use stockhold_protocol::fields::{FieldReader, FieldWriter};

impl Catalog {
    /// Whether the mark of this name has a note.
    pub(crate) fn has_note(&self, name: &str) -> bool {
        self.marks.named(name).is_some_and(|(_, mark)| mark.note.is_some())
    }

    /// Applies `count` (add to the digest, or subtract) to the note of a mark, if it has one.
    pub(super) fn count_note(&mut self, op: u64, count: fn(&mut Self, CatalogSection, u64)) {
        if self.marks.get(op).is_some_and(|mark| mark.note.is_some()) {
            count(self, CatalogSection::MarkNote, op);
        }
    }

    /// Forgets the note of a mark that is about to be removed.
    pub(super) fn remove_note(&mut self, op: u64) {
        self.count_note(op, Self::remove_from_digest);
        self.kept.remove(&(CatalogSection::MarkNote, op));
    }

    /// Loads a note from a snapshot.
    pub(super) fn load_note(&mut self, op: u64, note: String) -> Result<(), BadField> {
        match self.marks.get_mut(op) {
            Some(mark) if mark.note.is_none() => mark.note = Some(note),
            Some(_) => return Err(BadField::new("mark_note.op", "has a note already")),
            None => return Err(BadField::new("mark_note.op", "is not one of a mark")),
        }
        self.count_note(op, Self::count);
        Ok(())
    }

    /// Writes the record of an existing note.
    pub(super) fn put_note(&self, op: u64, fields: &mut FieldWriter<'_>) -> Result<(), BadField> {
        fields.value(1, &op)?;
        fields.option(2, &self.marks.get(op).and_then(|mark| mark.note.clone()))
    }
}

/// Reads the record of a note.
pub(super) fn get(fields: &mut FieldReader<'_>) -> Result<(u64, String), BadField> {
    Ok((fields.value(1, "mark_note.op")?, fields.value(2, "mark_note.note")?))
}
