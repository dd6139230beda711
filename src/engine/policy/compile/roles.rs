//! Roles, each with everything that it inherits.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::engine::config::bundle::Role;
use crate::engine::config::problem::Fault;
use crate::engine::policy::compile::{Check, Permissions, root};
use crate::engine::policy::compiled::{Grant, PermissionSet};
use crate::engine::words::entries::Entries;
use crate::engine::words::name::RoleName;

mod cycles;

/// The roles of a document, with resolved names.
pub(super) struct Roles<'d> {
    roles: &'d Entries<RoleName, Role>,
    numbers: HashMap<&'d RoleName, usize>,
    own: Vec<Own>,
}

impl<'d> Roles<'d> {
    pub(super) fn resolve(
        roles: &'d Entries<RoleName, Role>,
        permissions: &Permissions<'_>,
        check: &mut Check,
    ) -> Self {
        if roles.len() > MAX_ROLES {
            check
                .fault(root("roles"), Fault::TooMany { what: "roles", count: roles.len(), limit: MAX_ROLES });
            return Self { roles, numbers: HashMap::new(), own: Vec::new() };
        }
        let numbers: HashMap<_, _> =
            roles.iter().enumerate().map(|(number, (name, _))| (name, number)).collect();
        let own: Vec<Own> =
            roles.iter().map(|(name, role)| own(name, role, &numbers, permissions, check)).collect();
        for cycle in cycles::of(&own) {
            report_cycle(&cycle, roles, check);
        }
        Self { roles, numbers, own }
    }

    /// The grant of the roles with these numbers and all roles that they inherit, nearest first.
    pub(super) fn grant(&self, held: &[usize]) -> Grant {
        let mut grant = Grant { in_shadow: !held.is_empty(), ..Grant::default() };
        let (mut seen, mut names) = (HashSet::new(), Vec::new());
        for first in held.iter().copied() {
            grant.in_shadow &= self.own.get(first).is_some_and(|role| role.shadow);
            let mut queue = VecDeque::from_iter(seen.insert(first).then_some(first));
            while let Some((number, role)) =
                queue.pop_front().and_then(|next| Some((next, self.own.get(next)?)))
            {
                names.extend(self.roles.0.get(number).map(|(name, _)| name.clone()));
                grant.permitted.merge(&role.permitted);
                let denied = if role.shadow { &mut grant.shadow_denied } else { &mut grant.denied };
                denied.merge(&role.denied);
                queue.extend(role.inherits.iter().copied().filter(|parent| seen.insert(*parent)));
            }
        }
        grant.roles = names.into();
        grant
    }

    /// The number of the role with this name.
    pub(super) fn number(&self, name: &RoleName) -> Option<usize> {
        self.numbers.get(name).copied()
    }
}

/// The parts that a role states itself.
struct Own {
    inherits: Vec<usize>,
    permitted: PermissionSet,
    denied: PermissionSet,
    shadow: bool,
}

fn own(
    name: &RoleName,
    role: &Role,
    numbers: &HashMap<&RoleName, usize>,
    permissions: &Permissions<'_>,
    check: &mut Check,
) -> Own {
    let place = root("roles").key(name);
    let user = || format!("role `{name}`");
    let mut inherits = Vec::with_capacity(role.inherits.len());
    for (position, parent) in role.inherits.iter().enumerate() {
        match numbers.get(parent) {
            Some(number) => inherits.push(*number),
            None => check.fault(
                place.key("inherits").index(position),
                Fault::UnknownRole { user: user(), role: parent.clone() },
            ),
        }
    }
    Own {
        inherits,
        permitted: set(permissions.resolve(&role.permissions, || (user(), place.key("permissions")), check)),
        denied: set(permissions.resolve(&role.deny, || (user(), place.key("deny")), check)),
        shadow: role.shadow,
    }
}

fn set(permissions: Vec<usize>) -> PermissionSet {
    let mut set = PermissionSet::default();
    set.extend(permissions);
    set
}

fn report_cycle(chain: &[usize], roles: &Entries<RoleName, Role>, check: &mut Check) {
    let names: Vec<RoleName> =
        chain.iter().filter_map(|number| roles.0.get(*number)).map(|(name, _)| name.clone()).collect();
    let Some((first, role)) = chain.first().and_then(|number| roles.0.get(*number)) else {
        return;
    };
    let next = names.get(1).unwrap_or(first);
    let position = role.inherits.iter().position(|parent| parent == next).unwrap_or_default();
    let place = root("roles").key(first).key("inherits").index(position);
    check.fault(place, Fault::InheritanceCycle { chain: names });
}

/// Maximum number of roles in a policy, and so in the event of a token.
const MAX_ROLES: usize = 1_000;
