//! Frames: the unit of the byte stream. A 32-byte header, then a body; both have their own checksum.
//!
//! Sans-I/O: [`parse`] looks at bytes that somebody else has read and says "more", "a frame" or "broken".
//!
//! ```text
//!  0        2    3    4           8                16          20     22     24          28         32
//!  +--------+----+----+-----------+----------------+-----------+------+------+-----------+-----------+
//!  | 53 48  |ver |kind| body len  | request id     | time      | count| 0 0  | body crc  | header crc|
//!  +--------+----+----+-----------+----------------+-----------+------+------+-----------+-----------+
//! ```

use crate::error::FrameError;
use crate::limits::{FRAME_BODY_BYTES_MAX, FRAME_COUNT_MAX, FRAME_HEADER_BYTES, PROTOCOL_VERSION};
use crate::time::Timestamp;
use crc_fast::{CrcAlgorithm, checksum};

/// The first two bytes of every frame: "SH".
pub const MAGIC: [u8; 2] = *b"SH";

/// The kinds of frames: append-only numbers.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum FrameKind {
    /// Client → server: opens a connection (bincode [`crate::handshake::Hello`]).
    Hello = 1,
    /// Server → client: accepts it (bincode [`crate::handshake::Welcome`]).
    Welcome = 2,
    /// Either way: the peer broke the protocol; the connection is closed after it (bincode string).
    Error = 3,
    /// Client → server: `count` command records.
    Commands = 4,
    /// Server → client: `count` outcomes of commands of the request; several may answer one request.
    Outcomes = 5,
    /// Client → server: `min_op` u64, then `count` pairs (SKU u32, stock u32).
    Checks = 6,
    /// Server → client: op u64, then `count` cells i64, in the order asked.
    Cells = 7,
    /// Client → server: `count` names to resolve (bincode `Vec<Name>`).
    Resolve = 8,
    /// Server → client: the dense numbers (bincode `Vec<Option<u32>>`), in the order asked.
    Resolved = 9,
    /// Client → server: a question (bincode [`crate::query::Query`]).
    Query = 10,
    /// Server → client: its answer (bincode [`crate::query::Answer`]).
    Answer = 11,
    /// Server → client: it is stopping; answers to what it has read still come, nothing new is read.
    Goodbye = 12,
}

impl FrameKind {
    /// Every kind, in numeric order.
    pub const ALL: [Self; 12] = [
        Self::Hello,
        Self::Welcome,
        Self::Error,
        Self::Commands,
        Self::Outcomes,
        Self::Checks,
        Self::Cells,
        Self::Resolve,
        Self::Resolved,
        Self::Query,
        Self::Answer,
        Self::Goodbye,
    ];

    /// The persisted number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    fn from_code(code: u8) -> Option<Self> {
        code.checked_sub(1).and_then(|at| Self::ALL.get(usize::from(at)).copied())
    }
}

/// What a header says besides lengths and checksums.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// What the body is.
    pub kind: FrameKind,
    /// The requester's number; an answer carries the number of its request. 0 for frames that are neither.
    pub request: u64,
    /// In a request: milliseconds that the requester waits; 0 means no limit. In an answer: the server's time in whole seconds since the Unix
    /// epoch; 0 means that it is not told.
    pub time: u32,
    /// How many entries the body holds; 0 where the kind has none.
    pub count: u16,
}

impl Header {
    /// A header without deadline or time.
    #[must_use]
    pub const fn new(kind: FrameKind, request: u64, count: u16) -> Self {
        Self { kind, request, time: 0, count }
    }

    /// The header of an answer that tells the server's time.
    #[must_use]
    pub fn answer(kind: FrameKind, request: u64, count: u16, time: Timestamp) -> Self {
        Self { kind, request, time: time.second(), count }
    }
}

/// One whole frame, borrowed from the bytes that were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// The header's words.
    pub header: Header,
    /// The body, its checksum verified.
    pub body: &'a [u8],
}

/// Looks for one frame at the start of `bytes`. `Ok(None)` means that more bytes are needed; otherwise
/// the frame and the number of bytes that it takes. A body longer than `body_bytes_max` is refused as soon
/// as the header is there.
///
/// # Errors
/// [`FrameError`]: the stream cannot be followed any further.
pub fn parse(bytes: &[u8], body_bytes_max: usize) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some(header) = bytes.first_chunk::<FRAME_HEADER_BYTES>() else {
        // Garbage is told as early as its first bytes show it, so that a stray HTTP client is not left waiting.
        return if bytes.len() >= 2 && bytes[..2] != MAGIC { Err(FrameError::Magic) } else { Ok(None) };
    };
    let (header, length, body_crc) = parse_header(header, body_bytes_max)?;
    let Some(body) = bytes.get(FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + length) else { return Ok(None) };
    if crc32c(body) != body_crc {
        return Err(FrameError::BodyChecksum);
    }
    Ok(Some((Frame { header, body }, FRAME_HEADER_BYTES + length)))
}

