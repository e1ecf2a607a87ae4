//! Tagged fields: the encoding of values that may grow, so that a program of another release can read them.
//!
//! A tagged value is a sequence of fields in ascending order of their numbers. A field consists of its number (u16),
//! the length of its bytes (u32) and its bytes, which hold one value in the bincode format of [`crate::codec`]. An
//! absent value (`None`, `Change::Keep`) is omitted. The sequence ends where the surrounding bytes end. Numbers are
//! never reused. A reader may skip an unknown field if bit 15 of its number is set, and refuses it otherwise.
//!
//! The bodies of hot commands do not use tagged fields; their layout is fixed.

use crate::codec::{BodyConfig, ColdConfig, Reader, decode_body, decode_cold, encode_cold};
use crate::command::Change;
use crate::error::BadField;
use wincode::{SchemaReadOwned, SchemaWrite};

/// The bit of a field number that marks the field as optional: a reader that does not know the field skips it.
pub const OPTIONAL: u16 = 1 << 15;
/// Bytes before the value of a field: its number and its length.
const HEAD_BYTES: usize = size_of::<u16>() + size_of::<u32>();

/// How a field that this program does not know is handled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// It is refused, optional or not. Used for commands: a server never executes a command in part.
    Refuse,
    /// Optional fields are skipped, others are refused. Used for messages of a peer.
    Skip,
    /// Like `Skip`, but the reader returns the skipped fields to be written again. Nested unknown fields are refused.
    /// where they could not be kept, unknown fields are refused, optional or not.
    Keep,
}

