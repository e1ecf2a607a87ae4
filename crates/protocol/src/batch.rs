//! The payload of one log frame: a batch of command records. It contains no log positions.
//!
//! ```text
//! header (72 bytes) · runs: head (12 bytes) · [actor] · records …
//! ```
//! A run contains consecutive commands of one actor with the same rights and the same name generation. The layouts
//! are in FORMAT.md, "Batch payload". The log assigns the position of the first record. The machine counts which op
//! each record becomes.

use crate::codec::{Fixed, Reader};
use crate::command::record_length;
use crate::error::BadField;
use crate::time::Timestamp;

/// Bytes before the runs.
pub const BATCH_HEADER_BYTES: usize = 72;
/// Bytes of the head of a run. If the run introduces an actor, the actor follows the head.
pub const RUN_HEAD_BYTES: usize = 12;
/// Longest name of an actor in bytes.
pub const ACTOR_BYTES_MAX: usize = 255;
/// Maximum number of bytes before the records of a run.
pub const RUN_START_BYTES_MAX: usize = RUN_HEAD_BYTES + 3 + ACTOR_BYTES_MAX;
/// The version of this layout.
pub const BATCH_VERSION: u16 = 2;

/// The header of a batch, as its writer made it. A machine skips a batch whose number it has applied, whose number
/// leaves a gap, or whose session is older than the writer's latest. It refuses a batch with other rules than the
/// active ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchHeader {
    /// The version of the rules that the writer uses.
    pub rules: u16,
    /// The feature level of the writer.
    pub feature_level: u32,
    /// How many records follow.
    pub count: u32,
    /// The id of the writer.
    pub writer: u64,
    /// The session of the writer. It is larger after each start.
    pub session: u64,
    /// The number of the batch within its session, from 1.
    pub number: u64,
    /// The time that the writer proposes; an op's time is max(last, proposed).
    pub proposed: Timestamp,
    /// The op that the writer had applied when it wrote the batch.
    pub applied_op: u64,
    /// The op to which `digest` belongs; it ends a batch. 0: the batch reports no digest.
    pub digest_op: u64,
    /// The digest of the writer's state at `digest_op`.
    pub digest: u64,
}

impl BatchHeader {
    /// The encoded header.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BATCH_HEADER_BYTES] {
        let mut bytes = Fixed::new();
        bytes
            .put(BATCH_VERSION.to_le_bytes())
            .put(self.rules.to_le_bytes())
            .put(self.feature_level.to_le_bytes())
            .put(self.count.to_le_bytes())
            .put([0; 4])
            .put(self.writer.to_le_bytes())
            .put(self.session.to_le_bytes())
            .put(self.number.to_le_bytes())
            .put(self.proposed.0.to_le_bytes())
            .put(self.applied_op.to_le_bytes())
            .put(self.digest_op.to_le_bytes())
            .put(self.digest.to_le_bytes());
        bytes.done()
    }
}

/// The payload of a batch whose records form one run of an actor with all rights. The header gives the number of
/// records.
#[must_use]
pub fn batch_of_one_run(header: &BatchHeader, actor: Actor<'_>, records: &[u8]) -> Vec<u8> {
    let mut payload = header.to_bytes().to_vec();
    let run = Run {
        actor: 0,
        introduces: Some(actor),
        rights: Rights::ALL,
        name_generation: 0,
        records: header.count,
    };
    run.put(|part| payload.extend_from_slice(part));
    payload.extend_from_slice(records);
    payload
}

/// How the name of an actor was established.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ActorKind {
    /// The server itself. It has no name.
    Server,
    /// The client claimed the name.
    Claimed,
    /// A token proved the name.
    Proved,
}

impl ActorKind {
    /// The persisted number of the kind.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Server => 0,
            Self::Claimed => 1,
            Self::Proved => 2,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Server),
            1 => Some(Self::Claimed),
            2 => Some(Self::Proved),
            _ => None,
        }
    }
}

/// The actor that a command is executed for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Actor<'a> {
    /// How the name was established.
    pub kind: ActorKind,
    /// The name, at most [`ACTOR_BYTES_MAX`] bytes.
    pub name: &'a str,
}

impl Actor<'_> {
    /// The server itself.
    pub const SERVER: Actor<'static> = Actor { kind: ActorKind::Server, name: "" };
}

/// The rights of an actor, as bits. Undefined bits are set and ignored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rights(pub u16);

impl Rights {
    /// All rights.
    pub const ALL: Self = Self(u16::MAX);
    /// The right to change reservations of other actors.
    pub const OTHERS: Self = Self(1);

