//! Tagged fields: how a value that may grow is written, so that a program of another release can read it.
//!
//! A tagged value is a row of fields in ascending order of their numbers. Each field is its number (u16), the length
//! of its bytes (u32) and its bytes, which hold one value in the bincode format of [`crate::codec`]. A field whose
//! value is absent (`None`, `Change::Keep`) is left out. The row ends where the bytes around it end. Numbers are never
//! reused. Bit 15 of the number marks a field that a reader may pass over when it does not know it; a reader refuses
//! every other field that it does not know, because it cannot tell what the value means without it.
//!
//! Not for the bodies of hot commands, whose layout is fixed.

use crate::codec::{BodyConfig, ColdConfig, Reader, decode_body, decode_cold, encode_cold};
use crate::command::Change;
use crate::error::BadField;
use wincode::{SchemaReadOwned, SchemaWrite};

/// The bit of a field's number that says: a reader that does not know this field passes over it.
pub const OPTIONAL: u16 = 1 << 15;
/// Bytes in front of a field's value: its number and its length.
const HEAD_BYTES: usize = size_of::<u16>() + size_of::<u32>();

/// What is done with a field that this program does not know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// It is refused, optional or not. For commands: a server never obeys one by half.
    Refuse,
    /// Optional ones are passed over, others are refused. For what a peer says.
    Skip,
    /// As `Skip`, for what is written again: the reader gives back what it has passed over. Within a field, where nobody keeps them,
    /// unknown ones are refused, optional or not.
    Keep,
}

/// A value that is written as tagged fields.
pub trait Tagged: Sized {
    /// Appends the fields, in ascending order of their numbers.
    ///
    /// # Errors
    /// [`BadField`] when a value cannot be encoded.
    fn put_fields(&self, fields: &mut FieldWriter<'_>) -> Result<(), BadField>;

    /// Takes the fields in the same order.
    ///
    /// # Errors
    /// [`BadField`] names the field that is missing or cannot be read.
    fn get_fields(fields: &mut FieldReader<'_>) -> Result<Self, BadField>;
}

/// Appends the tagged fields of a value.
///
/// # Errors
/// [`BadField`] when a value cannot be encoded; `out` is left as it was.
pub fn encode_fields<T: Tagged>(value: &T, out: &mut Vec<u8>) -> Result<(), BadField> {
    encode_fields_with(out, |fields| value.put_fields(fields))
}

/// As [`encode_fields`], for a value whose parts stand in different places.
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

/// Reads a value whose tagged fields fill `bytes`.
///
/// # Errors
/// [`BadField`] when the fields are in disorder, or one is missing, unreadable or unknown.
pub fn decode_fields<T: Tagged>(bytes: &[u8], unknown: Unknown) -> Result<T, BadField> {
    decode_fields_with(bytes, unknown, T::get_fields).map(|(value, _)| value)
}

/// As [`decode_fields`], for a value whose parts go to different places. The optional fields that were passed over come
/// back as they stood, to be written again.
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

/// Reads the first field of a value, whatever the others are: what says whether they mean anything here stands there.
///
/// # Errors
/// [`BadField`] when it is missing or cannot be read.
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

/// Appends tagged values, each behind the length of its fields (u32).
///
/// # Errors
/// [`BadField`] when a value cannot be encoded.
pub fn encode_list<T: Tagged>(values: &[T], out: &mut Vec<u8>) -> Result<(), BadField> {
    values.iter().try_for_each(|value| put_counted(out, |out| encode_fields(value, out)))
}

/// Reads tagged values that fill `bytes`.
///
/// # Errors
/// [`BadField`] when a length lies or a value cannot be read.
pub fn decode_list<T: Tagged>(bytes: &[u8], unknown: Unknown) -> Result<Vec<T>, BadField> {
    let mut reader = Reader::new(bytes);
    let mut values = Vec::new();
    while !reader.rest().is_empty() {
        let length = usize::try_from(reader.u32("list.length")?).map_err(|_| unreadable("list.length"))?;
        values.push(decode_nested(reader.take(length, "list.value")?, unknown)?);
    }
    Ok(values)
}

/// Writes fields one after the other; see the module.
#[derive(Debug)]
pub struct FieldWriter<'a> {
    out: &'a mut Vec<u8>,
    last: u16,
}

impl FieldWriter<'_> {
    /// A field that is always there.
    ///
    /// # Errors
    /// [`BadField`] when the value cannot be encoded.
    pub fn value<T>(&mut self, number: u16, value: &T) -> Result<(), BadField>
    where
        T: SchemaWrite<ColdConfig, Src = T>,
    {
        self.put(number, |out| encode_cold(value, out))
    }

    /// A field that is left out when it is `None`.
    ///
    /// # Errors
    /// [`BadField`] when the value cannot be encoded.
    pub fn option<T>(&mut self, number: u16, value: &Option<T>) -> Result<(), BadField>
    where
        T: SchemaWrite<ColdConfig, Src = T>,
    {
        value.as_ref().map_or(Ok(()), |value| self.value(number, value))
    }

