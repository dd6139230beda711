//! Events of the filter itself.

use serde::Serialize;

use crate::engine::config::envelope::KeyId;
use crate::engine::policy::compiled::Policy;
use crate::engine::report::audit::{FORMAT_VERSION, line, milliseconds};
use crate::engine::words::name::PolicyName;
use crate::engine::words::time::Time;

/// That a configuration is in force: the event of a new policy.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct ConfiguredEvent<'a> {
    /// Version of the format.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = FORMAT_VERSION)))]
    v: u8,
    /// When it happened: UTC, to the millisecond.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "Time"))]
    ts: Time,
    /// What happened.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "configured")))]
    event: &'static str,
    /// Name of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<&'a PolicyName>,
    /// Revision of the bundle.
    revision: u64,
    /// The revision that the bundle may go back from.
    #[serde(skip_serializing_if = "Option::is_none")]
    supersedes: Option<u64>,
    /// Who signed the bundle: ids of keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    signers: Option<&'a [KeyId]>,
    /// Number of tokens.
    tokens: usize,
    /// Whether no VM of this Envoy had the configuration before: Envoy tries it there, and nowhere else.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    trial: bool,
    /// Number of the event: each VM counts its own from 0 on.
    seq: u64,
}

impl<'a> ConfiguredEvent<'a> {
    /// The event of a policy that is now in force; `trial` is whether
    /// it has not been before, `seq` the number of the event.
    pub fn of(policy: &'a Policy, trial: bool, now: Time, seq: u64) -> Self {
        Self {
            v: FORMAT_VERSION,
            ts: now,
            event: "configured",
            bundle: policy.name(),
            revision: policy.revision(),
            supersedes: policy.seal().and_then(|seal| seal.supersedes),
            signers: policy.seal().map(|seal| seal.signers.as_slice()),
            tokens: policy.token_count(),
            trial,
            seq,
        }
    }

    /// The event as one line of JSON.
    pub fn to_json(&self) -> String {
        line(self)
    }
}

/// That no more lines come from a VM: the event of a policy that serves no request any more.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct ClosedEvent<'a> {
    /// Version of the format.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = FORMAT_VERSION)))]
    v: u8,
    /// When it happened: UTC, to the millisecond.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "Time"))]
    ts: Time,
    /// What happened.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "closed")))]
    event: &'static str,
    /// Name of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<&'a PolicyName>,
    /// Revision of the bundle.
    revision: u64,
    /// How many chains this Envoy has begun so far, where it is known: a log has all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    chains: Option<u64>,
    /// Number of the event: each VM counts its own from 0 on.
    seq: u64,
}

impl<'a> ClosedEvent<'a> {
    /// The last event of a policy, in an Envoy that has begun so many chains; `seq` is the number of the event.
    pub fn of(policy: &'a Policy, chains: Option<u64>, now: Time, seq: u64) -> Self {
        Self {
            v: FORMAT_VERSION,
            ts: now,
            event: "closed",
            bundle: policy.name(),
            revision: policy.revision(),
            chains,
            seq,
        }
    }

    /// The event as one line of JSON.
    pub fn to_json(&self) -> String {
        line(self)
    }
}
