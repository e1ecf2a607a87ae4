//! The log, the snapshots and the directory on a disk with lost writes, failures and wrong reads.

#[cfg(test)]
mod world;

#[cfg(test)]
mod crash;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod files;
#[cfg(test)]
mod format;
#[cfg(test)]
mod growing;
#[cfg(test)]
mod restarts;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod space;
