//! The pipeline on one thread and a recorded disk, crashed at every moment, and what `verify` reports of the result.

#[cfg(test)]
mod clocks;
#[cfg(test)]
mod copies;
#[cfg(test)]
mod digests;
#[cfg(test)]
pub(crate) mod flips;
#[cfg(test)]
pub(crate) mod life;
#[cfg(test)]
mod names;
#[cfg(test)]
mod passed_over;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod truncated;
#[cfg(test)]
mod verified;
#[cfg(test)]
pub(crate) mod world;
