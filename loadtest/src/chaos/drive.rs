//! Runs the shoppers. Each sends one command group after the other through the client that checkouts use. It repeats
//! unanswered commands under the same ids until they are answered. All answers go to one ledger.

use super::shared_state::SharedState;
use super::shopper::{CommandGroup, Shopper};
use anyhow::anyhow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use stockhold_client::{CallError, Client, CommandBatch, RetryPolicy};
use stockhold_protocol::command::Kind;
use stockhold_protocol::{Envelope, Outcome};
use stockhold_workload::Ledger;

/// How long one call may take. It is shorter than the longest freeze, so that outcomes do become unknown.
const CALL_MAX: Duration = Duration::from_millis(700);
/// Connections of all shoppers together.
const CONNECTIONS: usize = 3;
/// Longest pause of a shopper between two command groups, in microseconds.
const THINKS_MAX_US: u64 = 20_000;
/// The pause after a call that had no effect.
const AGAIN: Duration = Duration::from_millis(5);
/// Longest pause of the client between two tries.
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// How long a command group is repeated before the run is given up: much longer than any start takes.
const GROUP_MAX: Duration = Duration::from_mins(3);

/// State that all shoppers share.
#[derive(Debug)]
pub(crate) struct ShopperContext {
    pub(crate) state: Arc<SharedState>,
    pub(crate) ledger: RefCell<Ledger>,
    /// The latest deadline of a hold, in seconds since the Unix epoch.
    pub(crate) deadline_max_s: Cell<u32>,
    /// Commands whose outcome was unknown at some time and is now known.
    pub(crate) unknown_resolved: Cell<u64>,
    /// Commands whose outcome cannot be learned, because the log has begun a new epoch. It does so when answers may
    /// have been lost.
    pub(crate) abandoned: Cell<u64>,
    /// Why a shopper gave up.
    pub(crate) failure: RefCell<Option<anyhow::Error>>,
}

impl ShopperContext {
    pub(crate) fn new(state: Arc<SharedState>, ledger: Ledger) -> Self {
        let ledger = RefCell::new(ledger);
        Self {
            state,
            ledger,
            deadline_max_s: Cell::new(0),
            unknown_resolved: Cell::new(0),
            abandoned: Cell::new(0),
            failure: RefCell::new(None),
        }
    }

    fn fail(&self, error: anyhow::Error) {
        self.failure.borrow_mut().get_or_insert(error);
        self.state.finish();
    }

    fn note(&self, record: &[u8], outcome: &Outcome) -> Result<(), anyhow::Error> {
        self.ledger.borrow_mut().note_record(record, outcome)?;
        if outcome.recorded {
            self.state.acknowledge(outcome.op);
        }
        let command = Envelope::decode(record)?.command;
        let has_deadline = matches!(command.kind(), Kind::Reserve | Kind::Replace | Kind::Extend);
        if has_deadline && outcome.code.is_success() {
            // The value of a grant that is not a hold is 0.
            self.deadline_max_s.set(self.deadline_max_s.get().max(outcome.value));
        }
        Ok(())
    }
}

/// The client that all shoppers share.
pub(crate) async fn connect(state: &Arc<SharedState>) -> Result<Client, anyhow::Error> {
    let retry = RetryPolicy { longest_pause: PAUSE_MAX, ..RetryPolicy::default() };
    let builder = Client::builder().name("stockhold-loadtest").connections(CONNECTIONS);
    Ok(builder.deadline(CALL_MAX).retry(retry).connect_with(state.dialer()).await?)
}

/// Runs one shopper until the run is finished.
pub(crate) async fn shop(client: Client, mut shopper: Shopper, context: Rc<ShopperContext>) {
    while !context.state.is_over() {
        tokio::time::sleep(Duration::from_micros(shopper.thinks_us(THINKS_MAX_US))).await;
        if let Err(error) = run_group(&client, &mut shopper, &context).await {
            context.fail(error);
        }
    }
}

async fn run_group(
    client: &Client,
    shopper: &mut Shopper,
    context: &ShopperContext,
) -> Result<(), anyhow::Error> {
    let group = shopper.next(client.server_clock().now_ms())?;
    let settled = match group.as_slice() {
        [record] => tokio::time::timeout(GROUP_MAX, settle_one(client, record, context)).await,
        _ => tokio::time::timeout(GROUP_MAX, settle_frame(client, &group, context)).await,
    };
    let outcomes = match settled.map_err(|_| anyhow!("a command was not answered within {GROUP_MAX:?}"))? {
        Ok(outcomes) => outcomes,
        Err(error) if is_of_other_epoch(&error) => {
            context.abandoned.set(context.abandoned.get() + u64::try_from(group.len())?);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    if outcomes.len() != group.len() {
        return Err(anyhow!("the server answered {} of {} commands", outcomes.len(), group.len()));
    }
    for (record, outcome) in group.iter().zip(&outcomes) {
        context.note(record, outcome)?;
        shopper.learn(record, outcome)?;
    }
    Ok(())
}

/// Sends one command until it is answered.
async fn settle_one(
    client: &Client,
    record: &[u8],
    context: &ShopperContext,
) -> Result<Vec<Outcome>, anyhow::Error> {
    let Envelope { id, command, .. } = Envelope::decode(record)?;
    let mut handle = client.first_try(id);
    let mut unknown = 0;
    loop {
        match handle.execute(&command).await {
            Ok(settled) => {
                context.unknown_resolved.set(context.unknown_resolved.get() + unknown);
                return Ok(vec![settled.outcome]);
            }
            Err(error) => unknown = unknown.max(unknown_outcomes(error, 1)?),
        }
        handle = client.retry(id);
        tokio::time::sleep(AGAIN).await;
    }
}

/// Sends several commands as one frame until all are answered.
async fn settle_frame(
    client: &Client,
    group: &CommandGroup,
    context: &ShopperContext,
) -> Result<Vec<Outcome>, anyhow::Error> {
    let mut batch = CommandBatch::new();
    for record in group {
        batch.push_record(record)?;
    }
    let mut unknown = 0;
    loop {
        match client.send_batch(&mut batch).await {
            Ok(outcomes) => {
                context.unknown_resolved.set(context.unknown_resolved.get() + unknown);
                return Ok(outcomes.iter().cloned().collect());
            }
            Err(error) => unknown = unknown.max(unknown_outcomes(error, u64::from(batch.len()))?),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn is_of_other_epoch(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(CallError::EpochChanged { .. }))
}

/// How many outcomes an error leaves unknown. Errors that a retry cannot fix are returned.
fn unknown_outcomes(error: CallError, commands: u64) -> Result<u64, CallError> {
    match error {
        CallError::Unknown { .. } => Ok(commands),
        CallError::NotDone { .. } => Ok(0),
        CallError::UnknownEffect { .. }
        | CallError::UnknownName(_)
        | CallError::BadField(_)
        | CallError::BadLine { .. }
        | CallError::EpochChanged { .. }
        | CallError::NotAnswered(_)
        | CallError::Failed(_)
        | CallError::Behind { .. } => Err(error),
    }
}
