//! Roles: each with all that it inherits.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::engine::compile::{Check, Permissions, root};
use crate::engine::document::{Entries, Role};
use crate::engine::name::RoleName;
use crate::engine::policy::PermissionSet;
use crate::engine::problem::Fault;

/// The roles of a document, resolved.
pub(super) struct Roles<'d> {
    roles: &'d Entries<RoleName, Role>,
    numbers: HashMap<&'d RoleName, usize>,
    resolved: Vec<Resolved>,
}

/// A role with all that it inherits.
pub(super) struct Resolved {
    /// Numbers of the role itself and of those that it inherits from, nearest first.
    pub(super) closure: Vec<usize>,
    pub(super) permitted: PermissionSet,
    pub(super) denied: PermissionSet,
    /// What those of them that are in shadow would deny.
    pub(super) tried: PermissionSet,
    /// Whether the role itself is in shadow.
    pub(super) shadow: bool,
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
            return Self { roles, numbers: HashMap::new(), resolved: Vec::new() };
        }
        let numbers: HashMap<_, _> =
            roles.iter().enumerate().map(|(number, (name, _))| (name, number)).collect();
        let own: Vec<Own> =
            roles.iter().map(|(name, role)| own(name, role, &numbers, permissions, check)).collect();
        let resolved = own
            .iter()
            .enumerate()
            .map(|(number, _)| {
                let parents = parents(number, &own);
                if let Some(chain) = parents.get(&number).and_then(|last| cycle(number, *last, &parents)) {
                    report_cycle(&chain, roles, check);
                }
                inherit(number, &own)
            })
            .collect();
        Self { roles, numbers, resolved }
    }

    /// The number of the role with this name.
    pub(super) fn number(&self, name: &RoleName) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    /// The name of the role with this number.
    pub(super) fn name(&self, number: usize) -> Option<&RoleName> {
        self.roles.0.get(number).map(|(name, _)| name)
    }

    /// The role with this number.
    pub(super) fn get(&self, number: usize) -> Option<&Resolved> {
        self.resolved.get(number)
    }
}

/// What a role says itself.
struct Own {
    inherits: Vec<usize>,
    permitted: Vec<usize>,
    denied: Vec<usize>,
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
        permitted: permissions.resolve(&role.permissions, || (user(), place.key("permissions")), check),
        denied: permissions.resolve(&role.deny, || (user(), place.key("deny")), check),
        shadow: role.shadow,
    }
}

fn inherit(number: usize, own: &[Own]) -> Resolved {
    let mut resolved = Resolved {
        closure: Vec::new(),
        permitted: PermissionSet::default(),
        denied: PermissionSet::default(),
        tried: PermissionSet::default(),
        shadow: own.get(number).is_some_and(|role| role.shadow),
    };
    let mut seen = HashSet::from([number]);
    let mut queue = VecDeque::from([number]);
    while let Some((number, role)) = queue.pop_front().and_then(|next| Some((next, own.get(next)?))) {
        resolved.closure.push(number);
        resolved.permitted.extend(role.permitted.iter().copied());
        let denied = if role.shadow { &mut resolved.tried } else { &mut resolved.denied };
        denied.extend(role.denied.iter().copied());
        queue.extend(role.inherits.iter().copied().filter(|parent| seen.insert(*parent)));
    }
    resolved
}

/// For each role that `start` inherits from, the role by which it was first reached.
fn parents(start: usize, own: &[Own]) -> HashMap<usize, usize> {
    let mut parents = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some((number, role)) = queue.pop_front().and_then(|next| Some((next, own.get(next)?))) {
        for parent in &role.inherits {
            if !parents.contains_key(parent) {
                parents.insert(*parent, number);
                queue.push_back(*parent);
            }
        }
    }
    parents
}

/// The shortest way from `start` to itself, `start` first; only from the first role of a cycle, so that
/// each is reported once.
fn cycle(start: usize, last: usize, parents: &HashMap<usize, usize>) -> Option<Vec<usize>> {
    let mut chain = vec![last];
    let mut at = last;
    while at != start {
        at = *parents.get(&at)?;
        chain.push(at);
    }
    chain.reverse();
    (chain.iter().min() == Some(&start)).then_some(chain)
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

/// Most roles in a policy: what each inherits is worked out one by one.
const MAX_ROLES: usize = 1_000;
