//! Decides whether a command is answered at once or submitted to the log. A command is answered at once if it is
//! malformed or if an edge refusal decides it. Classifying a command does not change the connection.

use stockhold_protocol::command::PlainCart;
use stockhold_protocol::{BadField, Command, Envelope, Outcome};

use super::context::NetContext;
use crate::edge::{self, EdgeCase};

/// What happens to one command record.
pub(super) enum Disposition {
    /// It is answered at once with this outcome.
    Answer(Outcome),
    /// It is submitted to the log.
    Submit { is_other: bool },
}

/// Classifies one record. `others_in_flight` is the number of the connection's commands in flight that are not plain
/// reserves. `present_names` tells whether the client resolved its numbers by the present name generation.
pub(super) fn classify(
    record: &[u8],
    others_in_flight: u32,
    present_names: bool,
    context: &NetContext,
) -> Disposition {
    let bad_field = |error: &BadField| {
        context.metrics.commands_bad_field.add(1);
        Disposition::Answer(Outcome::bad_field(error, context.published.op()))
    };
    if let Some(cart) = PlainCart::read(record) {
        let case = EdgeCase { fresh: cart.fresh, present_names, others_in_flight };
        return match edge::refuse_plain(&context.published, case, &cart, || context.clock.propose_now()) {
            Some(outcome) => Disposition::Answer(outcome),
            None => Disposition::Submit { is_other: false },
        };
    }
    let envelope = match Envelope::decode(record) {
        Ok(envelope) => envelope,
        Err(error) => return bad_field(&error),
    };
    if envelope.key.is_some() {
        return bad_field(&BadField::new("key", "is made by servers for HTTP only"));
    }
    if let Command::Reserve(reserve) = &envelope.command {
        let case = EdgeCase { fresh: envelope.fresh, present_names, others_in_flight };
        return match edge::refuse(&context.published, case, reserve, || context.clock.propose_now()) {
            Some(outcome) => Disposition::Answer(outcome),
            None => Disposition::Submit { is_other: !edge::is_plain(reserve) },
        };
    }
    if envelope.command.is_of_servers() {
        let rule = "must not be one that only the server makes: tick, wall_offset or begin_epoch";
        return bad_field(&BadField::new("kind", rule));
    }
    Disposition::Submit { is_other: true }
}
