//! Bytes and words of the protocol. What memory a lying length costs is for `allocation`, a program of its own.

#[macro_use]
mod random_values;

mod arbitrary;
mod bincode_equality;
mod bounds;
mod document;
mod golden;
mod hostile;
mod mirror;
mod round_trip;
mod samples;
