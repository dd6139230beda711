//! What came of asking for a bundle.

use serde::Serialize;

use crate::engine::config::envelope::PayloadType;
use crate::engine::config::revocations::Revocations;
use crate::engine::policy::compiled::Policy;
use crate::engine::report::audit::Version;

/// What the gateway fetched, or why it could not.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct FeedEvent<'a> {
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
    #[serde(flatten)]
    version: Version<'a>,
}

impl<'a> FeedEvent<'a> {
    /// The event of a fetched bundle.
    pub fn bundle(policy: &'a Policy) -> Self {
        Self {
            event: "feed",
            result: "fetched",
            what: PayloadType::Bundle.noun(),
            error: None,
            version: Version::of(policy),
        }
    }

    /// The event of a list of revocations that was fetched: the revision is the list's.
    pub fn revocations(list: &'a Revocations) -> Self {
        Self {
            event: "feed",
            result: "fetched",
            what: PayloadType::Revocations.noun(),
            error: None,
            version: Version::of_list(list),
        }
    }

    /// The event of an answer that is of no use: `policy` stays in force.
    pub fn failed(kind: PayloadType, error: &str, policy: &'a Policy) -> Self {
        let error = error.chars().take(MAX_ERROR).collect();
        Self { result: "failed", what: kind.noun(), error: Some(error), ..Self::bundle(policy) }
    }
}

const MAX_ERROR: usize = 512;
