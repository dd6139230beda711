//! What came of asking for a bundle.

use serde::Serialize;

use crate::engine::config::envelope::PayloadType;
use crate::engine::config::revocations::Revocations;
use crate::engine::policy::compiled::Policy;
use crate::engine::report::audit::{FORMAT_VERSION, line, milliseconds};
use crate::engine::words::name::PolicyName;
use crate::engine::words::time::Time;

/// That something was fetched, or could not be.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct FeedEvent<'a> {
    /// Version of the format.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = FORMAT_VERSION)))]
    v: u8,
    /// When it happened: UTC, to the millisecond.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "Time"))]
    ts: Time,
    /// What happened.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "feed")))]
    event: &'static str,
    /// What came of it.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("enum" = ["fetched", "failed"])))]
    result: &'static str,
    /// What it was that was asked for.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("enum" = ["bundle", "revocations"])))]
    what: &'static str,
    /// Why what was fetched is not used, or nothing could be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Name of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<&'a PolicyName>,
    /// Revision of the bundle, or of the list of revocations.
    revision: u64,
    /// Number of the event: each VM counts its own from 0 on.
    seq: u64,
}

impl<'a> FeedEvent<'a> {
    /// The event of a bundle that was fetched; `seq` is the number of the event.
    pub fn bundle(policy: &'a Policy, now: Time, seq: u64) -> Self {
        Self {
            v: FORMAT_VERSION,
            ts: now,
            event: "feed",
            result: "fetched",
            what: PayloadType::Bundle.noun(),
            error: None,
            bundle: policy.name(),
            revision: policy.revision(),
            seq,
        }
    }

    /// The event of a list of revocations that was fetched: the revision is the list's.
    pub fn revocations(list: &'a Revocations, now: Time, seq: u64) -> Self {
        Self {
            v: FORMAT_VERSION,
            ts: now,
            event: "feed",
            result: "fetched",
            what: PayloadType::Revocations.noun(),
            error: None,
            bundle: Some(&list.name),
            revision: list.revision,
            seq,
        }
    }

    /// The event of an answer that is of no use: `policy` stays in force.
    pub fn failed(kind: PayloadType, error: &str, policy: &'a Policy, now: Time, seq: u64) -> Self {
        let error = error.chars().take(MAX_ERROR).collect();
        Self { result: "failed", what: kind.noun(), error: Some(error), ..Self::bundle(policy, now, seq) }
    }

    /// The event as one line of JSON.
    pub fn to_json(&self) -> String {
        line(self)
    }
}

const MAX_ERROR: usize = 512;