    /// Whether all of the given rights are included.
    #[must_use]
    pub const fn include(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

/// The head of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run<'a> {
    /// The index of the actor among the actors that the batch has introduced, from 0.
    pub actor: u16,
    /// The actor, if this run introduces it. `actor` is then the number of actors introduced before.
    pub introduces: Option<Actor<'a>>,
    /// The rights of the actor.
    pub rights: Rights,
    /// The name generation that the client used to resolve dense numbers.
    pub name_generation: u32,
    /// The number of records in the run, at least 1.
    pub records: u32,
}

impl Run<'_> {
    /// Appends the head. The name must not be longer than [`ACTOR_BYTES_MAX`].
    pub fn put(&self, mut put: impl FnMut(&[u8])) {
        let mut head = Fixed::<RUN_HEAD_BYTES>::new();
        head.put(self.actor.to_le_bytes())
            .put(self.rights.0.to_le_bytes())
            .put(self.name_generation.to_le_bytes())
            .put(self.records.to_le_bytes());
        put(&head.done());
        if let Some(actor) = self.introduces {
            assert!(actor.name.len() <= ACTOR_BYTES_MAX, "names are bounded where they come in");
            let [low, high, ..] = actor.name.len().to_le_bytes();
            put(&[actor.kind.code(), low, high]);
            put(actor.name.as_bytes());
        }
    }
}

/// A batch as stored in the log.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The header.
    pub header: BatchHeader,
    runs: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Decodes a payload. The runs are decoded later.
    ///
    /// # Errors
    /// [`BadField`] when the header is truncated or has another version.
    pub fn decode(payload: &'a [u8]) -> Result<Self, BadField> {
        let mut reader = Reader::new(payload);
        if reader.u16("batch.version")? != BATCH_VERSION {
            return Err(BadField::new("batch.version", "is not a known version"));
        }
        let (rules, feature_level) = (reader.u16("batch.rules")?, reader.u32("batch.feature_level")?);
        let count = reader.u32("batch.count")?;
        if reader.u32("batch.reserved")? != 0 {
            return Err(BadField::new("batch.reserved", "must be zero"));
        }
        if feature_level == 0 {
            return Err(BadField::new("batch.feature_level", "must not be 0"));
        }
        let header = BatchHeader {
            rules,
            feature_level,
            count,
            writer: reader.u64("batch.writer")?,
            session: reader.u64("batch.session")?,
            number: reader.u64("batch.number")?,
            proposed: Timestamp(reader.u64("batch.proposed")?),
            applied_op: reader.u64("batch.applied_op")?,
            digest_op: reader.u64("batch.digest_op")?,
            digest: reader.u64("batch.digest")?,
        };
        Ok(Self { header, runs: reader.rest() })
    }

    /// The records in order. The first record of each run comes with the head of the run. An error ends the
    /// iteration.
    #[must_use]
    pub const fn entries(&self) -> Entries<'a> {
        Entries { rest: self.runs, left: 0, actors: 0 }
    }

    /// The records in order. An error ends the iteration.
    pub fn records(&self) -> impl Iterator<Item = Result<&'a [u8], BadField>> + use<'a> {
        self.entries().map(|entry| entry.map(|entry| entry.record))
    }
}

/// A record of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// The head of the run that begins with this record.
    pub run: Option<Run<'a>>,
    /// The bytes of the record.
    pub record: &'a [u8],
}

/// See [`Batch::entries`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    rest: &'a [u8],
    /// Records left in the current run.
    left: u32,
    /// Actors introduced so far.
    actors: u16,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, BadField>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            if self.rest.is_empty() {
                return None;
            }
            return Some(self.begin_run());
        }
        Some(self.take_record().map(|record| Entry { run: None, record }))
    }
}

impl<'a> Entries<'a> {
    fn begin_run(&mut self) -> Result<Entry<'a>, BadField> {
        let mut reader = Reader::new(self.rest);
        self.rest = &[];
        let run = read_run(&mut reader, self.actors)?;
        self.actors += u16::from(run.introduces.is_some());
        self.left = run.records;
        self.rest = reader.rest();
        self.take_record().map(|record| Entry { run: Some(run), record })
    }

    #[inline]
    fn take_record(&mut self) -> Result<&'a [u8], BadField> {
        if let Ok(length) = record_length(self.rest) {
            let (record, rest) = self.rest.split_at(length);
            self.rest = rest;
            self.left -= 1;
            Ok(record)
        } else {
            (self.rest, self.left) = (&[], 0);
            Err(BadField::new("batch.records", "must be records of correct lengths"))
        }
    }
}

/// Decodes the head of a run. `actors` were introduced before it.
fn read_run<'a>(reader: &mut Reader<'a>, actors: u16) -> Result<Run<'a>, BadField> {
    let (actor, rights) = (reader.u16("run.actor")?, Rights(reader.u16("run.rights")?));
    let name_generation = reader.u32("run.name_generation")?;
    let records = reader.u32("run.records")?;
    if records == 0 {
        return Err(BadField::new("run.records", "must be at least 1"));
    }
    if actor > actors || actor == u16::MAX {
        return Err(BadField::new("run.actor", "is not a known actor"));
    }
    let introduces = if actor == actors { Some(read_actor(reader)?) } else { None };
    Ok(Run { actor, introduces, rights, name_generation, records })
}

