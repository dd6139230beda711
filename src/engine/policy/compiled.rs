//! The policy: a bundle compiled into what decisions are looked up in.
//!
//! A `Policy` can only come from [`Policy::compile`] or be the policy that denies all:
//! there is no half-checked one. It holds digests, never secrets.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use crate::engine::config::bundle::TokenPrefix;
use crate::engine::config::defense::Defense;
use crate::engine::matching::host::Ports;
use crate::engine::matching::index::Index;
use crate::engine::memory::seal::Seal;
use crate::engine::words::address::AddressRange;
use crate::engine::words::hours::Hours;
use crate::engine::words::life::Life;
use crate::engine::words::name::{
    AttributeName, KindName, PermissionName, PolicyName, RoleName, SecretId, TokenId,
};
use crate::engine::words::rate::RateLimit;
use crate::engine::words::reason::Reason;
use crate::engine::words::secret::SecretDigest;
use crate::engine::words::secret::minted::DEFAULT_PREFIX;
use crate::engine::words::time::Time;

/// A compiled bundle.
#[derive(Debug, Default)]
pub struct Policy {
    pub(crate) name: Option<PolicyName>,
    pub(crate) revision: u64,
    pub(crate) built_at: Option<Time>,
    /// From when on all is denied; `None` for never.
    pub(crate) expires_at: Option<Time>,
    /// By when a newer bundle must be there; `None` where it does not say.
    pub(crate) good_until: Option<Time>,
    /// Who signed the bundle, where it is signed.
    pub(crate) seal: Option<Seal>,
    pub(crate) permissions: Box<[PermissionName]>,
    pub(crate) index: Index,
    pub(crate) has_public: bool,
    pub(crate) kinds: Box<[KindName]>,
    pub(crate) grants: Box<[Grant]>,
    pub(crate) tokens: Box<[Token]>,
    pub(crate) secrets: HashMap<SecretDigest, Secret>,
    /// When secrets end that were neither revoked nor rotated away, in order.
    pub(crate) ends: Box<[Time]>,
    /// First part of minted secrets.
    pub(crate) token_prefix: Option<TokenPrefix>,
    /// Whether a decision can depend on where a request comes from.
    pub(crate) reads_source: bool,
    /// What is done about tokens and sources that misbehave.
    pub(crate) defense: Option<Defense>,
}

impl Policy {
    /// The policy where there is no usable one: it denies every request.
    pub fn deny_all() -> Self {
        Self { expires_at: Some(Time::BEGINNING), ..Self::default() }
    }

    /// The policy without all that it permits: it denies every request, under its own name.
    #[must_use]
    pub fn withdrawn(&self) -> Self {
        let (name, seal) = (self.name.clone(), self.seal.clone());
        Self { name, revision: self.revision, seal, ..Self::deny_all() }
    }

    /// Who signed the bundle, and what it may follow; `None` if it is not signed.
    pub fn seal(&self) -> Option<&Seal> {
        self.seal.as_ref()
    }

    /// Name of the policy; `None` without a usable one.
    pub fn name(&self) -> Option<&PolicyName> {
        self.name.as_ref()
    }

    /// Revision of the bundle.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether a bundle is in force, and not only its name known.
    pub fn is_usable(&self) -> bool {
        self.expires_at != Some(Time::BEGINNING)
    }

    /// By when a newer bundle must be there; `None` if the bundle does not say.
    pub fn good_until(&self) -> Option<Time> {
        self.good_until
    }

    /// Number of tokens.
    pub fn token_count(&self) -> usize {
        self.tokens.len()
    }

    /// Number of secrets that end after `now` and until `limit`; those revoked or rotated away do not count.
    pub fn secrets_ending(&self, now: Time, limit: Time) -> usize {
        let until = |time: Time| self.ends.partition_point(|end| *end <= time);
        until(limit).saturating_sub(until(now))
    }

    /// The index of operations.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Name of the permission with this index.
    pub fn permission(&self, index: usize) -> Option<&PermissionName> {
        self.permissions.get(index)
    }

    /// Whether a decision can depend on where a request comes from. If not, the filter does not read it.
    pub fn reads_source(&self) -> bool {
        self.reads_source
    }

    /// What becomes of the port of a forwarded authority.
    pub fn ports(&self) -> Ports {
        if self.index.names_hosts() { Ports::Removed } else { Ports::Kept }
    }

    /// What is done about tokens and sources that misbehave, if anything is.
    pub fn defense(&self) -> Option<&Defense> {
        self.defense.as_ref()
    }

