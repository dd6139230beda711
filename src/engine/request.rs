//! What came in: the head of a request and the credential that it brings.
//!
//! In: headers as bytes. Out: one reading of each, or an error. Never looks anything up.

pub mod credential;
pub mod head;
pub mod rule;
