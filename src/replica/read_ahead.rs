//! Reads ahead during recovery: another thread reads and checks the next pieces of a log or a snapshot while the caller
//! applies the current one. Without a spawner the caller reads by itself, with the same result.

use crossbeam::channel::{Receiver, RecvError, Sender, bounded};

use crate::snapshot::{SnapshotError, SnapshotReader};
use crate::wal::{LogError, LogReader};

/// The number of pieces: one is being applied, one is being read, and two are in the channels. A piece is at most 1 MiB
/// long.
const PIECES: usize = 4;

/// Runs work on another thread. The provider joins the thread. The work ends soon after its results are no longer read.
pub trait ReadAheadSpawner {
    /// Starts the work and returns.
    fn spawn(&self, work: Box<dyn FnOnce() + Send>);
}

/// A source of pieces.
pub(super) trait Source: Send + 'static {
    /// A piece, which is reused.
    type Piece: Default + Send + 'static;
    type Error: Send + 'static;

    /// Reads the next piece. Returns false at the end.
    fn read_into(&mut self, piece: &mut Self::Piece) -> Result<bool, Self::Error>;
}

/// What the reading thread sends: a piece, the source at its end, or an error.
pub(super) enum Message<S: Source> {
    Piece(S::Piece),
    End(S),
    Failed(S::Error),
}

/// Reads pieces in order, on this thread or ahead on another one.
pub(super) enum Reading<S: Source> {
    Here { source: S, piece: S::Piece },
    Ahead { filled: Receiver<Message<S>>, empty: Sender<S::Piece>, piece: S::Piece, end: Option<S> },
}

impl<S: Source> Reading<S> {
    /// Begins to read.
    pub(super) fn begin(source: S, spawner: Option<&dyn ReadAheadSpawner>) -> Self {
        let Some(spawner) = spawner else { return Self::Here { source, piece: S::Piece::default() } };
        let (fill, filled) = bounded(PIECES);
        let (empty, emptied) = bounded(PIECES);
        for _ in 1..PIECES {
            let sent = empty.try_send(S::Piece::default());
            assert!(sent.is_ok(), "the channel has room for all pieces");
        }
        spawner.spawn(Box::new(move || read_ahead(source, &emptied, &fill)));
        Self::Ahead { filled, empty, piece: S::Piece::default(), end: None }
    }

    /// The next piece; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<&S::Piece>, S::Error> {
        match self {
            Self::Here { source, piece } => Ok(if source.read_into(piece)? { Some(piece) } else { None }),
            Self::Ahead { end: Some(_), .. } => Ok(None),
            Self::Ahead { filled, empty, piece, end } => match filled.recv() {
                Ok(Message::Piece(next)) => {
                    // A thread that has reached the end takes no more pieces.
                    empty.send(std::mem::replace(piece, next)).ok();
                    Ok(Some(piece))
                }
                Ok(Message::End(source)) => {
                    *end = Some(source);
                    Ok(None)
                }
                Ok(Message::Failed(error)) => Err(error),
                Err(RecvError) => panic!("the thread that reads ahead has panicked"),
            },
        }
    }

    /// The source, after [`Reading::next`] has returned `None`.
    pub(super) fn into_source(self) -> S {
        match self {
            Self::Here { source, .. } | Self::Ahead { end: Some(source), .. } => source,
            Self::Ahead { end: None, .. } => unreachable!("the caller has read to the end"),
        }
    }
}

/// Reads ahead on the other thread.
fn read_ahead<S: Source>(mut source: S, emptied: &Receiver<S::Piece>, fill: &Sender<Message<S>>) {
    while let Ok(mut piece) = emptied.recv() {
        let message = match source.read_into(&mut piece) {
            Ok(true) => Message::Piece(piece),
            Ok(false) => return drop(fill.send(Message::End(source))),
            Err(error) => return drop(fill.send(Message::Failed(error))),
        };
        if fill.send(message).is_err() {
            return;
        }
    }
}

