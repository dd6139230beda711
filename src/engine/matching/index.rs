//! The index of operations: trees of path segments. The cost of a look-up depends on the path, not on the
//! policy.
//!
//! In: the operations of a policy, once. Out, for each request: the listings of the most specific matching
//! operation, and of each `/**` above it. The index knows nothing about tokens or permissions.
//!
//! The host is matched before the path: one tree per host that the policy names, and one for all hosts.

use std::cmp::Ordering;

use crate::engine::matching::host::{HostPattern, is_below};
use crate::engine::matching::path::{Segments, folded};
use crate::engine::matching::pattern::{Methods, Operation, Segment};
use crate::engine::words::name::AttributeName;

/// An operation as one entry of a policy lists it.
#[derive(Debug)]
pub struct Listing {
    /// The operation as written.
    pub text: Box<str>,
    /// The part of the policy that lists it.
    pub by: Lister,
    methods: Methods,
    bindings: Box<[Bound]>,
    /// Bit by bit, the segments that have literal text in the pattern.
    named: u32,
}

/// A segment that must equal an attribute of the token.
#[derive(Debug)]
struct Bound {
    number: usize,
    strict: Segment,
    folded: Segment,
    attribute: AttributeName,
}

impl Listing {
    /// Whether the pattern has literal text in a segment from this one on, counted from 0.
    pub fn names_from(&self, segment: usize) -> bool {
        u32::try_from(segment)
            .ok()
            .and_then(|segment| self.named.checked_shr(segment))
            .is_some_and(|rest| rest > 0)
    }

    /// The first attribute that this listing requires and that the path does not contain. `path` must match
    /// the listing. `of` returns the token's value; an attribute without a value never matches.
    pub fn unmet<'v>(
        &self,
        case: LetterCase,
        path: Segments<'_>,
        of: impl Fn(&AttributeName) -> Option<&'v str>,
    ) -> Option<&AttributeName> {
        let met = |bound: &&Bound| {
            let own = match case {
                LetterCase::Strict => &bound.strict,
                LetterCase::Folded => &bound.folded,
            };
            let value = path.clone().nth(bound.number).map(|segment| own.value(segment));
            value.zip(of(&bound.attribute)).is_some_and(|(value, own)| case.equal(value, own))
        };
        self.bindings.iter().find(|bound| !met(bound)).map(|bound| &bound.attribute)
    }
}

/// The subject of a look-up: method, host and path of a request.
#[derive(Clone, Copy, Debug)]
pub struct Target<'r> {
    /// The method.
    pub method: &'r [u8],
    /// The canonical host.
    pub host: &'r str,
    /// The canonical path.
    pub path: Segments<'r>,
}

/// The part of a policy that lists an operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lister {
    /// The policy's `public`.
    Public,
    /// The permission with this index.
    Permission(usize),
}

/// How a listing matches a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Match {
    /// It lists the most specific operation that matches the request.
    Operation,
    /// It ends in `/**` and covers the request.
    Subtree,
}

/// How letters are compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LetterCase {
    /// Case-sensitive.
    Strict,
    /// Case-insensitive: the path is folded beyond ASCII, and ASCII letters are compared without case.
    Folded,
}

/// All operations of a policy.
#[derive(Debug, Default)]
pub struct Index {
    listings: Box<[Listing]>,
    strict: Hosts,
    folded: Hosts,
    /// Whether folding changes the path of any operation.
    has_case: bool,
}

impl Index {
    /// Builds the index; each operation comes with its text and its lister.
    pub fn build(operations: Vec<(String, Operation, Lister)>) -> Self {
        let mut entries = Vec::with_capacity(operations.len());
        let mut listings = Vec::with_capacity(operations.len());
        for (number, (text, operation, by)) in operations.into_iter().enumerate() {
            let Operation { methods, host, pattern } = operation;
            let bindings = pattern.bindings.into_iter().filter_map(|binding| {
                let strict = pattern.segments.get(binding.segment)?.clone();
                let folded = strict.folded();
                Some(Bound { number: binding.segment, strict, folded, attribute: binding.attribute })
            });
            let bindings = bindings.collect();
            let named = named(&pattern.segments);
            listings.push(Listing { text: text.into(), by, methods, bindings, named });
            entries.push(Entry { host, segments: pattern.segments, subtree: pattern.subtree, number });
        }
        let folded: Vec<Entry> = entries.iter().map(Entry::folded).collect();
        let has_case = entries.iter().zip(&folded).any(|(one, two)| one.segments != two.segments);
        let (strict, folded) = (Hosts::of(entries), Hosts::of(folded));
        Self { listings: listings.into(), strict, folded, has_case }
    }

