//! The connections of one network thread. It routes replies to them, evicts idle ones and cuts slow ones. It starts no
//! task and does not read replies.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::Notify;

use super::connection::Connection;
use super::connection_permits::{ConnectionPermit, Idleness};
use super::connection_state::ConnectionState;
use super::context::NetContext;
use crate::pipeline::reply_queue::{ReplyAddress, ReplyBuffer};

/// The connections of one network thread.
#[derive(Debug)]
pub struct ConnectionTable {
    thread: usize,
    context: Arc<NetContext>,
    buffer_bytes_max: usize,
    slots: RefCell<Slots>,
    turn: Rc<Notify>,
    /// The idle connections, the idlest last; ranked on the first eviction after a sweep.
    idle: RefCell<Option<Vec<Idle>>>,
}

/// A connection that was idle when the connections were ranked.
#[derive(Clone, Copy, Debug)]
struct Idle {
    slot: u32,
    generation: u32,
    permit: ConnectionPermit,
    idleness: Idleness,
}

#[derive(Debug, Default)]
struct Slots {
    all: Vec<Slot>,
    free: Vec<u32>,
    open: usize,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    connection: Option<Rc<Connection>>,
}

impl ConnectionTable {
    /// Creates the table of network thread `thread`, one of `threads`.
    #[must_use]
    pub fn new(thread: usize, threads: usize, context: Arc<NetContext>) -> Self {
        let buffer_bytes_max = context.limits.buffer_bytes / threads.max(1);
        let (slots, turn, idle) = (RefCell::default(), Rc::default(), RefCell::default());
        Self { thread, context, buffer_bytes_max, slots, turn, idle }
    }

    /// What all connections share.
    #[must_use]
    pub fn context(&self) -> &Arc<NetContext> {
        &self.context
    }

    /// Adds a new connection.
    #[must_use]
    pub fn open(&self, stream: TcpStream, permit: ConnectionPermit) -> (Rc<Connection>, OwnedReadHalf, u32) {
        let mut slots = self.slots.borrow_mut();
        let number = slots.free.pop().unwrap_or_else(|| {
            slots.all.push(Slot::default());
            u32::try_from(slots.all.len() - 1).unwrap_or(u32::MAX)
        });
        slots.open += 1;
        let slot = slots.slot(number);
        let address = ReplyAddress {
            thread: self.thread,
            slot: number,
            generation: slot.generation,
            ..ReplyAddress::default()
        };
        let (reader, writer) = stream.into_split();
        let connection = Rc::new(Connection::new(
            ConnectionState::new(address),
            writer,
            self.turn.clone(),
            (permit, &self.context),
        ));
        slot.connection = Some(connection.clone());
        (connection, reader, number)
    }

    /// Waits until connections have received commands. The waiting task runs after all tasks that were ready at that
    /// time, so every connection with readable bytes has been read by then.
    pub async fn commands_received(&self) {
        self.turn.notified().await;
    }

    /// Removes a connection, unless it was evicted before. Later replies to it are discarded.
    pub fn close(&self, number: u32, connection: &Rc<Connection>) {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.slot(number);
        if slot.connection.as_ref().is_some_and(|current| Rc::ptr_eq(current, connection)) {
            slots.vacate(number);
            self.context.release(connection.permit());
        }
    }

    /// Evicts the idlest connection, so that its permit is free at once. For a peer on this machine (`is_local`) any
    /// connection may be evicted, otherwise only one with a shared permit. Returns whether there was one.
    #[must_use]
    pub fn evict_idle(&self, is_local: bool) -> bool {
        let mut idle = self.idle.borrow_mut();
        let is_ranked_now = idle.is_none();
        let ranked = idle.get_or_insert_with(|| self.rank_idle());
        if self.evict_one(ranked, is_local) {
            return true;
        }
        if is_ranked_now || ranked.is_empty() {
            // As far as known, no connection has become idle since the last sweep. The next sweep finds out.
            return false;
        }
        *ranked = self.rank_idle();
        self.evict_one(ranked, is_local)
    }

