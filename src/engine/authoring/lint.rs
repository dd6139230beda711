//! Lint: finds valid policy that is probably a mistake.
//!
//! In: a document that compiles. Out: findings, each with a stable code, its place and a fix. `Policy::compile`
//! reports errors.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::Serialize;

pub use crate::engine::authoring::lint::tokens::attributes_that_fold_together;
use crate::engine::config::bundle::Bundle;
use crate::engine::config::problem::Place;
use crate::engine::words::name::{PermissionName, RoleName};

mod denies;
mod listed;
mod operations;
mod sources;
mod tokens;
mod tree;
mod variables;

pub use crate::engine::authoring::lint::sources::unsaid_proxies;

/// One finding.
#[derive(Debug, Eq, PartialEq)]
pub struct Finding {
    /// Stable code.
    pub code: Code,
    /// Where it is.
    pub place: Place,
    /// What was found.
    pub message: String,
    /// How to fix this finding, if the hint of its code is not specific enough.
    pub hint: Option<String>,
}

impl Finding {
    fn new(code: Code, place: Place, message: String) -> Self {
        Self { code, place, message, hint: None }
    }

    /// How to fix it.
    pub fn hint(&self) -> &str {
        self.hint.as_deref().unwrap_or(self.code.hint())
    }
}

/// The code of a finding.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A variable `{x}` where tokens have an attribute `x`.
    ForgottenDollar,
    /// One variable name used twice in a pattern.
    RepeatedVariable,
    /// A segment that other routers read as a variable.
    ForeignVariable,
    /// No token may hold a role that grants the permission.
    UnholdablePermission,
    /// Two patterns match a common path, and each is more specific in one segment.
    CrossingPatterns,
    /// A `/**` covers operations that are also listed separately.
    SubtreeCovers,
    /// No role grants or denies the permission.
    UnusedPermission,
    /// No token holds the role, either directly or by inheritance.
    UnusedRole,
    /// A secret that never expires.
    EndlessSecret,
    /// A signed bundle that never expires.
    EndlessBundle,
    /// A role in shadow mode, whose denials are not enforced.
    ShadowRole,
    /// A token that never works.
    UnusableToken,
    /// A token with a permission that needs an attribute, but without that attribute.
    UnboundToken,
    /// A deny that covers fewer methods or hosts than an overlapping grant.
    NarrowDeny,
    /// Two tokens whose values of one attribute differ only in letter case.
    AttributesFoldTogether,
    /// The policy uses addresses, but no setting says how many proxies are in front of the gateway.
    UnsaidProxies,
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The policy does not do what it says.
    Error,
    /// Fix it, or know why it is right.
    Warning,
    /// Good to know.
    Note,
}

impl Code {
    /// All codes.
    pub const ALL: [Self; 16] = [
        Self::ForgottenDollar,
        Self::RepeatedVariable,
        Self::ForeignVariable,
        Self::UnholdablePermission,
        Self::CrossingPatterns,
        Self::SubtreeCovers,
        Self::UnusedPermission,
        Self::UnusedRole,
        Self::EndlessSecret,
        Self::EndlessBundle,
        Self::ShadowRole,
        Self::UnusableToken,
        Self::UnboundToken,
        Self::NarrowDeny,
        Self::AttributesFoldTogether,
        Self::UnsaidProxies,
    ];

    /// The severity of findings with this code.
    pub fn severity(self) -> Severity {
        match self {
            Self::ForgottenDollar
            | Self::RepeatedVariable
            | Self::ForeignVariable
            | Self::UnholdablePermission
            | Self::UnusedPermission => Severity::Error,
            Self::CrossingPatterns
            | Self::EndlessSecret
            | Self::UnusableToken
            | Self::UnboundToken
            | Self::NarrowDeny
            | Self::AttributesFoldTogether => Severity::Warning,
            Self::SubtreeCovers
            | Self::UnusedRole
            | Self::EndlessBundle
            | Self::ShadowRole
            | Self::UnsaidProxies => Severity::Note,
        }
    }

    /// How to fix it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::ForgottenDollar => "write `${NAME}`, or give the variable another name",
            Self::RepeatedVariable => "give one of them another name",
            Self::ForeignVariable => "write `{NAME}` for a segment with any value",
            Self::UnholdablePermission => "allow such a role in a kind, or remove the permission",
            Self::CrossingPatterns => "name the path that both match as an operation of its own",
            Self::SubtreeCovers => "check that `/**` may grant these too",
            Self::UnusedPermission => "give it to a role, or remove it",
            Self::UnusedRole => "assign it to a token, or remove it",
            Self::EndlessSecret => "give it `expires_at`, or its kind a `max_lifetime`",
            Self::EndlessBundle => {
                "build it with `--good-for 24h` and `--expires-in 30d`: then the gateway reports withheld updates"
            }
            Self::ShadowRole => "remove `shadow` once its events show no surprise",
            Self::UnusableToken => "list the values where it may be used, or omit the key for no limit",
            Self::UnboundToken => {
                "give the token the attribute, or another role: without it the permission grants nothing"
            }
            Self::NarrowDeny => "list the other methods and hosts in the denied permission too",
            Self::AttributesFoldTogether => {
                "use values that differ by more than letter case: an upstream that ignores case mixes up the two tokens"
            }
            Self::UnsaidProxies => {
                "set `source: { trusted_hops: N }` in gateway.yaml: without it a caller can hide its address by junk in `x-forwarded-for`"
            }
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForgottenDollar => "forgotten_dollar",
            Self::RepeatedVariable => "repeated_variable",
            Self::ForeignVariable => "foreign_variable",
            Self::UnholdablePermission => "unholdable_permission",
            Self::CrossingPatterns => "crossing_patterns",
            Self::SubtreeCovers => "subtree_covers",
            Self::UnusedPermission => "unused_permission",
            Self::UnusedRole => "unused_role",
            Self::EndlessSecret => "endless_secret",
            Self::EndlessBundle => "endless_bundle",
            Self::ShadowRole => "shadow_role",
            Self::UnusableToken => "unusable_token",
            Self::UnboundToken => "unbound_token",
            Self::NarrowDeny => "narrow_deny",
            Self::AttributesFoldTogether => "attributes_fold_together",
            Self::UnsaidProxies => "unsaid_proxies",
        })
    }
}

