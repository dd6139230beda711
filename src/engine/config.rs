//! The parsed configuration: bundles, revocation lists, settings, and the envelopes that sign them.
//!
//! In: JSON, trees and protobuf. Out: plain data, or every problem with its place. This folder never compiles or
//! decides.

pub mod alerts;
pub mod bundle;
pub mod credentials;
pub mod defense;
pub mod envelope;
pub mod feed;
pub mod headers;
pub mod problem;
pub(crate) mod protobuf;
pub mod refusal;
pub mod revocations;
pub mod settings;
