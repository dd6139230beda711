//! Compiles a bundle into a policy: resolves names, checks rules, indexes operations.
//!
//! In: a [`Bundle`]. Out: a [`Policy`], or every problem of the document. A rule that does not compile fails the
//! whole bundle and is never skipped.

use std::collections::HashMap;

use crate::engine::config::bundle::Bundle;
use crate::engine::config::defense::{MAX_PER, MAX_SUSPENSION, Threshold};
use crate::engine::config::problem::{Fault, Place, Problem, Problems};
use crate::engine::matching::index::{Index, Lister};
use crate::engine::matching::pattern::{BadOperation, Operation};
use crate::engine::policy::compile::roles::Roles;
use crate::engine::policy::compile::tokens::Tokens;
use crate::engine::policy::compiled::Policy;
use crate::engine::words::entries::Entries;
use crate::engine::words::name::PermissionName;

mod roles;
mod tokens;
mod use_limits;

impl Policy {
    /// Compiles a bundle.
    ///
    /// # Errors
    /// All problems of the bundle.
    pub fn compile(bundle: Bundle) -> Result<Self, Problems> {
        let mut check = Check::default();
        let operations = operations(&bundle, &mut check);
        let permissions = Permissions::of(&bundle);
        let roles = Roles::resolve(&bundle.roles, &permissions, &mut check);
        check.kinds(&bundle, &roles);
        check.defense(&bundle);
        let tokens = Tokens::resolve(&bundle, &permissions, &roles, &mut check);
        Problems::check(check.0)?;

        Ok(Self {
            name: Some(bundle.name),
            revision: bundle.revision,
            built_at: bundle.built_at,
            expires_at: bundle.expires_at,
            good_until: bundle.good_until,
            seal: None,
            permissions: bundle.permissions.0.into_iter().map(|(name, _)| name).collect(),
            index: Index::build(operations),
            has_public: !bundle.public.is_empty(),
            kinds: bundle.kinds.0.into_iter().map(|(name, _)| name).collect(),
            token_prefix: bundle.token_prefix,
            reads_source: bundle.defense.is_some() || tokens.have_sources(),
            defense: bundle.defense,
            ends: tokens.ends(),
            grants: tokens.grants.into(),
            tokens: tokens.tokens.into(),
            secrets: tokens.secrets,
        })
    }
}

/// The problems found so far.
#[derive(Default)]
struct Check(Vec<Problem>);

impl Check {
    #[cold]
    fn fault(&mut self, place: Place, fault: Fault) {
        self.0.push(Problem { place, fault });
    }

    fn kinds(&mut self, bundle: &Bundle, roles: &Roles<'_>) {
        for (name, kind) in bundle.kinds.iter() {
            for (number, role) in kind.roles.iter().flatten().enumerate() {
                if roles.number(role).is_none() {
                    let place = root("kinds").key(name).key("roles").index(number);
                    self.fault(
                        place,
                        Fault::UnknownRole { user: format!("kind `{name}`"), role: role.clone() },
                    );
                }
            }
        }
    }

    fn defense(&mut self, bundle: &Bundle) {
        let defense = bundle.defense.as_ref();
        let thresholds = [
            ("denials", defense.and_then(|defense| defense.denials)),
            ("unknown_tokens", defense.and_then(|defense| defense.unknown_tokens)),
        ];
        for (key, threshold) in thresholds {
            let Some(Threshold { per, suspend, .. }) = threshold else { continue };
            for (what, span, limit) in [("per", per, MAX_PER), ("suspend", suspend, MAX_SUSPENSION)] {
                if span > limit {
                    self.fault(root("defense").key(key).key(what), Fault::LongSpan { what, span, limit });
                }
            }
        }
    }
}

/// Permissions by name.
struct Permissions<'d>(HashMap<&'d PermissionName, usize>);

impl<'d> Permissions<'d> {
    fn of(bundle: &'d Bundle) -> Self {
        Self(bundle.permissions.iter().enumerate().map(|(number, (name, _))| (name, number)).collect())
    }

    fn number(&self, name: &PermissionName) -> Option<usize> {
        self.0.get(name).copied()
    }

    /// The indexes of `names`; `site` says which entry names them and where.
    fn resolve(
        &self,
        names: &[PermissionName],
        site: impl Fn() -> (String, Place),
        check: &mut Check,
    ) -> Vec<usize> {
        let mut numbers = Vec::with_capacity(names.len());
        for (position, name) in names.iter().enumerate() {
            match self.number(name) {
                Some(number) => numbers.push(number),
                None => {
                    let (user, place) = site();
                    check.fault(
                        place.index(position),
                        Fault::UnknownPermission { user, permission: name.clone() },
                    );
                }
            }
        }
        numbers
    }
}

fn operations(bundle: &Bundle, check: &mut Check) -> Vec<(String, Operation, Lister)> {
    let mut operations = Vec::new();
    let Entries(permissions) = &bundle.permissions;
    let public = std::iter::once((root("public"), Lister::Public, &bundle.public));
    let named = permissions.iter().enumerate().map(|(number, (name, operations))| {
        (root("permissions").key(name), Lister::Permission(number), operations)
    });
    let count = permissions
        .iter()
        .map(|(_, operations)| operations.len())
        .fold(bundle.public.len(), usize::saturating_add);
    if count > MAX_OPERATIONS {
        let fault = Fault::TooMany { what: "operations", count, limit: MAX_OPERATIONS };
        check.fault(root("permissions"), fault);
        return operations;
    }
    for (place, lister, texts) in public.chain(named) {
        for (position, text) in texts.iter().enumerate() {
            match Operation::parse(text) {
                Ok(operation) if lister == Lister::Public && !operation.pattern.bindings.is_empty() => {
                    let fault = Fault::Operation { operation: text.clone(), error: BadOperation::Unbindable };
                    check.fault(place.index(position), fault);
                }
                Ok(operation) => operations.push((text.clone(), operation, lister)),
                Err(error) => {
                    check.fault(place.index(position), Fault::Operation { operation: text.clone(), error });
                }
            }
        }
    }
    operations
}

fn root(key: &str) -> Place {
    Place::default().key(key)
}

/// Maximum number of operations in a policy: each needs several times as much memory as its text.
const MAX_OPERATIONS: usize = 250_000;