    /// A field that is left out when nothing changes; otherwise one byte, 1 = unset or 2 = set, then what is set.
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

    /// A field that holds tagged fields itself.
    ///
    /// # Errors
    /// [`BadField`] when a value cannot be encoded.
    pub fn nested<T: Tagged>(&mut self, number: u16, value: &T) -> Result<(), BadField> {
        self.put(number, |out| encode_fields(value, out))
    }

    /// A field that holds tagged values, each behind the length of its fields (u32).
    ///
    /// # Errors
    /// [`BadField`] when a value cannot be encoded.
    pub fn list<T: Tagged>(&mut self, number: u16, values: &[T]) -> Result<(), BadField> {
        self.put(number, |out| encode_list(values, out))
    }

    /// A field whose bytes stand as they are.
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

/// Appends what `put` writes, behind its length (u32).
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

/// One field as it stands.
#[derive(Clone, Copy, Debug)]
struct Field<'a> {
    number: u16,
    bytes: &'a [u8],
    /// Number, length and bytes.
    whole: &'a [u8],
}

/// Takes fields one after the other; see the module.
#[derive(Debug)]
pub struct FieldReader<'a> {
    reader: Reader<'a>,
    /// A field that was read and not taken yet.
    next: Option<Field<'a>>,
    last: u16,
    unknown: Unknown,
    kept: Vec<u8>,
}

impl<'a> FieldReader<'a> {
    /// A field that must be there.
    ///
    /// # Errors
    /// [`BadField`] when it is missing or cannot be read.
    pub fn value<T>(&mut self, number: u16, name: &'static str) -> Result<T, BadField>
    where
        T: SchemaReadOwned<ColdConfig, Dst = T> + SchemaReadOwned<BodyConfig, Dst = T>,
    {
        self.option(number, name)?.ok_or(missing(name))
    }

    /// A field that may be missing.
    ///
    /// # Errors
    /// [`BadField`] when it cannot be read.
    pub fn option<T>(&mut self, number: u16, name: &'static str) -> Result<Option<T>, BadField>
    where
        T: SchemaReadOwned<ColdConfig, Dst = T> + SchemaReadOwned<BodyConfig, Dst = T>,
    {
        self.bytes(number)?.map(|bytes| self.decode(bytes, name)).transpose()
    }

    /// A change; a missing field changes nothing.
    ///
    /// # Errors
    /// [`BadField`] when it cannot be read.
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

    /// A field that holds tagged fields itself and must be there.
    ///
    /// # Errors
    /// [`BadField`] when it is missing or cannot be read.
    pub fn nested<T: Tagged>(&mut self, number: u16, name: &'static str) -> Result<T, BadField> {
        let bytes = self.bytes(number)?.ok_or(missing(name))?;
        decode_nested(bytes, self.unknown)
    }

    /// A list of tagged values that must be there.
    ///
    /// # Errors
    /// [`BadField`] when it is missing or cannot be read.
    pub fn list<T: Tagged>(&mut self, number: u16, name: &'static str) -> Result<Vec<T>, BadField> {
        decode_list(self.bytes(number)?.ok_or(missing(name))?, self.unknown)
    }

    /// The bytes of a field, if it is there. Fields with lower numbers that nobody has asked for are unknown.
    ///
    /// # Errors
    /// [`BadField`] when a field before it is unknown and may not be passed over, or the fields are in disorder.
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
                // Else a value would have two writings.
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
        // No length in a command's body may ask for more memory than a command could fill.
        let value = match self.unknown {
            Unknown::Refuse => decode_body(bytes),
            Unknown::Skip | Unknown::Keep => decode_cold(bytes),
        };
        value.map_err(|_| unreadable(name))
    }
}

/// Reads the fields of a value within a field.
fn decode_nested<T: Tagged>(bytes: &[u8], unknown: Unknown) -> Result<T, BadField> {
    match decode_fields_with(bytes, unknown, T::get_fields)? {
        (_, kept) if unknown == Unknown::Keep && !kept.is_empty() => Err(UNKNOWN),
        (value, _) => Ok(value),
    }
}

const UNKNOWN: BadField = BadField::new("field.number", "is not one that this version knows");

const fn missing(name: &'static str) -> BadField {
    BadField::new(name, "is missing")
}

const fn unreadable(name: &'static str) -> BadField {
    BadField::new(name, "must be one value in the bincode format of PROTOCOL.md, no byte more")
}

/// Writes a structure as tagged fields: each line is a number, the structure's field and how it is written, which is
/// the name of a method that [`FieldWriter`] and [`FieldReader`] share. A line may have the `cfg` of its field.
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
        // Proves the layout to the byte, and each of the ways in which a field is written.
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
        // Proves what an earlier release does with each kind of field that it does not know.
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
        // Proves that every cut, a repeated number, a missing field a value of another length and a wrong optional bit have an answer.
        let whole = bytes(&Old { count: 7, name: Some("abc".into()), size: Change::Keep });
        for cut in 0..whole.len() {
            // The optional name is gone at its border.
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
