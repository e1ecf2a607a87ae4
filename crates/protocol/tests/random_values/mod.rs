//! Random values from a seed, and types that can be drawn. The values are not *valid* commands: a mirror holds any
//! value that its bytes can hold.
#![expect(clippy::unwrap_used, reason = "these are tests; a failed step must stop them")]

/// Numbers from a seed (splitmix64).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        // Extremes are drawn often, because encodings differ there.
        let fill = self.below(4);
        std::array::from_fn(|_| match fill {
            0 => 0,
            1 => 0xFF,
            _ => self.next().to_le_bytes()[0],
        })
    }
}

/// A type whose values can be drawn.
pub(crate) trait Draw {
    fn draw(random: &mut Random) -> Self;
}

macro_rules! draw_integers {
    ($($kind:ty),*) => { $(
        impl Draw for $kind {
            fn draw(random: &mut Random) -> Self {
                Self::from_le_bytes(random.bytes())
            }
        }
    )* };
}

draw_integers!(u8, u16, u32, u64, i32, i64);

impl Draw for bool {
    fn draw(random: &mut Random) -> Self {
        random.below(2) == 1
    }
}

impl Draw for String {
    fn draw(random: &mut Random) -> Self {
        let letters = ['a', '0', ' ', '\0', 'é', '€', '🚲'];
        let mut text = Self::new();
        for _ in 0..random.below(12) {
            text.extend(letters.into_iter().nth(usize::from(random.bytes::<1>()[0] % 7)));
        }
        text
    }
}

impl<T: Draw> Draw for Option<T> {
    fn draw(random: &mut Random) -> Self {
        bool::draw(random).then(|| T::draw(random))
    }
}

impl<T: Draw> Draw for Vec<T> {
    fn draw(random: &mut Random) -> Self {
        (0..random.below(4)).map(|_| T::draw(random)).collect()
    }
}

impl<T: Draw, const N: usize> Draw for [T; N] {
    fn draw(random: &mut Random) -> Self {
        std::array::from_fn(|_| T::draw(random))
    }
}

impl<A: Draw, B: Draw> Draw for (A, B) {
    fn draw(random: &mut Random) -> Self {
        (A::draw(random), B::draw(random))
    }
}

impl<A: Draw, B: Draw, C: Draw> Draw for (A, B, C) {
    fn draw(random: &mut Random) -> Self {
        (A::draw(random), B::draw(random), C::draw(random))
    }
}

impl<A: Draw, B: Draw, C: Draw, D: Draw> Draw for (A, B, C, D) {
    fn draw(random: &mut Random) -> Self {
        (A::draw(random), B::draw(random), C::draw(random), D::draw(random))
    }
}

/// The number of an action of orders. Others are not decoded.
#[derive(Clone, Copy, PartialEq, Debug, bincode::Encode, bincode::Decode)]
pub(crate) struct Action(u8);

impl Draw for Action {
    fn draw(random: &mut Random) -> Self {
        Self(u8::try_from(random.below(9)).unwrap() + 1)
    }
}

/// The number of a state of orders. Others are not decoded.
#[derive(Clone, Copy, PartialEq, Debug, bincode::Encode, bincode::Decode)]
pub(crate) struct State(u8);

impl Draw for State {
    fn draw(random: &mut Random) -> Self {
        Self(u8::try_from(random.below(5)).unwrap() + 1)
    }
}

/// The number of a kind of event that rows have. Others are not decoded.
#[derive(Clone, Copy, PartialEq, Debug, bincode::Encode, bincode::Decode)]
pub(crate) struct RowEvent(u8);

impl Draw for RowEvent {
    fn draw(random: &mut Random) -> Self {
        Self(u8::try_from(random.below(7)).unwrap() + 1)
    }
}

impl<A: Draw, B: Draw, C: Draw, D: Draw, E: Draw> Draw for (A, B, C, D, E) {
    fn draw(random: &mut Random) -> Self {
        (A::draw(random), B::draw(random), C::draw(random), D::draw(random), E::draw(random))
    }
}

