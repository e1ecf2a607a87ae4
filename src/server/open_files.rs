//! How many connections the system lets this process have: each takes a file descriptor. A limit that is met while connections are
//! accepted turns peers away without a word, so it is raised, or the number of connections is lowered to it, before the first comes.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::net::connection_permits::{LINGERING_MAX, LOCAL_CONNECTIONS_MAX};

/// Descriptors that are no connections: segments, snapshots, the lock, the listener, what the runtimes need.
const FILES_BESIDE: u64 = 96;

/// What was found and done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fitted {
    /// As many connections as there can be, at most as many as were asked for.
    pub(super) connections: usize,
    /// Why these are fewer.
    pub(super) warning: Option<String>,
}

/// Raises the process's limit of open files for so many connections, as far as the system allows.
pub(super) fn fit(connections: usize) -> Fitted {
    let limit = getrlimit(Resource::Nofile);
    let plan = plan(connections, limit.current, limit.maximum);
    let raised = Rlimit { current: plan.raise_to, maximum: limit.maximum };
    if plan.raise_to == limit.current || setrlimit(Resource::Nofile, raised).is_ok() {
        return plan.fitted;
    }
    self::plan(connections, limit.current, limit.current).fitted
}

struct Plan {
    raise_to: Option<u64>,
    fitted: Fitted,
}

/// Limits that are `None` are none.
fn plan(connections: usize, current: Option<u64>, maximum: Option<u64>) -> Plan {
    let beside = length(LOCAL_CONNECTIONS_MAX + LINGERING_MAX) + FILES_BESIDE;
    let needed = length(connections).saturating_add(beside);
    if current.is_none_or(|current| current >= needed) {
        return Plan { raise_to: current, fitted: Fitted { connections, warning: None } };
    }
    let allowed = maximum.map_or(needed, |maximum| maximum.min(needed));
    let warning = || {
        format!(
            "The system allows {allowed} open files, so at most {} connections are taken instead of {connections} \
             (limits.connections); raise the limit to {needed} (ulimit -n, LimitNOFILE).",
            permits(allowed, beside)
        )
    };
    let fitted = if allowed == needed {
        Fitted { connections, warning: None }
    } else {
        Fitted { connections: permits(allowed, beside), warning: Some(warning()) }
    };
    Plan { raise_to: Some(allowed), fitted }
}

fn permits(allowed: u64, beside: u64) -> usize {
    usize::try_from(allowed.saturating_sub(beside).max(1)).unwrap_or(usize::MAX)
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit that is set, and the connections that are taken.
    fn planned(connections: usize, current: Option<u64>, maximum: Option<u64>) -> (Option<u64>, usize, bool) {
        let Plan { raise_to, fitted } = plan(connections, current, maximum);
        (raise_to, fitted.connections, fitted.warning.is_some())
    }

    #[test]
    fn the_limit_is_raised_as_far_as_needed_and_connections_are_lowered_to_it() {
        // Proves needed - 1, needed and needed + 1 of the soft and of the hard limit, and that there is always a connection.
        let beside = length(LOCAL_CONNECTIONS_MAX + LINGERING_MAX) + FILES_BESIDE;
        let needed = 4_096 + beside;
        assert_eq!(planned(4_096, None, None), (None, 4_096, false));
        for enough in [needed, needed + 1] {
            assert_eq!(planned(4_096, Some(enough), Some(enough)), (Some(enough), 4_096, false));
        }
        assert_eq!(planned(4_096, Some(needed - 1), None), (Some(needed), 4_096, false));
        assert_eq!(planned(4_096, Some(1_024), Some(needed)), (Some(needed), 4_096, false));
        assert_eq!(planned(4_096, Some(1_024), Some(needed - 1)), (Some(needed - 1), 4_095, true));
        assert_eq!(planned(4_096, Some(1_024), Some(1_024)), (Some(1_024), 656, true));
        assert_eq!(planned(4_096, Some(64), Some(64)), (Some(64), 1, true));
        assert_eq!(planned(usize::MAX, Some(1_024), Some(1_024)).1, 656);
    }
}
