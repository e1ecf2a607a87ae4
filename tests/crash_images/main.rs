//! The pipeline on one thread and a recorded disk, crashed at every moment of its life.

#[cfg(test)]
mod life;
mod restart;
#[cfg(test)]
mod world;
