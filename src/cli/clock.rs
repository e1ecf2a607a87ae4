//! `clock`: shows the server's time and its wall clock, and accepts a wall clock that is far ahead.

use super::checkout::send;
use super::context::{Call, Context};
use super::exit::{Exit, Failure};
use super::output::{Text, table};
use super::questions::wrong_answer;
use super::server_connection::ServerConnection;
use super::times::utc;
use clap::{Args, Subcommand};
use serde_json::json;
use std::collections::BTreeMap;
use stockhold_protocol::query::{Query, QueryAnswer};
use stockhold_protocol::{Command, Timestamp};

/// `clock`
#[derive(Args, Debug)]
#[command(
    after_help = "The server's time never goes back, so it is not a wall clock. Ids are made from it. Deadlines run in hold time, which is the \
server's time without the time in which the server was down. Hold times are shown to people as wall clock times.

Examples:
  stockhold clock
  stockhold clock --json
  stockhold clock accept"
)]
pub(super) struct ClockArguments {
    #[command(subcommand)]
    action: Option<ClockAction>,
}

#[derive(Subcommand, Debug)]
enum ClockAction {
    /// Let the server's time follow the wall clock, however far ahead it is
    #[command(
        after_help = "A start follows the wall clock by at most clock_jump_max (see `stockhold show configuration`), because one wrong \
reading would last forever: time never goes back. If the wall clock of the server is right, accept it. This does not end any hold.

Examples:
  stockhold clock accept"
    )]
    Accept {
        #[command(flatten)]
        call: Call,
    },
}

/// The clock metrics of `status`, in milliseconds.
pub(super) struct Clocks {
    by_name: BTreeMap<String, i64>,
    warnings: Vec<String>,
}

impl Clocks {
    pub(super) fn ask(server: &mut ServerConnection) -> Result<Self, Failure> {
        let QueryAnswer::Status(status) = server.query(&Query::Status)? else { return Err(wrong_answer()) };
        let clocks = status.metrics.into_iter().filter(|metric| metric.name.starts_with("clock_"));
        let by_name = clocks.map(|metric| (metric.name, metric.value)).collect();
        let warnings = status.warnings.into_iter().filter(|warning| warning.starts_with("clock_")).collect();
        Ok(Self { by_name, warnings })
    }

    fn ms(&self, name: &str) -> Result<i64, Failure> {
        self.by_name.get(name).copied().ok_or_else(wrong_answer)
    }

    /// The server's wall clock.
    pub(super) fn wall_ms(&self) -> Result<u64, Failure> {
        let wall_ms = self.ms("clock_time_ms")?.saturating_add(self.ms("clock_wall_offset_ms")?);
        Ok(u64::try_from(wall_ms).unwrap_or(0))
    }
}

pub(super) fn clock(context: Context<'_>, arguments: &ClockArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let clocks = Clocks::ask(&mut server)?;
    match &arguments.action {
        None => show(context, &clocks),
        Some(ClockAction::Accept { call }) => {
            send(context, &mut server, call, Command::AcceptClock(Timestamp(clocks.wall_ms()?)))
        }
    }
}

/// Formats milliseconds as seconds.
fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    format!("{sign}{}.{:03} s", ms.unsigned_abs() / 1_000, ms.unsigned_abs() % 1_000)
}

fn show(context: Context<'_>, clocks: &Clocks) -> Result<Exit, Failure> {
    let time_ms = u64::try_from(clocks.ms("clock_time_ms")?).unwrap_or(0);
    let (wall_ms, accepted_ms) = (clocks.wall_ms()?, clocks.ms("clock_accepted_until_ms")?);
    let accepted = (accepted_ms > 0).then(|| utc(accepted_ms.unsigned_abs() / 1_000));
    let seconds = |name: &str| clocks.ms(name).map(seconds);
    let mut rows = vec![
        vec!["server's time".to_owned(), utc(time_ms / 1_000)],
        vec!["wall clock".to_owned(), utc(wall_ms / 1_000)],
        vec!["wall clock minus server's time".to_owned(), seconds("clock_wall_offset_ms")?],
        vec!["gaps that holds do not count".to_owned(), seconds("clock_hold_offset_ms")?],
    ];
    rows.extend(accepted.as_ref().map(|time| vec!["wall clock accepted until".to_owned(), time.clone()]));
    let mut text = Text::default();
    text.line(&table(&rows));
    for warning in &clocks.warnings {
        text.line(&format!("warning: {warning}"));
    }
    let document = json!({
        "time_ms": time_ms, "wall_ms": wall_ms, "wall_offset_ms": clocks.ms("clock_wall_offset_ms")?,
        "wall_offset_logged_ms": clocks.ms("clock_wall_offset_logged_ms")?,
        "hold_offset_ms": clocks.ms("clock_hold_offset_ms")?, "jump_max_ms": clocks.ms("clock_jump_max_ms")?,
        "accepted_until": accepted, "warnings": clocks.warnings,
    });
    context.output.result(&text.into_string(), &document)?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_a_second_keeps_its_sign() {
        // Proves that a clock that is a little behind is not shown as ahead.
        let spans = [(0, "0.000 s"), (-1, "-0.001 s"), (-86_400_500, "-86400.500 s"), (1_500, "1.500 s")];
        for (ms, text) in spans {
            assert_eq!(seconds(ms), text);
        }
    }
}
