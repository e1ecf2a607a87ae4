//! The offsets, widths and bounds of all files of a data directory. FORMAT.md prints the same numbers, and a test
//! compares the two. The contents of batch payloads and snapshot records belong to the machine.
//!
//! All integers are little-endian. Each offset is derived from the one before, so that no field can move alone.

/// The version of the format. Any change of a number below requires a new version.
pub const FORMAT_VERSION: u32 = 2;

/// The unit of log writes. No block with acknowledged data is written twice.
pub const BLOCK_BYTES: usize = 4096;

/// The maximum length of a batch payload.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// The default length of a segment.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 << 20;

/// The maximum length of a segment. Frames record their place by a 32-bit block number, and a start reads the tail of
/// one segment.
pub const SEGMENT_BYTES_MAX: u64 = 4 << 30;

/// The width of a checksum field.
pub const CHECKSUM_BYTES: usize = 8;

/// Block 0 of a segment identifies the file. It is written and synced before the file gets its name.
pub mod header {
    use super::{BLOCK_BYTES, CHECKSUM_BYTES};

    /// The magic number.
    pub const MAGIC: [u8; 8] = *b"STKHSEGM";
    /// Offset of the magic.
    pub const MAGIC_AT: usize = 0;
    /// Offset of the format version, 32 bits.
    pub const VERSION_AT: usize = MAGIC_AT + 8;
    /// Offset of the block length, 32 bits.
    pub const BLOCK_BYTES_AT: usize = VERSION_AT + 4;
    /// Offset of the log uuid, 16 bytes.
    pub const UUID_AT: usize = BLOCK_BYTES_AT + 4;
    /// Offset of the segment's sequence number, 64 bits.
    pub const SEQUENCE_AT: usize = UUID_AT + 16;
    /// Offset of the salt, 64 bits.
    pub const SALT_AT: usize = SEQUENCE_AT + 8;
    /// Offset of the file length, 64 bits.
    pub const SEGMENT_BYTES_AT: usize = SALT_AT + 8;
    /// Offset of the time of creation in milliseconds, 64 bits.
    pub const CREATED_MS_AT: usize = SEGMENT_BYTES_AT + 8;
    /// Offset of the reserved zeros.
    pub const RESERVED_AT: usize = CREATED_MS_AT + 8;
    /// Offset of the checksum over all bytes before it.
    pub const CHECKSUM_AT: usize = BLOCK_BYTES - CHECKSUM_BYTES;
}

/// Block 1 of a segment records what it continues. It is written once, when the segment is taken into use. Before that
/// it is zeros.
pub mod opening {
    use super::{BLOCK_BYTES, CHECKSUM_BYTES};

    /// The offset of the block in the file.
    pub const OPENING_OFFSET: usize = BLOCK_BYTES;
    /// The magic number.
    pub const MAGIC: [u8; 8] = *b"STKHOPEN";
    /// Offset of the magic.
    pub const MAGIC_AT: usize = 0;
    /// Offset of the salt of block 0, 64 bits.
    pub const SALT_AT: usize = MAGIC_AT + 8;
    /// Offset of the epoch, 64 bits.
    pub const EPOCH_AT: usize = SALT_AT + 8;
    /// Offset of the first position, 64 bits.
    pub const FIRST_POSITION_AT: usize = EPOCH_AT + 8;
    /// Offset of the durability mode, 8 bits.
    pub const DURABILITY_AT: usize = FIRST_POSITION_AT + 8;
    /// Offset of the reason why the predecessor ended, 8 bits.
    pub const PREVIOUS_REASON_AT: usize = DURABILITY_AT + 1;
    /// Offset of reserved zeros, 6 bytes.
    pub const RESERVED_SMALL_AT: usize = PREVIOUS_REASON_AT + 1;
    /// Offset of the predecessor's sequence number, 64 bits.
    pub const PREVIOUS_SEQUENCE_AT: usize = RESERVED_SMALL_AT + 6;
    /// Offset of the predecessor's end in bytes, 64 bits.
    pub const PREVIOUS_END_AT: usize = PREVIOUS_SEQUENCE_AT + 8;
    /// Offset of the predecessor's last position, 64 bits.
    pub const PREVIOUS_LAST_POSITION_AT: usize = PREVIOUS_END_AT + 8;
    /// Offset of the predecessor's last checksum, 64 bits.
    pub const PREVIOUS_CHAIN_AT: usize = PREVIOUS_LAST_POSITION_AT + 8;
    /// Offset of the reserved zeros.
    pub const RESERVED_AT: usize = PREVIOUS_CHAIN_AT + 8;
    /// Offset of the checksum over all bytes before it.
    pub const CHECKSUM_AT: usize = BLOCK_BYTES - CHECKSUM_BYTES;
}

