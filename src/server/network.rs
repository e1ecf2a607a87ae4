//! The network threads: each runs its own single-threaded runtime, and everything of a connection stays on it.

use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{mpsc, watch};

use super::news::News;
use super::short_way::ShortWay;
use super::threads;
use crate::error::StartError;
use crate::net::Gate;
use crate::net::desk::Desk;
use crate::net::listener::{self, Errand};
use crate::net::{connection, places::Place};
use crate::pipeline::Mailboxes;
use crate::pipeline::mailbox::Mail;

/// Connections on their way to a network thread.
const HAND_OVER_MAX: usize = 128;
/// How often connections are looked through for mute and slow ones.
const SWEEP: Duration = Duration::from_millis(100);
/// How often a stopping thread looks whether its connections are gone.
const LAST_LOOK: Duration = Duration::from_millis(5);

/// Starts the network threads; the first one also accepts.
pub(super) fn spawn(
    listener: std::net::TcpListener,
    gate: &Arc<Gate>,
    mailboxes: &Mailboxes,
    stopped: &watch::Receiver<bool>,
    grace: Duration,
    news: &News,
    mut short_way: Option<ShortWay>,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let lanes: Vec<_> = (0..mailboxes.count()).map(|_| mpsc::channel(HAND_OVER_MAX)).collect();
    let senders: Vec<_> = lanes.iter().map(|(sender, _)| sender.clone()).collect();
    let mut acceptor = Some((listener, senders));
    let mut threads = Vec::new();
    for (mailbox, (_, errands)) in lanes.into_iter().enumerate() {
        let thread = NetworkThread {
            mailbox,
            gate: gate.clone(),
            mailboxes: mailboxes.clone(),
            errands,
            acceptor: acceptor.take(),
            stopped: stopped.clone(),
            grace,
            short_way: short_way.take(),
        };
        threads.push(threads::spawn("network", news, move || thread.run())?);
    }
    Ok(threads)
}

type Acceptor = (std::net::TcpListener, Vec<mpsc::Sender<Errand>>);

struct NetworkThread {
    mailbox: usize,
    gate: Arc<Gate>,
    mailboxes: Mailboxes,
    errands: mpsc::Receiver<Errand>,
    acceptor: Option<Acceptor>,
    stopped: watch::Receiver<bool>,
    grace: Duration,
    /// Where commands need not be taken the long way.
    short_way: Option<ShortWay>,
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
        let Self { mailbox, gate, mailboxes, mut errands, acceptor, mut stopped, grace, mut short_way } =
            self;
        let desk = Rc::new(Desk::new(mailbox, mailboxes.count(), gate.clone()));
        runtime.block_on(async {
            let accepting = acceptor.map(|(listener, senders)| {
                tokio::task::spawn_local(async move {
                    match tokio::net::TcpListener::from_std(listener) {
                        Ok(listener) => {
                            let turn_away = |stream, sentence| turn_away(stream, sentence, gate.clone());
                            listener::accept(&listener, &gate, &senders, turn_away).await;
                        }
                        Err(error) => panic!("the listener cannot be used: {error}"),
                    }
                })
            });
            let welcoming = desk.clone();
            tokio::task::spawn_local(async move {
                while let Some(errand) = errands.recv().await {
                    match errand {
                        Errand::Serve(stream, place) => welcome(&welcoming, stream, place),
                        Errand::MakeRoom { is_local, done } => {
                            // The listener has gone when the server stops.
                            done.send(welcoming.make_room(is_local)).ok();
                        }
                    }
                }
            });
            let delivering = desk.clone();
            tokio::task::spawn_local(async move {
                let mut mail = Mail::default();
                loop {
                    mailboxes.arrived(mailbox).await;
                    mailboxes.take(mailbox, &mut mail);
                    delivering.deliver(&mail);
                    mail.clear();
                }
            });
            let calling = desk.clone();
            tokio::task::spawn_local(async move {
                loop {
                    calling.commands_taken().await;
                    match &mut short_way {
                        Some(short_way) => {
                            while short_way.waits_for_more() {
                                tokio::task::yield_now().await;
                            }
                            short_way.take();
                        }
                        None => calling.gate().ingress.call(),
                    }
                }
            });
            let sweeping = desk.clone();
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
            end(&desk, grace).await;
        });
    }
}

/// Gives a new connection its task.
fn welcome(desk: &Rc<Desk>, stream: std::net::TcpStream, place: Place) {
    let stream = match tokio::net::TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "a connection could not be taken over");
            desk.gate().leave(place);
            return;
        }
    };
    let (connection, mut reader, slot) = desk.open(stream, place);
    let desk = desk.clone();
    tokio::task::spawn_local(async move {
        connection::serve(&connection, &mut reader, desk.gate()).await;
        desk.close(slot, &connection);
        connection::close(connection, reader, &desk.gate().places).await;
    });
}

/// Tells a peer that there is no place for it, without keeping the others waiting.
fn turn_away(stream: tokio::net::TcpStream, sentence: String, gate: Arc<Gate>) {
    tokio::task::spawn_local(async move {
        connection::turn_away(stream, &sentence, &gate.places).await;
    });
}

/// Lets connections read their last answers, for a while.
async fn end(desk: &Desk, grace: Duration) {
    desk.say_goodbye();
    let deadline = tokio::time::Instant::now() + grace;
    while !desk.is_empty() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(LAST_LOOK).await;
    }
    desk.cut_all();
}
