//! `man` and `completions`: what is generated from the same description of the commands as `--help`.

use super::context::Context;
use super::exit::{Exit, ExitWith, Failure, file_failure};
use super::output::print;
use clap::{Args, Command};
use clap_mangen::Man;
use serde_json::json;
use std::path::PathBuf;

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
    Ok((man.get_filename(), text))
}
