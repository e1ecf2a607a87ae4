//! What each option means: printed by `--print-config` and in the documentation. A test holds it against the structs.

/// Option → meaning, with unit and minimum. Defaults are those of [`super::Config::default`].
pub const OPTIONS: &[(&str, &str)] = &[
    ("data-dir", "The data directory, made by `stockhold format`."),
    ("listen", "Address and port of the native protocol. Port 0 takes any free port."),
    (
        "log.segment-bytes",
        "Length of a log segment in bytes; a multiple of 4096, at most 4 GiB. Two of them are in use at any time.",
    ),
    ("log.write-path", "auto, direct (O_DIRECT and O_DSYNC, or the start fails) or fdatasync."),
    (
        "log.durability",
        "sync (an answer leaves after a sync that covers it) or interval (it may leave before).",
    ),
    (
        "log.interval-ms",
        "With durability = interval: milliseconds between syncs, which is the loss window. Minimum 1.",
    ),
    ("log.batch-bytes", "Longest payload of one log write in bytes. Minimum 66560, maximum 1048576."),
    ("log.batch-ops", "Most commands of one log write. Minimum 1."),
    ("queues.submissions", "Frames of commands that may wait to be logged. Minimum 1."),
    ("queues.commands", "Commands that may wait to be logged; more are answered busy. Minimum 1."),
    ("queues.bytes", "Bytes of commands that may wait to be logged. Minimum 65536."),
    ("queues.questions", "Questions that may wait for the applier. Minimum 1."),
    (
        "limits.connections",
        "Most connections at once, beside 16 from this machine; beyond, the idlest makes room. Takes as many open files and 368 more. \
         Minimum 1.",
    ),
    (
        "limits.in-flight",
        "Commands of one connection that may wait for answers; more are answered busy. Minimum 1.",
    ),
    ("limits.questions-in-flight", "Questions of one connection that may wait for answers. Minimum 1."),
    (
        "limits.outbox-bytes",
        "Unsent bytes of one connection beyond which nothing more is read from it. Minimum 65536.",
    ),
    ("limits.frame-body-bytes", "Longest frame body in bytes. Minimum 65536, maximum 1048576."),
    ("limits.handshake-ms", "Milliseconds in which a new connection must say hello. Minimum 10."),
    (
        "limits.slow-reader-ms",
        "Milliseconds that a connection may leave a full outbox unread before it is cut. Minimum 10.",
    ),
    ("limits.frame-ms", "Milliseconds in which a frame that has begun must have come whole. Minimum 10."),
    (
        "limits.buffer-bytes",
        "Bytes that the buffers of all connections may take; beyond, those with the largest are cut. Minimum 16777216.",
    ),
    ("limits.check-wait-ms", "Longest wait of a check for an op, in milliseconds."),
    ("limits.retry-after-ms", "Milliseconds that a busy answer tells the client to wait."),
    ("snapshot.ops", "Write a snapshot after so many ops; 0 = not by ops."),
    (
        "snapshot.interval-seconds",
        "Write a snapshot after so many seconds, if anything happened; 0 = not by time.",
    ),
    ("snapshot.log-bytes", "Write a snapshot after so many bytes of log; 0 = not by bytes."),
    ("snapshot.at-stop", "Write a snapshot when the server stops in good order."),
    (
        "recovery.validate-reservations",
        "A start with up to so many reservations counts the whole state again and checks all invariants; 0 = none.",
    ),
    ("threads.network", "Network threads; 0 = one on up to two cores, else cores - 2, at most four."),
    (
        "logging.level",
        "What the server logs: error, warn, info, debug, trace, or a filter such as stockhold=debug.",
    ),
    ("logging.format", "text or json."),
    ("clock.alarm-ms", "Offset of the wall clock, in milliseconds, that raises the alarm. Minimum 1."),
    ("stop.grace-ms", "Milliseconds that connections have to read their last answers when the server stops."),
    (
        "stop.checks-after-failure-ms",
        "Milliseconds that checks go on after a log write failed; then the exit code is 74.",
    ),
];
