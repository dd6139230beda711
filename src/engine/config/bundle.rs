//! The documents: policy document, registry, and the bundle of both.
//!
//! In: JSON, or a tree that a YAML reader made. Out: plain data in the order of the text. Unknown and repeated keys
//! are rejected. `Policy::compile` checks what the data *means*.

use serde::{Deserialize, Serialize};

pub use crate::engine::config::bundle::read::{from_json, from_tree};
use crate::engine::config::defense::Defense;
use crate::engine::matching::attribute::AttributeValue;
use crate::engine::words::address::AddressRange;
use crate::engine::words::entries::Entries;
use crate::engine::words::fields::mappings;
use crate::engine::words::fields::{Number, given, given_number, number};
use crate::engine::words::hours::Hours;
use crate::engine::words::life::Life;
use crate::engine::words::name::{
    AttributeName, EnvironmentName, KindName, PermissionName, PolicyName, RoleName, SecretId, ServiceName,
    TokenId,
};
use crate::engine::words::rate::RateLimit;
use crate::engine::words::secret::SecretDigest;
use crate::engine::words::time::{Span, Time};

mod read;

/// The policy document, which people write.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(
    remote = "Self",
    deny_unknown_fields,
    expecting = "a mapping with `version`, `name`, `permissions`, …"
)]
pub struct PolicyDocument {
    /// Version of the format.
    pub version: Version,
    /// Name of the policy.
    pub name: PolicyName,
    /// First part of minted secrets: `acme` gives `acme_svc_…`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub token_prefix: Option<TokenPrefix>,
    /// Operations that need no token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(with = "Vec<crate::engine::matching::pattern::Operation>")
    )]
    pub public: Vec<String>,
    /// Named sets of operations.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(with = "Entries<PermissionName, Vec<crate::engine::matching::pattern::Operation>>")
    )]
    pub permissions: Entries<PermissionName, Vec<String>>,
    /// Named sets of permissions.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub roles: Entries<RoleName, Role>,
    /// Classes of tokens with their guard-rails.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub kinds: Entries<KindName, Kind>,
    /// How to react to tokens and callers that misbehave.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub defense: Option<Defense>,
}

/// The registry: tokens with the digests of their secrets. The command line writes it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(remote = "Self", deny_unknown_fields, expecting = "a mapping with `version` and `tokens`")]
pub struct Registry {
    /// Version of the format.
    pub version: Version,
    /// Tokens by id.
    #[serde(default)]
    pub tokens: Entries<TokenId, Token>,
}

/// The bundle, which ships: policy document and registry, with a revision.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote, title = "bundle"))]
#[serde(
    remote = "Self",
    deny_unknown_fields,
    expecting = "a mapping with `version`, `name`, `permissions`, …"
)]
pub struct Bundle {
    /// Version of the format.
    pub version: Version,
    /// Name of the policy.
    pub name: PolicyName,
    /// Revision of the bundle, in milliseconds since 1970. A later bundle has a higher revision.
    #[serde(default, deserialize_with = "number")]
    pub revision: u64,
    /// When the bundle was built.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub built_at: Option<Time>,
    /// The environment that the bundle is for.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// The service that the bundle is for.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// When the bundle expires. Gateways must not use it from then on.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When a newer bundle must have arrived. Without one the gateway continues, and reports that this bundle is
    /// stale.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub good_until: Option<Time>,
    /// This bundle may replace signed bundles up to this revision, even though its own revision is lower.
    #[serde(default, deserialize_with = "given_number", skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<u64>,
    /// First part of minted secrets.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub token_prefix: Option<TokenPrefix>,
    /// Operations that need no token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(with = "Vec<crate::engine::matching::pattern::Operation>")
    )]
    pub public: Vec<String>,
    /// Named sets of operations.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(with = "Entries<PermissionName, Vec<crate::engine::matching::pattern::Operation>>")
    )]
    pub permissions: Entries<PermissionName, Vec<String>>,
    /// Named sets of permissions.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub roles: Entries<RoleName, Role>,
    /// Classes of tokens with their guard-rails.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub kinds: Entries<KindName, Kind>,
    /// How to react to tokens and callers that misbehave.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub defense: Option<Defense>,
    /// Tokens by id.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub tokens: Entries<TokenId, Token>,
}

impl Bundle {
    /// Makes a bundle from a policy document and a registry. The caller sets revision and times.
    pub fn of(policy: PolicyDocument, registry: Registry) -> Self {
        let PolicyDocument { version, name, token_prefix, public, permissions, roles, kinds, defense } =
            policy;
        let Registry { version: _, mut tokens } = registry;
        let secrets = tokens.0.iter_mut().flat_map(|(_, token)| &mut token.secrets);
        secrets.for_each(|secret| secret.undelivered = false);
        Self {
            version,
            name,
            revision: 0,
            built_at: None,
            environment: None,
            service: None,
            expires_at: None,
            good_until: None,
            supersedes: None,
            token_prefix,
            public,
            permissions,
            roles,
            kinds,
            defense,
            tokens,
        }
    }
}

/// A role as written.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(remote = "Self", deny_unknown_fields, expecting = "a mapping with `inherits`, `permissions`, `deny`")]
pub struct Role {
    /// What the role is for.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Roles whose permissions and denials this role inherits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inherits: Vec<RoleName>,
    /// Permissions that the role grants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<PermissionName>,
    /// Permissions whose operations the role denies. A deny overrides every grant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<PermissionName>,
    /// Shadow mode: the filter only reports the denials of this role and does not enforce them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("default" = false)))]
    pub shadow: bool,
}

