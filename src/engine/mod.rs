//! The policy engine: pure, shared by filter, command line, tests, fuzzers and benchmarks.
//!
//! Nothing in this folder knows proxy-wasm, files, the network, the environment, a clock or randomness:
//! time and random characters are arguments. `make lint` guards this.

pub mod address;
pub mod alerts;
pub mod attribute;
pub mod audit;
pub mod case;
mod compile;
pub mod credential;
pub mod decision;
pub mod defense;
pub mod document;
pub mod envelope;
pub mod explain;
pub mod feed;
pub mod freshness;
pub mod head;
pub mod host;
pub mod hours;
pub mod index;
pub mod lease;
pub mod lint;
mod mapping;
pub mod metrics;
pub mod name;
pub mod path;
pub mod pattern;
pub mod policy;
pub mod problem;
pub mod rate;
pub mod reason;
pub mod revocations;
#[cfg(not(target_arch = "wasm32"))]
mod schema;
pub mod secret;
pub mod settings;
mod structure;
pub mod time;
pub mod verdict;
