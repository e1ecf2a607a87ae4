//! The network threads: each runs its own single-threaded runtime, and everything of a connection stays on it.

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

/// Connections on their way to a network thread.
const HAND_OVER_MAX: usize = 128;
/// How often connections are looked through for mute and slow ones.
const SWEEP: Duration = Duration::from_millis(100);
/// How often a stopping thread looks whether its connections are gone.
const LAST_LOOK: Duration = Duration::from_millis(5);

/// Starts the network threads; the first one also accepts.
pub(super) fn spawn(
    listener: std::net::TcpListener,
    context: &Arc<NetContext>,
    reply_queues: &ReplyQueues,
    stopped: &watch::Receiver<bool>,
    grace: Duration,
    events: &ServerEvents,
    mut inline_path: Option<InlinePath>,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let lanes: Vec<_> = (0..reply_queues.count()).map(|_| mpsc::channel(HAND_OVER_MAX)).collect();
    let senders: Vec<_> = lanes.iter().map(|(sender, _)| sender.clone()).collect();
    let mut acceptor = Some((listener, senders));
    let mut threads = Vec::new();
    for (mailbox, (_, requests)) in lanes.into_iter().enumerate() {
        let thread = NetworkThread {
            mailbox,
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

type Acceptor = (std::net::TcpListener, Vec<mpsc::Sender<ThreadRequest>>);

struct NetworkThread {
    mailbox: usize,
    context: Arc<NetContext>,
    reply_queues: ReplyQueues,
    requests: mpsc::Receiver<ThreadRequest>,
    acceptor: Option<Acceptor>,
    stopped: watch::Receiver<bool>,
    grace: Duration,
    /// Where commands need not be taken the long way.
    inline_path: Option<InlinePath>,
}

impl NetworkThread {
    fn run(self) {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => self.run_on(&runtime),
            Err(error) => panic!("a network thread has no runtime: {error}"),
        }
    }

    fn run_on(self, runtime: &LocalRuntime) {
        let Self {
            mailbox,
            context,
            reply_queues,
            mut requests,
            acceptor,
            mut stopped,
            grace,
            mut inline_path,
        } = self;
        let connection_table = Rc::new(ConnectionTable::new(mailbox, reply_queues.count(), context.clone()));
        runtime.block_on(async {
            let accepting = acceptor.map(|(listener, senders)| {
                tokio::task::spawn_local(async move {
                    match tokio::net::TcpListener::from_std(listener) {
                        Ok(listener) => {
                            let turn_away = |stream, sentence| turn_away(stream, sentence, context.clone());
                            listener::accept(&listener, &context, &senders, turn_away).await;
                        }
                        Err(error) => panic!("the listener cannot be used: {error}"),
                    }
                })
            });
            let welcoming = connection_table.clone();
            tokio::task::spawn_local(async move {
                while let Some(request) = requests.recv().await {
                    match request {
                        ThreadRequest::Serve(stream, permit) => welcome(&welcoming, stream, permit),
                        ThreadRequest::EvictIdle { is_local, done } => {
                            // The listener has gone when the server stops.
                            done.send(welcoming.evict_idle(is_local)).ok();
                        }
                    }
                }
            });
            let delivering = connection_table.clone();
            tokio::task::spawn_local(async move {
                let mut mail = ReplyBuffer::default();
                loop {
                    reply_queues.arrived(mailbox).await;
                    reply_queues.take(mailbox, &mut mail);
                    delivering.deliver(&mail);
                    mail.clear();
                }
            });
            let calling = connection_table.clone();
            tokio::task::spawn_local(async move {
                loop {
                    calling.commands_received().await;
                    match &mut inline_path {
                        Some(inline_path) => {
                            while inline_path.waits_for_more() {
                                tokio::task::yield_now().await;
                            }
                            inline_path.take();
                        }
                        None => calling.context().ingress.wake_if_pending(),
                    }
                }
            });
            let sweeping = connection_table.clone();
            tokio::task::spawn_local(async move {
                loop {
                    tokio::time::sleep(SWEEP).await;
                    sweeping.sweep();
                }
            });
            // The sender lives as long as the server; its end is a stop as well.
            drop(stopped.wait_for(|is_stopped| *is_stopped).await);
            if let Some(accepting) = accepting {
                accepting.abort();
            }
            end(&connection_table, grace).await;
        });
    }
}

/// Gives a new connection its task.
fn welcome(connection_table: &Rc<ConnectionTable>, stream: std::net::TcpStream, permit: ConnectionPermit) {
    let stream = match tokio::net::TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "a connection could not be taken over");
            connection_table.context().release(permit);
            return;
        }
    };
    let (connection, mut reader, slot) = connection_table.open(stream, permit);
    let connection_table = connection_table.clone();
    tokio::task::spawn_local(async move {
        connection::serve(&connection, &mut reader, connection_table.context()).await;
        connection_table.close(slot, &connection);
        connection::close(connection, reader, &connection_table.context().permits).await;
    });
}

/// Tells a peer that there is no permit for it, without keeping the others waiting.
fn turn_away(stream: tokio::net::TcpStream, sentence: String, context: Arc<NetContext>) {
    tokio::task::spawn_local(async move {
        connection::turn_away(stream, &sentence, &context.permits).await;
    });
}

/// Lets connections read their last answers, for a while.
async fn end(connection_table: &ConnectionTable, grace: Duration) {
    connection_table.send_goodbye();
    let deadline = tokio::time::Instant::now() + grace;
    while !connection_table.is_empty() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(LAST_LOOK).await;
    }
    connection_table.cut_all();
}