fn read_actor<'a>(reader: &mut Reader<'a>) -> Result<Actor<'a>, BadField> {
    let kind = ActorKind::from_code(reader.u8("run.actor_kind")?)
        .ok_or(BadField::new("run.actor_kind", "is not a known kind"))?;
    let length = usize::from(reader.u16("run.actor_name")?);
    let name = std::str::from_utf8(reader.take(length, "run.actor_name")?).ok();
    let name = name.filter(|name| name.len() <= ACTOR_BYTES_MAX);
    let name = name.ok_or(BadField::new("run.actor_name", "must be UTF-8 of at most 255 bytes"))?;
    if kind == ActorKind::Server && !name.is_empty() {
        return Err(BadField::new("run.actor_name", "must be empty: the server has no name"));
    }
    Ok(Actor { kind, name })
}

/// Iterates over concatenated command records. An invalid length ends the iteration with an error.
pub fn split_records(bytes: &[u8]) -> impl Iterator<Item = Result<&[u8], BadField>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (record, tail) = if let Ok(length) = record_length(rest) {
            rest.split_at(length)
        } else {
            rest = &[];
            return Some(Err(BadField::new("batch.records", "must be records of correct lengths")));
        };
        rest = tail;
        Some(Ok(record))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: BatchHeader = BatchHeader {
        rules: 8,
        feature_level: 9,
        count: 1,
        writer: 2,
        session: 3,
        number: 4,
        proposed: Timestamp(5),
        applied_op: 6,
        digest_op: 10,
        digest: 7,
    };

    fn run(actor: u16, introduces: Option<Actor<'static>>, records: u32) -> Run<'static> {
        Run { actor, introduces, rights: Rights::ALL, name_generation: 11, records }
    }

    fn payload(runs: &[Run<'_>]) -> Vec<u8> {
        let mut bytes = HEADER.to_bytes().to_vec();
        for run in runs {
            run.put(|part| bytes.extend_from_slice(part));
            for _ in 0..run.records {
                bytes.extend_from_slice(&[&[20, 0, 49, 0][..], &[0; 16]].concat());
            }
        }
        bytes
    }

    #[test]
    fn a_header_comes_back() {
        // Proves that every field has its own position.
        let batch = Batch::decode(&HEADER.to_bytes()).map(|batch| batch.header);
        assert_eq!(batch, Ok(HEADER));
        assert!(Batch::decode(&HEADER.to_bytes()[..71]).is_err());
    }

    #[test]
    fn runs_come_back_with_their_records() {
        // Proves that the head of a run comes with its first record, and that a later run may refer to an actor
        // again.
        let shop = Actor { kind: ActorKind::Claimed, name: "shop" };
        let runs = [run(0, Some(shop), 2), run(1, Some(Actor::SERVER), 1), run(0, None, 3)];
        let bytes = payload(&runs);
        let batch = Batch::decode(&bytes).unwrap();
        let entries: Vec<Entry<'_>> = batch.entries().map(Result::unwrap).collect();
        let heads: Vec<Option<Run<'_>>> = entries.iter().map(|entry| entry.run).collect();
        assert_eq!(heads, [Some(runs[0]), None, Some(runs[1]), Some(runs[2]), None, None]);
        assert_eq!(batch.records().count(), 6);
    }

    fn last(bytes: &[u8]) -> Result<Entry<'_>, BadField> {
        Batch::decode(bytes).unwrap().entries().last().unwrap()
    }

    #[test]
    fn a_run_that_cannot_be_ends_the_walk() {
        // Proves that an actor that was not introduced, an empty run and every truncation are refused.
        let shop = Actor { kind: ActorKind::Claimed, name: "shop" };
        let error = last(&payload(&[run(0, Some(shop), 1), run(2, None, 1)])).unwrap_err();
        assert_eq!(error.field, "run.actor");
        assert_eq!(last(&payload(&[run(0, Some(shop), 0)])).unwrap_err().field, "run.records");
        let server = Actor { kind: ActorKind::Server, name: "shop" };
        assert_eq!(last(&payload(&[run(0, Some(server), 1)])).unwrap_err().field, "run.actor_name");
        let nobody = BatchHeader { feature_level: 0, ..HEADER }.to_bytes();
        assert_eq!(Batch::decode(&nobody).unwrap_err().field, "batch.feature_level");
        let whole = payload(&[run(0, Some(shop), 2)]);
        for cut in BATCH_HEADER_BYTES + 1..whole.len() {
            assert!(last(&whole[..cut]).is_err(), "cut at {cut}");
        }
    }
}
