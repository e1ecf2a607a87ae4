//! The records of the small catalog: tagged fields, preceded by their length (FORMAT.md, "Snapshot
//! records").
//!
//! A record is identified by its section and a key: its number, both numbers of a link, or the op of a
//! mark or of an old name.

use super::{Catalog, ChannelRow, LinkRow, frozen, link_key};
use crate::config::ACTORS_MAX;
use crate::ledger::actor::OTHER;
use crate::ledger::marks::MarkRow;
use crate::ledger::old_names::OldName;
use crate::ledger::record::{CatalogSection, Section, get_counted, put_counted};
use crate::table::record_hash;
use stockhold_protocol::batch::{ACTOR_BYTES_MAX, Actor, ActorKind};
use stockhold_protocol::codec::Reader;
use stockhold_protocol::command::{FreezeScope, SourceDefinition};
use stockhold_protocol::fields::{FieldReader, FieldWriter};
use stockhold_protocol::{BadField, Timestamp};

fn halves(key: u64) -> (u32, u32) {
    let half = |word: u64| u32::try_from(word & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    (half(key >> 32), half(key))
}

const OUT_OF_ORDER: BadField = BadField::new("number", "is not the next one");

impl Catalog {
    /// The sum of the hashes of all records.
    pub(crate) fn hash(&self) -> u64 {
        self.digest.to_u64()
    }

    /// Adds a record to the digest.
    pub(super) fn count(&mut self, section: CatalogSection, key: u64) {
        self.digest.add(self.hash_of(section, key));
    }

    /// Subtracts a record from the digest. It must be called before the record changes.
    pub(super) fn remove_from_digest(&mut self, section: CatalogSection, key: u64) {
        self.digest.sub(self.hash_of(section, key));
    }

    fn hash_of(&self, section: CatalogSection, key: u64) -> u64 {
        let mut bytes = Vec::new();
        self.put(section, key, &mut bytes);
        record_hash(Section::from(section) as u8, &bytes)
    }

    /// Visits all records with their sections and bytes, section by section. For snapshots and validation.
    pub(crate) fn records(&self, visit: &mut dyn FnMut(Section, &[u8])) {
        let mut bytes = Vec::new();
        let mut one = |section: CatalogSection, key: u64| {
            bytes.clear();
            self.put(section, key, &mut bytes);
            visit(section.into(), &bytes);
        };
        (0..).zip(&self.sources).for_each(|(number, _)| one(CatalogSection::Source, number));
        (0..).zip(&self.stocks).for_each(|(number, _)| one(CatalogSection::Stock, number));
        self.links.keys().for_each(|(stock, source)| one(CatalogSection::Link, link_key(*stock, *source)));
        (0..).zip(&self.channels).for_each(|(number, _)| one(CatalogSection::Channel, number));
        self.actors.numbers().for_each(|number| one(CatalogSection::Actor, number.into()));
        self.marks.iter().for_each(|(op, _)| one(CatalogSection::Mark, op));
        #[cfg(feature = "next-release")]
        self.marks
            .iter()
            .filter(|(_, mark)| mark.note.is_some())
            .for_each(|(op, _)| one(CatalogSection::MarkNote, op));
        self.old_names.iter().for_each(|(op, _)| one(CatalogSection::OldName, op));
        self.frozen.iter().for_each(|scope| one(CatalogSection::Frozen, frozen::key_of(scope)));
    }

    /// Appends the bytes of an existing record.
    fn put(&self, section: CatalogSection, key: u64, out: &mut Vec<u8>) {
        let kept: &[u8] = self.kept.get(&(section, key)).map_or(&[], |kept| kept);
        put_counted(out, kept, |fields| self.put_fields(section, key, fields));
    }

    fn put_fields(
        &self,
        section: CatalogSection,
        key: u64,
        fields: &mut FieldWriter<'_>,
    ) -> Result<(), BadField> {
        let (high, low) = halves(key);
        match section {
            CatalogSection::Source => {
                fields.value(1, &low)?;
                fields.nested(2, &self.sources[low as usize])
            }
            CatalogSection::Stock => {
                fields.value(1, &low)?;
                fields.value(2, &self.stocks[low as usize])
            }
            CatalogSection::Link => {
                let link = &self.links[&(high, low)];
                fields.value(1, &link.stock)?;
                fields.value(2, &link.source)?;
                fields.value(3, &link.priority)?;
                fields.value(4, &link.id)
            }
            CatalogSection::Channel => {
                let channel = &self.channels[low as usize];
                fields.value(1, &low)?;
                fields.value(2, &channel.channel_type)?;
                fields.value(3, &channel.code)?;
                fields.value(4, &channel.stock)
            }
            CatalogSection::Actor => {
                let Some(actor) = self.actors.get(u16::try_from(low).unwrap_or(OTHER)) else { return Ok(()) };
                fields.value(1, &low)?;
                fields.value(2, &(actor.kind == ActorKind::Proved))?;
                fields.value(3, &actor.name.to_owned())
            }
            CatalogSection::Mark => {
                let Some(mark) = self.marks.get(key) else { return Ok(()) };
                fields.value(1, &key)?;
                fields.value(2, &mark.time)?;
                fields.value(3, &mark.name)
            }
            #[cfg(feature = "next-release")]
            CatalogSection::MarkNote => self.put_note(key, fields),
            CatalogSection::OldName => {
                let Some(old) = self.old_names.get(key) else { return Ok(()) };
                fields.value(1, &key)?;
                fields.value(2, &old.name)?;
                fields.value(3, &old.number)?;
                fields.value(4, &old.until)
            }
            CatalogSection::Frozen => fields.value(1, &frozen::scope_of(key)),
        }
    }

    /// Loads a record from a snapshot.
    pub(crate) fn load(&mut self, section: CatalogSection, reader: &mut Reader<'_>) -> Result<(), BadField> {
        match section {
            CatalogSection::Source => {
                let ((number, definition), kept) = get_counted(reader, get_source)?;
                self.expect(section, number, self.sources.len(), kept)?;
                self.set_source(None, definition);
            }
            CatalogSection::Stock => {
                let ((number, name), kept) = get_counted(reader, |fields| {
                    Ok((fields.value::<u32>(1, "stock.number")?, fields.value::<String>(2, "stock.name")?))
                })?;
                self.expect(section, number, self.stocks.len(), kept)?;
                self.set_stock(None, name);
            }
            CatalogSection::Link => {
                let (link, kept) = get_counted(reader, get_link)?;
                self.keep(section, link_key(link.stock, link.source), kept);
                self.set_link(link);
            }
            CatalogSection::Channel => {
                let ((number, channel), kept) = get_counted(reader, get_channel)?;
                self.expect(section, number, self.channels.len(), kept)?;
                self.set_channel(None, channel);
            }
            CatalogSection::Actor => {
                let ((number, is_proved, name), kept) = get_counted(reader, get_actor)?;
                self.expect(section, number, self.actors.next_number().into(), kept)?;
                if self.actors.len() >= ACTORS_MAX || name.len() > ACTOR_BYTES_MAX {
                    return Err(BadField::new("actor.name", "is one too many, or too long"));
                }
                let kind = if is_proved { ActorKind::Proved } else { ActorKind::Claimed };
                if self.intern(Actor { kind, name: &name }, usize::MAX)
                    != u16::try_from(number).unwrap_or(OTHER)
                {
                    return Err(BadField::new("actor.name", "has a number already"));
                }
            }
            CatalogSection::Mark => {
                let ((op, mark), kept) = get_counted(reader, get_mark)?;
                self.check_mark(op, &mark)?;
                self.keep(section, op, kept);
                self.add_mark(op, mark);
            }
            #[cfg(feature = "next-release")]
            CatalogSection::MarkNote => {
                let ((op, note), kept) = get_counted(reader, super::note::get)?;
                self.keep(section, op, kept);
                self.load_note(op, note)?;
            }
            CatalogSection::OldName => {
                let ((op, old), kept) = get_counted(reader, get_old_name)?;
                self.check_old_name(op, &old)?;
                self.keep(section, op, kept);
                self.keep_old_name(op, old);
            }
            CatalogSection::Frozen => {
                let (scope, kept) =
                    get_counted(reader, |fields| fields.value::<FreezeScope>(1, "frozen.scope"))?;
                self.check_frozen(scope)?;
                self.keep(section, frozen::key_of(scope), kept);
                self.set_frozen(scope, true);
            }
        }
        Ok(())
    }

    fn check_mark(&self, op: u64, mark: &MarkRow) -> Result<(), BadField> {
        if self.marks.last_op().is_some_and(|last| last >= op) {
            return Err(OUT_OF_ORDER);
        }
        if self.marks.is_full() || self.marks.named(&mark.name).is_some() {
            return Err(BadField::new("mark.name", "is one too many, or stands there twice"));
        }
        Ok(())
    }

    fn check_old_name(&self, op: u64, old: &OldName) -> Result<(), BadField> {
        if op == 0 || self.old_names.next_op(op.saturating_sub(1)).is_some() {
            return Err(OUT_OF_ORDER);
        }
        if self.old_names.is_full() || self.old_names.op_of(&old.name).is_some() {
            return Err(BadField::new("old_name.name", "is one too many, or is there twice"));
        }
        Ok(())
    }

    fn check_frozen(&self, scope: FreezeScope) -> Result<(), BadField> {
        if self.frozen.has(scope) {
            return Err(OUT_OF_ORDER);
        }
        if !self.has_scope(scope) {
            return Err(BadField::new("frozen.scope", "is not a known stock or channel"));
        }
        Ok(())
    }

    /// Checks that the number of a record is the next one, and keeps the fields that this program does not
    /// know.
    fn expect(
        &mut self,
        section: CatalogSection,
        number: u32,
        next: usize,
        kept: Vec<u8>,
    ) -> Result<(), BadField> {
        if number as usize != next {
            return Err(OUT_OF_ORDER);
        }
        self.keep(section, number.into(), kept);
        Ok(())
    }

    fn keep(&mut self, section: CatalogSection, key: u64, kept: Vec<u8>) {
        if !kept.is_empty() {
            self.kept.insert((section, key), kept.into_boxed_slice());
        }
    }
}

fn get_source(fields: &mut FieldReader<'_>) -> Result<(u32, SourceDefinition), BadField> {
    Ok((fields.value(1, "source.number")?, fields.nested(2, "source.definition")?))
}

fn get_link(fields: &mut FieldReader<'_>) -> Result<LinkRow, BadField> {
    let (stock, source) = (fields.value(1, "link.stock")?, fields.value(2, "link.source")?);
    Ok(LinkRow {
        stock,
        source,
        priority: fields.value(3, "link.priority")?,
        id: fields.value(4, "link.id")?,
    })
}

fn get_channel(fields: &mut FieldReader<'_>) -> Result<(u32, ChannelRow), BadField> {
    let number = fields.value(1, "channel.number")?;
    let channel = ChannelRow {
        channel_type: fields.value(2, "channel.type")?,
        code: fields.value(3, "channel.code")?,
        stock: fields.value(4, "channel.stock")?,
    };
    Ok((number, channel))
}

fn get_actor(fields: &mut FieldReader<'_>) -> Result<(u32, bool, String), BadField> {
    let (number, is_proved) = (fields.value(1, "actor.number")?, fields.value(2, "actor.proved")?);
    Ok((number, is_proved, fields.value(3, "actor.name")?))
}

fn get_old_name(fields: &mut FieldReader<'_>) -> Result<(u64, OldName), BadField> {
    let (op, name) = (fields.value(1, "old_name.op")?, fields.value(2, "old_name.name")?);
    let number = fields.value(3, "old_name.number")?;
    Ok((op, OldName { name, number, until: fields.value(4, "old_name.until")? }))
}

fn get_mark(fields: &mut FieldReader<'_>) -> Result<(u64, MarkRow), BadField> {
    let (op, time): (u64, Timestamp) = (fields.value(1, "mark.op")?, fields.value(2, "mark.time")?);
    let mark = MarkRow {
        time,
        name: fields.value(3, "mark.name")?,
        #[cfg(feature = "next-release")]
        note: None,
    };
    Ok((op, mark))
}
