//! One network thread's table of connections: where letters find them. It spawns nothing and knows nothing of what letters say.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::Notify;

use super::connection::Connection;
use super::gate::Gate;
use super::session::Session;
use crate::pipeline::mailbox::{Address, Mail};

/// The table.
#[derive(Debug)]
pub struct Desk {
    mailbox: usize,
    gate: Arc<Gate>,
    buffer_bytes_max: usize,
    slots: RefCell<Slots>,
    turn: Rc<Notify>,
}

#[derive(Debug, Default)]
struct Slots {
    seats: Vec<Slot>,
    free: Vec<u32>,
    open: usize,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    connection: Option<Rc<Connection>>,
}

impl Desk {
    /// An empty table for the network thread that reads `mailbox`, one of `threads`.
    #[must_use]
    pub fn new(mailbox: usize, threads: usize, gate: Arc<Gate>) -> Self {
        let buffer_bytes_max = gate.limits.buffer_bytes / threads.max(1);
        Self { mailbox, gate, buffer_bytes_max, slots: RefCell::default(), turn: Rc::default() }
    }

    /// What all connections share.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Seats a new connection.
    #[must_use]
    pub fn open(&self, stream: TcpStream) -> (Rc<Connection>, OwnedReadHalf, u32) {
        let mut slots = self.slots.borrow_mut();
        let number = slots.free.pop().unwrap_or_else(|| {
            slots.seats.push(Slot::default());
            u32::try_from(slots.seats.len() - 1).unwrap_or(u32::MAX)
        });
        slots.open += 1;
        let slot = slots.slot(number);
        let address = Address { mailbox: self.mailbox, slot: number, generation: slot.generation };
        let (reader, writer) = stream.into_split();
        let connection =
            Rc::new(Connection::new(Session::new(address), writer, self.turn.clone(), &self.gate));
        slot.connection = Some(connection.clone());
        (connection, reader, number)
    }

    /// Waits until connections have taken commands. Whoever is woken by it comes after all tasks that were ready then, so each
    /// connection that had something to read has been read.
    pub async fn commands_taken(&self) {
        self.turn.notified().await;
    }

    /// Lets go of a connection; letters to it are thrown away from now on.
    pub fn close(&self, number: u32) {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.slot(number);
        assert!(slot.connection.take().is_some(), "a connection is closed once");
        slot.generation = slot.generation.wrapping_add(1);
        slots.free.push(number);
        slots.open -= 1;
        self.gate.leave();
    }

    /// Hands out mail: all letters first, then one write per connection.
    pub fn deliver(&self, mail: &Mail) {
        let mut slots = self.slots.borrow_mut();
        let mut touched: Vec<Rc<Connection>> = Vec::new();
        for letter in &mail.letters {
            let slot = slots.slot(letter.slot);
            if slot.generation != letter.generation {
                continue;
            }
            let Some(connection) = &slot.connection else { continue };
            connection.deliver(letter, &mail.bytes[letter.start..letter.end]);
            if touched.last().is_none_or(|last| !Rc::ptr_eq(last, connection)) {
                touched.push(connection.clone());
            }
        }
        drop(slots);
        for connection in touched {
            connection.push(&self.gate);
        }
    }

    /// Cuts connections that are mute or too slow, and those with the largest buffers while all together take more than this
    /// thread's share.
    pub fn sweep(&self) {
        let now_ms = self.gate.clock.monotonic_ms();
        let mut sizes = Vec::new();
        let mut all_bytes = 0;
        for connection in self.all() {
            connection.expire(now_ms, &self.gate);
            let bytes = connection.buffer_bytes();
            all_bytes += bytes;
            sizes.push((bytes, connection));
        }
        if all_bytes <= self.buffer_bytes_max {
            return;
        }
        sizes.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (bytes, connection) in sizes {
            if all_bytes <= self.buffer_bytes_max {
                break;
            }
            all_bytes -= bytes;
            self.gate.metrics.connections_cut.add(1);
            connection.cut();
        }
    }

    /// Tells all connections that the server stops.
    pub fn say_goodbye(&self) {
        for connection in self.all() {
            connection.say_goodbye(&self.gate);
        }
    }

    /// Cuts all connections.
    pub fn cut_all(&self) {
        for connection in self.all() {
            connection.cut();
        }
    }

    /// Whether no connection is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.borrow().open == 0
    }

    fn all(&self) -> Vec<Rc<Connection>> {
        self.slots.borrow().seats.iter().filter_map(|slot| slot.connection.clone()).collect()
    }
}

impl Slots {
    fn slot(&mut self, number: u32) -> &mut Slot {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        &mut self.seats[at]
    }
}
