//! Runs models, and shows that one with a mistake in it is caught.

/// How often a model switches threads where none has to wait: nearly all faults need one or two, and more would take minutes.
const PREEMPTIONS_MAX: usize = 3;

/// Runs a model through its interleavings.
pub(super) fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut checker = loom::model::Builder::new();
    checker.preemption_bound = Some(PREEMPTIONS_MAX);
    checker.check(model);
}

/// Set in the process that runs a model which is to fail.
const TWIN: &str = "STOCKHOLD_THREADS_TWIN";

/// Whether the checker finds a fault in some interleaving. It may end the process when it does, so the test named `test`, which calls
/// this, runs once more in a process of its own.
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
