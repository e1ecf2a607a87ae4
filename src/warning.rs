//! The warnings of `status`. Each has a name, so that an alarm can be set on it, and tells what to do.
//! docs/operations.md lists them. Where a condition is found, its sentence is made there.

use std::fmt::Display;

/// What separates the sentence of a warning from its advice.
pub const TO_DO: &str = " To do: ";

macro_rules! warnings {
    ($($kind:ident $name:literal, $advice:literal;)*) => {
        /// What a warning is about.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Warning {
            $(#[doc = $advice] $kind,)*
        }

        impl Warning {
            /// Every warning that a server can give.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The name, with which each warning of this kind begins.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// What to do about it.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self {
                    $(Self::$kind => $advice,)*
                }
            }
        }
    };
}

warnings! {
    LogFailed "log_failed", "Look at the disk and at the server's log; then `stockhold verify` and `stockhold serve`.";
    SegmentsFailed "segments_failed", "Look at the disk and at the server's log; then `stockhold verify` and `stockhold serve`.";
    DiskFull "disk_full", "Make space on the disk, but remove nothing from the data directory; then it continues by itself.";
    DiskLow "disk_low", "Make space on the disk, but remove nothing from the data directory.";
    SnapshotFailed "snapshot_failed", "Look at the server's log for the reason; `stockhold snapshot` tries again.";
    SnapshotNotUsed "snapshot_not_used", "Run `stockhold verify` on the data directory; `stockhold snapshot` writes a new one.";
    BatchesPassedOver "batches_passed_over", "Run `stockhold verify` on the data directory.";
    OpsSkipped "ops_skipped", "Nothing, if this is meant; `stockhold log skips` lists all with their reasons.";
    MarksLost "marks_lost", "Drop them with `stockhold mark drop`; marks.keep-bytes or an archive keeps more.";
    ArchiveFailing "archive_failing", "See the server's log for the reason.";
    ArchiveBudget "archive_budget", "Raise archive.budget-bytes or lower archive.keep-*.";
    ClockHeldBack "clock_held_back", "If the wall clock is right, run `stockhold clock accept`; otherwise correct it.";
    ClockOff "clock_off", "Correct the wall clock if it is wrong; otherwise nothing.";
    AnswersBeforeSync "answers_before_sync", "Set log.durability to sync if a power cut must not lose answers.";
    OpenFiles "open_files", "Raise the limit of open files (ulimit -n, LimitNOFILE), or lower limits.connections.";
    FileSystemMemory "file_system_memory", "Move the data directory to a disk.";
    FileSystemOverlay "file_system_overlay", "Mount a volume for the data directory.";
    FileSystemNetwork "file_system_network", "Move the data directory to a local disk.";
    FileSystemUser "file_system_user", "Move the data directory to a file system of the kernel, such as ext4 or XFS.";
    FileSystemCopyOnWrite "file_system_copy_on_write", "Move the data directory to ext4 or XFS, or leave much of the disk free.";
}

impl Warning {
    /// The warning with what was found, as `status` shows it.
    #[must_use]
    pub fn about(self, found: impl Display) -> String {
        format!("{}: {found}{TO_DO}{}", self.name(), self.advice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_warning_has_its_own_name_and_advice() {
        // Proves that an alarm on a name concerns one kind of warning, and that a warning can be taken apart again.
        // docs/operations.md explains each.
        let mut names: Vec<&str> = Warning::ALL.iter().map(|warning| warning.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Warning::ALL.len());
        for warning in Warning::ALL {
            let text = warning.about("Something is so.");
            let (before, advice) = text.split_once(TO_DO).unwrap();
            assert_eq!(before, format!("{}: Something is so.", warning.name()));
            assert!(advice.ends_with('.'), "{advice}");
            let page = include_str!("../docs/operations.md");
            assert!(
                page.contains(&format!("`{}`", warning.name())),
                "docs/operations.md lacks {}",
                warning.name()
            );
        }
    }
}
