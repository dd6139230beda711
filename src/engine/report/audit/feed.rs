//! Events of the feed: the result of fetching a bundle.

use serde::Serialize;

use crate::engine::config::envelope::PayloadType;
use crate::engine::config::revocations::Revocations;
use crate::engine::policy::compiled::Policy;
use crate::engine::report::audit::Version;

/// A fetch by the gateway: its result, or why it failed.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct FeedEvent<'a> {
    /// The kind of event.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "feed")))]
    event: &'static str,
    /// The result of the fetch.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("enum" = ["fetched", "failed"])))]
    result: &'static str,
    /// What the gateway fetched.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("enum" = ["bundle", "revocations"])))]
    what: &'static str,
    /// Why the fetch failed, or why its result is not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    version: Version<'a>,
}

impl<'a> FeedEvent<'a> {
    /// The event for a fetched bundle.
    pub fn bundle(policy: &'a Policy) -> Self {
        Self {
            event: "feed",
            result: "fetched",
            what: PayloadType::Bundle.noun(),
            error: None,
            version: Version::of(policy),
        }
    }

    /// The event for a fetched revocation list, with the list's revision.
    pub fn revocations(list: &'a Revocations) -> Self {
        Self {
            event: "feed",
            result: "fetched",
            what: PayloadType::Revocations.noun(),
            error: None,
            version: Version::of_list(list),
        }
    }

    /// The event for a failed fetch. `policy` stays active.
    pub fn failed(kind: PayloadType, error: &str, policy: &'a Policy) -> Self {
        let error = error.chars().take(MAX_ERROR).collect();
        Self { result: "failed", what: kind.noun(), error: Some(error), ..Self::bundle(policy) }
    }
}

const MAX_ERROR: usize = 512;
