//! The only module that turns bytes into values: a bounds-checked reader for hot records, which are laid out by hand,
//! and the bincode format (through wincode) for cold messages and cold command bodies.
//!
//! The bincode configuration is fixed in this module: little-endian, fixed-width integers, 64-bit lengths, 32-bit
//! enum tags (bincode 1's layout). The format is not self-describing, so every type that uses it is append-only and
//! versioned.

use crate::error::BadField;
use crate::limits::{COMMAND_BYTES_MAX, FRAME_BODY_BYTES_MAX};
use wincode::config::{Configuration, DEFAULT_PREALLOCATION_SIZE_LIMIT};
use wincode::int_encoding::{FixInt, LittleEndian};
use wincode::len::BincodeLen;
use wincode::{SchemaRead, SchemaWrite};

/// The configuration of cold messages: the layout of bincode 1, and a decoding limit of one frame body. The library's
/// own default has no limit.
pub type ColdConfig = Configuration<
    true,
    DEFAULT_PREALLOCATION_SIZE_LIMIT,
    BincodeLen,
    LittleEndian,
    FixInt,
    u32,
    FRAME_BODY_BYTES_MAX,
>;

/// The configuration of cold command bodies: the same bytes, with a lower limit. A length in a body may not request
/// more memory than one command record could fill, because a frame may hold thousands of records with false lengths.
pub type BodyConfig =
    Configuration<true, COMMAND_BYTES_MAX, BincodeLen, LittleEndian, FixInt, u32, COMMAND_BYTES_MAX>;

const COLD: ColdConfig = Configuration::default().with_deserialization_size_limit::<FRAME_BODY_BYTES_MAX>();

/// Appends an encoded cold value to `out`.
///
/// # Errors
/// [`BadField`] when the value cannot be encoded (a length beyond the preallocation limit).
pub fn encode_cold<T>(value: &T, out: &mut Vec<u8>) -> Result<(), BadField>
where
    T: SchemaWrite<ColdConfig, Src = T>,
{
    let bytes = wincode::config::serialize(value, COLD)
        .map_err(|_| BadField::new("body", "must be encodable within the size limits"))?;
    out.extend_from_slice(&bytes);
    Ok(())
}

/// Decodes a cold value, which must fill `bytes` exactly.
///
/// # Errors
/// [`BadField`] when bytes are missing or left over, or do not encode a value of this type.
pub fn decode_cold<'de, T>(bytes: &'de [u8]) -> Result<T, BadField>
where
    T: SchemaRead<'de, ColdConfig, Dst = T>,
{
    if bytes.len() > FRAME_BODY_BYTES_MAX {
        return Err(BadField::new("body", "must not be longer than a frame"));
    }
    wincode::config::deserialize_exact(bytes, COLD).map_err(|_| {
        BadField::new("body", "must be this message in the bincode format of PROTOCOL.md, no byte more")
    })
}

/// Decodes the body of a cold command, which must fill `bytes` exactly.
///
/// # Errors
/// [`BadField`] when bytes are missing or left over, or do not encode a value of this type.
pub(crate) fn decode_body<'de, T>(bytes: &'de [u8]) -> Result<T, BadField>
where
    T: SchemaRead<'de, BodyConfig, Dst = T>,
{
    let config: BodyConfig = Configuration::default()
        .with_preallocation_size_limit::<COMMAND_BYTES_MAX>()
        .with_deserialization_size_limit::<COMMAND_BYTES_MAX>();
    wincode::config::deserialize_exact(bytes, config).map_err(|_| {
        BadField::new("body", "must be this command in the bincode format of PROTOCOL.md, no byte more")
    })
}

/// Reads fixed-width little-endian fields in sequence. Each error names its field.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[must_use]
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The bytes that have not been read.
    #[must_use]
    #[inline]
    pub const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`BadField`] naming `field` when fewer are left.
    #[inline]
    pub fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], BadField> {
        match self.bytes.split_at_checked(count) {
            Some((head, rest)) => {
                self.bytes = rest;
                Ok(head)
            }
            None => Err(cut_off(field)),
        }
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`BadField`] naming `field` when fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], BadField> {
        self.array_ref(field).copied()
    }

    /// The next `N` bytes, borrowed from the input.
    ///
    /// # Errors
    /// [`BadField`] naming `field` when fewer are left.
    #[inline]
    pub fn array_ref<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], BadField> {
        match self.bytes.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.bytes = rest;
                Ok(head)
            }
            None => Err(cut_off(field)),
        }
    }

    /// One byte.
    ///
    /// # Errors
    /// [`BadField`] naming `field` at the end of the bytes.
    #[inline]
    pub fn u8(&mut self, field: &'static str) -> Result<u8, BadField> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    /// 16 bits.
    ///
    /// # Errors
    /// [`BadField`] naming `field` when fewer are left.
    #[inline]
    pub fn u16(&mut self, field: &'static str) -> Result<u16, BadField> {
        self.array(field).map(u16::from_le_bytes)
    }

    /// 32 bits.
    ///
    /// # Errors
    /// [`BadField`] naming `field` when fewer are left.
    #[inline]
    pub fn u32(&mut self, field: &'static str) -> Result<u32, BadField> {
        self.array(field).map(u32::from_le_bytes)
    }

    /// 64 bits.
    ///
    /// # Errors
    /// [`BadField`] naming `field` when fewer are left.
    #[inline]
    pub fn u64(&mut self, field: &'static str) -> Result<u64, BadField> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// 64 bits, signed.
    ///
    /// # Errors
    /// [`BadField`] naming `field` when fewer are left.
    #[inline]
    pub fn i64(&mut self, field: &'static str) -> Result<i64, BadField> {
        self.array(field).map(i64::from_le_bytes)
    }

    /// Checks that everything has been read.
    ///
    /// # Errors
    /// [`BadField`] when bytes are left over.
    #[inline]
    pub fn finish(self) -> Result<(), BadField> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(BadField::new("length", "is wrong: bytes are left over behind the last field"))
        }
    }
}

/// Kept out of line, so that reading a field costs only a comparison.
#[cold]
fn cut_off(field: &'static str) -> BadField {
    BadField::new(field, "is cut off: the record ends before the field does")
}

/// Builds a structure of known length field by field, without a heap allocation. It is used for what is hashed or
/// stored for every command.
#[derive(Clone, Copy, Debug)]
pub struct Fixed<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Fixed<N> {
    /// An empty structure.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self { bytes: [0; N], at: 0 }
    }

    /// Appends the next field. The structure must have room for it.
    #[inline]
    pub fn put<const M: usize>(&mut self, field: [u8; M]) -> &mut Self {
        self.bytes[self.at..self.at + M].copy_from_slice(&field);
        self.at += M;
        self
    }

    /// The complete structure. All bytes must have been written.
    #[must_use]
    #[inline]
    pub fn done(&self) -> [u8; N] {
        assert!(self.at == N, "a structure is laid out whole");
        self.bytes
    }
}

impl<const N: usize> Default for Fixed<N> {
    fn default() -> Self {
        Self::new()
    }
}
