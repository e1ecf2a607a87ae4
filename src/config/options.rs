//! The meaning of each option, for `--print-config` and the documentation. A test compares the list with the structs.

/// Each option with its meaning, unit and minimum. The defaults are those of [`super::Config::default`].
pub const OPTIONS: &[(&str, &str)] = &[
    ("data-dir", "The data directory, made by `stockhold format`."),
    (
        "listen",
        "Host and port of the native protocol; without a host (:7411) all interfaces of this machine. Port 0 takes any free port.",
    ),
    (
        "log.segment-bytes",
        "Length of a log segment in bytes; a multiple of 4096, at most 4 GiB. Two of them are in use at any time.",
    ),
    ("log.write-path", "auto, direct (O_DIRECT and O_DSYNC, or the start fails) or fdatasync."),
    (
        "log.durability",
        "sync (a command is answered after its log write was synced) or interval (it may be answered before).",
    ),
    (
        "log.interval-ms",
        "With durability = interval: milliseconds between syncs. A crash may lose this much. Minimum 1.",
    ),
    ("log.batch-bytes", "Maximum payload of one log write in bytes. Minimum 66560, maximum 1048576."),
    ("log.batch-ops", "Maximum number of commands in one log write. Minimum 1."),
    ("queues.submissions", "Maximum number of command frames that wait to be logged. Minimum 1."),
    (
        "queues.commands",
        "Maximum number of commands that wait to be logged; further ones are answered busy. Minimum 1.",
    ),
    ("queues.bytes", "Maximum number of command bytes that wait to be logged. Minimum 65536."),
    ("queues.questions", "Maximum number of questions that wait for the applier. Minimum 1."),
    (
        "limits.connections",
        "Maximum number of connections, in addition to 16 from this machine; at the limit the idlest one is closed for a new one. \
         The server needs as many open files and 368 more. Minimum 1.",
    ),
    (
        "limits.in-flight",
        "Maximum number of commands in flight per connection; further ones are answered busy. Minimum 1.",
    ),
    ("limits.questions-in-flight", "Maximum number of questions in flight per connection. Minimum 1."),
    (
        "limits.outbox-bytes",
        "When a connection has more unsent bytes than this, nothing more is read from it. Minimum 65536.",
    ),
    ("limits.frame-body-bytes", "Maximum frame body in bytes. Minimum 65536, maximum 1048576."),
    ("limits.handshake-ms", "Milliseconds in which a new connection must send its hello. Minimum 10."),
    (
        "limits.slow-reader-ms",
        "Milliseconds that a connection may leave a full outbox unread before it is cut. Minimum 10.",
    ),
    (
        "limits.frame-ms",
        "Milliseconds in which a frame must arrive completely once it has begun. Minimum 10.",
    ),
    (
        "limits.buffer-bytes",
        "Maximum memory of the buffers of all connections in bytes; beyond it, the connections with the largest buffers are cut. Minimum 16777216.",
    ),
    ("limits.check-wait-ms", "Maximum time that a check waits for an op, in milliseconds."),
    ("limits.retry-after-ms", "Delay that a busy answer asks the client for, in milliseconds."),
    ("snapshot.ops", "Write a snapshot after this many ops; 0 = off."),
    (
        "snapshot.interval-seconds",
        "Write a snapshot after this many seconds, if there were any ops; 0 = off.",
    ),
    ("snapshot.log-bytes", "Write a snapshot after this many bytes of log; 0 = off."),
    ("snapshot.at-stop", "Write a snapshot at a clean stop."),
    (
        "archive.url",
        "Where the log and the snapshots are archived while the server runs: a directory, file:///…, s3://BUCKET/…, gs://BUCKET/…, \
         az://CONTAINER/…; empty = nowhere.",
    ),
    (
        "archive.interval-ms",
        "Milliseconds between two passes, each of which archives what has become durable. Minimum 10.",
    ),
    ("archive.timeout-ms", "Time limit of one call on the archive in milliseconds. Minimum 10."),
    (
        "archive.required",
        "Accept no new promises (read_only) while the archive is more than required-lag-ms behind. Otherwise selling goes on, with a warning.",
    ),
    (
        "archive.required-lag-ms",
        "With required: how long the archive may lack durable ops, in milliseconds. Minimum two intervals.",
    ),
    (
        "archive.hold-bytes",
        "Maximum bytes of log that are kept in the data directory only because the archive lacks them; beyond it, the oldest are trimmed.",
    ),
    (
        "archive.keep-snapshots",
        "Keep at least this many newest snapshots in the archive, and the log from the oldest of them on; 0 and keep-hours 0 = everything.",
    ),
    (
        "archive.keep-hours",
        "Keep what is needed to restore every state of the last so many hours; 0 and keep-snapshots 0 = everything.",
    ),
    (
        "archive.budget-bytes",
        "Maximum bytes of the archive; when they are spent, nothing more is archived, with a warning. 0 = no limit.",
    ),
    (
        "marks.keep-bytes",
        "Maximum bytes of log and snapshots that are kept in the data directory only because marks need them that the archive does \
         not lead back to; beyond it, the oldest marks lose theirs, automatic ones first.",
    ),
    (
        "recovery.validate-reservations",
        "A start with at most this many reservations recounts the whole state and checks all invariants; 0 = never.",
    ),
    (
        "threads.network",
        "Number of network threads; 0 = one on up to two cores, otherwise cores - 2, at most four.",
    ),
    (
        "logging.level",
        "What the server logs: error, warn, info, debug, trace, or a filter such as stockhold=debug.",
    ),
    ("logging.format", "text or json."),
    ("clock.alarm-ms", "Offset of the wall clock, in milliseconds, that raises the alarm. Minimum 1."),
    ("stop.grace-ms", "Milliseconds that connections have to read their last answers when the server stops."),
    (
        "stop.checks-after-failure-ms",
        "Milliseconds for which checks are still answered after a log write has failed. Then the server exits with code 74.",
    ),
];
