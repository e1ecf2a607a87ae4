//! The sets of classes that limit a class, as the forms of sharing return them.

/// Two sets of classes as flags: with the class of the stock, and without it.
pub(super) struct ClassSets {
    pub(super) with: Vec<bool>,
    pub(super) without: Vec<bool>,
}
