//! Every form against the literal formula and against a max-flow oracle.
