//! Events of the filter itself.

use serde::Serialize;

use crate::engine::config::envelope::KeyId;
use crate::engine::policy::compiled::Policy;
use crate::engine::report::audit::Version;

/// That a configuration is in force: the event of a new policy.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct ConfiguredEvent<'a> {
    /// What happened.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "configured")))]
    event: &'static str,
    #[serde(flatten)]
    version: Version<'a>,
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
    canary: bool,
}

impl<'a> ConfiguredEvent<'a> {
    /// The event of a policy that is now active; `canary` is true in Envoy's canary VM.
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

/// That no more lines come from a VM: the event of a policy that serves no request any more.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct ClosedEvent<'a> {
    /// What happened.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "closed")))]
    event: &'static str,
    #[serde(flatten)]
    version: Version<'a>,
    /// How many chains this Envoy has begun so far, where it is known: a log has all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    chains: Option<u64>,
}

impl<'a> ClosedEvent<'a> {
    /// The last event of a policy, in an Envoy that has begun so many chains.
    pub fn of(policy: &'a Policy, chains: Option<u64>) -> Self {
        Self { event: "closed", version: Version::of(policy), chains }
    }
}