/// The offset of the first frame of a segment.
pub const FRAMES_OFFSET: usize = opening::OPENING_OFFSET + BLOCK_BYTES;

/// The head of a frame. The payload and zeros up to a whole block follow.
pub mod frame {
    /// The magic number.
    pub const MAGIC: [u8; 4] = *b"SHFR";
    /// Offset of the magic.
    pub const MAGIC_AT: usize = 0;
    /// Offset of the kind, 8 bits.
    pub const KIND_AT: usize = MAGIC_AT + 4;
    /// Offset of reserved zeros, 3 bytes.
    pub const RESERVED_AT: usize = KIND_AT + 1;
    /// Offset of the segment's salt, 64 bits.
    pub const SALT_AT: usize = RESERVED_AT + 3;
    /// Offset of the position of the first record, 64 bits.
    pub const FIRST_POSITION_AT: usize = SALT_AT + 8;
    /// Offset of the number of records, 32 bits.
    pub const RECORDS_AT: usize = FIRST_POSITION_AT + 8;
    /// Offset of the payload length, 32 bits.
    pub const PAYLOAD_BYTES_AT: usize = RECORDS_AT + 4;
    /// Offset of the block number of this frame in its segment, 32 bits.
    pub const BLOCK_AT: usize = PAYLOAD_BYTES_AT + 4;
    /// Offset of the block number below which everything was synced before this frame was written, 32 bits.
    pub const SYNCED_BLOCK_AT: usize = BLOCK_AT + 4;
    /// Offset of the checksum of the frame before, 64 bits.
    pub const PREVIOUS_AT: usize = SYNCED_BLOCK_AT + 4;
    /// Offset of the checksum over payload and padding, 64 bits.
    pub const BODY_CHECKSUM_AT: usize = PREVIOUS_AT + 8;
    /// Offset of the checksum over the head before it, 64 bits.
    pub const CHECKSUM_AT: usize = BODY_CHECKSUM_AT + 8;
    /// Length of the head.
    pub const HEAD_BYTES: usize = CHECKSUM_AT + 8;
}

/// The maximum length of a frame.
pub const FRAME_BYTES_MAX: usize = (frame::HEAD_BYTES + PAYLOAD_BYTES_MAX).next_multiple_of(BLOCK_BYTES);

