//! Runs models under the checker, and shows that a model with a fault is caught.

/// The maximum number of preemptive switches. Nearly all faults need one or two, and more would take minutes.
const PREEMPTIONS_MAX: usize = 3;

/// Runs a model through its interleavings.
pub(super) fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut checker = loom::model::Builder::new();
    checker.preemption_bound = Some(PREEMPTIONS_MAX);
    checker.check(model);
}

/// Set in the process that runs a faulty model.
const TWIN: &str = "STOCKHOLD_THREADS_TWIN";

/// Whether the checker finds a fault in some interleaving. This may end the process, so the calling test, named `test`,
/// runs once more in a process of its own.
pub(super) fn is_caught(test: &str, model: impl Fn() + Sync + Send + 'static) -> bool {
    if std::env::var_os(TWIN).is_some() {
        check(model);
        return true;
    }
    let program = std::env::current_exe().unwrap();
    let twin = std::process::Command::new(program).args(["--exact", test]).env(TWIN, "1").output().unwrap();
    assert!(String::from_utf8_lossy(&twin.stdout).contains("running 1 test"), "there is a test named {test}");
    !twin.status.success()
}