fn parse_header(
    bytes: &[u8; FRAME_HEADER_BYTES],
    body_bytes_max: usize,
) -> Result<(Header, usize, u32), FrameError> {
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    if bytes[..2] != MAGIC {
        return Err(FrameError::Magic);
    }
    if bytes[2] != PROTOCOL_VERSION {
        return Err(FrameError::Version { got: bytes[2], supported: PROTOCOL_VERSION });
    }
    if crc32c(&bytes[..28]) != word(28) {
        return Err(FrameError::HeaderChecksum);
    }
    let kind = FrameKind::from_code(bytes[3]).ok_or(FrameError::Kind(bytes[3]))?;
    let length = word(4);
    let max = body_bytes_max.min(FRAME_BODY_BYTES_MAX);
    let fits = usize::try_from(length).ok().filter(|length| *length <= max);
    let Some(body_length) = fits else {
        return Err(FrameError::TooLong { got: length, max: u32::try_from(max).unwrap_or(u32::MAX) });
    };
    let count = u16::from_le_bytes([bytes[20], bytes[21]]);
    if usize::from(count) > FRAME_COUNT_MAX {
        return Err(FrameError::TooMany {
            got: count,
            max: u16::try_from(FRAME_COUNT_MAX).unwrap_or(u16::MAX),
        });
    }
    if bytes[22..24] != [0, 0] {
        return Err(FrameError::Body("reserved header bytes are not zero"));
    }
    let request = u64::from(word(8)) | u64::from(word(12)) << 32;
    Ok((Header { kind, request, time: word(16), count }, body_length, word(24)))
}

/// Begins a frame at the end of `out`: room for the header, which [`finish`] fills in. Returns the start.
pub fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    start
}

/// Ends the frame that [`begin`] began at `start`: everything appended since is its body.
///
/// The caller keeps bodies within [`FRAME_BODY_BYTES_MAX`]; a longer one is our own bug and stops the program.
pub fn finish(header: Header, start: usize, out: &mut [u8]) {
    let body_start = start + FRAME_HEADER_BYTES;
    let length = out.len() - body_start;
    assert!(length <= FRAME_BODY_BYTES_MAX, "a frame body outgrew its limit");
    let body_crc = crc32c(&out[body_start..]);
    let mut bytes = [0; FRAME_HEADER_BYTES];
    bytes[..2].copy_from_slice(&MAGIC);
    bytes[2] = PROTOCOL_VERSION;
    bytes[3] = header.kind.code();
    bytes[4..8].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    bytes[8..16].copy_from_slice(&header.request.to_le_bytes());
    bytes[16..20].copy_from_slice(&header.time.to_le_bytes());
    bytes[20..22].copy_from_slice(&header.count.to_le_bytes());
    bytes[24..28].copy_from_slice(&body_crc.to_le_bytes());
    let header_crc = crc32c(&bytes[..28]);
    bytes[28..32].copy_from_slice(&header_crc.to_le_bytes());
    out[start..body_start].copy_from_slice(&bytes);
}

/// Appends a whole frame.
pub fn append(header: Header, body: &[u8], out: &mut Vec<u8>) {
    let start = begin(out);
    out.extend_from_slice(body);
    finish(header, start, out);
}

/// CRC-32C (Castagnoli, the iSCSI polynomial).
fn crc32c(bytes: &[u8]) -> u32 {
    // The crate answers every width in 64 bits; a 32-bit sum fills the lower half only.
    u32::try_from(checksum(CrcAlgorithm::Crc32Iscsi, bytes)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut out = Vec::new();
        append(
            Header { kind: FrameKind::Commands, request: 7, time: 250, count: 1 },
            b"body bytes",
            &mut out,
        );
        out
    }

    #[test]
    fn a_frame_comes_back_and_every_prefix_waits() {
        // Proves the round trip, and that no prefix of a good frame is taken for a frame or an error.
        let bytes = sample();
        let (frame, used) = parse(&bytes, FRAME_BODY_BYTES_MAX).unwrap().unwrap();
        assert_eq!((frame.header.request, frame.header.time, frame.header.count), (7, 250, 1));
        assert_eq!((frame.body, used), (&b"body bytes"[..], bytes.len()));
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut], FRAME_BODY_BYTES_MAX), Ok(None), "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        // Proves that no single wrong bit passes, wherever it lies.
        let bytes = sample();
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&wrong, FRAME_BODY_BYTES_MAX).is_err(), "bit {bit} passed");
        }
    }

    #[test]
    fn an_oversized_body_is_refused_from_its_header_alone() {
        // Proves that nobody can make the reader wait for, or keep, an endless body.
        let mut bytes = sample();
        bytes.truncate(FRAME_HEADER_BYTES);
        assert_eq!(parse(&bytes, 4), Err(FrameError::TooLong { got: 10, max: 4 }));
        assert_eq!(parse(b"GET / HTTP/1.1", 4), Err(FrameError::Magic));
    }
}