/// The manifest: a head, the epochs, the skips, the genesis bytes, and a checksum of all of it.
pub mod manifest {
    /// The magic number.
    pub const MAGIC: [u8; 8] = *b"STKHMANI";
    /// Offset of the magic.
    pub const MAGIC_AT: usize = 0;
    /// Offset of the format version, 32 bits.
    pub const VERSION_AT: usize = MAGIC_AT + 8;
    /// Offset of the length of the whole file, 32 bits.
    pub const TOTAL_BYTES_AT: usize = VERSION_AT + 4;
    /// Offset of the log uuid, 16 bytes.
    pub const UUID_AT: usize = TOTAL_BYTES_AT + 4;
    /// Offset of the time of formatting in milliseconds, 64 bits.
    pub const CREATED_MS_AT: usize = UUID_AT + 16;
    /// Offset of the base op, 64 bits: the op of the machine before the first record of this log.
    pub const BASE_OP_AT: usize = CREATED_MS_AT + 8;
    /// Offset of the epoch, 64 bits.
    pub const EPOCH_AT: usize = BASE_OP_AT + 8;
    /// Offset of the number of epochs, 32 bits.
    pub const EPOCHS_AT: usize = EPOCH_AT + 8;
    /// Offset of the number of skips, 32 bits.
    pub const SKIPS_AT: usize = EPOCHS_AT + 4;
    /// Offset of the length of the genesis bytes, 32 bits.
    pub const GENESIS_BYTES_AT: usize = SKIPS_AT + 4;
    /// Offset of the feature level, 32 bits.
    pub const FEATURE_LEVEL_AT: usize = GENESIS_BYTES_AT + 4;
    /// Offset of the base position, 64 bits. The log of this directory begins after it.
    pub const BASE_POSITION_AT: usize = FEATURE_LEVEL_AT + 4;
    /// Offset of the reserved zeros, 48 bytes.
    pub const RESERVED_AT: usize = BASE_POSITION_AT + 8;
    /// Length of the head.
    pub const HEAD_BYTES: usize = RESERVED_AT + 48;
    /// Length of an epoch: number 64, first position 64, time in ms 64, reason 8, seven zeros.
    pub const EPOCH_BYTES: usize = 32;
    /// Length of a skip before its text: op 64, epoch 64, time in ms 64, text length 16, six zeros.
    pub const SKIP_BYTES: usize = 32;
    /// The maximum number of epochs in a manifest.
    pub const EPOCHS_MAX: usize = 4096;
    /// The maximum number of skips in a manifest.
    pub const SKIPS_MAX: usize = 1024;
    /// The maximum length of the text of a skip, in bytes.
    pub const SKIP_REASON_BYTES_MAX: usize = 512;
    /// The maximum number of genesis bytes.
    pub const GENESIS_BYTES_MAX: usize = 1 << 20;
}

/// The head of a snapshot.
pub mod snapshot {
    /// The magic number.
    pub const MAGIC: [u8; 8] = *b"STKHSNAP";
    /// Offset of the magic.
    pub const MAGIC_AT: usize = 0;
    /// Offset of the format version, 32 bits.
    pub const VERSION_AT: usize = MAGIC_AT + 8;
    /// Offset of the rules version, 32 bits.
    pub const RULES_VERSION_AT: usize = VERSION_AT + 4;
    /// Offset of the log uuid, 16 bytes.
    pub const UUID_AT: usize = RULES_VERSION_AT + 4;
    /// Offset of the epoch, 64 bits.
    pub const EPOCH_AT: usize = UUID_AT + 16;
    /// Offset of the op, 64 bits.
    pub const OP_AT: usize = EPOCH_AT + 8;
    /// Offset of the machine time in milliseconds, 64 bits.
    pub const TIME_MS_AT: usize = OP_AT + 8;
    /// Offset of the position, 64 bits.
    pub const POSITION_AT: usize = TIME_MS_AT + 8;
    /// Offset of the feature level, 32 bits.
    pub const FEATURE_LEVEL_AT: usize = POSITION_AT + 8;
    /// Offset of the reserved zeros, 52 bytes.
    pub const RESERVED_AT: usize = FEATURE_LEVEL_AT + 4;
    /// Offset of the checksum over the head before it, 64 bits.
    pub const CHECKSUM_AT: usize = RESERVED_AT + 52;
    /// Length of the head.
    pub const HEAD_BYTES: usize = CHECKSUM_AT + 8;
}

/// The head of a snapshot frame. The records follow.
pub mod snapshot_frame {
    /// The magic number.
    pub const MAGIC: [u8; 4] = *b"SHSF";
    /// Offset of the magic.
    pub const MAGIC_AT: usize = 0;
    /// Offset of the section kind, 16 bits.
    pub const KIND_AT: usize = MAGIC_AT + 4;
    /// Offset of reserved zeros, 2 bytes.
    pub const RESERVED_AT: usize = KIND_AT + 2;
    /// Offset of the number of records, 32 bits.
    pub const RECORDS_AT: usize = RESERVED_AT + 2;
    /// Offset of the length of the records, 32 bits.
    pub const BYTES_AT: usize = RECORDS_AT + 4;
    /// Offset of the number of the frame in its snapshot, from 0, 64 bits.
    pub const INDEX_AT: usize = BYTES_AT + 4;
    /// Offset of the checksum over the head before it and the records, 64 bits.
    pub const CHECKSUM_AT: usize = INDEX_AT + 8;
    /// Length of the head.
    pub const HEAD_BYTES: usize = CHECKSUM_AT + 8;
    /// The maximum number of record bytes in a frame.
    pub const BYTES_MAX: usize = 1 << 20;
}

