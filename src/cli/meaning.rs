//! Refuses flags that mean nothing for what they are given with. A flag that was ignored would leave its author in the
//! belief that it has an effect. `--dry-run` may be added to any complete command, so it makes no flag meaningless.

use super::arguments::Action;
use super::data::LogAction;
use super::parse::server_address;
use super::times::some_duration;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use std::path::{Path, PathBuf};

/// The commands that contact no server, or only one of their own.
const LOCAL: [&str; 8] = ["serve", "demo", "format", "verify", "restore", "follow", "completions", "man"];
/// The sub-commands that contact no server, of commands that may contact one.
const LOCAL_PARTS: [(&str, &[&str]); 2] =
    [("backup", &["list", "verify"]), ("log", &["skip", "skips", "verify", "truncate"])];

/// Hides the flags for a server in the help of commands that contact none.
pub(super) fn without_server_flags(command: Command) -> Command {
    let command = LOCAL.iter().fold(command, |command, name| command.mut_subcommand(name, hide));
    LOCAL_PARTS.iter().fold(command, |command, (name, parts)| {
        command.mut_subcommand(name, |command| {
            parts.iter().fold(command, |command, part| command.mut_subcommand(part, hide))
        })
    })
}

/// A flag of the whole program is not passed on to a command that has a flag of the same name.
fn hide(command: Command) -> Command {
    let hidden = |id: &'static str| Arg::new(id).long(id).global(true).hide(true).num_args(1);
    command
        .arg(hidden("server").value_parser(server_address))
        .arg(hidden("timeout").value_parser(some_duration))
}

/// Why a flag means nothing, if there is one.
pub(super) fn meaningless(matches: &ArgMatches, action: &Action) -> Option<String> {
    let (name, of_command) = matches.subcommand()?;
    let for_server = ["server", "timeout"].into_iter().find(|id| is_given(matches, id));
    if let Some(id) = for_server
        && let Some(reason) = contacts_no_server(name, action)
    {
        return Some(format!("--{id} means nothing here: {reason}"));
    }
    if matches!(action, Action::Import(_)) { import(of_command) } else { None }
}

fn is_given(matches: &ArgMatches, id: &str) -> bool {
    matches.value_source(id) == Some(ValueSource::CommandLine)
}

fn contacts_no_server(name: &str, action: &Action) -> Option<String> {
    Some(if matches!(action, Action::Demo(_)) {
        "`stockhold demo` runs a server of its own".to_owned()
    } else if matches!(action, Action::Serve(_)) {
        "`stockhold serve` is the server; --listen says where it is reached".to_owned()
    } else if matches!(action, Action::Id(id) if !id.asks_a_server()) {
        "`stockhold id new` contacts no server without --server-time".to_owned()
    } else if matches!(action, Action::Explain(explain) if explain.names_a_place()) {
        "the past is read from a data directory or an archive, not from a server".to_owned()
    } else if matches!(action, Action::Replay(replay) if replay.reads_a_place()) {
        "a dry run decides on a copy of the state that is named, and asks no server".to_owned()
    } else if matches!(action, Action::List(list) if list.is_of_files()) {
        "snapshots and segments are listed from the place that is named".to_owned()
    } else if reads_a_place(action) || LOCAL.contains(&name) {
        format!("`stockhold {name}` contacts no server")
    } else {
        return None;
    })
}

/// Whether a command reads or changes the log at a place that is named, so that the server is not asked where its log is.
#[expect(clippy::wildcard_enum_match_arm, reason = "only the commands that read a log differ")]
fn reads_a_place(action: &Action) -> bool {
    match action {
        Action::Log(LogAction::Dump(dump)) => !dump.asks_the_server(),
        Action::Log(_) => true,
        Action::Backup(backup) => !backup.asks_the_server(),
        Action::Why(why) => !why.asks_the_server(),
        Action::Import(import) => import.contacts_no_server(),
        _ => false,
    }
}

fn import(matches: &ArgMatches) -> Option<String> {
    let is_rows = |file: &Path| file.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    let mut files = matches.get_many::<PathBuf>("files").into_iter().flatten();
    let has_rows = files.any(|file| is_rows(file));
    let id = ["behavior", "create_skus", "reason"]
        .into_iter()
        .find(|id| is_given(matches, id))
        .filter(|_| !has_rows)?;
    let flag = id.replace('_', "-");
    Some(format!("--{flag} means nothing here: it is for source items, and no file is a .csv"))
}

#[cfg(test)]
mod tests {
    use crate::cli::command_line;

    #[test]
    fn help_shows_no_flag_without_meaning() {
        // Proves that the flags for a server are in the help of the commands that contact one, and in no other.
        let mut command = command_line();
        command.build();
        for (words, expected) in [
            (&["status"][..], true),
            (&["define", "sku"], true),
            (&["import"], true),
            (&["serve"], false),
            (&["verify"], false),
            (&["log", "dump"], true),
            (&["log", "skip"], false),
            (&["backup"], true),
            (&["backup", "list"], false),
            (&["list", "segments"], true),
        ] {
            let found =
                words.iter().fold(&mut command, |command, word| command.find_subcommand_mut(word).unwrap());
            let help = found.render_long_help().to_string();
            for flag in ["--server <", "--timeout <"] {
                assert_eq!(help.contains(flag), expected, "{words:?} {flag}: {help}");
            }
            assert!(help.contains("--json"), "{words:?}");
        }
    }
}
