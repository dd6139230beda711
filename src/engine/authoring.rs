//! Tools for policy authors: lint, explain, and policy tests.
//!
//! In: documents and policies. Out: findings, steps, outcomes. The filter does not use this folder.

pub mod case;
pub mod explain;
pub mod ledger;
pub mod lint;
