//! Sends many commands: whole frames, several of them in flight. Answers are matched by a tag of the caller.
//!
//! Commands that are lost with a connection are sent again with the same ids, and those answered `busy` are sent again
//! after a pause. So a bulk ends with an answer to every command, or fails as a whole. The order of commands is kept,
//! except of those that were answered `busy`. A caller for which the order of two commands matters calls `drain`
//! between them.

use super::exit::{Exit, ExitWith, Failure};
use super::server_connection::ServerConnection;
use std::collections::VecDeque;
use std::time::Duration;
use stockhold_client::{CommandBatch, ConnectionError, PushError, Reply, SubmitError};
use stockhold_protocol::{Code, Command, Envelope, Outcome};

/// The number of commands in a frame.
const FRAME_COMMANDS: usize = 512;
/// The maximum number of frames in flight.
const FRAMES_IN_FLIGHT: usize = 8;

/// A frame in flight.
#[derive(Debug, Default)]
struct Sent {
    request: u64,
    batch: CommandBatch,
    tags: Vec<u64>,
    answered: Vec<bool>,
}

impl Sent {
    fn is_done(&self) -> bool {
        self.answered.iter().all(|answered| *answered)
    }
}

/// Commands in flight and answers that were received.
#[derive(Debug)]
pub(super) struct Bulk {
    filling: Sent,
    in_flight: VecDeque<Sent>,
    /// Commands that were answered `busy`, to send again.
    again: VecDeque<Sent>,
    again_after_ms: u64,
    answers: Vec<(u64, Outcome)>,
}

impl Bulk {
    pub(super) fn new() -> Self {
        Self {
            filling: Sent::default(),
            in_flight: VecDeque::new(),
            again: VecDeque::new(),
            again_after_ms: 0,
            answers: Vec::new(),
        }
    }

    /// Adds a command with a tag of the caller.
    pub(super) fn push(
        &mut self,
        server: &mut ServerConnection,
        tag: u64,
        command: Command<'_>,
    ) -> Result<(), Failure> {
        let envelope = Envelope::fresh(server.new_id(), command);
        match self.filling.batch.push(&envelope) {
            Ok(_) => {}
            Err(PushError::Full) => {
                self.flush(server)?;
                self.filling.batch.push(&envelope).exit_with(Exit::BadData)?;
            }
            Err(error @ PushError::BadField(_)) => return Err(Failure::new(Exit::BadData, error)),
        }
        self.filling.tags.push(tag);
        if self.filling.tags.len() >= FRAME_COMMANDS { self.flush(server) } else { Ok(()) }
    }

    /// The answers received since the last call, in no particular order.
    pub(super) fn take_answers(&mut self) -> Vec<(u64, Outcome)> {
        std::mem::take(&mut self.answers)
    }

    /// Sends all commands and waits for every answer.
    pub(super) fn drain(&mut self, server: &mut ServerConnection) -> Result<(), Failure> {
        self.flush(server)?;
        server.begin_wait();
        self.receive(server, 0)?;
        while !self.again.is_empty() {
            // While every answer is `busy`, the timeout runs on.
            let asked = Duration::from_millis(std::mem::take(&mut self.again_after_ms));
            if !server.pause(&mut server.tries(), asked) {
                let error = anyhow::anyhow!("the server was busy until the timeout");
                return Err(Failure { exit: Exit::Unreachable, error });
            }
            for frame in std::mem::take(&mut self.again) {
                self.submit(server, frame)?;
            }
            self.receive(server, 0)?;
        }
        Ok(())
    }

    fn flush(&mut self, server: &mut ServerConnection) -> Result<(), Failure> {
        if self.filling.tags.is_empty() {
            return Ok(());
        }
        server.begin_wait();
        let mut frame = std::mem::take(&mut self.filling);
        frame.answered = vec![false; frame.tags.len()];
        self.submit(server, frame)
    }

