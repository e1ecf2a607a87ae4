//! Cells change as one with their deadline, and before any answer leaves.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use stockhold_protocol::frame::{FrameKind, Header};

use super::checker::{check, is_caught};
use super::reply_queue::{AnsweredCounts, ReplyAddress, ReplyBuffer, ReplyQueues, ReplyWriter};
use super::seqlock::{AtomicCell, DatedCell, SeqLock, SkuDeadline};

/// A SKU with one cell.
#[derive(Debug, Default)]
struct PublishedSku {
    sku: SkuDeadline,
    cell: AtomicCell,
}

impl PublishedSku {
    /// The n-th state: value and deadline are the same number.
    fn change(&self, number: u32) {
        self.sku.change(number, || self.cell.store(i64::from(number), false));
    }

    /// What a reader sees must be one of the states.
    fn check(&self) {
        if let Some(dated) = self.sku.dated(|| Some(&self.cell)) {
            assert_eq!(dated.cell.value, i64::from(dated.next_deadline_s), "two moments in one");
        }
    }
}

fn sku() -> Arc<PublishedSku> {
    let sku = Arc::new(PublishedSku::default());
    sku.change(0);
    sku
}

#[test]
fn a_cell_and_its_deadline_are_of_one_moment() {
    // Proves the sequence lock for a writer and a reader, over two changes.
    check(|| {
        let sku = sku();
        let writer = sku.clone();
        let writer = thread::spawn(move || {
            writer.change(1);
            writer.change(2);
        });
        sku.check();
        writer.join().unwrap();
        let last = sku.sku.dated(|| Some(&sku.cell)).expect("nobody writes");
        assert_eq!((last.cell.value, last.next_deadline_s), (2, 2));
    });
}

#[test]
fn a_cell_that_changes_outside_the_sequence_is_caught() {
    // Proves that the proof above can fail.
    assert!(is_caught("threads::cells::a_cell_that_changes_outside_the_sequence_is_caught", || {
        let sku = sku();
        let writer = sku.clone();
        let writer = thread::spawn(move || {
            writer.cell.store(1, false);
            writer.sku.change(1, || ());
        });
        sku.check();
        writer.join().unwrap();
    }));
}

/// A channel over two stocks. At every op the stock that it sells from has the last unit.
#[derive(Debug, Default)]
struct Street {
    moves: SeqLock,
    stock: AtomicUsize,
    sku: SkuDeadline,
    cells: [AtomicCell; 2],
}

impl Street {
    /// Moves the unit and the channel to this stock.
    fn move_to(&self, stock: usize) {
        let cells = || {
            self.cells[1 - stock].store(0, false);
            self.cells[stock].store(1, false);
        };
        self.sku.change(0, cells);
        self.stock.store(stock, Ordering::Release);
    }

    fn look(&self) -> Option<DatedCell> {
        let stock = self.stock.load(Ordering::Acquire);
        self.sku.dated(|| Some(&self.cells[stock]))
    }
}

fn street() -> Arc<Street> {
    let street = Arc::new(Street::default());
    street.move_to(0);
    street
}

#[test]
fn a_channel_and_the_cell_of_its_stock_are_of_one_moment() {
    // Proves that no reader is refused at a stock that the channel has left, for a move and a move back.
    check(|| {
        let street = street();
        let writer = street.clone();
        let writer = thread::spawn(move || {
            for stock in [1, 0] {
                writer.moves.change(|| writer.move_to(stock));
            }
        });
        if let Some(dated) = street.moves.read(|| street.look()) {
            assert_eq!(dated.cell.value, 1, "the channel sells from the other stock");
        }
        writer.join().unwrap();
        assert_eq!(street.moves.read(|| street.look()).expect("nobody writes").cell.value, 1);
    });
}

#[test]
fn a_channel_that_moves_outside_the_sequence_is_caught() {
    // Proves that the proof above can fail.
    assert!(is_caught("threads::cells::a_channel_that_moves_outside_the_sequence_is_caught", || {
        let street = street();
        let writer = street.clone();
        let writer = thread::spawn(move || writer.move_to(1));
        if let Some(dated) = street.moves.read(|| street.look()) {
            assert_eq!(dated.cell.value, 1, "the channel sells from the other stock");
        }
        writer.join().unwrap();
    }));
}

/// The applier's part for a batch: it publishes cells and queues answers.
fn answer(reply_queues: &ReplyQueues) {
    let mut replies = ReplyWriter::new(reply_queues.clone());
    let header = Header::new(FrameKind::Outcomes, 1, 0);
    replies.frame(ReplyAddress::default(), header, AnsweredCounts::default(), |_| ());
    replies.send();
}

/// Waits for replies as a network thread does. Returns the number of replies.
fn take(reply_queues: &ReplyQueues) -> usize {
    let waiting = pin!(reply_queues.arrived(0)).poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(waiting, Poll::Ready(()), "the model's wait is a poll");
    let mut mail = ReplyBuffer::default();
    reply_queues.take(0, &mut mail);
    mail.replies.len()
}

#[test]
fn no_answer_comes_before_its_cells() {
    // Proves that a client that has an answer reads the cells as of its op or a later one; and that no reply is left in
    // the queue.
    check(|| {
        let (sku, reply_queues) = (sku(), ReplyQueues::new(1));
        let (written, sent) = (sku.clone(), reply_queues.clone());
        let applier = thread::spawn(move || {
            for number in [1, 2] {
                written.change(number);
                answer(&sent);
            }
        });
        let mut replies = 0;
        while replies < 2 {
            replies += take(&reply_queues);
            assert!(sku.cell.load().value >= i64::try_from(replies).unwrap(), "an answer before its cells");
        }
        applier.join().unwrap();
    });
}

#[test]
fn an_answer_before_its_cells_is_caught() {
    // Proves that the proof above can fail.
    assert!(is_caught("threads::cells::an_answer_before_its_cells_is_caught", || {
        let (sku, reply_queues) = (sku(), ReplyQueues::new(1));
        let (written, sent) = (sku.clone(), reply_queues.clone());
        let applier = thread::spawn(move || {
            answer(&sent);
            written.change(1);
        });
        assert_eq!(take(&reply_queues), 1);
        assert_eq!(sku.cell.load().value, 1, "an answer before its cells");
        applier.join().unwrap();
    }));
}
