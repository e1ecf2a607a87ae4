//! Writes the runs of a batch. A run names the origin of its records once.

use std::sync::Arc;

use stockhold_protocol::batch::{Actor, ActorKind, RUN_HEAD_BYTES, RUN_START_BYTES_MAX, Rights, Run};
use stockhold_protocol::{Command, CommandId, Envelope};

use crate::wal::FrameBuffer;

/// The actor that sends commands on a connection, and its rights.
#[derive(Clone, Debug)]
pub struct Origin {
    kind: ActorKind,
    name: Arc<str>,
    rights: Rights,
}

impl Origin {
    /// A client with the name that it claims, which may do everything.
    #[must_use]
    pub fn claimed(name: &str) -> Self {
        Self { kind: ActorKind::Claimed, name: name.into(), rights: Rights::ALL }
    }

    /// The server itself.
    #[must_use]
    pub fn server() -> Self {
        Self { kind: ActorKind::Server, name: "".into(), rights: Rights::ALL }
    }

    fn actor(&self) -> Actor<'_> {
        Actor { kind: self.kind, name: &self.name }
    }
}

impl Default for Origin {
    fn default() -> Self {
        Self::server()
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.rights == other.rights
            && (Arc::ptr_eq(&self.name, &other.name) || self.name == other.name)
    }
}

/// The number of actors of a batch that a later run can refer to. Further actors are introduced again.
const REMEMBERED: usize = 16;
/// An upper bound of the length of a run with one command of the server.
pub const OWN_RUN_BYTES_MAX: usize = 64 + RUN_START_BYTES_MAX;
/// The offset of the number of records in the head of a run.
const RECORDS_AT: usize = RUN_HEAD_BYTES - size_of::<u32>();

/// Writes the runs of a batch.
#[derive(Debug, Default)]
pub struct RunWriter {
    /// The first actors that the batch has introduced.
    remembered: Vec<Origin>,
    introduced: u16,
    open: Option<OpenRun>,
}

#[derive(Debug)]
struct OpenRun {
    origin: Origin,
    name_generation: u32,
    /// The offset of its head in the payload.
    at: usize,
    records: u32,
}

impl RunWriter {
    /// Begins a new batch.
    pub fn begin(&mut self) {
        self.remembered.clear();
        self.introduced = 0;
        self.open = None;
    }

    /// Adds a command of the server itself. It appends at most [`OWN_RUN_BYTES_MAX`] bytes.
    pub fn add_own(&mut self, frame: &mut FrameBuffer, command: Command<'static>) {
        self.add(frame, &Origin::server(), 0, 1);
        let envelope = Envelope::new(CommandId::NONE, command);
        let encoded = frame.append_with(|out| envelope.encode(out));
        assert!(encoded.is_ok(), "a command of the server always encodes");
    }

    /// Begins a run, or extends the open one, for `count` records that follow at the end of the payload. It appends at
    /// most [`RUN_START_BYTES_MAX`] bytes.
    pub fn add(&mut self, frame: &mut FrameBuffer, origin: &Origin, name_generation: u32, count: u32) {
        let goes_on = |open: &&mut OpenRun| open.name_generation == name_generation && open.origin == *origin;
        if let Some(open) = self.open.as_mut().filter(goes_on) {
            open.records += count;
            let at = open.at + RECORDS_AT;
            frame.payload_mut()[at..at + size_of::<u32>()].copy_from_slice(&open.records.to_le_bytes());
            return;
        }
        assert!(frame.remaining() >= RUN_START_BYTES_MAX, "the caller leaves room for the start of a run");
        let known = self.remembered.iter().position(|known| known.actor() == origin.actor());
        let actor = known.and_then(|at| u16::try_from(at).ok()).unwrap_or(self.introduced);
        let introduces = known.is_none().then(|| origin.actor());
        let at = frame.len();
        let run = Run { actor, introduces, rights: origin.rights, name_generation, records: count };
        run.put(|part| frame.extend_from_slice(part));
        if known.is_none() {
            self.introduced += 1;
            if self.remembered.len() < REMEMBERED {
                self.remembered.push(origin.clone());
            }
        }
        self.open = Some(OpenRun { origin: origin.clone(), name_generation, at, records: count });
    }
}

#[cfg(test)]
mod tests {
    use stockhold_protocol::Timestamp;
    use stockhold_protocol::batch::{BATCH_HEADER_BYTES, Batch, BatchHeader};

    use super::*;

    const HEADER: BatchHeader = BatchHeader {
        rules: 1,
        feature_level: 1,
        count: 1,
        writer: 1,
        session: 1,
        number: 1,
        proposed: Timestamp(1),
        applied_op: 0,
        digest_op: 0,
        digest: 0,
    };

    /// Writes a tick for each origin and reads the runs back.
    fn read_back(origins: &[(Origin, u32)]) -> Vec<(String, u32, u32)> {
        let mut frame = FrameBuffer::new(1 << 20);
        frame.extend_from_slice(&HEADER.to_bytes());
        assert_eq!(frame.len(), BATCH_HEADER_BYTES);
        let mut runs = RunWriter::default();
        for (origin, name_generation) in origins {
            runs.add(&mut frame, origin, *name_generation, 1);
            frame.append_with(|out| Envelope::new(CommandId::NONE, Command::Tick).encode(out)).unwrap();
        }
        let mut names = Vec::new();
        let entries = Batch::decode(frame.payload()).unwrap().entries().map(Result::unwrap);
        let heads: Vec<_> = entries.filter_map(|entry| entry.run).collect();
        heads
            .iter()
            .map(|run| {
                names.extend(run.introduces.map(|actor| actor.name.to_owned()));
                (names[usize::from(run.actor)].clone(), run.name_generation, run.records)
            })
            .collect()
    }

    #[test]
    fn records_of_one_origin_are_one_run() {
        // Proves that a new run begins where the actor or its name generation changes, and nowhere else.
        let (web, till) = (Origin::claimed("web"), Origin::claimed("till"));
        let runs = read_back(&[
            (web.clone(), 0),
            (Origin::claimed("web"), 0),
            (till, 0),
            (web.clone(), 0),
            (web, 1),
        ]);
        let expected = [("web", 0, 2), ("till", 0, 1), ("web", 0, 1), ("web", 1, 1)];
        assert_eq!(runs, expected.map(|(name, generation, count)| (name.to_owned(), generation, count)));
    }

    #[test]
    fn more_actors_than_are_remembered_are_introduced_anew() {
        // Proves the numbers of actors at the limit and beyond it.
        let origins: Vec<(Origin, u32)> = (0..2 * REMEMBERED + 2)
            .map(|number| (Origin::claimed(&format!("client {}", number % (REMEMBERED + 1))), 0))
            .collect();
        let names: Vec<String> = read_back(&origins).into_iter().map(|(name, ..)| name).collect();
        let expected: Vec<String> = origins.iter().map(|(origin, _)| origin.name.to_string()).collect();
        assert_eq!(names, expected);
    }
}
