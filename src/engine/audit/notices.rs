//! Events of the filter itself.

use serde::Serialize;

use crate::engine::audit::{FORMAT_VERSION, line, milliseconds};
use crate::engine::envelope::KeyId;
use crate::engine::name::PolicyName;
use crate::engine::policy::Policy;
use crate::engine::time::Time;

/// That a configuration is in force: the event of a new policy.
#[derive(Debug, Serialize)]
pub struct ConfiguredEvent<'a> {
    v: u8,
    #[serde(serialize_with = "milliseconds")]
    ts: Time,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<&'a PolicyName>,
    revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    supersedes: Option<u64>,
    /// Who signed the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    signers: Option<&'a [KeyId]>,
    tokens: usize,
    seq: u64,
}

impl<'a> ConfiguredEvent<'a> {
    /// The event of a policy that is now in force; `seq` is the number of the event.
    pub fn of(policy: &'a Policy, now: Time, seq: u64) -> Self {
        Self {
            v: FORMAT_VERSION,
            ts: now,
            event: "configured",
            bundle: policy.name(),
            revision: policy.revision(),
            supersedes: policy.seal().and_then(|seal| seal.supersedes),
            signers: policy.seal().map(|seal| seal.signers.as_slice()),
            tokens: policy.token_count(),
            seq,
        }
    }

    /// The event as one line of JSON.
    pub fn to_json(&self) -> String {
        line(self)
    }
}
