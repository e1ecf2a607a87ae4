//! The Stockhold server: the shell around the deterministic machine.
