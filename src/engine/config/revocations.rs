//! Revocations beside the bundle: a short list that closes a leak before the next bundle is there.
//!
//! In: the list, signed like a bundle but under a type of its own. Out: a policy in which what it names is revoked.
//! A list only takes away: what it does not name stays as the bundle says, and what was revoked stays revoked until
//! there is another bundle. So a list is put on top of each bundle, whichever of the two is the newer one.

use serde::{Deserialize, Serialize};

use crate::engine::config::bundle::{Registry, Version};
use crate::engine::words::fields::mappings;
use crate::engine::words::fields::{given, given_number, number};
use crate::engine::words::name::{PolicyName, TokenId};
use crate::engine::words::secret::SecretDigest;
use crate::engine::words::time::Time;

/// What is revoked of a policy's tokens and secrets.
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
    /// Number of this list, in milliseconds since 1970; a later list has a higher one.
    #[serde(deserialize_with = "number")]
    pub revision: u64,
    /// When the list was built.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub built_at: Option<Time>,
    /// By when a newer list must be there; a gateway without one continues, and reports that this one is stale. A list has
    /// no end: what is revoked stays revoked.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub good_until: Option<Time>,
    /// Lists up to this revision may be followed by this one, though its own is lower.
    #[serde(default, deserialize_with = "given_number", skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<u64>,
    /// Tokens that are revoked with all their secrets.
    pub tokens: Vec<TokenId>,
    /// Digests of secrets that are revoked.
    pub secrets: Vec<SecretDigest>,
}

mappings!(Revocations);

impl Revocations {
    /// All that a registry says is revoked; the revision and the time are set by who ships it.
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
