//! What is decided and answered: a bundle is compiled, a request is decided, a verdict says what to do.
//!
//! In: documents and request heads. Out: decisions, verdicts, offences. Never writes, never asks a clock.

pub(crate) mod compile;
pub mod compiled;
pub mod decision;
pub mod gateway;
pub mod offence;
pub(crate) mod revoke;
pub mod rollback;
pub(crate) mod sent;
pub mod verdict;
