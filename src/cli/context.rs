//! What every sub-command gets to work with: the flags that all understand, and where output goes.

use clap::Args;
use std::time::Duration;
use stockhold_protocol::CommandId;

use super::exit::Failure;
use super::output::Output;
use super::server_connection::ServerConnection;

/// What every sub-command understands.
#[derive(Args, Debug)]
pub(super) struct Common {
    /// The server to talk to
    #[arg(
        long,
        global = true,
        env = "STOCKHOLD_SERVER",
        default_value = "127.0.0.1:7411",
        value_name = "ADDR"
    )]
    pub(super) server: String,
    /// Print one JSON document instead of text; quantities are decimal strings
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// How long to wait for an answer, retries included
    #[arg(long, global = true, default_value = "10s", value_name = "TIME", value_parser = super::parse::duration)]
    pub(super) timeout: Duration,
}

/// What every command that changes something understands.
#[derive(Args, Debug)]
pub(super) struct Call {
    /// Repeat the command with this id (it never takes effect twice); without it a new id is made and printed
    #[arg(long, value_name = "ID")]
    pub(super) id: Option<CommandId>,
}

/// What sub-commands get to work with.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) common: &'a Common,
    pub(super) output: Output,
}

impl Context<'_> {
    /// A conversation with the server.
    pub(super) fn server(self) -> Result<ServerConnection, Failure> {
        ServerConnection::open(&self.common.server, self.common.timeout)
    }
}
