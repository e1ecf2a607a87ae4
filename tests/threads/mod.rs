//! The shared structures of the server's threads under every interleaving (with up to three preemptive switches) and
//! every allowed memory order. The files of the real code are included here with the model checker's primitives in
//! place of the real ones.
//!
//! Time does not pass in a model, so a sleep without a wake-up is a deadlock, which the checker reports. Each proof has
//! a twin with a deliberate fault, which must be caught.

#[cfg(test)]
mod atomics;
#[cfg(test)]
mod cells;
#[cfg(test)]
mod checker;
#[cfg(test)]
#[path = "../../src/pipeline/commit_queue.rs"]
#[expect(unreachable_pub, reason = "it is public in the pipeline")]
mod commit_queue;
#[cfg(test)]
mod commit_queues;
#[cfg(test)]
mod primitives;
#[cfg(test)]
#[path = "../../src/pipeline/reply_queue.rs"]
#[expect(unreachable_pub, dead_code, reason = "it is public in the pipeline, which uses more of it")]
mod reply_queue;
#[cfg(test)]
#[path = "../../src/published/seqlock.rs"]
#[expect(unreachable_pub, reason = "it is public in the published cells")]
mod seqlock;
#[cfg(test)]
#[path = "../../src/pipeline/waker.rs"]
#[expect(unreachable_pub, reason = "it is public in the pipeline")]
mod waker;
#[cfg(test)]
mod wakers;
