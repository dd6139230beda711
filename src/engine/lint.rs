//! What is allowed in a policy but seldom meant.
//!
//! In: a document that compiles. Out: findings, each with a stable code, its place and what to do. Errors
//! are `Policy::compile`'s business.

use std::collections::HashSet;
use std::fmt;

use serde::Serialize;

use crate::engine::document::{Document, Role};
use crate::engine::name::RoleName;
use crate::engine::pattern::{Methods, Operation, Segment};
use crate::engine::problem::Place;

mod tokens;

/// One finding.
#[derive(Debug, Eq, PartialEq)]
pub struct Finding {
    /// Stable code.
    pub code: Code,
    /// Where it is.
    pub place: Place,
    /// What was found.
    pub message: String,
}

/// What kind of finding it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Two patterns match some path and neither is the more specific everywhere.
    CrossingPatterns,
    /// A `/**` covers operations that have names of their own.
    SubtreeCovers,
    /// No role grants or denies the permission.
    UnusedPermission,
    /// No token holds the role, by itself or by inheritance.
    UnusedRole,
    /// A secret that never expires.
    EndlessSecret,
    /// A role that takes nothing away yet.
    ShadowRole,
    /// A token that can be used nowhere or never.
    UnusableToken,
    /// A token that holds a permission for an attribute that it does not have.
    UnboundToken,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Mend it, or know why not.
    Warning,
    /// Good to know.
    Note,
}

impl Code {
    /// How much such a finding matters.
    pub fn severity(self) -> Severity {
        match self {
            Self::CrossingPatterns
            | Self::UnusedPermission
            | Self::EndlessSecret
            | Self::UnusableToken
            | Self::UnboundToken => Severity::Warning,
            Self::SubtreeCovers | Self::UnusedRole | Self::ShadowRole => Severity::Note,
        }
    }

    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::CrossingPatterns => "name the path that both match as an operation of its own",
            Self::SubtreeCovers => "`/**` grants these too, also to those who hold nothing else",
            Self::UnusedPermission => "give it to a role, or remove it",
            Self::UnusedRole => "assign it to a token, or remove it",
            Self::EndlessSecret => "give it `expires_at`, or its kind a `max_lifetime`",
            Self::ShadowRole => "once its events show no surprise, take `shadow` away",
            Self::UnusableToken => "name what it may be used from or in, or leave the key out for no limit",
            Self::UnboundToken => {
                "give it the attribute, or another role: without it the permission grants nothing"
            }
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CrossingPatterns => "crossing_patterns",
            Self::SubtreeCovers => "subtree_covers",
            Self::UnusedPermission => "unused_permission",
            Self::UnusedRole => "unused_role",
            Self::EndlessSecret => "endless_secret",
            Self::ShadowRole => "shadow_role",
            Self::UnusableToken => "unusable_token",
            Self::UnboundToken => "unbound_token",
        })
    }
}

/// Everything that is found in `document`, in a stable order.
pub fn findings(document: &Document) -> Vec<Finding> {
    let operations = operations(document);
    let mut findings = crossing(&operations);
    findings.extend(covering(&operations));
    findings.extend(unused_permissions(document));
    findings.extend(unused_roles(document));
    findings.extend(endless_secrets(document));
    findings.extend(tokens::shadow_roles(document));
    findings.extend(tokens::unusable_tokens(document));
    findings.extend(tokens::unbound_tokens(document));
    findings
}

struct Named<'d> {
    text: &'d str,
    operation: Operation,
    place: Place,
}

fn operations(document: &Document) -> Vec<Named<'_>> {
    let public = std::iter::once((root("public"), &document.public));
    let permissions =
        document.permissions.iter().map(|(name, operations)| (root("permissions").key(name), operations));
    let texts = public.chain(permissions).flat_map(|(place, texts)| {
        texts.iter().enumerate().map(move |(position, text)| (place.index(position), text))
    });
    texts
        .filter_map(|(place, text)| Some(Named { text, operation: Operation::parse(text).ok()?, place }))
        .collect()
}

