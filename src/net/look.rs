//! The first look at a command: is it answered on the spot, because it is bad or because an edge refusal decides it, or does
//! it go to the log? It touches no connection.

use stockhold_protocol::command::PlainCart;
use stockhold_protocol::{BadField, Command, Envelope, Outcome};

use super::gate::Gate;
use crate::edge::{self, EdgeCase};

/// What is to be done with one record.
pub(super) enum Look {
    /// It is answered at once.
    Answer(Outcome),
    /// It goes to the log.
    Submit { is_other: bool },
}

/// Looks at one record; `others_in_flight` are its connection's commands that are no plain reserves.
pub(super) fn look_at(record: &[u8], others_in_flight: u32, gate: &Gate) -> Look {
    let bad_field = |error: &BadField| {
        gate.metrics.commands_bad_field.add(1);
        Look::Answer(Outcome::bad_field(error, gate.published.op()))
    };
    if let Some(cart) = PlainCart::read(record) {
        let case = EdgeCase { fresh: cart.fresh, others_in_flight };
        return match edge::refuse_plain(&gate.published, case, &cart, || gate.clock.propose_now()) {
            Some(outcome) => Look::Answer(outcome),
            None => Look::Submit { is_other: false },
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
        let case = EdgeCase { fresh: envelope.fresh, others_in_flight };
        return match edge::refuse(&gate.published, case, reserve, || gate.clock.propose_now()) {
            Some(outcome) => Look::Answer(outcome),
            None => Look::Submit { is_other: !edge::is_plain(reserve) },
        };
    }
    if envelope.command.is_of_servers() {
        let rule = "must not be one that only the server makes: tick, wall_offset or begin_epoch";
        return bad_field(&BadField::new("kind", rule));
    }
    Look::Submit { is_other: true }
}
