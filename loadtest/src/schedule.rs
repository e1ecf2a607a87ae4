//! The schedule of one connection in an open loop: when its operations are due, in nanoseconds since the start.
//!
//! Operations are sent in small groups, with the connections taking turns. An operation that is due but not yet sent
//! keeps its due time. A stall of the server or of this program therefore lengthens the latencies of all operations
//! that had to wait. A closed loop would send less and not notice.

use crate::pace::Pace;
use std::sync::Arc;

const SECOND_NS: u64 = 1_000_000_000;
/// The shortest distance between groups of one connection, at the highest rate.
const GROUP_EVERY_NS: u64 = 1_000_000;
/// Maximum number of operations of one group.
pub(crate) const GROUP_MAX: u64 = 256;

/// The share of a connection in a pace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// The number of connections that take turns.
    pub(crate) connections: u32,
    /// The index of this connection.
    pub(crate) index: u32,
    /// The number of operations that belong together. Groups contain a multiple of it.
    pub(crate) unit: u64,
    /// Maximum number of operations of one group, if that is below the general limit.
    pub(crate) group_max: u64,
}

/// The groups of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pace: Arc<Pace>,
    connections: u64,
    group: u64,
    /// The next group, counted over all connections.
    next: u64,
    next_ns: Option<u64>,
}

impl Schedule {
    pub(crate) fn new(pace: Arc<Pace>, part: Part) -> Self {
        let connections = u64::from(part.connections.max(1));
        let peak = u64::from(pace.peak().max(1));
        let own_group = (peak * GROUP_EVERY_NS).div_ceil(connections * SECOND_NS);
        let unit = part.unit.max(1);
        let most = part.group_max.clamp(unit, GROUP_MAX) / unit * unit;
        let group = own_group.next_multiple_of(unit).clamp(unit, most);
        let mut schedule = Self { pace, connections, group, next: u64::from(part.index), next_ns: None };
        schedule.next_ns = schedule.due_ns(schedule.next);
        schedule
    }

    /// The number of operations of one group.
    pub(crate) const fn group(&self) -> u64 {
        self.group
    }

    /// When the next group is due. `None` if there are no more.
    pub(crate) const fn next_ns(&self) -> Option<u64> {
        self.next_ns
    }

    /// Takes one group that is due at `now_ns`. Returns its due time.
    pub(crate) fn take_due(&mut self, now_ns: u64) -> Option<u64> {
        let due = self.next_ns.filter(|due| *due <= now_ns)?;
        self.next += self.connections;
        self.next_ns = self.due_ns(self.next);
        Some(due)
    }

    /// A time at or soon after `ns` at which a group of this connection is due as well. At a slow pace, and after the
    /// end, it is the next millisecond.
    pub(crate) fn round_up(&self, ns: u64) -> u64 {
        let index = self.next % self.connections;
        let groups = (self.pace.due_by(ns) / self.group).saturating_sub(index).div_ceil(self.connections);
        let group = index.saturating_add(groups.saturating_mul(self.connections));
        let near = [group, group.saturating_add(self.connections)];
        let found = near.into_iter().filter_map(|group| self.due_ns(group)).find(|due| *due >= ns);
        let millisecond = ns.checked_next_multiple_of(GROUP_EVERY_NS).unwrap_or(ns);
        found.filter(|due| *due <= millisecond.saturating_add(GROUP_EVERY_NS)).unwrap_or(millisecond)
    }

    /// Ends the schedule.
    pub(crate) const fn end(&mut self) {
        self.next_ns = None;
    }

    fn due_ns(&self, group: u64) -> Option<u64> {
        self.pace.due_ns(group.checked_mul(self.group)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn schedule(rate: u32, connections: u32, index: u32, duration: Duration) -> Schedule {
        let part = Part { connections, index, unit: 1, group_max: GROUP_MAX };
        Schedule::new(Arc::new(Pace::steady(rate, duration)), part)
    }

    fn all(mut schedule: Schedule) -> Vec<u64> {
        std::iter::from_fn(|| schedule.take_due(u64::MAX)).collect()
    }

    #[test]
    fn the_rate_comes_out_exactly_and_evenly() {
        // Proves that the groups of all connections add up to the rate, evenly spaced, for odd numbers too.
        for (rate, connections) in [(20_000, 8), (7, 3), (999_983, 64), (1, 1), (10_000_000, 1)] {
            let duration = Duration::from_secs(3);
            let mut operations = 0;
            for index in 0..connections {
                let schedule = schedule(rate, connections, index, duration);
                let group = schedule.group();
                let dues = all(schedule);
                operations += u64::try_from(dues.len()).unwrap() * group;
                let gaps: Vec<u64> = dues.windows(2).map(|pair| pair[1] - pair[0]).collect();
                let (least, most) = (gaps.iter().min().unwrap_or(&0), gaps.iter().max().unwrap_or(&0));
                assert!(most - least <= 1, "{rate} {connections}: {least}..{most}");
            }
            let wanted = u64::from(rate) * 3;
            let slack = u64::from(connections) * GROUP_MAX;
            assert!(
                operations.abs_diff(wanted) <= slack.min(wanted / 10 + u64::from(connections)),
                "{operations} {wanted}"
            );
        }
    }

    #[test]
    fn connections_take_turns() {
        // Proves that groups of different connections are never due together while the rate allows it.
        let mut dues: Vec<u64> = (0..64)
            .flat_map(|index| all(schedule(1_000_000, 64, index, Duration::from_millis(100))))
            .collect();
        dues.sort_unstable();
        assert!(dues.windows(2).all(|pair| pair[1] - pair[0] == 16_000), "{:?}", dues.windows(2).next());
    }

    #[test]
    fn what_was_not_taken_in_time_stays_due_with_its_own_time() {
        // Proves that a stall skips no operation, which makes latencies honest.
        let mut schedule = schedule(1_000, 1, 0, Duration::from_secs(1));
        assert_eq!(schedule.take_due(0), Some(0));
        assert_eq!(schedule.take_due(0), None);
        let late: Vec<u64> = std::iter::from_fn(|| schedule.take_due(500_000_000)).collect();
        assert_eq!(late.len(), 500);
        assert_eq!((late[0], late[499]), (1_000_000, 500_000_000));
        schedule.end();
        assert_eq!(schedule.next_ns(), None);
    }

    #[test]
    fn groups_hold_what_belongs_together_and_no_more_than_fits() {
        // Proves that a cart and its retry are due together, and that a group fits a connection of small depth.
        let pace = Arc::new(Pace::steady(1_000_000, Duration::from_secs(1)));
        for (unit, group_max, expected) in [(1, 256, 125), (2, 256, 126), (2, 7, 6), (2, 1, 2), (1, 1, 1)] {
            let part = Part { connections: 8, index: 0, unit, group_max };
            assert_eq!(Schedule::new(Arc::clone(&pace), part).group(), expected, "{unit} {group_max}");
        }
    }

    #[test]
    fn later_things_fall_into_the_same_rhythm() {
        // Proves that a payment needs no wake-up of its own.
        let schedule = schedule(2_000, 2, 1, Duration::from_secs(1));
        let dues = all(schedule.clone());
        for ns in [0, 1, dues[3] - 1, dues[3], dues[3] + 1, 5_000_000_000] {
            let rounded = schedule.round_up(ns);
            assert!(rounded >= ns && rounded - ns <= 1_000_000, "{ns} {rounded}");
            if ns < 1_000_000_000 - 1_000_000 {
                assert!(dues.contains(&rounded), "{ns} {rounded}");
            }
        }
    }
}
