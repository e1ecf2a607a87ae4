//! Where a program finds its server if nobody says. The command line, the load tool and the examples use the same
//! variable.

/// The environment variable with the address of the server, as `HOST:PORT`.
pub const SERVER_VARIABLE: &str = "STOCKHOLD_SERVER";
/// The address at which a server listens unless it is configured otherwise.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:7411";

/// The address in [`SERVER_VARIABLE`], or [`DEFAULT_ADDRESS`] if the variable is not set.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = stockhold_client::Client::connect(stockhold_client::server_address()).await?;
/// # Ok(()) }
/// ```
#[must_use]
pub fn server_address() -> String {
    std::env::var(SERVER_VARIABLE).unwrap_or_else(|_| DEFAULT_ADDRESS.to_owned())
}
