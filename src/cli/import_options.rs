//! How source items are imported.

use super::automatic_mark::AutomaticMark;
use super::present_items::Foreseen;
use clap::ValueEnum;

/// What a row of a file does to its source item.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(super) enum Behavior {
    /// Create it or set its quantity and status
    #[default]
    #[value(alias = "add_update")]
    Append,
    /// The same, but every row is sent and counts as updated, also if nothing changes
    Replace,
    /// Remove it
    Delete,
}

/// The options of an import.
#[derive(Debug)]
pub(super) struct Options<'a> {
    pub(super) behavior: Behavior,
    pub(super) create_skus: bool,
    /// Whether warnings refuse the file.
    pub(super) strict: bool,
    pub(super) reason: &'a str,
    pub(super) mark: &'a mut AutomaticMark,
    /// In a dry run, which sends no command: what earlier files would have changed.
    pub(super) dry: Option<&'a mut Foreseen>,
}
