//! The network threads. Each has its own single-threaded runtime, and a connection stays on its thread.

use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{mpsc, watch};

use super::events::ServerEvents;
use super::inline_path::InlinePath;
use super::threads;
use crate::error::StartError;
use crate::net::NetContext;
use crate::net::connection_table::ConnectionTable;
use crate::net::listener::{self, ThreadRequest};
use crate::net::{connection, connection_permits::ConnectionPermit};
use crate::pipeline::ReplyQueues;
use crate::pipeline::reply_queue::ReplyBuffer;

/// The maximum number of accepted connections that wait for a network thread.
const HAND_OVER_MAX: usize = 128;
/// How often the timeouts of connections are checked.
const SWEEP: Duration = Duration::from_millis(100);
/// How often a stopping thread checks whether its connections have ended.
const END_POLL: Duration = Duration::from_millis(5);

/// Starts the network threads. The first one also accepts connections.
pub(super) fn spawn(
    listeners: Vec<std::net::TcpListener>,
    context: &Arc<NetContext>,
    reply_queues: &ReplyQueues,
    stopped: &watch::Receiver<bool>,
    grace: Duration,
    events: &ServerEvents,
    mut inline_path: Option<InlinePath>,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let channels: Vec<_> = (0..reply_queues.count()).map(|_| mpsc::channel(HAND_OVER_MAX)).collect();
    let senders: Vec<_> = channels.iter().map(|(sender, _)| sender.clone()).collect();
    let mut acceptor = Some((listeners, senders));
    let mut threads = Vec::new();
    for (index, (_, requests)) in channels.into_iter().enumerate() {
        let thread = NetworkThread {
            index,
            context: context.clone(),
            reply_queues: reply_queues.clone(),
            requests,
            acceptor: acceptor.take(),
            stopped: stopped.clone(),
            grace,
            inline_path: inline_path.take(),
        };
        threads.push(threads::spawn("network", events, move || thread.run())?);
    }
    Ok(threads)
}

type Acceptor = (Vec<std::net::TcpListener>, Vec<mpsc::Sender<ThreadRequest>>);

struct NetworkThread {
    index: usize,
    context: Arc<NetContext>,
    reply_queues: ReplyQueues,
    requests: mpsc::Receiver<ThreadRequest>,
    acceptor: Option<Acceptor>,
    stopped: watch::Receiver<bool>,
    grace: Duration,
    /// The inline path, on the first network thread where it is allowed.
    inline_path: Option<InlinePath>,
}

impl NetworkThread {
    fn run(self) {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => self.run_on(&runtime),
            Err(error) => panic!("the runtime of a network thread cannot be started: {error}"),
        }
    }

    fn run_on(self, runtime: &LocalRuntime) {
        let Self { index, context, reply_queues, mut requests, acceptor, .. } = self;
        let (mut stopped, grace, mut inline_path) = (self.stopped, self.grace, self.inline_path);
        let table = Rc::new(ConnectionTable::new(index, reply_queues.count(), context.clone()));
        runtime.block_on(async {
            let accepting = acceptor.map(|(listeners, senders)| {
                tokio::task::spawn_local(async move {
                    let listeners = listeners.into_iter().map(tokio::net::TcpListener::from_std);
                    match listeners.collect::<Result<Vec<_>, _>>() {
                        Ok(listeners) => {
                            let turn_away = |stream, sentence| turn_away(stream, sentence, context.clone());
                            listener::accept(&listeners, &context, &senders, turn_away).await;
                        }
                        Err(error) => panic!("the listener cannot be used: {error}"),
                    }
                })
            });
            let welcoming = table.clone();
            tokio::task::spawn_local(async move {
                while let Some(request) = requests.recv().await {
                    match request {
                        ThreadRequest::Serve(stream, permit) => welcome(&welcoming, stream, permit),
                        ThreadRequest::EvictIdle { is_local, done } => {
                            // The listener has ended if the server stops.
                            done.send(welcoming.evict_idle(is_local)).ok();
                        }
                    }
                }
            });
            let delivering = table.clone();
            tokio::task::spawn_local(async move {
                let mut buffer = ReplyBuffer::default();
                loop {
                    reply_queues.arrived(index).await;
                    reply_queues.take(index, &mut buffer);
                    delivering.deliver(&buffer);
                    buffer.clear();
                }
            });
            let logging = table.clone();
            tokio::task::spawn_local(async move {
                loop {
                    logging.commands_received().await;
                    match &mut inline_path {
                        Some(inline_path) => {
                            while inline_path.waits_for_more() {
                                tokio::task::yield_now().await;
                            }
                            inline_path.take();
                        }
                        None => logging.context().ingress.wake_if_pending(),
                    }
                }
            });
            let sweeping = table.clone();
            tokio::task::spawn_local(async move {
                loop {
                    tokio::time::sleep(SWEEP).await;
                    sweeping.sweep();
                }
            });
            // The sender lives as long as the server, so its end is a stop too.
            drop(stopped.wait_for(|is_stopped| *is_stopped).await);
            if let Some(accepting) = accepting {
                accepting.abort();
            }
            end(&table, grace).await;
        });
    }
}

/// Starts the task of a new connection.
fn welcome(table: &Rc<ConnectionTable>, stream: std::net::TcpStream, permit: ConnectionPermit) {
    let stream = match tokio::net::TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "a connection could not be taken over");
            table.context().release(permit);
            return;
        }
    };
    let (connection, mut reader, slot) = table.open(stream, permit);
    let table = table.clone();
    tokio::task::spawn_local(async move {
        connection::serve(&connection, &mut reader, table.context()).await;
        table.close(slot, &connection);
        connection::close(connection, reader, &table.context().permits).await;
    });
}

/// Tells a peer that the server has no free connection, in a task of its own so that the listener does not wait.
fn turn_away(stream: tokio::net::TcpStream, sentence: String, context: Arc<NetContext>) {
    tokio::task::spawn_local(async move {
        connection::turn_away(stream, &sentence, &context.permits).await;
    });
}

/// Lets connections read their last answers, for at most the grace time.
async fn end(table: &ConnectionTable, grace: Duration) {
    table.send_goodbye();
    let deadline = tokio::time::Instant::now() + grace;
    while !table.is_empty() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(END_POLL).await;
    }
    table.cut_all();
}