    fn submit(&mut self, server: &mut ServerConnection, frame: Sent) -> Result<(), Failure> {
        self.receive(server, FRAMES_IN_FLIGHT - 1)?;
        self.in_flight.push_back(frame);
        loop {
            let Some(last) = self.in_flight.back_mut() else { return Ok(()) };
            let submitted = server.with_connection(async |connection| Ok(connection.submit(&last.batch)));
            match submitted {
                Ok(Ok(request)) => {
                    last.request = request;
                    return Ok(());
                }
                Ok(Err(SubmitError::InFlight { .. })) if self.in_flight.len() > 1 => {
                    // The frame was sent last. All others must be answered before it fits.
                    let last = self.in_flight.pop_back();
                    self.receive(server, 0)?;
                    self.in_flight.extend(last);
                }
                Ok(Err(error @ SubmitError::Goodbye)) => {
                    self.recover(server, Failure::new(Exit::Unreachable, error))?;
                }
                Ok(Err(
                    error @ (SubmitError::InFlight { .. } | SubmitError::Empty | SubmitError::TooLarge(_)),
                )) => return Err(Failure::new(Exit::BadData, error)),
                Err(failure) => self.recover(server, failure)?,
            }
        }
    }

    /// Receives answers until at most `left` frames are in flight.
    fn receive(&mut self, server: &mut ServerConnection, left: usize) -> Result<(), Failure> {
        while self.in_flight.len() > left {
            let (in_flight, mut received) = (&self.in_flight, Vec::new());
            let turned = server.with_connection(async |connection| {
                connection.turn().await?;
                while let Some(reply) = connection.next_reply()? {
                    if let Reply::Outcomes(frame) = reply {
                        let at = in_flight.iter().position(|sent| sent.request == frame.request);
                        let at = at.ok_or(ConnectionError::UnexpectedAnswer(frame.request))?;
                        for entry in frame.iter() {
                            let (index, outcome) = entry?;
                            received.push((at, usize::from(index), outcome));
                        }
                    }
                }
                Ok(())
            });
            for (at, index, outcome) in received {
                if self.note(at, index, outcome) {
                    server.begin_wait();
                }
            }
            self.in_flight.retain(|sent| !sent.is_done());
            if let Err(failure) = turned {
                self.recover(server, failure)?;
            }
        }
        Ok(())
    }

    /// Stores one answer. A repeated answer is the same and is dropped. Returns whether a command was decided.
    fn note(&mut self, at: usize, index: usize, outcome: Outcome) -> bool {
        let Some(sent) = self.in_flight.get_mut(at) else { return false };
        let (Some(answered), Some(tag)) = (sent.answered.get_mut(index), sent.tags.get(index)) else {
            return false;
        };
        if std::mem::replace(answered, true) {
            return false;
        }
        if outcome.code != Code::Busy {
            self.answers.push((*tag, outcome));
            return true;
        }
        self.again_after_ms = self.again_after_ms.max(u64::from(outcome.value)).max(1);
        let record = sent.batch.records().nth(index).unwrap_or_default();
        let has_room = self.again.back().is_some_and(|frame| frame.tags.len() < FRAME_COMMANDS);
        if !has_room {
            self.again.push_back(Sent::default());
        }
        if let Some(frame) = self.again.back_mut()
            && frame.batch.push_record(record).is_ok()
        {
            frame.tags.push(*tag);
            frame.answered.push(false);
        }
        false
    }

    /// After a lost connection, sends every unanswered command again with the same id.
    fn recover(&mut self, server: &mut ServerConnection, mut failure: Failure) -> Result<(), Failure> {
        let mut tries = server.tries();
        while failure.exit == Exit::Unreachable && server.pause(&mut tries, Duration::ZERO) {
            match self.resend(server) {
                Ok(()) => return Ok(()),
                Err(again) => failure = again,
            }
        }
        Err(failure)
    }

    fn resend(&mut self, server: &mut ServerConnection) -> Result<(), Failure> {
        for sent in &mut self.in_flight {
            sent.batch.mark_retry();
        }
        let in_flight = &mut self.in_flight;
        server.reconnect()?;
        server.with_connection(async |connection| {
            for sent in in_flight.iter_mut() {
                while connection.room() < u32::from(sent.batch.len()) && connection.in_flight() > 0 {
                    connection.turn().await?;
                }
                sent.request = connection.submit(&sent.batch).map_err(|_| ConnectionError::Closed)?;
            }
            Ok(())
        })
    }
}