/// All findings in a bundle, in a stable order.
pub fn findings(bundle: &Bundle) -> Vec<Finding> {
    let operations = listed::operations(bundle);
    let mut findings = variables::findings(bundle, &operations);
    findings.extend(operations::findings(&operations));
    findings.extend(denies::findings(bundle, &operations));
    findings.extend(unused_permissions(bundle));
    findings.extend(unholdable_permissions(bundle));
    findings.extend(unused_roles(bundle));
    findings.extend(endless_secrets(bundle));
    findings.extend(tokens::shadow_roles(bundle));
    findings.extend(tokens::unusable_tokens(bundle));
    findings.extend(tokens::unbound_tokens(bundle, &operations));
    findings.extend(attributes_that_fold_together(&bundle.tokens));
    findings
}

/// Findings about a signed bundle that gateways fetch.
pub fn findings_of_signed(bundle: &Bundle) -> Vec<Finding> {
    let endless = is_endless(bundle).then(|| Finding {
        code: Code::EndlessBundle,
        place: Place::default(),
        message: "the signed bundle never expires".to_owned(),
        hint: None,
    });
    endless.into_iter().collect()
}

/// Whether a bundle sets neither its expiry nor when a newer one must arrive.
pub fn is_endless(bundle: &Bundle) -> bool {
    bundle.expires_at.is_none() && bundle.good_until.is_none()
}

fn unused_permissions(bundle: &Bundle) -> Vec<Finding> {
    let roles = bundle.roles.iter();
    let used: HashSet<_> = roles.flat_map(|(_, role)| role.permissions.iter().chain(&role.deny)).collect();
    let unused = bundle.permissions.iter().filter(|(name, _)| !used.contains(name));
    unused
        .map(|(name, _)| {
            Finding::new(
                Code::UnusedPermission,
                root("permissions").key(name),
                format!("no role has permission `{name}`"),
            )
        })
        .collect()
}

/// Permissions that only roles grant which no kind allows, either directly or by inheritance.
fn unholdable_permissions(bundle: &Bundle) -> Vec<Finding> {
    if bundle.kinds.iter().any(|(_, kind)| kind.roles.is_none()) {
        return Vec::new();
    }
    let roles: HashMap<_, _> = bundle.roles.iter().map(|(name, role)| (name, role)).collect();
    let granted: HashSet<_> = roles.values().flat_map(|role| &role.permissions).collect();
    let (mut held, mut seen): (HashSet<&PermissionName>, HashSet<&RoleName>) = Default::default();
    let mut queue: Vec<&RoleName> =
        bundle.kinds.iter().flat_map(|(_, kind)| kind.roles.iter().flatten()).collect();
    while let Some(name) = queue.pop() {
        let Some(role) = roles.get(name).filter(|_| seen.insert(name)) else { continue };
        held.extend(&role.permissions);
        queue.extend(&role.inherits);
    }
    let unholdable =
        bundle.permissions.iter().filter(|(name, _)| granted.contains(name) && !held.contains(name));
    unholdable
        .map(|(name, _)| {
            let message =
                format!("no token can hold permission `{name}`: no kind allows a role that grants it");
            Finding::new(Code::UnholdablePermission, root("permissions").key(name), message)
        })
        .collect()
}

fn unused_roles(bundle: &Bundle) -> Vec<Finding> {
    let roles: HashMap<_, _> = bundle.roles.iter().map(|(name, role)| (name, role)).collect();
    let mut used: HashSet<&RoleName> = HashSet::new();
    let mut queue: Vec<&RoleName> = bundle.tokens.iter().flat_map(|(_, token)| &token.roles).collect();
    while let Some(name) = queue.pop() {
        if used.insert(name) {
            queue.extend(roles.get(name).iter().flat_map(|role| &role.inherits));
        }
    }
    let unused = bundle.roles.iter().filter(|(name, _)| !used.contains(name));
    unused
        .map(|(name, _)| {
            Finding::new(Code::UnusedRole, root("roles").key(name), format!("no token holds role `{name}`"))
        })
        .collect()
}

fn endless_secrets(bundle: &Bundle) -> Vec<Finding> {
    let secrets = bundle.tokens.iter().flat_map(|(id, token)| {
        let secrets = token.secrets.iter().enumerate();
        secrets.filter(|(_, secret)| secret.expires_at.is_none() && secret.revoked_at.is_none()).map(
            move |(position, secret)| {
                Finding::new(
                    Code::EndlessSecret,
                    root("tokens").key(id).key("secrets").index(position),
                    format!("secret `{}` of token `{id}` never expires", secret.id),
                )
            },
        )
    });
    secrets.collect()
}

fn root(key: &str) -> Place {
    Place::default().key(key)
}
