//! Matching: hosts, paths, patterns, and the index of all operations.
//!
//! In: a policy's patterns, and the host and path of a request. Out: the operations that match. This folder
//! never decides what a match means.

pub mod attribute;
pub mod host;
pub mod index;
pub mod path;
pub mod pattern;