/// The footer of a snapshot: totals per section, the digest and a checksum.
pub mod snapshot_footer {
    /// The magic number.
    pub const MAGIC: [u8; 4] = *b"SHSE";
    /// Offset of the magic.
    pub const MAGIC_AT: usize = 0;
    /// Offset of the number of sections, 32 bits.
    pub const SECTIONS_AT: usize = MAGIC_AT + 4;
    /// Offset of the number of frames, 64 bits.
    pub const FRAMES_AT: usize = SECTIONS_AT + 4;
    /// Offset of the digest, 16 bytes.
    pub const DIGEST_AT: usize = FRAMES_AT + 8;
    /// Length of the fixed part. The sections follow, then the checksum of the whole footer before it.
    pub const HEAD_BYTES: usize = DIGEST_AT + 16;
    /// Length of a section: kind 16, six zeros, frames 64, records 64, bytes 64.
    pub const SECTION_BYTES: usize = 32;
    /// The maximum number of section kinds.
    pub const SECTIONS_MAX: usize = 256;
}

const _: () = assert!(frame::HEAD_BYTES == 64);
const _: () = assert!(snapshot::HEAD_BYTES == 128);
const _: () = assert!(manifest::HEAD_BYTES == 128);
const _: () = assert!(header::RESERVED_AT < header::CHECKSUM_AT);
const _: () = assert!(opening::RESERVED_AT < opening::CHECKSUM_AT);
const _: () = assert!(PAYLOAD_BYTES_MAX < 1 << 31);

/// The offset of each field, by its name in FORMAT.md.
const OFFSETS: [(&str, usize); 70] = [
    ("header: magic", header::MAGIC_AT),
    ("header: version", header::VERSION_AT),
    ("header: block bytes", header::BLOCK_BYTES_AT),
    ("header: uuid", header::UUID_AT),
    ("header: sequence", header::SEQUENCE_AT),
    ("header: salt", header::SALT_AT),
    ("header: segment bytes", header::SEGMENT_BYTES_AT),
    ("header: created ms", header::CREATED_MS_AT),
    ("header: reserved", header::RESERVED_AT),
    ("header: checksum", header::CHECKSUM_AT),
    ("opening: magic", opening::MAGIC_AT),
    ("opening: salt", opening::SALT_AT),
    ("opening: epoch", opening::EPOCH_AT),
    ("opening: first position", opening::FIRST_POSITION_AT),
    ("opening: durability", opening::DURABILITY_AT),
    ("opening: previous reason", opening::PREVIOUS_REASON_AT),
    ("opening: reserved small", opening::RESERVED_SMALL_AT),
    ("opening: previous sequence", opening::PREVIOUS_SEQUENCE_AT),
    ("opening: previous end", opening::PREVIOUS_END_AT),
    ("opening: previous last position", opening::PREVIOUS_LAST_POSITION_AT),
    ("opening: previous chain", opening::PREVIOUS_CHAIN_AT),
    ("opening: reserved", opening::RESERVED_AT),
    ("opening: checksum", opening::CHECKSUM_AT),
    ("frame: magic", frame::MAGIC_AT),
    ("frame: kind", frame::KIND_AT),
    ("frame: reserved", frame::RESERVED_AT),
    ("frame: salt", frame::SALT_AT),
    ("frame: first position", frame::FIRST_POSITION_AT),
    ("frame: records", frame::RECORDS_AT),
    ("frame: payload bytes", frame::PAYLOAD_BYTES_AT),
    ("frame: block", frame::BLOCK_AT),
    ("frame: synced block", frame::SYNCED_BLOCK_AT),
    ("frame: previous", frame::PREVIOUS_AT),
    ("frame: body checksum", frame::BODY_CHECKSUM_AT),
    ("frame: checksum", frame::CHECKSUM_AT),
    ("manifest: magic", manifest::MAGIC_AT),
    ("manifest: version", manifest::VERSION_AT),
    ("manifest: total bytes", manifest::TOTAL_BYTES_AT),
    ("manifest: uuid", manifest::UUID_AT),
    ("manifest: created ms", manifest::CREATED_MS_AT),
    ("manifest: base op", manifest::BASE_OP_AT),
    ("manifest: epoch", manifest::EPOCH_AT),
    ("manifest: epochs", manifest::EPOCHS_AT),
    ("manifest: skips", manifest::SKIPS_AT),
    ("manifest: genesis bytes", manifest::GENESIS_BYTES_AT),
    ("manifest: feature level", manifest::FEATURE_LEVEL_AT),
    ("manifest: base position", manifest::BASE_POSITION_AT),
    ("manifest: reserved", manifest::RESERVED_AT),
    ("snapshot: magic", snapshot::MAGIC_AT),
    ("snapshot: version", snapshot::VERSION_AT),
    ("snapshot: rules version", snapshot::RULES_VERSION_AT),
    ("snapshot: uuid", snapshot::UUID_AT),
    ("snapshot: epoch", snapshot::EPOCH_AT),
    ("snapshot: op", snapshot::OP_AT),
    ("snapshot: time ms", snapshot::TIME_MS_AT),
    ("snapshot: position", snapshot::POSITION_AT),
    ("snapshot: feature level", snapshot::FEATURE_LEVEL_AT),
    ("snapshot: reserved", snapshot::RESERVED_AT),
    ("snapshot: checksum", snapshot::CHECKSUM_AT),
    ("snapshot frame: magic", snapshot_frame::MAGIC_AT),
    ("snapshot frame: kind", snapshot_frame::KIND_AT),
    ("snapshot frame: reserved", snapshot_frame::RESERVED_AT),
    ("snapshot frame: records", snapshot_frame::RECORDS_AT),
    ("snapshot frame: bytes", snapshot_frame::BYTES_AT),
    ("snapshot frame: index", snapshot_frame::INDEX_AT),
    ("snapshot frame: checksum", snapshot_frame::CHECKSUM_AT),
    ("snapshot footer: magic", snapshot_footer::MAGIC_AT),
    ("snapshot footer: sections", snapshot_footer::SECTIONS_AT),
    ("snapshot footer: frames", snapshot_footer::FRAMES_AT),
    ("snapshot footer: digest", snapshot_footer::DIGEST_AT),
];

