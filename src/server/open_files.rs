//! Fits the number of connections to the limit of open files, because each connection takes a file descriptor. If the
//! limit were reached while connections are accepted, peers would be refused without an answer. So at start the limit
//! is raised, or the number of connections is lowered.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::net::connection_permits::{LINGERING_MAX, LOCAL_CONNECTIONS_MAX};
use crate::warning::Warning;

/// File descriptors for other purposes: segments, snapshots, the lock, the listener and the runtimes.
const FILES_BESIDE: u64 = 96;

/// The result of the fitting.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fitted {
    /// The number of connections that the server may have; at most the configured number.
    pub(super) connections: usize,
    /// Why the number is lower than configured.
    pub(super) warning: Option<String>,
}

/// Raises the limit of open files for this many connections, as far as the system allows.
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

/// A limit of `None` means unlimited.
fn plan(connections: usize, current: Option<u64>, maximum: Option<u64>) -> Plan {
    let beside = length(LOCAL_CONNECTIONS_MAX + LINGERING_MAX) + FILES_BESIDE;
    let needed = length(connections).saturating_add(beside);
    if current.is_none_or(|current| current >= needed) {
        return Plan { raise_to: current, fitted: Fitted { connections, warning: None } };
    }
    let allowed = maximum.map_or(needed, |maximum| maximum.min(needed));
    let warning = || {
        Warning::OpenFiles.about(format!(
            "The system allows {allowed} open files, so at most {} connections are accepted instead of {connections} \
             (limits.connections); {needed} open files would be enough.",
            connections_allowed(allowed, beside)
        ))
    };
    let fitted = if allowed == needed {
        Fitted { connections, warning: None }
    } else {
        Fitted { connections: connections_allowed(allowed, beside), warning: Some(warning()) }
    };
    Plan { raise_to: Some(allowed), fitted }
}

fn connections_allowed(allowed: u64, beside: u64) -> usize {
    usize::try_from(allowed.saturating_sub(beside).max(1)).unwrap_or(usize::MAX)
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit that is set, the number of connections, and whether there is a warning.
    fn planned(connections: usize, current: Option<u64>, maximum: Option<u64>) -> (Option<u64>, usize, bool) {
        let Plan { raise_to, fitted } = plan(connections, current, maximum);
        (raise_to, fitted.connections, fitted.warning.is_some())
    }

    #[test]
    fn the_limit_is_raised_as_far_as_needed_and_connections_are_lowered_to_it() {
        // Proves the soft and the hard limit at needed - 1, needed and needed + 1, and that at least one connection is
        // always allowed.
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
