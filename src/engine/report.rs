//! What is written about it: audit events and their chain, samples, metrics, the bodies of alerts.
//!
//! In: decisions and notices. Out: lines, names and bodies. Never holds a secret.

pub mod alerts;
pub mod audit;
pub mod chain;
pub mod metrics;
pub mod sample;
