//! Tokens: their permissions, their kind's guard-rails, their secrets.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use crate::engine::config::bundle;
use crate::engine::config::bundle::{Bundle, Kind, RequiredField};
use crate::engine::config::problem::{Fault, Place};
use crate::engine::policy::compile::roles::Roles;
use crate::engine::policy::compile::{Check, Permissions, root, use_limits};
use crate::engine::policy::compiled::{Grant, PermissionSet, Revoked, Secret, Token};
use crate::engine::words::name::{KindName, RoleName, TokenId};
use crate::engine::words::secret::SecretDigest;
use crate::engine::words::time::{Span, Time};

/// The tokens of a document, with resolved names.
#[derive(Default)]
pub(super) struct Tokens {
    pub(super) grants: Vec<Grant>,
    pub(super) tokens: Vec<Token>,
    pub(super) secrets: HashMap<SecretDigest, Secret>,
    /// The grant of each combination of roles.
    full: HashMap<Vec<usize>, Grant>,
    /// Tokens with the same roles and scope share a grant.
    known: HashMap<(Vec<usize>, Option<Vec<usize>>), usize>,
}

impl Tokens {
    pub(super) fn resolve(
        bundle: &Bundle,
        permissions: &Permissions<'_>,
        roles: &Roles<'_>,
        check: &mut Check,
    ) -> Self {
        let mut tokens = Self::default();
        let kinds: HashMap<&KindName, (usize, Rails<'_>)> = bundle
            .kinds
            .iter()
            .enumerate()
            .map(|(number, (name, kind))| (name, (number, Rails::of(kind))))
            .collect();
        for (id, token) in bundle.tokens.iter() {
            let grant = tokens.grant(id, token, permissions, roles, check);
            let kind = kinds.get(&token.kind);
            match kind {
                Some((_, rails)) => guard(id, token, rails, check),
                None => check.fault(
                    place(id).key("kind"),
                    Fault::UnknownKind { token: id.clone(), kind: token.kind.clone() },
                ),
            }
            tokens.add_secrets(id, token, bundle, check);
            let kind = kind.map_or(0, |(number, _)| *number);
            let limits = use_limits::of(id, token, bundle, check);
            let revoked = Revoked::new(token.revoked_at.is_some());
            let digests = digests(token);
            tokens.tokens.push(Token { id: id.clone(), kind, grant, revoked, digests, limits });
        }
        tokens
    }

    /// Whether any token is restricted to source addresses.
    pub(super) fn have_sources(&self) -> bool {
        self.tokens.iter().any(|token| token.limits.as_ref().is_some_and(|limits| limits.sources.is_some()))
    }

    /// The expiry times of the secrets that are neither revoked nor rotated out, in order.
    pub(super) fn ends(&self) -> Box<[Time]> {
        let is_kept = |secret: &&Secret| {
            let token = self.tokens.get(secret.token);
            !secret.life.rotated && !secret.revoked.is() && token.is_some_and(|token| !token.revoked.is())
        };
        let mut ends: Box<[Time]> =
            self.secrets.values().filter(is_kept).filter_map(|secret| secret.life.ends).collect();
        ends.sort_unstable();
        ends
    }

    /// The index of the grant for the token's roles and scope.
    fn grant(
        &mut self,
        id: &TokenId,
        token: &bundle::Token,
        permissions: &Permissions<'_>,
        roles: &Roles<'_>,
        check: &mut Check,
    ) -> usize {
        let mut held = Vec::with_capacity(token.roles.len());
        for (position, role) in token.roles.iter().enumerate() {
            match roles.number(role) {
                Some(number) => held.push(number),
                None => check.fault(
                    place(id).key("roles").index(position),
                    Fault::UnknownRole { user: format!("token `{id}`"), role: role.clone() },
                ),
            }
        }
        let scope = token.scope.as_ref().map(|names| {
            permissions.resolve(names, || (format!("scope of token `{id}`"), place(id).key("scope")), check)
        });
        let full = self.full.entry(held.clone()).or_insert_with(|| roles.grant(&held));
        full.check_scope(id, token, permissions, check);
        match self.known.entry((held, scope)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let number = self.grants.len();
                self.grants.push(full.narrowed(new.key().1.as_deref()));
                *new.insert(number)
            }
        }
    }

    fn add_secrets(&mut self, id: &TokenId, token: &bundle::Token, bundle: &Bundle, check: &mut Check) {
        let number = self.tokens.len();
        let mut ids = HashSet::new();
        for (position, secret) in token.secrets.iter().enumerate() {
            let place = || place(id).key("secrets").index(position);
            if !ids.insert(&secret.id) {
                let fault = Fault::DuplicateSecretId { token: id.clone(), secret: secret.id.clone() };
                check.fault(place().key("id"), fault);
            }
            if let (Some(start), Some(end)) = (secret.life().begins, secret.expires_at)
                && end <= start
            {
                check.fault(place().key("expires_at"), Fault::EmptyLifetime { secret: secret.id.clone() });
            }
            if secret.retired_at.is_some() && secret.expires_at.is_none() {
                check
                    .fault(place().key("retired_at"), Fault::RetiredWithoutEnd { secret: secret.id.clone() });
            }
            match self.secrets.entry(secret.sha256) {
                Entry::Occupied(known) => {
                    let owner = bundle.tokens.0.get(known.get().token).map_or(id, |(owner, _)| owner);
                    let fault = Fault::DuplicateDigest {
                        fingerprint: secret.sha256.fingerprint(),
                        first: format!("secret `{}` of token `{owner}`", known.get().id),
                        second: format!("secret `{}` of token `{id}`", secret.id),
                    };
                    check.fault(place().key("sha256"), fault);
                }
                Entry::Vacant(new) => {
                    new.insert(Secret {
                        id: secret.id.clone(),
                        token: number,
                        life: secret.life(),
                        revoked: Revoked::new(secret.revoked_at.is_some()),
                    });
                }
            }
        }
    }
}