/// An enum that bincode's own derives encode and that can be drawn. Every variant is a tuple, which has the bytes of
/// a struct variant.
macro_rules! mirror_enum {
    ($name:ident { $($variant:ident($($kind:ty),*)),* $(,)? }) => {
        #[derive(Clone, PartialEq, Debug, bincode::Encode, bincode::Decode)]
        pub(crate) enum $name { $($variant($($kind),*)),* }

        impl $crate::random_values::Draw for $name {
            fn draw(random: &mut $crate::random_values::Random) -> Self {
                let variants: &[fn(&mut $crate::random_values::Random) -> Self] = &[
                    $(|_source| Self::$variant($(<$kind as $crate::random_values::Draw>::draw(_source)),*)),*
                ];
                let count = u64::try_from(variants.len()).unwrap();
                let at = usize::try_from(random.below(count)).unwrap();
                variants[at](random)
            }
        }
    };
}

/// A struct of tagged fields, each with its number and its encoding, as in PROTOCOL.md, with bincode's own bytes.
macro_rules! mirror_tagged {
    ($name:ident { $($number:literal $field:ident: $kind:ty as $how:ident),* $(,)? }) => {
        #[derive(Clone, PartialEq, Debug)]
        pub(crate) struct $name { $($field: $kind),* }

        impl $crate::random_values::Draw for $name {
            fn draw(random: &mut $crate::random_values::Random) -> Self {
                Self { $($field: <$kind as $crate::random_values::Draw>::draw(random)),* }
            }
        }

        impl $crate::random_values::Fields for $name {
            const NUMBERED: &'static [(u16, &'static str)] = &[$(($number, stringify!($field))),*];

            fn put(&self, out: &mut Vec<u8>) {
                $($crate::random_values::$how($number, &self.$field, out);)*
            }
        }
    };
}

/// A type that is encoded as tagged fields.
pub(crate) trait Fields {
    /// Numbers and names.
    const NUMBERED: &'static [(u16, &'static str)];

    fn put(&self, out: &mut Vec<u8>);
}

/// A change of a setting.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Change<T> {
    Keep,
    Unset,
    Set(T),
}

impl<T: Draw> Draw for Change<T> {
    fn draw(random: &mut Random) -> Self {
        match random.below(3) {
            0 => Self::Keep,
            1 => Self::Unset,
            _ => Self::Set(T::draw(random)),
        }
    }
}

fn field(number: u16, bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
    out.extend_from_slice(bytes);
}

fn by_bincode<T: bincode::Encode>(value: &T) -> Vec<u8> {
    bincode::encode_to_vec(value, bincode::config::legacy()).unwrap()
}

pub(crate) fn value<T: bincode::Encode>(number: u16, value: &T, out: &mut Vec<u8>) {
    field(number, &by_bincode(value), out);
}

#[expect(clippy::ref_option, reason = "the macro takes the address of a field")]
pub(crate) fn option<T: bincode::Encode>(number: u16, value: &Option<T>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        field(number, &by_bincode(value), out);
    }
}

pub(crate) fn change<T: bincode::Encode>(number: u16, change: &Change<T>, out: &mut Vec<u8>) {
    match change {
        Change::Keep => {}
        Change::Unset => field(number, &[1], out),
        Change::Set(value) => field(number, &[&[2], &by_bincode(value)[..]].concat(), out),
    }
}

pub(crate) fn nested<T: Fields>(number: u16, value: &T, out: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    value.put(&mut bytes);
    field(number, &bytes, out);
}

pub(crate) fn list<T: Fields>(number: u16, values: &[T], out: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    for value in values {
        let start = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        value.put(&mut bytes);
        let length = u32::try_from(bytes.len() - start - 4).unwrap();
        bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }
    field(number, &bytes, out);
}