    /// Visits each listing that matches a request: those of the most specific operation that matches, and
    /// those of each `/**` above it.
    pub fn visit<'i>(&'i self, case: LetterCase, target: Target<'_>, visit: impl FnMut(Match, &'i Listing)) {
        self.walk(case, target, Reach::MostSpecific, visit);
    }

    /// Visits every listing that matches a request, regardless of specificity.
    pub fn visit_all<'i>(
        &'i self,
        case: LetterCase,
        target: Target<'_>,
        visit: impl FnMut(Match, &'i Listing),
    ) {
        self.walk(case, target, Reach::All, visit);
    }

    fn walk<'i>(
        &'i self,
        case: LetterCase,
        target: Target<'_>,
        reach: Reach,
        visit: impl FnMut(Match, &'i Listing),
    ) {
        let hosts = match case {
            LetterCase::Strict => &self.strict,
            LetterCase::Folded => &self.folded,
        };
        let Target { method, host, path } = target;
        let mut walk = Walk { listings: &self.listings, method, case, reach, found: false, visit };
        hosts.matching(host).for_each(|tree| walk.enter(tree, path));
    }

    /// Whether folding changes the path of any operation.
    pub fn has_case(&self) -> bool {
        self.has_case
    }

    /// Whether any operation names a host.
    pub fn names_hosts(&self) -> bool {
        !self.strict.exact.is_empty() || !self.strict.below.is_empty()
    }

    /// All listings, in policy order.
    pub fn listings(&self) -> &[Listing] {
        &self.listings
    }
}

fn named(segments: &[Segment]) -> u32 {
    // INVARIANT: a pattern has at most `MAX_SEGMENTS`, which is 32.
    let bits = segments.iter().zip(0_u32..).filter(|(segment, _)| **segment != Segment::Variable);
    bits.fold(0, |named, (_, number)| named | 1_u32.checked_shl(number).unwrap_or_default())
}

/// The trees of the hosts.
#[derive(Debug, Default)]
struct Hosts {
    /// Sorted by host.
    exact: Box<[(Box<str>, Node)]>,
    /// Longer, and so more specific, domains first.
    below: Box<[(Box<str>, Node)]>,
    any: Node,
}

impl Hosts {
    fn of(mut entries: Vec<Entry>) -> Self {
        // Stable sort: listings of one operation stay in policy order.
        entries
            .sort_by(|one, other| one.host.cmp(&other.host).then_with(|| one.segments.cmp(&other.segments)));
        let (mut exact, mut below, mut any) = (Vec::new(), Vec::new(), Node::default());
        for group in entries.chunk_by(|one, other| one.host == other.host) {
            let tree = node(group, 0);
            match group.first().map(|entry| &entry.host) {
                Some(HostPattern::Exact(host)) => exact.push((host.clone(), tree)),
                Some(HostPattern::Below(domain)) => below.push((domain.clone(), tree)),
                Some(HostPattern::Any) | None => any = tree,
            }
        }
        Self { exact: exact.into(), below: below.into(), any }
    }

    /// The trees that may contain operations for the host, most specific first.
    fn matching<'i>(&'i self, host: &str) -> impl Iterator<Item = &'i Node> {
        let exact = self.exact.binary_search_by(|(name, _)| (**name).cmp(host)).ok();
        let exact = exact.and_then(|position| self.exact.get(position)).map(|(_, tree)| tree);
        let below = self.below.iter().filter(move |(domain, _)| is_below(host, domain)).map(|(_, tree)| tree);
        exact.into_iter().chain(below).chain([&self.any])
    }
}

/// A node of a tree: the listings that end here, and its children.
#[derive(Debug, Default)]
struct Node {
    /// Sorted by text.
    literals: Box<[(Box<str>, Node)]>,
    /// Most specific first.
    affixes: Box<[Affix]>,
    variable: Option<Box<Node>>,
    /// Listings of the pattern that ends here.
    here: Box<[usize]>,
    /// Listings of the pattern that ends here in `/**`.
    below: Box<[usize]>,
    /// Whether a `/**` ends here or further down.
    leads_to_subtree: bool,
}

/// A child for segments with literal text around a variable.
#[derive(Debug)]
struct Affix {
    prefix: Box<str>,
    suffix: Box<str>,
    child: Node,
}

#[derive(Debug)]
struct Entry {
    host: HostPattern,
    segments: Vec<Segment>,
    subtree: bool,
    number: usize,
}

impl Entry {
    fn folded(&self) -> Self {
        Self {
            host: self.host.clone(),
            segments: self.segments.iter().map(Segment::folded).collect(),
            subtree: self.subtree,
            number: self.number,
        }
    }
}

