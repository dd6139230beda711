//! The policy engine: pure code, shared by filter, command line, tests, fuzzers and benchmarks.
//!
//! This folder uses no proxy-wasm, files, network, environment, clock or randomness: time and random characters are
//! arguments. `make lint` checks this, and the order of the layers (see the crate's page).

pub mod authoring;
pub mod config;
pub mod fetching;
pub mod matching;
pub mod memory;
pub mod policy;
pub mod report;
pub mod request;
pub mod words;
