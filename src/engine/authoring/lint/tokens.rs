//! Probable mistakes in tokens, and in roles as tokens hold them.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::engine::authoring::lint::listed::Listed;
use crate::engine::authoring::lint::{Code, Finding, root};
use crate::engine::config::bundle::{Bundle, Token};
use crate::engine::words::entries::Entries;
use crate::engine::words::name::{AttributeName, PermissionName, RoleName, TokenId};
use crate::engine::words::text::shown;

/// Roles in shadow mode, whose denials are not enforced.
pub(super) fn shadow_roles(bundle: &Bundle) -> Vec<Finding> {
    let shadow = bundle.roles.iter().filter(|(_, role)| role.shadow);
    shadow
        .map(|(name, _)| {
            Finding::new(
                Code::ShadowRole,
                root("roles").key(name).key("shadow"),
                format!("role `{name}` is in shadow: its denials are only reported"),
            )
        })
        .collect()
}

/// Tokens that never work.
pub(super) fn unusable_tokens(bundle: &Bundle) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (id, token) in bundle.tokens.iter() {
        let empty = [
            ("environments", token.environments.as_ref().is_some_and(Vec::is_empty)),
            ("services", token.services.as_ref().is_some_and(Vec::is_empty)),
            ("allowed_sources", token.allowed_sources.as_ref().is_some_and(Vec::is_empty)),
            ("allowed_hours", token.allowed_hours.as_ref().is_some_and(Vec::is_empty)),
        ];
        findings.extend(empty.into_iter().filter(|(_, empty)| *empty).map(|(key, _)| {
            Finding::new(
                Code::UnusableToken,
                root("tokens").key(id).key(key),
                format!("token `{id}` can never be used: its `{key}` are empty"),
            )
        }));
    }
    findings
}

/// Tokens with a permission that needs an attribute, but without that attribute.
pub(super) fn unbound_tokens(bundle: &Bundle, operations: &[Listed<'_>]) -> Vec<Finding> {
    let bound = bound_permissions(operations);
    if bound.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (id, token) in bundle.tokens.iter() {
        for (permission, attribute) in wanted(bundle, token, &bound) {
            if token.attributes.get(attribute).is_none() {
                findings.push(Finding::new(
                    Code::UnboundToken,
                    root("tokens").key(id),
                    format!("token `{id}` holds `{permission}`, but has no attribute `{attribute}`"),
                ));
            }
        }
    }
    findings
}

/// Finds tokens whose values of one attribute differ only in letter case. Reports each spelling once, together with
/// the first one.
pub fn attributes_that_fold_together(tokens: &Entries<TokenId, Token>) -> Vec<Finding> {
    let (mut first, mut seen, mut findings) = (HashMap::new(), HashSet::new(), Vec::new());
    let current = tokens.iter().filter(|(_, token)| token.revoked_at.is_none());
    for (id, name, value) in
        current.flat_map(|(id, token)| token.attributes.iter().map(move |(name, value)| (id, name, value)))
    {
        let (owner, known) = first.entry((name, value.skeleton())).or_insert((id, value));
        if *known != value && seen.insert((name, value)) {
            let (value, known) = (shown(value.as_str()), shown(known.as_str()));
            findings.push(Finding::new(
                Code::AttributesFoldTogether,
                root("tokens").key(id).key("attributes").key(name),
                format!(
                    "`{name}` of token `{id}` and of token `{owner}` differ only by letter case: `{value}`, `{known}`"
                ),
            ));
        }
    }
    findings
}

/// The attributes that each permission's operations need, with their places.
fn bound_permissions<'d>(operations: &[Listed<'d>]) -> HashMap<&'d PermissionName, BTreeSet<AttributeName>> {
    let mut bound: HashMap<_, BTreeSet<_>> = HashMap::new();
    for Listed { permission, operation, .. } in operations {
        for binding in permission.iter().flat_map(|_| &operation.pattern.bindings) {
            bound.entry(*permission).or_default().insert(binding.attribute.clone());
        }
    }
    bound.into_iter().filter_map(|(permission, attributes)| Some((permission?, attributes))).collect()
}

/// The permissions that the token's roles grant and that need an attribute, each with that attribute.
fn wanted<'d>(
    bundle: &Bundle,
    token: &Token,
    bound: &'d HashMap<&'d PermissionName, BTreeSet<AttributeName>>,
) -> BTreeSet<(&'d PermissionName, &'d AttributeName)> {
    let mut seen: BTreeSet<&RoleName> = BTreeSet::new();
    let mut queue: Vec<&RoleName> = token.roles.iter().collect();
    let mut wanted = BTreeSet::new();
    while let Some(name) = queue.pop() {
        let Some(role) = bundle.roles.get(name).filter(|_| seen.insert(name)) else { continue };
        queue.extend(&role.inherits);
        let in_scope = |name: &&PermissionName| token.scope.as_ref().is_none_or(|scope| scope.contains(name));
        for (name, attributes) in
            role.permissions.iter().filter(in_scope).filter_map(|name| bound.get_key_value(name))
        {
            wanted.extend(attributes.iter().map(|attribute| (*name, attribute)));
        }
    }
    wanted
}
