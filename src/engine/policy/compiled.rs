//! The policy: a bundle compiled into the form that decisions need.
//!
//! A `Policy` comes only from [`Policy::compile`], or is the deny-all policy. So a half-checked policy cannot exist.
//! It holds digests, never secrets.

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
    /// When the bundle expires: everything is denied from then on. `None` if it never expires.
    pub(crate) expires_at: Option<Time>,
    /// When a newer bundle must have arrived; `None` if the bundle sets no time.
    pub(crate) good_until: Option<Time>,
    /// The signers and the mark of a signed bundle.
    pub(crate) seal: Option<Seal>,
    pub(crate) permissions: Box<[PermissionName]>,
    pub(crate) index: Index,
    pub(crate) has_public: bool,
    pub(crate) kinds: Box<[KindName]>,
    pub(crate) grants: Box<[Grant]>,
    pub(crate) tokens: Box<[Token]>,
    pub(crate) secrets: HashMap<SecretDigest, Secret>,
    /// The expiry times of the secrets that are neither revoked nor rotated out, in order.
    pub(crate) ends: Box<[Time]>,
    /// First part of minted secrets.
    pub(crate) token_prefix: Option<TokenPrefix>,
    /// Whether any decision depends on the source address.
    pub(crate) reads_source: bool,
    /// How to react to tokens and sources that misbehave.
    pub(crate) defense: Option<Defense>,
}

impl Policy {
    /// The policy to use without a usable bundle: it denies every request.
    pub fn deny_all() -> Self {
        Self { expires_at: Some(Time::BEGINNING), ..Self::default() }
    }

    /// This policy without its content: it denies every request, but keeps its name.
    #[must_use]
    pub fn withdrawn(&self) -> Self {
        let (name, seal) = (self.name.clone(), self.seal.clone());
        Self { name, revision: self.revision, seal, ..Self::deny_all() }
    }

    /// The signers and the mark of the bundle; `None` if it is not signed.
    pub fn seal(&self) -> Option<&Seal> {
        self.seal.as_ref()
    }

    /// Name of the policy; `None` without a usable bundle.
    pub fn name(&self) -> Option<&PolicyName> {
        self.name.as_ref()
    }

    /// Revision of the bundle.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether a bundle is active, not only its name known.
    pub fn is_usable(&self) -> bool {
        self.expires_at != Some(Time::BEGINNING)
    }

    /// When a newer bundle must have arrived; `None` if the bundle sets no time.
    pub fn good_until(&self) -> Option<Time> {
        self.good_until
    }

    /// Number of tokens.
    pub fn token_count(&self) -> usize {
        self.tokens.len()
    }

    /// Number of secrets that expire after `now` and until `limit`, without revoked and rotated-out ones.
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

    /// Whether any decision depends on the source address. If not, the filter does not read it.
    pub fn reads_source(&self) -> bool {
        self.reads_source
    }

    /// How to treat the port of a forwarded authority.
    pub fn ports(&self) -> Ports {
        if self.index.names_hosts() { Ports::Removed } else { Ports::Kept }
    }

    /// How to react to tokens and sources that misbehave, if the policy says so.
    pub fn defense(&self) -> Option<&Defense> {
        self.defense.as_ref()
    }

    /// First part of minted secrets.
    pub(crate) fn token_prefix(&self) -> &str {
        self.token_prefix.as_ref().map_or(DEFAULT_PREFIX, TokenPrefix::as_str)
    }

    /// A salt that depends on the policy's secret digests: callers cannot choose which keys share a slot.
    pub fn salt(&self, now: Time) -> [u8; 16] {
        let mut hash = Sha256::new().chain_update(now.millis().to_le_bytes());
        self.tokens.iter().for_each(|token| hash.update(token.digests));
        hash.finalize().first_chunk().copied().unwrap_or_default()
    }

    /// Finds the token and the secret with this digest.
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
    /// The digests of its secrets that are neither retired nor revoked, combined into one.
    pub(crate) digests: [u8; 16],
    /// `None` for most tokens.
    pub(crate) limits: Option<Box<UseLimits>>,
}

impl Token {
    /// The value of an attribute, in the spelling of canonical paths.
    pub(crate) fn attribute(&self, name: &AttributeName) -> Option<&str> {
        let attributes = &self.limits.as_ref()?.attributes;
        attributes.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

/// The use limits of a token, whatever its roles.
#[derive(Debug, Default, PartialEq)]
pub struct UseLimits {
    /// Why the token does not work at this gateway; `None` if it does.
    pub(crate) misplaced: Option<Reason>,
    /// Attributes, in the spelling of canonical paths.
    pub(crate) attributes: Box<[(AttributeName, Box<str>)]>,
    /// The addresses from which the token may be used.
    pub(crate) sources: Option<Box<[AddressRange]>>,
    /// The hours in which the token may be used.
    pub(crate) hours: Option<Box<[Hours]>>,
    /// How many requests the token may make.
    pub(crate) rate: Option<RateLimit>,
}

/// The rights of tokens with the same roles and scope.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// The assigned roles and those that they inherit.
    pub(crate) roles: Box<[RoleName]>,
    /// The permissions that the roles grant, narrowed to the scope.
    pub(crate) permitted: PermissionSet,
    /// The permissions that the roles deny.
    pub(crate) denied: PermissionSet,
    /// The permissions that roles in shadow mode would deny.
    pub(crate) shadow_denied: PermissionSet,
    /// Whether all assigned roles are in shadow mode. If so, the filter only reports missing permissions.
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

/// Whether a token or secret is revoked. It can become revoked while the policy is in use, and then stays so.
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

    /// Whether it is revoked.
    pub(crate) fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Revokes it.
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

    /// Adds the permission.
    pub(crate) fn insert(&mut self, permission: usize) {
        let (word, bit) = (permission / BITS, permission % BITS);
        if self.0.len() <= word {
            self.0.resize(word.saturating_add(1), 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    /// Adds the permissions of `other`.
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