impl Grant {
    /// The grant, narrowed to a scope.
    fn narrowed(&self, scope: Option<&[usize]>) -> Self {
        let mut grant = self.clone();
        if let Some(scope) = scope {
            let mut narrow = PermissionSet::default();
            narrow.extend(scope.iter().copied());
            grant.permitted.retain(&narrow);
            // A scope is the token's own restriction, so it is enforced even if its roles are in shadow mode.
            grant.in_shadow = false;
        }
        grant
    }

    /// Checks that the token's scope names only permissions that its roles grant.
    fn check_scope(
        &self,
        id: &TokenId,
        token: &bundle::Token,
        permissions: &Permissions<'_>,
        check: &mut Check,
    ) {
        for (position, name) in token.scope.iter().flatten().enumerate() {
            if permissions.number(name).is_some_and(|number| !self.permitted.contains(number)) {
                let fault = Fault::ScopeBeyondRoles { token: id.clone(), permission: name.clone() };
                check.fault(place(id).key("scope").index(position), fault);
            }
        }
    }
}

/// A kind's guard-rails.
struct Rails<'d> {
    kind: &'d Kind,
    /// The allowed roles; `None` if the kind allows all.
    allowed: Option<HashSet<&'d RoleName>>,
}

impl<'d> Rails<'d> {
    fn of(kind: &'d Kind) -> Self {
        Self { kind, allowed: kind.roles.as_ref().map(|roles| roles.iter().collect()) }
    }
}

/// Checks the token against its kind's guard-rails.
fn guard(id: &TokenId, token: &bundle::Token, Rails { kind, allowed }: &Rails<'_>, check: &mut Check) {
    for (position, role) in token.roles.iter().enumerate() {
        if allowed.as_ref().is_some_and(|allowed| !allowed.contains(role)) {
            let fault = Fault::RoleNotAllowed {
                token: id.clone(),
                role: role.clone(),
                kind: token.kind.clone(),
                allowed: kind.roles.iter().flatten().take(MAX_NAMED).cloned().collect(),
                more: kind.roles.as_ref().map_or(0, Vec::len).saturating_sub(MAX_NAMED),
            };
            check.fault(place(id).key("roles").index(position), fault);
        }
    }
    for field in &kind.require {
        if let Some(field) = missing(token, *field) {
            check
                .fault(place(id), Fault::MissingField { token: id.clone(), kind: token.kind.clone(), field });
        }
    }
    if let Some(limit) = kind.max_lifetime {
        for (position, secret) in token.secrets.iter().enumerate() {
            if let Some(fault) = lifetime(secret, &token.kind, limit) {
                check.fault(place(id).key("secrets").index(position), fault);
            }
        }
    }
}

fn missing(token: &bundle::Token, field: RequiredField) -> Option<&'static str> {
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
    let (name, present) = match field {
        RequiredField::Owner => ("owner", given(&token.owner)),
        RequiredField::Purpose => ("purpose", given(&token.purpose)),
        RequiredField::Scope => ("scope", token.scope.is_some()),
        RequiredField::Environments => ("environments", token.environments.is_some()),
        RequiredField::Services => ("services", token.services.is_some()),
        RequiredField::Attributes => ("attributes", !token.attributes.is_empty()),
        RequiredField::AllowedSources => ("allowed_sources", token.allowed_sources.is_some()),
        RequiredField::AllowedHours => ("allowed_hours", token.allowed_hours.is_some()),
        RequiredField::RateLimit => ("rate_limit", token.rate_limit.is_some()),
    };
    (!present).then_some(name)
}

fn lifetime(secret: &bundle::Secret, kind: &KindName, limit: Span) -> Option<Fault> {
    let endless = |missing| {
        Some(Fault::EndlessSecret { secret: secret.id.clone(), kind: kind.clone(), limit, missing })
    };
    let Some(end) = secret.expires_at else {
        return endless("expires_at");
    };
    let Some(start) = secret.created_at else {
        return endless("created_at");
    };
    let seconds = end.seconds().saturating_sub(start.seconds());
    (start.plus(limit) < end).then(|| Fault::LongLifetime {
        secret: secret.id.clone(),
        kind: kind.clone(),
        limit,
        seconds,
    })
}

/// The digests of the secrets that are neither retired nor revoked, combined into one.
fn digests(token: &bundle::Token) -> [u8; 16] {
    let current = |secret: &&bundle::Secret| secret.retired_at.is_none() && secret.revoked_at.is_none();
    let mut folded = [0; 16];
    for secret in token.secrets.iter().filter(current) {
        folded.iter_mut().zip(secret.sha256.half()).for_each(|(folded, byte)| *folded ^= byte);
    }
    folded
}

fn place(id: &TokenId) -> Place {
    root("tokens").key(id)
}

/// Maximum number of roles that a message names.
const MAX_NAMED: usize = 10;