/// Builds the node that `entries` share after `depth` segments. The longest pattern bounds the depth.
fn node(entries: &[Entry], depth: usize) -> Node {
    let mut node = Node::default();
    let longer = entries.partition_point(|entry| entry.segments.len() <= depth);
    let (ending, longer) = entries.split_at_checked(longer).unwrap_or((entries, &[]));
    let numbers =
        |subtree| ending.iter().filter(|entry| entry.subtree == subtree).map(|entry| entry.number).collect();
    (node.here, node.below) = (numbers(false), numbers(true));
    node.leads_to_subtree = entries.iter().any(|entry| entry.subtree);

    let (mut literals, mut affixes) = (Vec::new(), Vec::new());
    for group in longer.chunk_by(|one, other| one.segments.get(depth) == other.segments.get(depth)) {
        let child = self::node(group, depth.saturating_add(1));
        match group.first().and_then(|entry| entry.segments.get(depth)) {
            Some(Segment::Literal(text)) => literals.push((text.clone(), child)),
            Some(Segment::Affix { prefix, suffix }) => {
                affixes.push(Affix { prefix: prefix.clone(), suffix: suffix.clone(), child })
            }
            Some(Segment::Variable) => node.variable = Some(Box::new(child)),
            None => {}
        }
    }
    (node.literals, node.affixes) = (literals.into(), affixes.into());
    node
}

/// Which matching operations are visited.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Reach {
    /// The most specific one, and each `/**`.
    MostSpecific,
    /// All matching operations.
    All,
}

struct Walk<'i, 'r, F> {
    listings: &'i [Listing],
    method: &'r [u8],
    case: LetterCase,
    reach: Reach,
    /// Whether the most specific operation was found.
    found: bool,
    visit: F,
}

impl<'i, F: FnMut(Match, &'i Listing)> Walk<'i, '_, F> {
    /// Visits depth first and the more specific child first, so the first operation found is the most
    /// specific.
    fn descend(&mut self, node: &'i Node, mut path: Segments<'_>) {
        self.report(Match::Subtree, &node.below);
        let Some(segment) = path.next() else {
            if self.seeks_operation() {
                self.found = self.report(Match::Operation, &node.here);
            }
            return;
        };
        if let Some(child) = self.literal(node, segment) {
            self.enter(child, path);
        }
        for Affix { prefix, suffix, child } in &node.affixes {
            if self.case.between(segment, prefix, suffix) {
                self.enter(child, path);
            }
        }
        if let Some(child) = &node.variable {
            self.enter(child, path);
        }
    }

    fn enter(&mut self, child: &'i Node, path: Segments<'_>) {
        if self.seeks_operation() || child.leads_to_subtree {
            self.descend(child, path);
        }
    }

    fn seeks_operation(&self) -> bool {
        self.reach == Reach::All || !self.found
    }

    fn literal(&self, node: &'i Node, segment: &str) -> Option<&'i Node> {
        let position = node.literals.binary_search_by(|(text, _)| self.case.compare(text, segment)).ok()?;
        node.literals.get(position).map(|(_, child)| child)
    }

    /// Visits the listings that cover the request's method; returns whether there are any.
    fn report(&mut self, how: Match, numbers: &[usize]) -> bool {
        let mut found = false;
        for listing in numbers.iter().filter_map(|number| self.listings.get(*number)) {
            if listing.methods.cover(self.method) {
                found = true;
                (self.visit)(how, listing);
            }
        }
        found
    }
}

impl LetterCase {
    /// Compares a literal of the tree with a segment of a path.
    fn compare(self, literal: &str, segment: &str) -> Ordering {
        match self {
            Self::Strict => literal.cmp(segment),
            Self::Folded => literal.bytes().cmp(segment.bytes().map(|byte| byte.to_ascii_lowercase())),
        }
    }

    /// Whether a segment's value equals the token's value; both are in the spelling of canonical paths.
    fn equal(self, value: &str, own: &str) -> bool {
        match self {
            Self::Strict => value == own,
            Self::Folded => value.eq_ignore_ascii_case(&folded(own)),
        }
    }

    /// Whether `segment` has at least one byte between `prefix` and `suffix`.
    fn between(self, segment: &str, prefix: &str, suffix: &str) -> bool {
        let segment = segment.as_bytes();
        let Some(variable) = segment.len().checked_sub(prefix.len().saturating_add(suffix.len())) else {
            return false;
        };
        let (Some((head, _)), Some((rest, tail))) = (
            segment.split_at_checked(prefix.len()),
            segment.split_at_checked(segment.len().saturating_sub(suffix.len())),
        ) else {
            return false;
        };
        let same = |one: &[u8], two: &str| match self {
            Self::Strict => one == two.as_bytes(),
            Self::Folded => one.eq_ignore_ascii_case(two.as_bytes()),
        };
        // With a `%` among the variable's last two bytes, the suffix would start inside an escape.
        let whole = !rest.iter().rev().take(2).any(|byte| *byte == b'%');
        variable > 0 && whole && same(head, prefix) && same(tail, suffix)
    }
}
