//! What may still be logged when the disk fills up. It does not know how full the disk is.

use stockhold_protocol::command::Kind;

/// Which commands the space on the disk allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    All,
    FreeingOnly,
    None,
}

/// Whether a command gives room back or finishes what was promised: these go on while the disk's reserve lasts.
pub(super) const fn frees_or_finishes(kind: Kind) -> bool {
    match kind {
        Kind::Release
        | Kind::Confirm
        | Kind::Ship
        | Kind::Refund
        | Kind::Tick
        | Kind::WallOffset
        | Kind::AcceptClock => true,
        Kind::Reserve
        | Kind::Extend
        | Kind::Replace
        | Kind::Sell
        | Kind::Count
        | Kind::Adjust
        | Kind::Transfer
        | Kind::DefineSource
        | Kind::DefineStock
        | Kind::DefineSku
        | Kind::Link
        | Kind::Unlink
        | Kind::Channel
        | Kind::Settings
        | Kind::Quota
        | Kind::Configure
        | Kind::Mark
        | Kind::ActivateRules => false,
    }
}