    /// First part of minted secrets.
    pub(crate) fn token_prefix(&self) -> &str {
        self.token_prefix.as_ref().map_or(DEFAULT_PREFIX, TokenPrefix::as_str)
    }

    /// A salt that only somebody who knows the policy's digests can compute: callers cannot choose what shares a slot.
    pub fn salt(&self, now: Time) -> [u8; 16] {
        let mut hash = Sha256::new().chain_update(now.millis().to_le_bytes());
        self.tokens.iter().for_each(|token| hash.update(token.digests));
        hash.finalize().first_chunk().copied().unwrap_or_default()
    }

    /// The token and the secret with this digest.
    pub(crate) fn find(&self, digest: SecretDigest) -> Option<(&Token, &Secret)> {
        let secret = self.secrets.get(&digest)?;
        Some((self.tokens.get(secret.token)?, secret))
    }
}

/// A token of the policy.
#[derive(Debug)]
pub struct Token {
    pub(crate) id: TokenId,
    pub(crate) kind: usize,
    pub(crate) grant: usize,
    pub(crate) revoked: Revoked,
    /// The digests of its secrets that are neither retired nor revoked, folded into one.
    pub(crate) digests: [u8; 16],
    /// Most tokens have none.
    pub(crate) limits: Option<Box<UseLimits>>,
}

impl Token {
    /// The value of an attribute, in the spelling of canonical paths.
    pub(crate) fn attribute(&self, name: &AttributeName) -> Option<&str> {
        let attributes = &self.limits.as_ref()?.attributes;
        attributes.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

/// How the use of one token is limited, whatever its roles.
#[derive(Debug, Default, PartialEq)]
pub struct UseLimits {
    /// Why the token does not work at this gateway, if it does not.
    pub(crate) misplaced: Option<Reason>,
    /// Attributes, in the spelling of canonical paths.
    pub(crate) attributes: Box<[(AttributeName, Box<str>)]>,
    /// The addresses that it may be used from.
    pub(crate) sources: Option<Box<[AddressRange]>>,
    /// The hours that it may be used in.
    pub(crate) hours: Option<Box<[Hours]>>,
    /// How many requests it may make.
    pub(crate) rate: Option<RateLimit>,
}

/// What tokens with the same roles and scope may do.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// The roles assigned and those that they inherit from.
    pub(crate) roles: Box<[RoleName]>,
    /// What the roles grant, narrowed to the scope.
    pub(crate) permitted: PermissionSet,
    /// What a role denies.
    pub(crate) denied: PermissionSet,
    /// What a role in shadow would deny.
    pub(crate) shadow_denied: PermissionSet,
    /// Whether all assigned roles are in shadow: what they do not grant is only reported.
    pub(crate) in_shadow: bool,
}

/// A secret of the policy.
#[derive(Debug)]
pub struct Secret {
    pub(crate) id: SecretId,
    pub(crate) token: usize,
    pub(crate) life: Life,
    pub(crate) revoked: Revoked,
}

/// Whether something is revoked: what is stays so, also while the policy is in use.
pub struct Revoked(AtomicBool);

impl fmt::Debug for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revoked({})", self.is())
    }
}

impl Revoked {
    pub(crate) fn new(revoked: bool) -> Self {
        Self(AtomicBool::new(revoked))
    }

    /// Whether it is.
    pub(crate) fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// From now on it is.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A set of permissions, by index.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PermissionSet(Vec<u64>);

impl PermissionSet {
    /// Whether the permission is in the set.
    pub fn contains(&self, permission: usize) -> bool {
        let (word, bit) = (permission / BITS, permission % BITS);
        self.0.get(word).is_some_and(|word| word & (1 << bit) != 0)
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Puts the permission into the set.
    pub(crate) fn insert(&mut self, permission: usize) {
        let (word, bit) = (permission / BITS, permission % BITS);
        if self.0.len() <= word {
            self.0.resize(word.saturating_add(1), 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    /// Puts the permissions of `other` into the set.
    pub(crate) fn merge(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    /// Keeps the permissions that are also in `other`.
    pub(crate) fn retain(&mut self, other: &Self) {
        for (position, word) in self.0.iter_mut().enumerate() {
            *word &= other.0.get(position).copied().unwrap_or(0);
        }
    }
}

impl Extend<usize> for PermissionSet {
    fn extend<I: IntoIterator<Item = usize>>(&mut self, permissions: I) {
        permissions.into_iter().for_each(|permission| self.insert(permission));
    }
}

const BITS: usize = 64;
