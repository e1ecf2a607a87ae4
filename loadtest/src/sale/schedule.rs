//! When shoppers are due, whatever the server does: the clock of an open loop, as arithmetic on nanoseconds since the start.
//!
//! Shoppers come in small groups at even distances, the connections taking turns. What is due and was not sent yet stays due with
//! its own time, so a stall of the server, or of this program, lengthens the latencies of everybody who had to wait (a closed loop
//! would simply send less and never notice).

use std::time::Duration;

const SECOND_NS: u64 = 1_000_000_000;
/// How far apart the groups of one connection are at least.
const GROUP_EVERY_NS: u64 = 1_000_000;
/// Most shoppers of one group.
pub(crate) const GROUP_MAX: u64 = 256;

/// The groups of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    offset_ns: u64,
    /// The distance of `spacing` groups, so that no rounding adds up.
    groups_ns: u64,
    groups_in: u64,
    group: u64,
    next: u64,
    end_ns: u64,
}

impl Schedule {
    /// The part of connection `index` of `connections` in `rate` shoppers per second for `duration`.
    pub(crate) fn new(rate: u32, connections: u32, index: u32, duration: Duration) -> Self {
        let (rate, connections) = (u64::from(rate.max(1)), u64::from(connections.max(1)));
        let own_group = (rate * GROUP_EVERY_NS).div_ceil(connections * SECOND_NS);
        let group = own_group.clamp(1, GROUP_MAX);
        // Of this connection, `rate` groups come in `connections * group` seconds.
        let mut schedule = Self {
            offset_ns: 0,
            groups_ns: connections * group * SECOND_NS,
            groups_in: rate,
            group,
            next: 0,
            end_ns: u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX),
        };
        schedule.offset_ns = schedule.distance(u64::from(index)) / connections;
        schedule
    }

    /// Shoppers of one group.
    pub(crate) const fn group(&self) -> u64 {
        self.group
    }

    /// When the next group is due; `None` when all have come.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        Some(self.due_ns(self.next)).filter(|due| *due < self.end_ns)
    }

    /// Takes one group that is due at `now_ns`, and tells when it was.
    pub(crate) fn take_due(&mut self, now_ns: u64) -> Option<u64> {
        let due = self.next_ns().filter(|due| *due <= now_ns)?;
        self.next += 1;
        Some(due)
    }

    /// The first moment at or after `ns` at which a group of this connection is due, or would be after the end.
    pub(crate) fn round_up(&self, ns: u64) -> u64 {
        let since = ns.saturating_sub(self.offset_ns);
        let groups = u128::from(since) * u128::from(self.groups_in) / u128::from(self.groups_ns);
        let group = u64::try_from(groups).unwrap_or(u64::MAX - 1);
        let before = self.due_ns(group);
        if before >= ns { before } else { self.due_ns(group + 1) }
    }

    /// Nobody comes any more.
    pub(crate) const fn end(&mut self) {
        self.end_ns = 0;
    }

    fn due_ns(&self, group: u64) -> u64 {
        self.offset_ns.saturating_add(self.distance(group))
    }

    /// How long after the first group the group of this number comes.
    fn distance(&self, group: u64) -> u64 {
        let ns = u128::from(group) * u128::from(self.groups_ns) / u128::from(self.groups_in);
        u64::try_from(ns).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut schedule: Schedule) -> Vec<u64> {
        std::iter::from_fn(|| schedule.take_due(u64::MAX)).collect()
    }

    #[test]
    fn the_rate_comes_out_exactly_and_evenly() {
        // Proves that groups of all connections add up to the rate, at even distances, for odd numbers too.
        for (rate, connections) in [(20_000, 8), (7, 3), (999_983, 64), (1, 1), (10_000_000, 1)] {
            let duration = Duration::from_secs(3);
            let mut shoppers = 0;
            for index in 0..connections {
                let schedule = Schedule::new(rate, connections, index, duration);
                let group = schedule.group();
                let dues = all(schedule);
                shoppers += u64::try_from(dues.len()).unwrap() * group;
                let gaps: Vec<u64> = dues.windows(2).map(|pair| pair[1] - pair[0]).collect();
                let (least, most) = (gaps.iter().min().unwrap_or(&0), gaps.iter().max().unwrap_or(&0));
                assert!(most - least <= 1, "{rate} {connections}: {least}..{most}");
            }
            let wanted = u64::from(rate) * 3;
            let slack = u64::from(connections) * GROUP_MAX;
            assert!(
                shoppers.abs_diff(wanted) <= slack.min(wanted / 10 + u64::from(connections)),
                "{shoppers} {wanted}"
            );
        }
    }

    #[test]
    fn what_was_not_taken_in_time_stays_due_with_its_own_time() {
        // Proves that a stall skips nobody: the source of honest latencies.
        let mut schedule = Schedule::new(1_000, 1, 0, Duration::from_secs(1));
        assert_eq!(schedule.take_due(0), Some(0));
        assert_eq!(schedule.take_due(0), None);
        let late: Vec<u64> = std::iter::from_fn(|| schedule.take_due(500_000_000)).collect();
        assert_eq!(late.len(), 500);
        assert_eq!((late[0], late[499]), (1_000_000, 500_000_000));
        schedule.end();
        assert_eq!(schedule.next_ns(), None);
    }

    #[test]
    fn later_things_fall_into_the_same_rhythm() {
        // Proves that a payment needs no wake-up of its own.
        let schedule = Schedule::new(2_000, 2, 1, Duration::from_secs(1));
        let dues = all(schedule.clone());
        for ns in [0, 1, dues[3] - 1, dues[3], dues[3] + 1, 5_000_000_000] {
            let rounded = schedule.round_up(ns);
            assert!(rounded >= ns && rounded - ns <= 1_000_000);
            if ns < 1_000_000_000 - 1_000_000 {
                assert!(dues.contains(&rounded), "{ns} {rounded}");
            }
        }
    }
}