/// One batch of a log.
#[derive(Debug, Default)]
pub(super) struct LogPiece {
    pub(super) first_position: u64,
    pub(super) records: u32,
    pub(super) payload: Vec<u8>,
    /// The bytes read so far, and the bytes in all.
    pub(super) progress: (u64, u64),
}

impl Source for LogReader {
    type Piece = LogPiece;
    type Error = LogError;

    fn read_into(&mut self, piece: &mut LogPiece) -> Result<bool, LogError> {
        let Some(frame) = self.next_frame()? else { return Ok(false) };
        (piece.first_position, piece.records) = (frame.first_position, frame.records);
        piece.payload.clear();
        piece.payload.extend_from_slice(frame.payload);
        piece.progress = self.progress();
        Ok(true)
    }
}

/// Records of one section of a snapshot.
#[derive(Debug, Default)]
pub(super) struct SnapshotPiece {
    pub(super) kind: u16,
    pub(super) records: u32,
    pub(super) payload: Vec<u8>,
}

impl Source for SnapshotReader {
    type Piece = SnapshotPiece;
    type Error = SnapshotError;

    fn read_into(&mut self, piece: &mut SnapshotPiece) -> Result<bool, SnapshotError> {
        let Some(frame) = self.next_frame()? else { return Ok(false) };
        (piece.kind, piece.records) = (frame.kind, frame.records);
        piece.payload.clear();
        piece.payload.extend_from_slice(frame.payload);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up to `last`, then ends or fails.
    struct Numbers {
        next: u32,
        last: u32,
        fails: bool,
    }

    impl Source for Numbers {
        type Piece = u32;
        type Error = &'static str;

        fn read_into(&mut self, piece: &mut u32) -> Result<bool, &'static str> {
            if self.next > self.last {
                return if self.fails { Err("damaged") } else { Ok(false) };
            }
            *piece = self.next;
            self.next += 1;
            Ok(true)
        }
    }

    /// Starts the work on threads of a scope, which joins them.
    struct Threads<'scope, 'env>(&'scope std::thread::Scope<'scope, 'env>);

    impl ReadAheadSpawner for Threads<'_, '_> {
        fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
            self.0.spawn(work);
        }
    }

    fn read(numbers: Numbers, spawner: Option<&dyn ReadAheadSpawner>) -> (Vec<u32>, Option<&'static str>) {
        let mut reading = Reading::begin(numbers, spawner);
        let mut read = Vec::new();
        loop {
            match reading.next() {
                Ok(Some(number)) => read.push(*number),
                Ok(None) => {
                    assert_eq!(reading.next(), Ok(None), "the end stays the end");
                    assert_eq!(usize::try_from(reading.into_source().next).unwrap(), read.len() + 1);
                    return (read, None);
                }
                Err(error) => return (read, Some(error)),
            }
        }
    }

    #[test]
    fn reading_ahead_returns_the_same_pieces() {
        // Proves order, end and error for no piece, for fewer pieces than circulate and for many more.
        for last in [0, 1, 3, 4, 5, 1_000] {
            for fails in [false, true] {
                let numbers = || Numbers { next: 1, last, fails };
                let ahead = std::thread::scope(|scope| read(numbers(), Some(&Threads(scope))));
                assert_eq!(ahead, read(numbers(), None));
                assert_eq!(ahead, ((1..=last).collect(), fails.then_some("damaged")));
            }
        }
    }

    #[test]
    fn a_reading_thread_ends_when_its_results_are_not_read() {
        // Proves that a start that fails halfway leaves no thread behind.
        std::thread::scope(|scope| {
            let numbers = Numbers { next: 1, last: u32::MAX - 1, fails: false };
            let mut reading = Reading::begin(numbers, Some(&Threads(scope)));
            assert_eq!(reading.next(), Ok(Some(&1)));
        });
    }
}
