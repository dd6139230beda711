//! What only people need: lint, explain, the cases of a policy.
//!
//! In: documents and policies. Out: findings, steps, outcomes. The filter does not use it.

pub mod case;
pub mod explain;
pub mod ledger;
pub mod lint;
