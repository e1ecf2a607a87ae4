//! `top`: a live screen of a running server. It asks for the status again and again and shows the differences; the
//! server does nothing for it besides answering.

mod screen;

use super::context::Context;
use super::exit::{Exit, ExitWith, Failure};
use super::output::print;
use super::questions::wrong_answer;
use super::server_connection::ServerConnection;
use super::times::some_duration;
use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Rect;
use screen::View;
use std::io::IsTerminal;
use std::time::{Duration, Instant};
use stockhold_protocol::query::{Query, QueryAnswer, Status};

/// The size of a frame that is printed: that of the smallest usual terminal.
const PRINTED: Rect = Rect::new(0, 0, 80, 24);

/// `top`
#[derive(Args, Debug)]
#[command(
    after_help = "Percentiles are of all times since the start of the server, everything else is of the last interval. SKUs are sampled: their
percentages are shares of the samples, of which old ones fade. Keys: q, Esc or Ctrl-C quits.

Examples:
  stockhold top
  stockhold top --interval 5s
  stockhold top --once"
)]
pub(super) struct TopArguments {
    /// The time between two frames
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = some_duration)]
    interval: Duration,
    /// Print one frame as text, after one interval, and exit
    #[arg(long)]
    once: bool,
}

pub(super) fn top(context: Context<'_>, arguments: &TopArguments) -> Result<Exit, Failure> {
    if context.output.is_json() {
        return Err(Failure::usage(
            "the screen is for people; `stockhold status --json` has the same for programs",
        ));
    }
    if !arguments.once && !std::io::stdout().is_terminal() {
        return Err(Failure::usage(
            "standard output is no terminal; `stockhold top --once` prints one frame",
        ));
    }
    let mut server = context.server()?;
    let mut view = View::new(&context.common.server, arguments.interval, ask(&mut server)?);
    if arguments.once {
        std::thread::sleep(arguments.interval);
        view.update(ask(&mut server)?);
        print(&view.text(PRINTED))?;
        return Ok(Exit::Ok);
    }
    let mut terminal = ratatui::try_init().exit_with(Exit::Disk)?;
    let ended = run(&mut terminal, &mut server, &mut view, arguments.interval);
    ratatui::try_restore().exit_with(Exit::Disk)?;
    ended.map(|()| Exit::Ok)
}

fn ask(server: &mut ServerConnection) -> Result<Status, Failure> {
    let QueryAnswer::Status(status) = server.query(&Query::Status)? else { return Err(wrong_answer()) };
    Ok(status)
}

/// Draws until a key ends it.
fn run(
    terminal: &mut ratatui::DefaultTerminal,
    server: &mut ServerConnection,
    view: &mut View,
    interval: Duration,
) -> Result<(), Failure> {
    loop {
        let next = Instant::now() + interval;
        loop {
            terminal.draw(|frame| frame.render_widget(&*view, frame.area())).exit_with(Exit::Disk)?;
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() || !event::poll(left).exit_with(Exit::Disk)? {
                break;
            }
            if let Event::Key(key) = event::read().exit_with(Exit::Disk)?
                && ends(key)
            {
                return Ok(());
            }
        }
        // A server that does not answer may come back, so the last frame stays with the reason.
        match ask(server) {
            Ok(status) => view.update(status),
            Err(failure) => view.fail(failure.text()),
        }
    }
}

fn ends(key: KeyEvent) -> bool {
    let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press
        && (is_interrupt || matches!(key.code, KeyCode::Char('q' | 'Q') | KeyCode::Esc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_keys_end_it() {
        // Proves which keys end the screen, and that their release does not.
        let press = |code, modifiers| KeyEvent::new(code, modifiers);
        assert!(ends(press(KeyCode::Char('q'), KeyModifiers::NONE)));
        assert!(ends(press(KeyCode::Esc, KeyModifiers::NONE)));
        assert!(ends(press(KeyCode::Char('c'), KeyModifiers::CONTROL)));
        assert!(!ends(press(KeyCode::Char('c'), KeyModifiers::NONE)));
        let mut released = press(KeyCode::Char('q'), KeyModifiers::NONE);
        released.kind = KeyEventKind::Release;
        assert!(!ends(released));
    }
}
