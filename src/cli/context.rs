//! The context of every sub-command: the global flags and the output.

use clap::Args;
use std::time::Duration;
use stockhold_client::{DEFAULT_ADDRESS, SERVER_VARIABLE};
use stockhold_protocol::CommandId;

use super::exit::Failure;
use super::output::Output;
use super::server_connection::ServerConnection;
use super::tries::Timeout;

/// The flags of every sub-command.
#[derive(Args, Debug)]
pub(super) struct Common {
    /// The address of the server
    #[arg(
        long,
        global = true,
        env = SERVER_VARIABLE,
        default_value = DEFAULT_ADDRESS,
        value_name = "HOST:PORT",
        value_parser = super::parse::server_address
    )]
    pub(super) server: String,
    /// Print one JSON document instead of text; quantities are decimal strings
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// How long to wait for the server, retries included; `import` and `export` wait so long for each answer [default:
    /// 10s, for `validate` and `snapshot` 1h]
    #[arg(long, global = true, value_name = "TIME", value_parser = super::times::some_duration)]
    pub(super) timeout: Option<Duration>,
}

/// The flags of every command that changes something.
#[derive(Args, Debug)]
pub(super) struct Call {
    /// Repeat the command with this id, which can never take effect twice; without it a new id is made and printed
    #[arg(long, value_name = "ID")]
    pub(super) id: Option<CommandId>,
}

/// The context of a sub-command.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) common: &'a Common,
    pub(super) output: Output,
    pub(super) timeout: Timeout,
}

impl Context<'_> {
    /// Connects to the server.
    pub(super) fn server(self) -> Result<ServerConnection, Failure> {
        ServerConnection::open(&self.common.server, self.timeout, self.output)
    }
}
