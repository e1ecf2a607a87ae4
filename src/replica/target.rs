//! Where a replay ends.

use std::fmt;

use stockhold_machine::Machine;
use stockhold_protocol::Timestamp;

use crate::calendar::rfc3339;

/// Where a replay ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// At the end of the log.
    End,
    /// After this op.
    Op(u64),
    /// After the last op up to this time of the wall clock, in milliseconds since 1970.
    Time(u64),
}

impl Target {
    /// Whether the target is before the next op of the machine, for which this time is proposed.
    pub(crate) fn is_before(self, machine: &Machine, op: u64, proposed: Timestamp) -> bool {
        match self {
            Self::End => false,
            Self::Op(last) => op > last,
            Self::Time(last_ms) => {
                shifted(machine.time().max(proposed).0, machine.clock().wall_offset_ms) > last_ms
            }
        }
    }

    /// Whether the machine is already after the target.
    pub(super) fn is_passed_by(self, machine: &Machine) -> bool {
        match self {
            Self::End => false,
            Self::Op(last) => machine.op() > last,
            Self::Time(last_ms) => wall_ms(machine) > last_ms,
        }
    }

    /// Whether the machine, which has no further op, has come as far as the target.
    pub(crate) fn is_reached_by(self, machine: &Machine) -> bool {
        match self {
            Self::End => true,
            Self::Op(last) => machine.op() >= last,
            Self::Time(last_ms) => wall_ms(machine) >= last_ms,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => to.write_str("the end of the log"),
            Self::Op(op) => write!(to, "op {op}"),
            Self::Time(ms) => to.write_str(&rfc3339(*ms)),
        }
    }
}

/// The time of the machine's last op by the wall clock, in milliseconds since 1970.
#[must_use]
pub fn wall_ms(machine: &Machine) -> u64 {
    shifted(machine.time().0, machine.clock().wall_offset_ms)
}

/// A time of the machine by the wall clock.
pub(super) fn shifted(ms: u64, offset_ms: i64) -> u64 {
    ms.saturating_add_signed(offset_ms)
}