/// A value that is encoded as tagged fields.
pub trait Tagged: Sized {
    /// Appends the fields, in ascending order of their numbers.
    ///
    /// # Errors
    /// [`BadField`] when a value cannot be encoded.
    fn put_fields(&self, fields: &mut FieldWriter<'_>) -> Result<(), BadField>;

    /// Decodes the fields in the same order.
    ///
    /// # Errors
    /// [`BadField`] names the field that is missing or cannot be decoded.
    fn get_fields(fields: &mut FieldReader<'_>) -> Result<Self, BadField>;
}

/// Appends the tagged fields of a value.
///
/// # Errors
/// [`BadField`] when a value cannot be encoded; `out` is then unchanged.
pub fn encode_fields<T: Tagged>(value: &T, out: &mut Vec<u8>) -> Result<(), BadField> {
    encode_fields_with(out, |fields| value.put_fields(fields))
}

/// Like [`encode_fields`], for a value whose parts are stored in different places.
///
/// # Errors
/// As [`encode_fields`].
pub fn encode_fields_with(
    out: &mut Vec<u8>,
    put: impl FnOnce(&mut FieldWriter<'_>) -> Result<(), BadField>,
) -> Result<(), BadField> {
    let start = out.len();
    let result = put(&mut FieldWriter { out, last: 0 });
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Decodes a value whose tagged fields fill `bytes`.
///
/// # Errors
/// [`BadField`] when the fields are out of order, or one is missing, invalid or unknown.
pub fn decode_fields<T: Tagged>(bytes: &[u8], unknown: Unknown) -> Result<T, BadField> {
    decode_fields_with(bytes, unknown, T::get_fields).map(|(value, _)| value)
}

/// Like [`decode_fields`], for a value in several parts. Skipped optional fields are returned, to be written again.
///
/// # Errors
/// As [`decode_fields`].
pub fn decode_fields_with<'a, T>(
    bytes: &'a [u8],
    unknown: Unknown,
    get: impl FnOnce(&mut FieldReader<'a>) -> Result<T, BadField>,
) -> Result<(T, Vec<u8>), BadField> {
    let mut fields =
        FieldReader { reader: Reader::new(bytes), next: None, last: 0, unknown, kept: Vec::new() };
    let value = get(&mut fields)?;
    let kept = fields.finish()?;
    Ok((value, kept))
}

/// Decodes the first field of a value and ignores the others. The first field says whether the others are meaningful
/// to this program.
///
/// # Errors
/// [`BadField`] when it is missing or cannot be decoded.
pub fn first_field<'a, T>(
    bytes: &'a [u8],
    get: impl FnOnce(&mut FieldReader<'a>) -> Result<T, BadField>,
) -> Result<T, BadField> {
    get(&mut FieldReader {
        reader: Reader::new(bytes),
        next: None,
        last: 0,
        unknown: Unknown::Skip,
        kept: Vec::new(),
    })
}

/// Appends tagged values, each preceded by the length of its fields (u32).
///
/// # Errors
/// [`BadField`] when a value cannot be encoded.
pub fn encode_list<T: Tagged>(values: &[T], out: &mut Vec<u8>) -> Result<(), BadField> {
    values.iter().try_for_each(|value| put_counted(out, |out| encode_fields(value, out)))
}

/// Decodes tagged values that fill `bytes`.
///
/// # Errors
/// [`BadField`] when a length is wrong or a value cannot be decoded.
pub fn decode_list<T: Tagged>(bytes: &[u8], unknown: Unknown) -> Result<Vec<T>, BadField> {
    let mut reader = Reader::new(bytes);
    let mut values = Vec::new();
    while !reader.rest().is_empty() {
        let length = usize::try_from(reader.u32("list.length")?).map_err(|_| unreadable("list.length"))?;
        values.push(decode_nested(reader.take(length, "list.value")?, unknown)?);
    }
    Ok(values)
}

/// Writes fields in sequence; see the module.
#[derive(Debug)]
pub struct FieldWriter<'a> {
    out: &'a mut Vec<u8>,
    last: u16,
}

impl FieldWriter<'_> {
    /// Writes a field that is always present.
    ///
    /// # Errors
    /// [`BadField`] when the value cannot be encoded.
    pub fn value<T>(&mut self, number: u16, value: &T) -> Result<(), BadField>
    where
        T: SchemaWrite<ColdConfig, Src = T>,
    {
        self.put(number, |out| encode_cold(value, out))
    }

    /// Writes a field that is omitted when it is `None`.
    ///
    /// # Errors
    /// [`BadField`] when the value cannot be encoded.
    pub fn option<T>(&mut self, number: u16, value: &Option<T>) -> Result<(), BadField>
    where
        T: SchemaWrite<ColdConfig, Src = T>,
    {
        value.as_ref().map_or(Ok(()), |value| self.value(number, value))
    }

    /// Writes a change. The field is omitted when nothing changes. Otherwise it is one byte, 1 = unset or 2 = set,
    /// followed by the value that is set.
    ///
    /// # Errors
    /// [`BadField`] when the value cannot be encoded.
    pub fn change<T>(&mut self, number: u16, change: &Change<T>) -> Result<(), BadField>
    where
        T: SchemaWrite<ColdConfig, Src = T>,
    {
        match change {
            Change::Keep => Ok(()),
            Change::Unset => self.value(number, &1_u8),
            Change::Set(value) => self.put(number, |out| {
                out.push(2);
                encode_cold(value, out)
            }),
        }
    }

    /// Writes a field that contains tagged fields.
    ///
    /// # Errors
    /// [`BadField`] when a value cannot be encoded.
    pub fn nested<T: Tagged>(&mut self, number: u16, value: &T) -> Result<(), BadField> {
        self.put(number, |out| encode_fields(value, out))
    }

    /// Writes a field that contains tagged values, each preceded by the length of its fields (u32).
    ///
    /// # Errors
    /// [`BadField`] when a value cannot be encoded.
    pub fn list<T: Tagged>(&mut self, number: u16, values: &[T]) -> Result<(), BadField> {
        self.put(number, |out| encode_list(values, out))
    }

    /// Writes a field with raw bytes.
    ///
    /// # Errors
    /// [`BadField`] when there are too many.
    pub fn bytes(&mut self, number: u16, bytes: &[u8]) -> Result<(), BadField> {
        self.put(number, |out| {
            out.extend_from_slice(bytes);
            Ok(())
        })
    }

    fn put(
        &mut self,
        number: u16,
        put: impl FnOnce(&mut Vec<u8>) -> Result<(), BadField>,
    ) -> Result<(), BadField> {
        assert!(number & !OPTIONAL > self.last, "fields are written in ascending order of their numbers");
        self.last = number & !OPTIONAL;
        self.out.extend_from_slice(&number.to_le_bytes());
        put_counted(self.out, put)
    }
}

/// Appends what `put` writes, preceded by its length (u32).
fn put_counted(
    out: &mut Vec<u8>,
    put: impl FnOnce(&mut Vec<u8>) -> Result<(), BadField>,
) -> Result<(), BadField> {
    let at = out.len();
    out.extend_from_slice(&[0; size_of::<u32>()]);
    let start = out.len();
    put(out)?;
    let length =
        u32::try_from(out.len() - start).map_err(|_| BadField::new("field", "must be shorter than 4 GiB"))?;
    out[at..start].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// One undecoded field.
#[derive(Clone, Copy, Debug)]
struct Field<'a> {
    number: u16,
    bytes: &'a [u8],
    /// Number, length and bytes.
    whole: &'a [u8],
}

/// Reads fields in sequence; see the module.
#[derive(Debug)]
pub struct FieldReader<'a> {
    reader: Reader<'a>,
    /// A field that was read but not yet taken.
    next: Option<Field<'a>>,
    last: u16,
    unknown: Unknown,
    kept: Vec<u8>,
}

impl<'a> FieldReader<'a> {
    /// Reads a field that must be present.
    ///
    /// # Errors
    /// [`BadField`] when it is missing or cannot be decoded.
    pub fn value<T>(&mut self, number: u16, name: &'static str) -> Result<T, BadField>
    where
        T: SchemaReadOwned<ColdConfig, Dst = T> + SchemaReadOwned<BodyConfig, Dst = T>,
    {
        self.option(number, name)?.ok_or(missing(name))
    }

    /// Reads a field that may be absent.
    ///
    /// # Errors
    /// [`BadField`] when it cannot be decoded.
    pub fn option<T>(&mut self, number: u16, name: &'static str) -> Result<Option<T>, BadField>
    where
        T: SchemaReadOwned<ColdConfig, Dst = T> + SchemaReadOwned<BodyConfig, Dst = T>,
    {
        self.bytes(number)?.map(|bytes| self.decode(bytes, name)).transpose()
    }

    /// Reads a change. An absent field changes nothing.
    ///
    /// # Errors
    /// [`BadField`] when it cannot be decoded.
    pub fn change<T>(&mut self, number: u16, name: &'static str) -> Result<Change<T>, BadField>
    where
        T: SchemaReadOwned<ColdConfig, Dst = T> + SchemaReadOwned<BodyConfig, Dst = T>,
    {
        match self.bytes(number)? {
            None => Ok(Change::Keep),
            Some([1]) => Ok(Change::Unset),
            Some([2, bytes @ ..]) => self.decode(bytes, name).map(Change::Set),
            Some(_) => Err(unreadable(name)),
        }
    }

    /// Reads a field that contains tagged fields and must be present.
    ///
    /// # Errors
    /// [`BadField`] when it is missing or cannot be decoded.
    pub fn nested<T: Tagged>(&mut self, number: u16, name: &'static str) -> Result<T, BadField> {
        let bytes = self.bytes(number)?.ok_or(missing(name))?;
        decode_nested(bytes, self.unknown)
    }

    /// Reads a list of tagged values that must be present.
    ///
    /// # Errors
    /// [`BadField`] when it is missing or cannot be decoded.
    pub fn list<T: Tagged>(&mut self, number: u16, name: &'static str) -> Result<Vec<T>, BadField> {
        decode_list(self.bytes(number)?.ok_or(missing(name))?, self.unknown)
    }

    /// Reads the bytes of a field, if it is present. Fields with lower numbers that were not requested are unknown.
    ///
    /// # Errors
    /// [`BadField`] when an unknown field before it may not be skipped, or when the fields are out of order.
    pub fn bytes(&mut self, number: u16) -> Result<Option<&'a [u8]>, BadField> {
        while let Some(found) = self.peek()? {
            if found.number & !OPTIONAL > number & !OPTIONAL {
                return Ok(None);
            }
            self.next = None;
            if found.number == number {
                return Ok(Some(found.bytes));
            }
            if found.number & !OPTIONAL == number & !OPTIONAL {
                // Otherwise a value would have two encodings.
                return Err(BadField::new("field.number", "must have bit 15 as PROTOCOL.md has it"));
            }
            self.pass_over(found)?;
        }
        Ok(None)
    }

    fn peek(&mut self) -> Result<Option<Field<'a>>, BadField> {
        if self.next.is_none() && !self.reader.rest().is_empty() {
            let whole = self.reader.rest();
            let number = self.reader.u16("field.number")?;
            let length = self.reader.u32("field.length")?;
            let length = usize::try_from(length).map_err(|_| unreadable("field.length"))?;
            let bytes = self.reader.take(length, "field.value")?;
            if number & !OPTIONAL <= self.last {
                return Err(BadField::new("field.number", "must be higher than that of the field before"));
            }
            self.last = number & !OPTIONAL;
            self.next = Some(Field { number, bytes, whole: &whole[..HEAD_BYTES + length] });
        }
        Ok(self.next)
    }

    fn pass_over(&mut self, field: Field<'_>) -> Result<(), BadField> {
        if field.number & OPTIONAL == 0 || self.unknown == Unknown::Refuse {
            return Err(UNKNOWN);
        }
        self.kept.extend_from_slice(field.whole);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<u8>, BadField> {
        while let Some(field) = self.peek()? {
            self.next = None;
            self.pass_over(field)?;
        }
        Ok(self.kept)
    }

    fn decode<T>(&self, bytes: &[u8], name: &'static str) -> Result<T, BadField>
    where
        T: SchemaReadOwned<ColdConfig, Dst = T> + SchemaReadOwned<BodyConfig, Dst = T>,
    {
        // No length in the body of a command may request more memory than a command could fill.
        let value = match self.unknown {
            Unknown::Refuse => decode_body(bytes),
            Unknown::Skip | Unknown::Keep => decode_cold(bytes),
        };
        value.map_err(|_| unreadable(name))
    }
}

/// Decodes the fields of a value inside a field.
fn decode_nested<T: Tagged>(bytes: &[u8], unknown: Unknown) -> Result<T, BadField> {
    match decode_fields_with(bytes, unknown, T::get_fields)? {
        (_, kept) if unknown == Unknown::Keep && !kept.is_empty() => Err(UNKNOWN),
        (value, _) => Ok(value),
    }
}

const UNKNOWN: BadField = BadField::new("field.number", "is not a known number");

const fn missing(name: &'static str) -> BadField {
    BadField::new(name, "is missing")
}

const fn unreadable(name: &'static str) -> BadField {
    BadField::new(name, "must be one value in the bincode format of PROTOCOL.md, no byte more")
}

/// Implements tagged fields for a structure. Each line consists of a number, the field of the structure, and the
/// method of [`FieldWriter`] and [`FieldReader`] that encodes it. A line may have the `cfg` attribute of its field.
#[macro_export]
macro_rules! tagged {
    ($type:ty { $($(#[$cfg:meta])? $number:literal $field:ident $how:ident),+ $(,)? }) => {
        impl $crate::fields::Tagged for $type {
            fn put_fields(
                &self,
                fields: &mut $crate::fields::FieldWriter<'_>,
            ) -> Result<(), $crate::BadField> {
                $($(#[$cfg])? fields.$how($number, &self.$field)?;)+
                Ok(())
            }

            fn get_fields(
                fields: &mut $crate::fields::FieldReader<'_>,
            ) -> Result<Self, $crate::BadField> {
                Ok(Self { $($(#[$cfg])? $field: fields.$how($number, stringify!($field))?,)+ })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, PartialEq, Eq, Debug, Default)]
    struct Old {
        count: u32,
        name: Option<String>,
        size: Change<u8>,
    }
    tagged!(Old { 1 count value, 3 name option, 4 size change });

    #[derive(Clone, PartialEq, Eq, Debug, Default)]
    struct New {
        count: u32,
        comment: Option<String>,
        limit: Option<u64>,
    }
    tagged!(New { 1 count value, 0x8002 comment option, 5 limit option });

    fn bytes<T: Tagged>(value: &T) -> Vec<u8> {
        let mut out = Vec::new();
        encode_fields(value, &mut out).unwrap();
        out
    }

    #[test]
    fn what_is_written_is_read_and_what_is_absent_takes_no_byte() {
        // Proves the layout byte for byte, for each way in which a field is written.
        let old = Old { count: 7, name: Some("a".into()), size: Change::Set(9) };
        let expected = [
            &[1, 0, 4, 0, 0, 0, 7, 0, 0, 0][..],
            &[3, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, b'a'],
            &[4, 0, 2, 0, 0, 0, 2, 9],
        ];
        assert_eq!(bytes(&old), expected.concat());
        assert_eq!(decode_fields::<Old>(&bytes(&old), Unknown::Refuse), Ok(old));
        let unset = Old { size: Change::Unset, ..Old::default() };
        assert_eq!(bytes(&unset).len(), 10 + 7);
        assert_eq!(decode_fields::<Old>(&bytes(&unset), Unknown::Refuse), Ok(unset));
    }

    #[test]
    fn an_optional_field_is_passed_over_and_kept_and_any_other_refused() {
        // Proves how an earlier release handles each kind of field that it does not know.
        let new = New { count: 1, comment: Some("for people".into()), limit: None };
        let (old, kept) = decode_fields_with(&bytes(&new), Unknown::Skip, Old::get_fields).unwrap();
        assert_eq!((old.count, kept.len()), (1, HEAD_BYTES + 8 + 10));
        assert_eq!(bytes(&new), [&bytes(&old)[..], &kept].concat());
        assert!(decode_fields::<Old>(&bytes(&new), Unknown::Refuse).is_err());
        let nest = |unknown| {
            let mut out = Vec::new();
            encode_fields_with(&mut out, |fields| fields.nested(1, &new)).unwrap();
            decode_fields_with(&out, unknown, |fields| fields.nested::<Old>(1, "old").map(|_| ())).map(|_| ())
        };
        assert_eq!(nest(Unknown::Skip), Ok(()));
        assert_eq!(nest(Unknown::Keep), Err(UNKNOWN));
        let limited = New { limit: Some(3), ..New::default() };
        let error = decode_fields::<Old>(&bytes(&limited), Unknown::Skip).unwrap_err();
        assert_eq!(error.field, "field.number");
    }

    #[test]
    fn disorder_and_cuts_are_refused_by_name() {
        // Proves that truncation, a repeated or missing field, another length and a wrong optional bit are refused.
        let whole = bytes(&Old { count: 7, name: Some("abc".into()), size: Change::Keep });
        for cut in 0..whole.len() {
            // Truncation at the boundary of the optional name removes the name.
            assert!(decode_fields::<Old>(&whole[..cut], Unknown::Skip).is_err() || cut == 10, "cut at {cut}");
        }
        let twice = [&whole[..], &whole].concat();
        assert_eq!(decode_fields::<Old>(&twice, Unknown::Skip).unwrap_err().field, "field.number");
        assert_eq!(decode_fields::<Old>(&whole[10..], Unknown::Skip).unwrap_err().field, "count");
        let long = [1, 0, 5, 0, 0, 0, 7, 0, 0, 0, 0];
        assert_eq!(decode_fields::<Old>(&long, Unknown::Skip).unwrap_err().field, "count");
        let marked = [1, 0x80, 4, 0, 0, 0, 7, 0, 0, 0];
        assert_eq!(decode_fields::<Old>(&marked, Unknown::Skip).unwrap_err().field, "field.number");
    }
}
