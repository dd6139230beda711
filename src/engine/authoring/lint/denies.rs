//! Denies that leave part of a grant open: by method (`GET /keys/**` with a grant `* /**`) or by host.
//!
//! Each role is checked with the roles that it inherits, and each token with all its roles. A deny is narrow if it
//! overlaps a grant and no deny covers some method or host of that grant on the deny's own path.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::engine::authoring::lint::listed::Listed;
use crate::engine::authoring::lint::{Code, Finding, root};
use crate::engine::config::bundle::{Bundle, Role, Token};
use crate::engine::matching::host::HostPattern;
use crate::engine::matching::pattern::{Methods, Operation, Segment};
use crate::engine::words::name::{PermissionName, RoleName};

/// Finds denies that are narrower than an overlapping grant of the same role or token.
pub(super) fn findings<'d>(bundle: &'d Bundle, operations: &[Listed<'d>]) -> Vec<Finding> {
    let roles: HashMap<&RoleName, &Role> = bundle.roles.iter().map(|(name, role)| (name, role)).collect();
    if roles.values().all(|role| role.deny.is_empty()) {
        return Vec::new();
    }
    let permissions = Permissions::of(operations);
    let mut reported = HashSet::new();
    let mut findings = Vec::new();
    for holder in holders(bundle, &roles) {
        let denied = holder.denied(&roles, &permissions);
        if denied.is_empty() {
            continue;
        }
        let granted = holder.granted(&roles, &permissions);
        for deny in &denied {
            let Some(entry) = holder.entry(&roles, deny) else { continue };
            let gap = || granted.iter().find_map(|grant| Some((grant, gap(deny, grant, &granted, &denied)?)));
            if reported.contains(&(entry, deny.id)) {
                continue;
            }
            if let Some((grant, gap)) = gap() {
                reported.insert((entry, deny.id));
                findings.push(finding(&holder, entry, (deny, grant), gap));
            }
        }
    }
    findings
}

/// The part of a grant that a deny leaves open.
#[derive(Clone, Copy)]
enum Gap {
    Methods,
    Hosts,
}

/// An operation of a permission.
struct Folded<'d> {
    /// Number of the operation. It distinguishes two equal entries of a policy.
    id: usize,
    permission: &'d PermissionName,
    text: &'d str,
    /// With lower-case literals, as denies are matched.
    operation: Operation,
}

/// The operations of each permission.
struct Permissions<'d>(HashMap<&'d PermissionName, Vec<Folded<'d>>>);

impl<'d> Permissions<'d> {
    fn of(operations: &[Listed<'d>]) -> Self {
        let mut permissions: HashMap<_, Vec<Folded<'d>>> = HashMap::new();
        for (id, listed) in operations.iter().enumerate() {
            let Some(permission) = listed.permission else { continue };
            let operation = folded(listed.operation.clone());
            permissions.entry(permission).or_default().push(Folded {
                id,
                permission,
                text: listed.text,
                operation,
            });
        }
        Self(permissions)
    }

    fn all<'s>(&'s self, names: impl IntoIterator<Item = &'d PermissionName>) -> Vec<&'s Folded<'d>> {
        let names: BTreeSet<_> = names.into_iter().collect();
        names.into_iter().filter_map(|name| self.0.get(name)).flatten().collect()
    }
}

fn folded(mut operation: Operation) -> Operation {
    operation.pattern.segments = operation.pattern.segments.iter().map(Segment::folded).collect();
    operation
}

/// A role or a token: it holds grants and denies together.
struct Holder<'d> {
    name: String,
    /// The roles, including inherited ones.
    roles: BTreeSet<&'d RoleName>,
    scope: Option<&'d [PermissionName]>,
}

/// Each role, and each token with a combination of roles that no earlier token has.
fn holders<'d>(bundle: &'d Bundle, by_name: &HashMap<&'d RoleName, &'d Role>) -> Vec<Holder<'d>> {
    let mut seen = HashSet::new();
    let roles = bundle.roles.iter().map(|(name, _)| Holder {
        name: format!("role `{name}`"),
        roles: with_inherited(by_name, [name]),
        scope: None,
    });
    let several = |token: &&Token| token.roles.len() > 1;
    let tokens = bundle.tokens.iter().filter(|(_, token)| several(&token)).filter_map(|(id, token)| {
        let scope = token.scope.as_deref();
        let roles: BTreeSet<_> = token.roles.iter().collect();
        let holder = || Holder {
            name: format!("token `{id}`"),
            roles: with_inherited(by_name, token.roles.iter()),
            scope,
        };
        seen.insert((roles, scope)).then(holder)
    });
    roles.chain(tokens).collect()
}