/// A kind of token as written, with its guard-rails.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(
    remote = "Self",
    deny_unknown_fields,
    expecting = "a mapping with `max_lifetime`, `require`, `roles`"
)]
pub struct Kind {
    /// Maximum time from a secret's creation to its expiry.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<Span>,
    /// Fields that a token of this kind must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<RequiredField>,
    /// The only roles that a token of this kind may hold.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<RoleName>>,
}

/// A field that a kind can require of its tokens.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequiredField {
    /// Who is responsible for the token.
    Owner,
    /// What the token is used for.
    Purpose,
    /// A subset of the roles' permissions.
    Scope,
    /// Environments in which the token works.
    Environments,
    /// Services at which the token works.
    Services,
    /// At least one attribute.
    Attributes,
    /// Addresses from which the token may be used.
    AllowedSources,
    /// Hours in which the token may be used.
    AllowedHours,
    /// How many requests the token may make.
    RateLimit,
}

/// A token as written.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(remote = "Self", deny_unknown_fields, expecting = "a mapping with `kind`, `roles`, `secrets`, …")]
pub struct Token {
    /// Class of the token.
    pub kind: KindName,
    /// Roles assigned to it.
    #[serde(default)]
    pub roles: Vec<RoleName>,
    /// Limits the token to a subset of its roles' permissions.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub scope: Option<Vec<PermissionName>>,
    /// Who is responsible for the token.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What the token is used for.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Environments in which the token works; all by default.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<EnvironmentName>>,
    /// Services at which the token works; all by default.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<ServiceName>>,
    /// Values for `${name}` in patterns.
    #[serde(default, skip_serializing_if = "Entries::is_empty")]
    pub attributes: Entries<AttributeName, AttributeValue>,
    /// Addresses from which the token may be used; all by default.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub allowed_sources: Option<Vec<AddressRange>>,
    /// Hours in which the token may be used; all by default.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub allowed_hours: Option<Vec<Hours>>,
    /// How many requests the token may make.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// When the whole token was revoked. If set, the token is revoked.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
    /// Why it was revoked. For people who read the registry; decisions ignore it.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub revoked_reason: Option<String>,
    /// Its secrets. There may be several, so that rotation can overlap.
    #[serde(default)]
    pub secrets: Vec<Secret>,
}

/// A secret as written: its digest and its lifetime.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(remote = "Self", deny_unknown_fields, expecting = "a mapping with `id`, `sha256`, `expires_at`, …")]
pub struct Secret {
    /// Id of the secret within its token.
    pub id: SecretId,
    /// SHA-256 of the secret.
    pub sha256: SecretDigest,
    /// When it was minted.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    /// When the secret starts to work.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,
    /// When the secret expires.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When rotation replaced the secret. It continues to work until `expires_at`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Time>,
    /// When the secret was revoked. If set, the secret is revoked.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
    /// Why it was revoked. For people who read the registry; decisions ignore it.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub revoked_reason: Option<String>,
    /// Whether `tokenward renew` minted it and did not deliver it yet; a bundle does not have this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("default" = false)))]
    pub undelivered: bool,
}

impl Secret {
    /// When the secret works. It never works before its creation; otherwise its whole life could lie in the future.
    pub(crate) fn life(&self) -> Life {
        Life {
            begins: self.not_before.max(self.created_at),
            ends: self.expires_at,
            rotated: self.retired_at.is_some(),
        }
    }
}

mappings!(PolicyDocument, Registry, Bundle, Role, Kind, Token, Secret);

/// The version of the format: 1.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend("const" = FORMAT_VERSION))
)]
#[serde(try_from = "Number", into = "u64")]
pub struct Version;

impl TryFrom<Number> for Version {
    type Error = String;

    fn try_from(Number(version): Number) -> Result<Self, String> {
        if version == FORMAT_VERSION {
            return Ok(Self);
        }
        Err(format!("format version `{version}` is not known: this program reads version {FORMAT_VERSION}"))
    }
}

impl From<Version> for u64 {
    fn from(_: Version) -> Self {
        FORMAT_VERSION
    }
}

/// First part of a minted secret: 2 to 16 lower-case letters and digits, starting with a letter.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = "^[a-z][a-z0-9]{1,15}$", "examples" = ["acme"]))
)]
#[serde(try_from = "String", into = "String")]
pub struct TokenPrefix(String);

impl TokenPrefix {
    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TokenPrefix {
    type Error = String;

    fn try_from(prefix: String) -> Result<Self, String> {
        let letters = prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let first = prefix.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if letters && first && (2..=16).contains(&prefix.len()) {
            return Ok(Self(prefix));
        }
        let shown: String = prefix.chars().take(40).collect();
        Err(format!(
            "`{}` is not a token prefix: it has 2 to 16 lower-case letters and digits, a letter first",
            shown.escape_default()
        ))
    }
}

impl From<TokenPrefix> for String {
    fn from(prefix: TokenPrefix) -> Self {
        prefix.0
    }
}

const FORMAT_VERSION: u64 = 1;
/// Maximum size of a document: about 400,000 tokens. A VM of 1 GiB has room for two documents of this size, the
/// active one and its replacement. If memory ran out, Envoy would continue without the filter.
pub const MAX_BYTES: usize = 64 << 20;
