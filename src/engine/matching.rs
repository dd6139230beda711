//! What a request is compared with: hosts, paths, patterns, and the index of all operations.
//!
//! In: a policy's patterns, and the host and path of a request. Out: which operations match. Never decides what a match means.

pub mod attribute;
pub mod host;
pub mod index;
pub mod path;
pub mod pattern;
