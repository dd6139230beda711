//! The policy engine: pure, shared by filter, command line, tests, fuzzers and benchmarks.
//!
//! Nothing in this folder knows proxy-wasm, files, the network, the environment, a clock or randomness:
//! time and random characters are arguments. `make lint` guards this, and the order of the rooms (see the crate's page).

pub mod authoring;
pub mod config;
pub mod fetching;
pub mod matching;
pub mod memory;
pub mod policy;
pub mod report;
pub mod request;
pub mod words;
