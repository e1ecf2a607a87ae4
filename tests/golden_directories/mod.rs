//! Data directories as servers of each version of format and rules left them. This version opens them and gives back what they
//! hold, or refuses them with a sentence that says what to do. `STOCKHOLD_GOLDEN=write cargo test --test in_process golden_directories` writes
//! those of the present versions anew; those of earlier ones are never written again.

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
