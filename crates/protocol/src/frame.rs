//! Frames: the unit of the byte stream. A frame is a 32-byte header and a body; each has its own checksum.
//!
//! Sans-I/O: [`parse`] looks at bytes that were already read and reports that more are needed, a frame, or an error.
//!
//! ```text
//!  0        2    3    4           8                16          20     22     24          28         32
//!  +--------+----+----+-----------+----------------+-----------+------+------+-----------+-----------+
//!  | 53 48  |ver |kind| body len  | request id     | time      | count| names| body crc  | header crc|
//!  +--------+----+----+-----------+----------------+-----------+------+------+-----------+-----------+
//! ```

use crate::error::FrameError;
use crate::handshake::Versions;
use crate::limits::{
    FRAME_BODY_BYTES_MAX, FRAME_COUNT_MAX, FRAME_HEADER_BYTES, HANDSHAKE_VERSION, PROTOCOL_VERSION,
};
use crate::time::Timestamp;
use crc_fast::{CrcAlgorithm, checksum};

/// The first two bytes of every frame: "SH".
pub const MAGIC: [u8; 2] = *b"SH";

/// The kinds of frames: append-only numbers.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum FrameKind {
    /// Client → server: opens a connection (tagged fields [`crate::handshake::Hello`]).
    Hello = 1,
    /// Server → client: accepts the connection (tagged fields [`crate::handshake::Welcome`]).
    Welcome = 2,
    /// Both directions: the peer violated the protocol; the connection is closed after this frame (bincode string).
    Error = 3,
    /// Client → server: `count` command records.
    Commands = 4,
    /// Server → client: `count` outcomes of commands of the request. Several frames may answer one request.
    Outcomes = 5,
    /// Client → server: `min_op` u64, then `count` pairs (SKU u32, stock u32).
    Checks = 6,
    /// Server → client: op u64, then `count` cells i64, in the order asked.
    Cells = 7,
    /// Client → server: `count` names to resolve (bincode `Vec<Name>`).
    Resolve = 8,
    /// Server → client: the dense numbers (bincode `Vec<Option<u32>>`), in the order asked.
    Resolved = 9,
    /// Client → server: a query (bincode [`crate::query::Query`]).
    Query = 10,
    /// Server → client: the answer to a query ([`crate::query::QueryAnswer`]).
    Answer = 11,
    /// Server → client: the server is stopping. It still answers what it has read and reads nothing new.
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

    /// The number of the kind on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Whether frames of this kind always have the header of [`HANDSHAKE_VERSION`], whatever version was agreed on.
    #[must_use]
    pub const fn is_of_handshake(self) -> bool {
        matches!(self, Self::Hello | Self::Welcome | Self::Error)
    }

    /// Whether the header of such frames contains the name generation to which their dense numbers belong.
    const fn has_names(self) -> bool {
        matches!(self, Self::Commands | Self::Outcomes)
    }

    fn from_code(code: u8) -> Option<Self> {
        code.checked_sub(1).and_then(|at| Self::ALL.get(usize::from(at)).copied())
    }
}

/// The contents of a header, without lengths and checksums.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The protocol version: the one that was agreed on, except in frames of the handshake.
    pub version: u8,
    /// The kind of the body.
    pub kind: FrameKind,
    /// The number of the request. An answer carries the number of its request. 0 in frames that are neither.
    pub request: u64,
    /// In a request: how long the requester waits, in milliseconds; 0 means no limit. In an answer: the server's time
    /// in whole seconds since the Unix epoch; 0 means not reported.
    pub time: u32,
    /// The number of entries in the body. 0 if the kind has none.
    pub count: u16,
    /// The low 16 bits of a name generation. In a Commands frame: the one that the client used to resolve its dense
    /// numbers. In an Outcomes frame: the server's. 0 in other frames.
    pub names: u16,
}

impl Header {
    /// A header of the newest version, without deadline or time.
    #[must_use]
    pub const fn new(kind: FrameKind, request: u64, count: u16) -> Self {
        let version = if kind.is_of_handshake() { HANDSHAKE_VERSION } else { PROTOCOL_VERSION };
        Self { version, kind, request, time: 0, count, names: 0 }
    }

    /// The header of outcomes, which reports the server's time and name generation.
    #[must_use]
    pub fn outcomes(request: u64, count: u16, time: Timestamp, name_generation: u32) -> Self {
        let names = low_bits(name_generation);
        Self { time: time.second(), names, ..Self::new(FrameKind::Outcomes, request, count) }
    }

    /// The name generation by which a client resolved its numbers. Its header carries the low bits; the result is the latest
    /// generation with these bits that is not after the present one.
    #[must_use]
    pub fn name_generation(&self, present: u32) -> u32 {
        present.saturating_sub(low_bits(present).wrapping_sub(self.names).into())
    }

    /// The header in the version that was agreed on. Frames of the handshake keep their own version.
    #[must_use]
    pub const fn in_version(self, version: u8) -> Self {
        if self.kind.is_of_handshake() { self } else { Self { version, ..self } }
    }

