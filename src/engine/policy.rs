//! Decisions: compiles a bundle, decides each request, and gives the verdict on it.
//!
//! In: documents and request heads. Out: decisions, verdicts, offences. This folder never writes and has no clock.

pub(crate) mod compile;
pub mod compiled;
pub mod decision;
pub mod gateway;
pub mod offence;
pub(crate) mod revoke;
pub mod rollback;
pub(crate) mod sent;
pub mod verdict;
