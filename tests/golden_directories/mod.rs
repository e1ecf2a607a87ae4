//! Data directories that servers of each version of format and rules have written. This version opens them and returns
//! what they contain, or refuses them with a message that says what to do. `STOCKHOLD_GOLDEN=write cargo test --test
//! in_process golden_directories` writes those of the current versions again. Those of earlier versions are never
//! written again.

#[cfg(test)]
mod batches;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod keeping;
#[cfg(test)]
mod left;
#[cfg(test)]
mod levels;
#[cfg(test)]
mod story;
