//! Tests of the protocol. The memory cost of false lengths is tested by `allocation`, a program of its own.

#[macro_use]
mod random_values;

mod arbitrary;
mod bincode_equality;
mod bounds;
mod document;
mod golden;
mod hostile;
mod mirror;
mod order_events;
mod round_trip;
mod samples;