fn with_inherited<'d>(
    roles: &HashMap<&'d RoleName, &'d Role>,
    names: impl IntoIterator<Item = &'d RoleName>,
) -> BTreeSet<&'d RoleName> {
    let mut all = BTreeSet::new();
    let mut queue: Vec<&RoleName> = names.into_iter().collect();
    while let Some(name) = queue.pop() {
        if let Some(role) = roles.get(name).filter(|_| all.insert(name)) {
            queue.extend(&role.inherits);
        }
    }
    all
}

impl<'d> Holder<'d> {
    fn denied<'s>(
        &self,
        roles: &HashMap<&'d RoleName, &'d Role>,
        permissions: &'s Permissions<'d>,
    ) -> Vec<&'s Folded<'d>> {
        let roles = self.roles.iter().filter_map(|name| roles.get(name));
        permissions.all(roles.flat_map(|role| &role.deny))
    }

    fn granted<'s>(
        &self,
        roles: &HashMap<&'d RoleName, &'d Role>,
        permissions: &'s Permissions<'d>,
    ) -> Vec<&'s Folded<'d>> {
        let roles = self.roles.iter().filter_map(|name| roles.get(name));
        let in_scope = |name: &&PermissionName| self.scope.is_none_or(|scope| scope.contains(name));
        permissions.all(roles.flat_map(|role| &role.permissions).filter(in_scope))
    }

    /// The first role that denies the permission, and the position in its list.
    fn entry(
        &self,
        roles: &HashMap<&'d RoleName, &'d Role>,
        deny: &Folded<'_>,
    ) -> Option<(&'d RoleName, usize)> {
        self.roles.iter().find_map(|name| {
            let mut denied = roles.get(name)?.deny.iter();
            Some((*name, denied.position(|denied| denied == deny.permission)?))
        })
    }
}

