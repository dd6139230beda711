//! The request: its head, and the credential that it presents.
//!
//! In: headers as bytes. Out: one reading of each, or an error. This folder never looks anything up.

pub mod credential;
pub mod head;
pub mod rule;