    /// Checks that the version is the one that was agreed on. Frames of the handshake have their own version.
    ///
    /// # Errors
    /// [`FrameError::OtherVersion`].
    pub const fn check_version(&self, agreed: u8) -> Result<(), FrameError> {
        if self.kind.is_of_handshake() || self.version == agreed {
            Ok(())
        } else {
            Err(FrameError::OtherVersion { got: self.version, agreed })
        }
    }
}

/// The part of a name generation that a header carries.
#[must_use]
pub const fn low_bits(name_generation: u32) -> u16 {
    let [low, high, ..] = name_generation.to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// One complete frame, borrowed from the bytes that were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// The header.
    pub header: Header,
    /// The body. Its checksum has been verified.
    pub body: &'a [u8],
}

/// Parses one frame at the start of `bytes`. `Ok(None)` means that more bytes are needed. Otherwise it returns the
/// frame and its length in bytes. A body longer than `body_bytes_max` is refused as soon as the header is complete.
///
/// # Errors
/// [`FrameError`]: the rest of the stream cannot be read.
pub fn parse(bytes: &[u8], body_bytes_max: usize) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    parse_in(bytes, body_bytes_max, Versions::OWN)
}

fn parse_in(
    bytes: &[u8],
    body_bytes_max: usize,
    versions: Versions,
) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some(header) = bytes.first_chunk::<FRAME_HEADER_BYTES>() else {
        // Garbage is reported at its first bytes, so that a stray HTTP client does not wait for an answer.
        return if bytes.len() >= 2 && bytes[..2] != MAGIC { Err(FrameError::Magic) } else { Ok(None) };
    };
    let (header, length, body_crc) = parse_header(header, body_bytes_max, versions)?;
    let Some(body) = bytes.get(FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + length) else { return Ok(None) };
    if crc32c(body) != body_crc {
        return Err(FrameError::BodyChecksum);
    }
    Ok(Some((Frame { header, body }, FRAME_HEADER_BYTES + length)))
}

fn parse_header(
    bytes: &[u8; FRAME_HEADER_BYTES],
    body_bytes_max: usize,
    versions: Versions,
) -> Result<(Header, usize, u32), FrameError> {
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    if bytes[..2] != MAGIC {
        return Err(FrameError::Magic);
    }
    let version = bytes[2];
    let other_version = FrameError::Version { got: version, supported: versions };
    // The version is checked before the checksum, because another version may place the checksum elsewhere.
    if version != HANDSHAKE_VERSION && !versions.contains(version) {
        return Err(other_version);
    }
    if crc32c(&bytes[..28]) != word(28) {
        return Err(FrameError::HeaderChecksum);
    }
    let kind = FrameKind::from_code(bytes[3]).ok_or(FrameError::Kind(bytes[3]))?;
    let fits = if kind.is_of_handshake() { version == HANDSHAKE_VERSION } else { versions.contains(version) };
    if !fits {
        return Err(other_version);
    }
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
    let names = u16::from_le_bytes([bytes[22], bytes[23]]);
    if names != 0 && !kind.has_names() {
        return Err(FrameError::Body("reserved header bytes are not zero"));
    }
    let request = u64::from(word(8)) | u64::from(word(12)) << 32;
    Ok((Header { version, kind, request, time: word(16), count, names }, body_length, word(24)))
}

/// Begins a frame at the end of `out` by reserving room for the header, which [`finish`] fills in. Returns the start
/// of the frame.
pub fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    start
}

/// Completes the frame that [`begin`] began at `start`. Everything appended since is its body.
///
/// The caller keeps bodies within [`FRAME_BODY_BYTES_MAX`]. A longer body is a bug of this program and aborts it.
pub fn finish(header: Header, start: usize, out: &mut [u8]) {
    let body_start = start + FRAME_HEADER_BYTES;
    let length = out.len() - body_start;
    assert!(length <= FRAME_BODY_BYTES_MAX, "a frame body outgrew its limit");
    let body_crc = crc32c(&out[body_start..]);
    let mut bytes = [0; FRAME_HEADER_BYTES];
    bytes[..2].copy_from_slice(&MAGIC);
    bytes[2] = header.version;
    bytes[3] = header.kind.code();
    bytes[4..8].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    bytes[8..16].copy_from_slice(&header.request.to_le_bytes());
    bytes[16..20].copy_from_slice(&header.time.to_le_bytes());
    bytes[20..22].copy_from_slice(&header.count.to_le_bytes());
    bytes[22..24].copy_from_slice(&header.names.to_le_bytes());
    bytes[24..28].copy_from_slice(&body_crc.to_le_bytes());
    let header_crc = crc32c(&bytes[..28]);
    bytes[28..32].copy_from_slice(&header_crc.to_le_bytes());
    out[start..body_start].copy_from_slice(&bytes);
}

/// Appends a complete frame.
pub fn append(header: Header, body: &[u8], out: &mut Vec<u8>) {
    let start = begin(out);
    out.extend_from_slice(body);
    finish(header, start, out);
}

