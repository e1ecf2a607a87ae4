//! All limits of the protocol. The compiler checks the relations between them.
//!
//! These limits apply to *bytes*, except where they say otherwise. Limits that an operator can change are machine state (see `configure`).

/// The newest protocol version that this program speaks.
pub const PROTOCOL_VERSION: u8 = if cfg!(feature = "next-release") { 3 } else { 2 };
/// The oldest protocol version that this program speaks. A peer without a common version is refused in the handshake.
pub const PROTOCOL_VERSION_MIN: u8 = 2;
/// The version of Hello, Welcome and Error frames. It never changes, so that both sides can always read that they
/// have no common version.
pub const HANDSHAKE_VERSION: u8 = 2;

/// The feature level: which commands, settings, codes and kinds of records a log or a directory may contain within
/// one format and one version of the rules. A program refuses a higher level by name and reads every lower one.
pub const FEATURE_LEVEL: u32 = if cfg!(feature = "next-release") { 2 } else { 1 };

#[cfg(all(feature = "next-release", not(debug_assertions)))]
compile_error!(
    "the feature `next-release` stands in for a later release: no build without debug assertions may have it"
);

/// Bytes of a frame header.
pub const FRAME_HEADER_BYTES: usize = 32;
/// Longest frame body in bytes. A longer one is a protocol error before any of it is buffered.
pub const FRAME_BODY_BYTES_MAX: usize = 1 << 20;
/// Most commands, checks or names in one frame.
pub const FRAME_COUNT_MAX: usize = 8_192;

/// Bytes before the body of a command: length, kind, flags, id.
pub const COMMAND_HEADER_BYTES: usize = 20;
/// Longest command record in bytes, header included: the maximum of its 16-bit length field.
pub const COMMAND_BYTES_MAX: usize = 65_535;
/// Bytes of an outcome without detail.
pub const OUTCOME_BYTES: usize = 16;
/// Longest encoded detail of an outcome in bytes.
pub const DETAIL_BYTES_MAX: usize = 32 * 1024;

/// Maximum number of lines of a cart. `configure` may lower it but not raise it.
pub const LINES_MAX: usize = 256;
/// Maximum number of lines of an event of an order.
pub const EVENT_LINES_MAX: usize = 1_024;
/// Most lines of a bulk command.
pub const BULK_LINES_MAX: usize = 2_048;
/// Most pairs of a SKU and a source that one bulk command names.
pub const BULK_PAIRS_MAX: usize = 10_000;
/// Most reasons that the refusal of a bulk command lists.
pub const OFFENDERS_MAX: usize = 100;
/// Longest SKU in characters (Unicode scalar values).
pub const SKU_CHARACTERS_MAX: usize = 64;
/// Longest SKU in bytes: a character has at most four bytes of UTF-8.
pub const SKU_BYTES_MAX: usize = SKU_CHARACTERS_MAX * 4;
/// Longest source code, stock name, channel type or channel code in bytes.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest order reference in bytes.
pub const REFERENCE_BYTES_MAX: usize = 32;
/// Longest free text (description, reason, street) in bytes.
pub const TEXT_BYTES_MAX: usize = 1_024;

/// Ten-thousandths in one unit.
pub const QUANTITY_SCALE: i64 = 10_000;
/// Largest magnitude of any quantity in the machine, in ten-thousandths: 10^11 units.
pub const QUANTITY_MAX: i64 = 1_000_000_000_000_000;
/// Largest quantity of one line, in ten-thousandths: MSI's decimal(12,4) holds less than 10^8 units.
pub const LINE_QUANTITY_MAX: i64 = 1_000_000_000_000;

/// Largest TTL that fits the wire, in milliseconds. The machine's own limits are lower.
pub const TTL_MS_MAX: u32 = u32::MAX;

const _: () = assert!(
    HANDSHAKE_VERSION <= PROTOCOL_VERSION_MIN && PROTOCOL_VERSION_MIN <= PROTOCOL_VERSION,
    "versions begin with that of the handshake"
);
const _: () =
    assert!(LINE_QUANTITY_MAX * 256 <= QUANTITY_MAX, "a whole cart of one SKU must stay a valid quantity");
const _: () = assert!(COMMAND_BYTES_MAX == 65_535, "a command's length field has 16 bits and no other bound");
const _: () = assert!(COMMAND_BYTES_MAX <= FRAME_BODY_BYTES_MAX, "one command must fit a frame");
const _: () = assert!(
    COMMAND_HEADER_BYTES + 16 + 4 + 2 + 4 + 8 + 1 + REFERENCE_BYTES_MAX + LINES_MAX * 12 <= COMMAND_BYTES_MAX,
    "the largest replace must fit a command record"
);