fn crossing(operations: &[Named<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (position, one) in operations.iter().enumerate() {
        for two in operations.iter().skip(position.saturating_add(1)) {
            if cross(&one.operation, &two.operation) {
                let message =
                    format!("`{}` and `{}` cross: each is the more specific somewhere", one.text, two.text);
                findings.push(Finding { code: Code::CrossingPatterns, place: two.place.clone(), message });
            }
        }
    }
    findings
}

fn cross(one: &Operation, two: &Operation) -> bool {
    let (a, b) = (&one.pattern, &two.pattern);
    let same_length = a.segments.len() == b.segments.len() && !a.subtree && !b.subtree;
    let pairs = || a.segments.iter().zip(&b.segments);
    // The host is compared before the first segment.
    let more = one.host < two.host || pairs().any(|(one, two)| one < two);
    let less = one.host > two.host || pairs().any(|(one, two)| one > two);
    same_length
        && overlap_methods(&one.methods, &two.methods)
        && one.host.overlaps(&two.host)
        && pairs().all(|(one, two)| overlap(one, two))
        && more
        && less
}

fn covering(operations: &[Named<'_>]) -> Vec<Finding> {
    let subtrees = operations.iter().filter(|named| named.operation.pattern.subtree);
    let findings = subtrees.filter_map(|subtree| {
        let covered: Vec<&str> = operations
            .iter()
            .filter(|other| covers(&subtree.operation, &other.operation))
            .map(|other| other.text)
            .collect();
        let (shown, more) = covered.split_at_checked(MAX_SHOWN).unwrap_or((&covered, &[]));
        let list = shown.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ");
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        (!covered.is_empty()).then(|| Finding {
            code: Code::SubtreeCovers,
            place: subtree.place.clone(),
            message: format!("`{}` covers {list}{more}", subtree.text),
        })
    });
    findings.collect()
}

fn covers(subtree: &Operation, other: &Operation) -> bool {
    let (above, below) = (&subtree.pattern.segments, &other.pattern.segments);
    above.len() <= below.len()
        && subtree != other
        && overlap_methods(&subtree.methods, &other.methods)
        && subtree.host.overlaps(&other.host)
        && above.iter().zip(below).all(|(one, two)| overlap(one, two))
}

fn overlap_methods(one: &Methods, two: &Methods) -> bool {
    match (one, two) {
        (Methods::Any, _) | (_, Methods::Any) => true,
        (Methods::Named(one), Methods::Named(two)) => one.iter().any(|name| two.contains(name)),
    }
}

/// Whether some segment is matched by both.
fn overlap(one: &Segment, two: &Segment) -> bool {
    match (one, two) {
        (Segment::Variable, _) | (_, Segment::Variable) => true,
        (Segment::Literal(one), Segment::Literal(two)) => one == two,
        (Segment::Literal(text), Segment::Affix { prefix, suffix })
        | (Segment::Affix { prefix, suffix }, Segment::Literal(text)) => {
            text.len() > prefix.len().saturating_add(suffix.len())
                && text.starts_with(&**prefix)
                && text.ends_with(&**suffix)
        }
        (Segment::Affix { prefix: p1, suffix: s1 }, Segment::Affix { prefix: p2, suffix: s2 }) => {
            (p1.starts_with(&**p2) || p2.starts_with(&**p1)) && (s1.ends_with(&**s2) || s2.ends_with(&**s1))
        }
    }
}

fn unused_permissions(document: &Document) -> Vec<Finding> {
    let roles = document.roles.iter();
    let used: HashSet<_> = roles.flat_map(|(_, role)| role.permissions.iter().chain(&role.deny)).collect();
    let unused = document.permissions.iter().filter(|(name, _)| !used.contains(name));
    unused
        .map(|(name, _)| Finding {
            code: Code::UnusedPermission,
            place: root("permissions").key(name),
            message: format!("no role has permission `{name}`"),
        })
        .collect()
}

fn unused_roles(document: &Document) -> Vec<Finding> {
    let mut used: HashSet<&RoleName> = HashSet::new();
    let mut queue: Vec<&RoleName> = document.tokens.iter().flat_map(|(_, token)| &token.roles).collect();
    while let Some(name) = queue.pop() {
        if used.insert(name) {
            queue.extend(document.roles.get(name).iter().flat_map(|Role { inherits, .. }| inherits));
        }
    }
    let unused = document.roles.iter().filter(|(name, _)| !used.contains(name));
    unused
        .map(|(name, _)| Finding {
            code: Code::UnusedRole,
            place: root("roles").key(name),
            message: format!("no token holds role `{name}`"),
        })
        .collect()
}

fn endless_secrets(document: &Document) -> Vec<Finding> {
    let secrets = document.tokens.iter().flat_map(|(id, token)| {
        let secrets = token.secrets.iter().enumerate();
        secrets.filter(|(_, secret)| secret.expires_at.is_none() && secret.revoked_at.is_none()).map(
            move |(position, secret)| Finding {
                code: Code::EndlessSecret,
                place: root("tokens").key(id).key("secrets").index(position),
                message: format!("secret `{}` of token `{id}` never expires", secret.id),
            },
        )
    });
    secrets.collect()
}

fn root(key: &str) -> Place {
    Place::default().key(key)
}

/// Most operations named in one finding.
const MAX_SHOWN: usize = 5;