/// CRC-32C (Castagnoli, the iSCSI polynomial).
fn crc32c(bytes: &[u8]) -> u32 {
    // The crate returns every width in 64 bits; a 32-bit checksum uses the lower half.
    u32::try_from(checksum(CrcAlgorithm::Crc32Iscsi, bytes)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut out = Vec::new();
        append(
            Header { time: 250, names: 0x0102, ..Header::new(FrameKind::Commands, 7, 1) },
            b"body bytes",
            &mut out,
        );
        out
    }

    #[test]
    fn a_frame_comes_back_and_every_prefix_waits() {
        // Proves the round trip, and that no prefix of a valid frame is taken for a frame or an error.
        let bytes = sample();
        let (frame, used) = parse(&bytes, FRAME_BODY_BYTES_MAX).unwrap().unwrap();
        assert_eq!(
            frame.header,
            Header { time: 250, names: 0x0102, ..Header::new(FrameKind::Commands, 7, 1) }
        );
        assert_eq!((frame.body, used), (&b"body bytes"[..], bytes.len()));
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut], FRAME_BODY_BYTES_MAX), Ok(None), "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        // Proves that no single flipped bit passes, wherever it is.
        let bytes = sample();
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&wrong, FRAME_BODY_BYTES_MAX).is_err(), "bit {bit} passed");
        }
    }

    #[test]
    fn frames_carry_the_agreed_version_and_those_of_the_handshake_the_second() {
        // Proves what a later build with versions 2 to 3 writes and reads, and what a build without version 2
        // refuses.
        let frame = |header: Header| {
            let mut out = Vec::new();
            append(header, b"body", &mut out);
            out
        };
        let read = |bytes: &[u8], min, max| {
            parse_in(bytes, 4, Versions { min, max }).map(|frame| frame.unwrap().0.header)
        };
        for kind in FrameKind::ALL {
            let header = Header::new(kind, 1, 0).in_version(3);
            let bytes = frame(header);
            assert_eq!(header.version, if kind.is_of_handshake() { 2 } else { 3 }, "{kind:?}");
            assert_eq!(read(&bytes, 2, 3), Ok(header));
            let older = frame(Header::new(kind, 1, 0).in_version(2));
            assert_eq!(read(&older, 3, 4).is_ok(), kind.is_of_handshake(), "{kind:?}");
            assert_eq!(header.check_version(3), Ok(()));
            assert_eq!(header.check_version(2).is_ok(), kind.is_of_handshake(), "{kind:?}");
        }
        let mut newer_hello = frame(Header::new(FrameKind::Hello, 1, 0));
        newer_hello[2] = 3;
        let sum = crc32c(&newer_hello[..28]).to_le_bytes();
        newer_hello[28..32].copy_from_slice(&sum);
        let supported = Versions { min: 2, max: 3 };
        assert_eq!(read(&newer_hello, 2, 3), Err(FrameError::Version { got: 3, supported }));
    }

    #[test]
    fn only_commands_and_outcomes_tell_a_name_generation() {
        // Proves that the two bytes stay reserved in all other frames.
        for kind in FrameKind::ALL {
            let header = Header { names: 0xFFFF, ..Header::new(kind, 1, 0) };
            let mut bytes = Vec::new();
            append(header, b"", &mut bytes);
            let got = parse(&bytes, 0).map(|frame| frame.unwrap().0.header);
            if matches!(kind, FrameKind::Commands | FrameKind::Outcomes) {
                assert_eq!(got, Ok(header));
            } else {
                assert_eq!(got, Err(FrameError::Body("reserved header bytes are not zero")), "{kind:?}");
            }
        }
    }

    #[test]
    fn the_low_bits_of_a_name_generation_mean_the_latest_that_has_been() {
        // Proves the way back from 16 bits, also where they begin again and where there were not so many generations yet.
        let meant = |names, present| {
            Header { names, ..Header::new(FrameKind::Commands, 1, 1) }.name_generation(present)
        };
        assert_eq!([meant(7, 7), meant(6, 7), meant(0, 7), meant(8, 7)], [7, 6, 0, 0]);
        assert_eq!(
            [meant(2, 0x2_0002), meant(1, 0x2_0002), meant(3, 0x2_0002)],
            [0x2_0002, 0x2_0001, 0x1_0003]
        );
        assert_eq!(meant(0xFFFF, 0x1_0000), 0xFFFF);
        assert_eq!(meant(5, 0), 0, "nobody can be behind the first");
    }

    #[test]
    fn an_oversized_body_is_refused_from_its_header_alone() {
        // Proves that a peer cannot make the reader wait for, or keep, an oversized body.
        let mut bytes = sample();
        bytes.truncate(FRAME_HEADER_BYTES);
        assert_eq!(parse(&bytes, 4), Err(FrameError::TooLong { got: 10, max: 4 }));
        assert_eq!(parse(b"GET / HTTP/1.1", 4), Err(FrameError::Magic));
    }
}
