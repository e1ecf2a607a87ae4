//! Tests that run the server within the test program: its parts on recorded and real disks, and whole servers.

#[cfg(test)]
mod archiving;
#[cfg(test)]
mod crash_images;
#[cfg(test)]
mod fuzz_corpus;
#[cfg(test)]
mod golden_directories;
#[cfg(test)]
mod named;
#[cfg(test)]
mod restoring;
#[cfg(test)]
mod server_tcp;
#[cfg(test)]
mod threads;
#[cfg(test)]
mod wal_log;
