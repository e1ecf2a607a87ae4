//! `id`: makes ids of commands, as the client does.

use super::context::Context;
use super::exit::{Exit, Failure};
use clap::Subcommand;
use serde_json::json;
use stockhold_client::{IdGenerator, wall_clock_ms};
use stockhold_protocol::CommandId;

/// The maximum number of ids of one call.
const IDS_MAX: u32 = 1_000_000;

/// `id`
#[derive(Subcommand, Debug)]
pub(super) enum IdAction {
    /// Print new ids, one per line
    #[command(
        after_help = "An id stands for one intent. A script that stores it first can repeat its command with --id after any failure: the
command takes effect once. The id of a reserve, a replace or a sell is the id of its reservation. Ids contain the time, and the server
refuses one that is far from its own (id_too_old, id_from_future), so make them when they are needed.

Examples:
  stockhold id new
  stockhold id new --count 100
  id=$(stockhold id new); stockhold reserve --stock web-us --line BIKE-0001 --id $id"
    )]
    New {
        /// How many
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(IDS_MAX)))]
        count: u32,
        /// Make them from the server's time instead of the clock of this machine
        #[arg(long)]
        server_time: bool,
    },
}

impl IdAction {
    /// Whether a server is asked for its time.
    pub(super) const fn asks_a_server(&self) -> bool {
        let Self::New { server_time, .. } = self;
        *server_time
    }
}

pub(super) fn run(context: Context<'_>, action: &IdAction) -> Result<Exit, Failure> {
    let IdAction::New { count, server_time } = action;
    let now_ms = if *server_time { context.server()?.now_ms() } else { wall_clock_ms() };
    let mut generator = IdGenerator::new();
    let ids: Vec<CommandId> = (0..*count).map(|_| generator.next_at(now_ms)).collect();
    let ids: Vec<String> = ids.iter().map(CommandId::to_string).collect();
    context.output.result(&ids.join("\n"), &json!({"id": ids[0], "ids": ids}))?;
    Ok(Exit::Ok)
}
