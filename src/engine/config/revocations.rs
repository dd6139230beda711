//! Revocation lists: a short list beside the bundle that stops a leak before the next bundle arrives.
//!
//! In: the list, signed like a bundle but with its own type. Out: a policy in which the listed tokens and secrets are
//! revoked. A list never permits more: everything else stays as in the bundle, and revocations stay until the next
//! bundle. So a list is applied on top of each bundle, whichever of the two is newer.

use serde::{Deserialize, Serialize};

use crate::engine::config::bundle::{Registry, Version};
use crate::engine::words::fields::mappings;
use crate::engine::words::fields::{given, given_number, number};
use crate::engine::words::name::{PolicyName, TokenId};
use crate::engine::words::secret::SecretDigest;
use crate::engine::words::time::Time;

/// The revoked tokens and secrets of a policy.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(
    remote = "Self",
    deny_unknown_fields,
    expecting = "a mapping with `version`, `name`, `revision`, `tokens`, `secrets`"
)]
pub struct Revocations {
    /// Version of the format.
    pub version: Version,
    /// Name of the policy.
    pub name: PolicyName,
    /// Revision of the list, in milliseconds since 1970. A later list has a higher revision.
    #[serde(deserialize_with = "number")]
    pub revision: u64,
    /// When the list was built.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub built_at: Option<Time>,
    /// When a newer list must have arrived. Without one the gateway continues, and reports that this list is stale. A
    /// list does not expire: revoked tokens stay revoked.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub good_until: Option<Time>,
    /// This list may replace lists up to this revision, even though its own revision is lower.
    #[serde(default, deserialize_with = "given_number", skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<u64>,
    /// Tokens to revoke, with all their secrets.
    pub tokens: Vec<TokenId>,
    /// Digests of secrets to revoke.
    pub secrets: Vec<SecretDigest>,
}

mappings!(Revocations);

impl Revocations {
    /// All revocations in a registry. The caller sets revision and time.
    pub fn of(name: PolicyName, registry: &Registry) -> Self {
        let revoked = registry.tokens.iter().filter(|(_, token)| token.revoked_at.is_some());
        let others = registry.tokens.iter().filter(|(_, token)| token.revoked_at.is_none());
        let secrets = others.flat_map(|(_, token)| &token.secrets);
        Self {
            version: Version,
            name,
            revision: 0,
            built_at: None,
            good_until: None,
            supersedes: None,
            tokens: revoked.map(|(id, _)| id.clone()).collect(),
            secrets: secrets
                .filter(|secret| secret.revoked_at.is_some())
                .map(|secret| secret.sha256)
                .collect(),
        }
    }
}
