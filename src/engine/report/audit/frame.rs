//! The common parts of all audit lines: format, time, bundle and number.

use serde::{Serialize, Serializer};

use crate::engine::config::revocations::Revocations;
use crate::engine::policy::compiled::Policy;
use crate::engine::report::audit::line;
use crate::engine::words::name::PolicyName;
use crate::engine::words::time::Time;

/// An event with its time and its number: one audit line.
#[derive(Debug, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(rename = "{E}", deny_unknown_fields)
)]
pub struct Line<'a, E> {
    /// Version of the format.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = FORMAT_VERSION)))]
    v: u8,
    /// The time of the event: UTC, to the millisecond.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "Time"))]
    ts: Time,
    #[serde(flatten)]
    event: &'a E,
    /// Number of the event. Each VM counts its own from 0.
    seq: u64,
}

impl<'a, E: Serialize> Line<'a, E> {
    /// The line of an event.
    pub fn new(event: &'a E, now: Time, seq: u64) -> Self {
        Self { v: FORMAT_VERSION, ts: now, event, seq }
    }

    /// The line as JSON in ASCII.
    pub fn to_json(&self) -> String {
        line(self)
    }
}

/// The bundle or revocation list of an event.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct Version<'a> {
    /// Name of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<&'a PolicyName>,
    /// Revision of the bundle, or of the revocation list.
    pub(super) revision: u64,
}

impl<'a> Version<'a> {
    pub(super) fn of(policy: &'a Policy) -> Self {
        Self { bundle: policy.name(), revision: policy.revision() }
    }

    pub(super) fn of_list(list: &'a Revocations) -> Self {
        Self { bundle: Some(&list.name), revision: list.revision }
    }

    /// The policy's name; empty without a usable policy.
    pub(super) fn name(&self) -> &str {
        self.bundle.map_or("", PolicyName::as_str)
    }
}

pub(super) fn milliseconds<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

const FORMAT_VERSION: u8 = 1;
