//! A real server over TCP, tested by peers with raw frames.

#[cfg(test)]
mod batches;
#[cfg(test)]
mod bulk;
#[cfg(test)]
mod closing;
#[cfg(test)]
mod harness;

#[cfg(test)]
mod connection_permits;
#[cfg(test)]
mod inline_path;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod questions;
#[cfg(test)]
mod sale;
