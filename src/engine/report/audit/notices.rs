//! Events of the filter itself.

use serde::Serialize;

use crate::engine::config::envelope::KeyId;
use crate::engine::policy::compiled::Policy;
use crate::engine::report::audit::Version;

/// A policy became active.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct ConfiguredEvent<'a> {
    /// The kind of event.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "configured")))]
    event: &'static str,
    #[serde(flatten)]
    version: Version<'a>,
    /// The revision up to which the bundle supersedes others.
    #[serde(skip_serializing_if = "Option::is_none")]
    supersedes: Option<u64>,
    /// The ids of the keys that signed the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    signers: Option<&'a [KeyId]>,
    /// Number of tokens.
    tokens: usize,
    /// True if this is the first VM of this Envoy with the configuration: Envoy only tries it there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    canary: bool,
}

impl<'a> ConfiguredEvent<'a> {
    /// The event for a newly active policy. `canary` is true in Envoy's canary VM.
    pub fn of(policy: &'a Policy, canary: bool) -> Self {
        Self {
            event: "configured",
            version: Version::of(policy),
            supersedes: policy.seal().and_then(|seal| seal.supersedes),
            signers: policy.seal().map(|seal| seal.signers.as_slice()),
            tokens: policy.token_count(),
            canary,
        }
    }
}

/// The last line of a policy in a VM: it no longer serves requests.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct ClosedEvent<'a> {
    /// The kind of event.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "closed")))]
    event: &'static str,
    #[serde(flatten)]
    version: Version<'a>,
    /// How many chains this Envoy has started so far, if known. A complete log contains all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    chains: Option<u64>,
}

impl<'a> ClosedEvent<'a> {
    /// The last event of a policy, in an Envoy that has started this many chains.
    pub fn of(policy: &'a Policy, chains: Option<u64>) -> Self {
        Self { event: "closed", version: Version::of(policy), chains }
    }
}
