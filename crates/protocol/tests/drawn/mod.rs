//! Values drawn from a seed, and types that can be drawn. It is not a source of *valid* commands: a mirror
//! holds any value that its bytes can hold.

/// Numbers from a seed (splitmix64).
#[derive(Debug)]
pub(crate) struct Source(u64);

impl Source {
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
        // Extremes come often: they are where encodings differ.
        let fill = self.below(4);
        std::array::from_fn(|_| match fill {
            0 => 0,
            1 => 0xFF,
            _ => self.next().to_le_bytes()[0],
        })
    }
}

/// What can be drawn.
pub(crate) trait Draw {
    fn draw(source: &mut Source) -> Self;
}

macro_rules! draw_integers {
    ($($kind:ty),*) => { $(
        impl Draw for $kind {
            fn draw(source: &mut Source) -> Self {
                Self::from_le_bytes(source.bytes())
            }
        }
    )* };
}

draw_integers!(u8, u16, u32, u64, i32, i64);

impl Draw for bool {
    fn draw(source: &mut Source) -> Self {
        source.below(2) == 1
    }
}

impl Draw for String {
    fn draw(source: &mut Source) -> Self {
        let letters = ['a', '0', ' ', '\0', 'é', '€', '🚲'];
        let mut text = Self::new();
        for _ in 0..source.below(12) {
            text.extend(letters.into_iter().nth(usize::from(source.bytes::<1>()[0] % 7)));
        }
        text
    }
}

impl<T: Draw> Draw for Option<T> {
    fn draw(source: &mut Source) -> Self {
        bool::draw(source).then(|| T::draw(source))
    }
}

impl<T: Draw> Draw for Vec<T> {
    fn draw(source: &mut Source) -> Self {
        (0..source.below(4)).map(|_| T::draw(source)).collect()
    }
}

impl<T: Draw, const N: usize> Draw for [T; N] {
    fn draw(source: &mut Source) -> Self {
        std::array::from_fn(|_| T::draw(source))
    }
}

impl<A: Draw, B: Draw> Draw for (A, B) {
    fn draw(source: &mut Source) -> Self {
        (A::draw(source), B::draw(source))
    }
}

impl<A: Draw, B: Draw, C: Draw> Draw for (A, B, C) {
    fn draw(source: &mut Source) -> Self {
        (A::draw(source), B::draw(source), C::draw(source))
    }
}

/// A struct that bincode's own derives encode and that can be drawn.
macro_rules! mirror_struct {
    ($name:ident { $($field:ident: $kind:ty),* $(,)? }) => {
        #[derive(Clone, PartialEq, Debug, bincode::Encode, bincode::Decode)]
        pub(crate) struct $name { $($field: $kind),* }

        impl $crate::drawn::Draw for $name {
            fn draw(source: &mut $crate::drawn::Source) -> Self {
                Self { $($field: <$kind as $crate::drawn::Draw>::draw(source)),* }
            }
        }
    };
}

/// An enum likewise; every variant is a tuple, which has the bytes of a struct variant.
macro_rules! mirror_enum {
    ($name:ident { $($variant:ident($($kind:ty),*)),* $(,)? }) => {
        #[derive(Clone, PartialEq, Debug, bincode::Encode, bincode::Decode)]
        pub(crate) enum $name { $($variant($($kind),*)),* }

        impl $crate::drawn::Draw for $name {
            fn draw(source: &mut $crate::drawn::Source) -> Self {
                let variants: &[fn(&mut $crate::drawn::Source) -> Self] = &[
                    $(|_source| Self::$variant($(<$kind as $crate::drawn::Draw>::draw(_source)),*)),*
                ];
                let count = u64::try_from(variants.len()).unwrap();
                let at = usize::try_from(source.below(count)).unwrap();
                variants[at](source)
            }
        }
    };
}