/// The numbers that FORMAT.md repeats, by name: first bounds and lengths, then the offset of every field.
#[must_use]
pub fn layout_constants() -> Vec<(&'static str, u64)> {
    let mut constants = vec![
        ("format version", u64::from(FORMAT_VERSION)),
        ("segment bytes, default", SEGMENT_BYTES_DEFAULT),
        ("segment bytes, most", SEGMENT_BYTES_MAX),
    ];
    let lengths = [
        ("block bytes", BLOCK_BYTES),
        ("opening offset", opening::OPENING_OFFSET),
        ("first frame offset", FRAMES_OFFSET),
        ("frame head bytes", frame::HEAD_BYTES),
        ("frame bytes, most", FRAME_BYTES_MAX),
        ("batch payload bytes, most", PAYLOAD_BYTES_MAX),
        ("manifest head bytes", manifest::HEAD_BYTES),
        ("manifest epoch bytes", manifest::EPOCH_BYTES),
        ("manifest skip bytes", manifest::SKIP_BYTES),
        ("manifest epochs, most", manifest::EPOCHS_MAX),
        ("manifest skips, most", manifest::SKIPS_MAX),
        ("skip reason bytes, most", manifest::SKIP_REASON_BYTES_MAX),
        ("genesis bytes, most", manifest::GENESIS_BYTES_MAX),
        ("snapshot head bytes", snapshot::HEAD_BYTES),
        ("snapshot frame head bytes", snapshot_frame::HEAD_BYTES),
        ("snapshot frame record bytes, most", snapshot_frame::BYTES_MAX),
        ("snapshot footer head bytes", snapshot_footer::HEAD_BYTES),
        ("snapshot footer section bytes", snapshot_footer::SECTION_BYTES),
        ("snapshot sections, most", snapshot_footer::SECTIONS_MAX),
    ];
    constants
        .extend(lengths.iter().chain(&OFFSETS).map(|(name, length)| (*name, super::width::length(*length))));
    constants
}
