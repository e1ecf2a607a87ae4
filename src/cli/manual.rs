//! `man` and `completions`: what is generated from the same description of the commands as `--help`.

use super::context::Context;
use super::exit::{Exit, ExitWith, Failure, file_failure};
use super::output::print;
use clap::{Args, Command};
use clap_mangen::Man;
use serde_json::json;
use std::path::PathBuf;

/// The heading of the generator's section.
const EXTRA: &str = ".SH EXTRA\n";

/// `completions`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold completions bash > /etc/bash_completion.d/stockhold
  stockhold completions zsh > ~/.zfunc/_stockhold
  stockhold completions fish > ~/.config/fish/completions/stockhold.fish")]
pub(super) struct CompletionsArguments {
    /// The shell
    shell: clap_complete::Shell,
}

/// `man`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold man | man -l -
  stockhold man --out /usr/local/share/man/man1 && man stockhold-reserve")]
pub(super) struct ManArguments {
    /// Write one page for the program and one for each command to this directory, which is created if it does not exist
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn completions(mut command: Command, arguments: &CompletionsArguments) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(arguments.shell, &mut command, name, &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Ok)
}

pub(super) fn man(context: Context<'_>, command: Command, arguments: &ManArguments) -> Result<Exit, Failure> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let Some(directory) = &arguments.out else {
        print(&String::from_utf8_lossy(&page(command)?.1))?;
        return Ok(Exit::Ok);
    };
    std::fs::create_dir_all(directory).map_err(|e| file_failure(directory, e))?;
    let mut files = Vec::new();
    for (name, text) in pages(&command)? {
        let file = directory.join(name);
        std::fs::write(&file, text).map_err(|e| file_failure(&file, e))?;
        files.push(file.display().to_string());
    }
    let text = format!("{}: {} pages", directory.display(), files.len());
    context.output.result(&text, &json!({"directory": directory.display().to_string(), "files": files}))?;
    Ok(Exit::Ok)
}

/// The pages of a command and of all commands below it.
fn pages(command: &Command) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut all = vec![page(command.clone())?];
    for below in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        all.extend(pages(below)?);
    }
    Ok(all)
}

/// The name of the file and the text of one page.
fn page(command: Command) -> Result<(String, Vec<u8>), Failure> {
    let version = concat!("stockhold ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command).manual("Stockhold").source(version);
    let mut text = Vec::new();
    man.render(&mut text).exit_with(Exit::BadData)?;
    let text = with_headings(&String::from_utf8_lossy(&text));
    Ok((man.get_filename(), text.into_bytes()))
}

/// The generator puts everything that follows the flags in the help into one section, `EXTRA`. It becomes the sections
/// that readers of manual pages look for.
fn with_headings(page: &str) -> String {
    let Some((before, extra)) = page.split_once(EXTRA) else { return page.to_owned() };
    let (extra, after) = extra.find("\n.SH ").map_or((extra, ""), |end| extra.split_at(end));
    let sections = match (extra.strip_prefix("Exit codes:\n"), extra.split_once("Examples:\n")) {
        (Some(codes), _) => format!(".SH EXIT STATUS\n{codes}"),
        (None, Some(("", examples))) => format!(".SH EXAMPLES\n{examples}"),
        (None, Some((notes, examples))) => {
            format!(".SH NOTES\n{}\n.SH EXAMPLES\n{examples}", notes.trim_end())
        }
        (None, None) => format!(".SH NOTES\n{extra}"),
    };
    format!("{before}{sections}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_flags_has_headings() {
        // Proves each form of the texts after the flags, and that the rest of a page stays.
        for (extra, expected) in [
            ("Examples:\n  stockhold status", ".SH EXAMPLES\n  stockhold status"),
            ("Ids last.\n\nExamples:\n  x", ".SH NOTES\nIds last.\n.SH EXAMPLES\n  x"),
            ("Limits change. Examples:\n  x", ".SH NOTES\nLimits change.\n.SH EXAMPLES\n  x"),
            ("Exit codes:\n  0   done", ".SH EXIT STATUS\n  0   done"),
            ("Ids last.", ".SH NOTES\nIds last."),
        ] {
            let page = format!(".SH NAME\nx\n.SH EXTRA\n{extra}\n.SH VERSION\nv1\n");
            assert_eq!(with_headings(&page), format!(".SH NAME\nx\n{expected}\n.SH VERSION\nv1\n"));
        }
        assert_eq!(with_headings(".SH NAME\nx\n"), ".SH NAME\nx\n");
    }

    #[test]
    fn no_page_has_the_section_of_the_generator() {
        // Proves that the generator still writes what is replaced: every command has examples.
        for (name, text) in pages(&crate::cli::command_line()).map_err(|failure| failure.error).unwrap() {
            let text = String::from_utf8(text).unwrap();
            assert!(!text.contains("EXTRA"), "{name}");
        }
        let (_, root) = page(crate::cli::command_line()).map_err(|failure| failure.error).unwrap();
        assert!(String::from_utf8(root).unwrap().contains("\n.SH EXIT STATUS\n"));
    }
}
