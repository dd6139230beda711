//! Reports: audit events and their chain, sampling, metrics, the bodies of alerts.
//!
//! In: decisions and notices. Out: lines, names and bodies. A report never contains a secret.

pub mod alerts;
pub mod audit;
pub mod chain;
pub mod metrics;
pub mod sample;