/// The part of `grant` that `deny` leaves open on the deny's own paths, if the two overlap.
///
/// Grants of one host and pattern count as one: `GET /**` and `POST /**` are `GET,POST /**`.
fn gap(
    deny: &Folded<'_>,
    grant: &Folded<'_>,
    granted: &[&Folded<'_>],
    denied: &[&Folded<'_>],
) -> Option<Gap> {
    let (deny, grant) = (&deny.operation, &grant.operation);
    let alike = |other: &Operation| {
        let (one, two) = (&other.pattern, &grant.pattern);
        other.host == grant.host && one.segments == two.segments && one.subtree == two.subtree
    };
    let shares_method =
        |other: &&Folded<'_>| alike(&other.operation) && share_methods(deny, &other.operation);
    if !meet(deny, grant) || !granted.iter().any(shares_method) {
        return None;
    }
    let open = open_methods(deny, grant, denied);
    if open.is_empty() {
        return None;
    }
    if !contains(&deny.host, &grant.host) {
        return Some(Gap::Hosts);
    }
    // A deny of write methods alone is meant to leave reads open.
    let only_reads = is_of_writes(deny) && open.iter().all(|name| is_safe(name));
    (!only_reads).then_some(Gap::Methods)
}

/// The methods of `grant` that no deny covers for all its hosts on the paths of `deny`; `*` stands for all other
/// methods.
fn open_methods<'g>(deny: &Operation, grant: &'g Operation, denied: &[&Folded<'_>]) -> Vec<&'g str> {
    let is_open = |method: &&str| {
        !denied.iter().any(|other| {
            let other = &other.operation;
            covers_method(&other.methods, method)
                && contains(&other.host, &grant.host)
                && covers_pattern(other, deny)
        })
    };
    match &grant.methods {
        Methods::Any => Some("*").into_iter().filter(is_open).collect(),
        Methods::Named(names) => names.iter().map(|name| &**name).filter(is_open).collect(),
    }
}

fn is_of_writes(deny: &Operation) -> bool {
    matches!(&deny.methods, Methods::Named(names) if !names.iter().any(|name| is_safe(name)))
}

/// Whether the method only reads (RFC 9110 §9.2.1).
fn is_safe(method: &str) -> bool {
    ["GET", "HEAD", "OPTIONS"].contains(&method)
}

/// Whether the methods cover a method; for `*`, whether they cover every method.
fn covers_method(methods: &Methods, method: &str) -> bool {
    match methods {
        Methods::Any => true,
        Methods::Named(_) => methods.cover(method.as_bytes()),
    }
}

fn share_methods(one: &Operation, two: &Operation) -> bool {
    match (&one.methods, &two.methods) {
        (Methods::Any, _) | (_, Methods::Any) => true,
        (Methods::Named(names), other) => names.iter().any(|name| other.cover(name.as_bytes())),
    }
}

/// Whether some host and path match both.
fn meet(one: &Operation, two: &Operation) -> bool {
    let (a, b) = (&one.pattern, &two.pattern);
    let lengths = match (a.subtree, b.subtree) {
        (true, true) => true,
        (true, false) => a.segments.len() <= b.segments.len(),
        (false, true) => b.segments.len() <= a.segments.len(),
        (false, false) => a.segments.len() == b.segments.len(),
    };
    let hosts = contains(&one.host, &two.host) || contains(&two.host, &one.host);
    lengths && hosts && a.segments.iter().zip(&b.segments).all(|(a, b)| overlap(a, b))
}

/// Whether every host of `inner` is also a host of `outer`.
fn contains(outer: &HostPattern, inner: &HostPattern) -> bool {
    match (outer, inner) {
        (HostPattern::Any, _) => true,
        (HostPattern::Below(domain), HostPattern::Exact(host)) => host.ends_with(&**domain),
        (HostPattern::Below(outer), HostPattern::Below(inner)) => inner.ends_with(&**outer),
        (HostPattern::Exact(one), HostPattern::Exact(two)) => one == two,
        (HostPattern::Below(_) | HostPattern::Exact(_), HostPattern::Any)
        | (HostPattern::Exact(_), HostPattern::Below(_)) => false,
    }
}

/// Whether some text matches both segments.
fn overlap(one: &Segment, two: &Segment) -> bool {
    match (one, two) {
        (Segment::Variable, _) | (_, Segment::Variable) => true,
        (Segment::Literal(one), Segment::Literal(two)) => one == two,
        (Segment::Literal(text), affix @ Segment::Affix { .. })
        | (affix @ Segment::Affix { .. }, Segment::Literal(text)) => {
            covers_segment(affix, &Segment::Literal(text.clone()))
        }
        (Segment::Affix { prefix: p1, suffix: s1 }, Segment::Affix { prefix: p2, suffix: s2 }) => {
            let related = |one: &str, two: &str| one.starts_with(two) || two.starts_with(one);
            related(p1, p2) && (s1.ends_with(&**s2) || s2.ends_with(&**s1))
        }
    }
}

/// Whether every path of `inner` is also a path of `outer`.
fn covers_pattern(outer: &Operation, inner: &Operation) -> bool {
    let (outer, inner) = (&outer.pattern, &inner.pattern);
    let lengths = if outer.subtree {
        outer.segments.len() <= inner.segments.len()
    } else {
        !inner.subtree && outer.segments.len() == inner.segments.len()
    };
    lengths && outer.segments.iter().zip(&inner.segments).all(|(outer, inner)| covers_segment(outer, inner))
}

/// Whether every text of `inner` is also a text of `outer`.
fn covers_segment(outer: &Segment, inner: &Segment) -> bool {
    match (outer, inner) {
        (Segment::Variable, _) => true,
        (Segment::Literal(one), Segment::Literal(two)) => one == two,
        (Segment::Affix { prefix, suffix }, Segment::Literal(text)) => {
            text.len() > prefix.len().saturating_add(suffix.len())
                && text.starts_with(&**prefix)
                && text.ends_with(&**suffix)
        }
        (Segment::Affix { prefix, suffix }, Segment::Affix { prefix: p, suffix: s }) => {
            p.starts_with(&**prefix) && s.ends_with(&**suffix)
        }
        (Segment::Literal(_), Segment::Affix { .. } | Segment::Variable)
        | (Segment::Affix { .. }, Segment::Variable) => false,
    }
}

fn finding(
    holder: &Holder<'_>,
    (role, position): (&RoleName, usize),
    (deny, grant): (&Folded<'_>, &Folded<'_>),
    gap: Gap,
) -> Finding {
    let rest = match gap {
        Gap::Methods => "its other methods stay permitted there",
        Gap::Hosts => "it stays permitted there at other hosts",
    };
    let message = format!("{} denies `{}` but is granted `{}`: {rest}", holder.name, deny.text, grant.text);
    let hint = format!("to deny all of it, list `{}` in `{}`", wider(deny, grant), deny.permission);
    let place = root("roles").key(role).key("deny").index(position);
    Finding { hint: Some(hint), ..Finding::new(Code::NarrowDeny, place, message) }
}

/// The deny, extended by the missing methods and the host of the grant.
fn wider(deny: &Folded<'_>, grant: &Folded<'_>) -> String {
    let methods = match (&deny.operation.methods, &grant.operation.methods) {
        (Methods::Any, _) | (_, Methods::Any) => "*".to_owned(),
        (Methods::Named(one), Methods::Named(two)) => {
            let names: BTreeSet<&str> = one.iter().chain(two).map(|name| &**name).collect();
            let implied = |name: &&str| *name == "HEAD" && names.contains("GET");
            names.iter().copied().filter(|name| !implied(name)).collect::<Vec<_>>().join(",")
        }
    };
    let host_of = if contains(&deny.operation.host, &grant.operation.host) { deny } else { grant };
    let host = target(host_of.text).0;
    format!("{methods} {host}{}", target(deny.text).1)
}

/// The host and the path of an operation, as written.
fn target(text: &str) -> (&str, &str) {
    let target = text.trim().split_once(' ').map_or("", |(_, target)| target.trim_start());
    target.find('/').and_then(|slash| target.split_at_checked(slash)).unwrap_or(("", target))
}