    fn evict_one(&self, ranked: &mut Vec<Idle>, is_local: bool) -> bool {
        let now_ms = self.context.clock.monotonic_ms();
        while let Some(at) =
            ranked.iter().rposition(|idle| is_local || idle.permit == ConnectionPermit::Shared)
        {
            let Idle { slot: number, generation, permit, idleness } = ranked.remove(at);
            let mut slots = self.slots.borrow_mut();
            let slot = slots.slot(number);
            let connection = slot.connection.clone().filter(|_| slot.generation == generation);
            // It may have received something since it was ranked.
            let Some(connection) = connection.filter(|one| one.idleness(now_ms) == Some(idleness)) else {
                continue;
            };
            slots.vacate(number);
            drop(slots);
            connection.evict(&self.context);
            self.context.release(permit);
            return true;
        }
        false
    }

    fn rank_idle(&self) -> Vec<Idle> {
        let now_ms = self.context.clock.monotonic_ms();
        let slots = self.slots.borrow();
        let mut ranked = Vec::new();
        for (number, slot) in (0..).zip(&slots.all) {
            let Some(connection) = &slot.connection else { continue };
            let Some(idleness) = connection.idleness(now_ms) else { continue };
            let (generation, permit) = (slot.generation, connection.permit());
            ranked.push(Idle { slot: number, generation, permit, idleness });
        }
        ranked.sort_by_key(|idle| std::cmp::Reverse(idle.idleness.rank()));
        ranked
    }

    /// Delivers replies: all of them first, then one write per connection.
    pub fn deliver(&self, buffer: &ReplyBuffer) {
        let mut slots = self.slots.borrow_mut();
        let mut touched: Vec<Rc<Connection>> = Vec::new();
        for reply in &buffer.replies {
            let slot = slots.slot(reply.slot);
            if slot.generation != reply.generation {
                continue;
            }
            let Some(connection) = &slot.connection else { continue };
            connection.deliver(reply, &buffer.bytes[reply.start..reply.end]);
            if touched.last().is_none_or(|last| !Rc::ptr_eq(last, connection)) {
                touched.push(connection.clone());
            }
        }
        drop(slots);
        for connection in touched {
            connection.push(&self.context);
        }
    }

    /// Checks the timeouts of all connections and reports the idlest. Cuts the connections with the largest buffers
    /// while all buffers together exceed this thread's share.
    pub fn sweep(&self) {
        let now_ms = self.context.clock.monotonic_ms();
        let mut sizes = Vec::new();
        let mut all_bytes = 0;
        let mut idlest: Option<Idleness> = None;
        for connection in self.all() {
            connection.expire(now_ms, &self.context);
            let idleness = connection.idleness(now_ms);
            idlest = idlest.into_iter().chain(idleness).min_by_key(|idleness| idleness.rank());
            let bytes = connection.buffer_bytes();
            all_bytes += bytes;
            sizes.push((bytes, connection));
        }
        *self.idle.borrow_mut() = None;
        self.context.permits.report_idlest(self.thread, idlest);
        if all_bytes <= self.buffer_bytes_max {
            return;
        }
        sizes.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (bytes, connection) in sizes {
            if all_bytes <= self.buffer_bytes_max {
                break;
            }
            all_bytes -= bytes;
            self.context.metrics.connections_cut.add(1);
            connection.cut();
        }
    }

    /// Tells all peers that the server stops.
    pub fn send_goodbye(&self) {
        for connection in self.all() {
            connection.send_goodbye(&self.context);
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
        self.slots.borrow().all.iter().filter_map(|slot| slot.connection.clone()).collect()
    }
}

impl Slots {
    /// Frees a slot for the next connection.
    fn vacate(&mut self, number: u32) {
        let slot = self.slot(number);
        slot.connection = None;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(number);
        self.open -= 1;
    }

    fn slot(&mut self, number: u32) -> &mut Slot {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        &mut self.all[at]
    }
}
