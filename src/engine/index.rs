//! The index of operations: a tree of path segments, so that a look-up costs what the path costs.
//!
//! In: the operations of a policy, once. Out, for each request: the listings of the operation that the
//! request belongs to, and of each `/**` above it. The index knows nothing of tokens or rights.

use std::cmp::Ordering;

use crate::engine::path::Segments;
use crate::engine::pattern::{Methods, Operation, Segment};

/// An operation as one entry of a policy lists it.
#[derive(Debug)]
pub struct Listing {
    /// The operation as written.
    pub text: Box<str>,
    /// Who lists it.
    pub by: Lister,
    methods: Methods,
}

/// Who lists an operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lister {
    /// The policy's `public`.
    Public,
    /// The permission with this index.
    Permission(usize),
}

/// How a listing concerns a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Match {
    /// It lists the operation that the request belongs to.
    Operation,
    /// It ends in `/**` and the request is below it.
    Subtree,
}

/// How letters are compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Case {
    /// As they are.
    Strict,
    /// Without ASCII case.
    Folded,
}

/// All operations of a policy.
#[derive(Debug, Default)]
pub struct Index {
    listings: Box<[Listing]>,
    strict: Node,
    folded: Node,
}

impl Index {
    /// The index of `operations`, each with its text and who lists it.
    pub fn build(operations: Vec<(String, Operation, Lister)>) -> Self {
        let mut patterns = Vec::with_capacity(operations.len());
        let mut listings = Vec::with_capacity(operations.len());
        for (number, (text, operation, by)) in operations.into_iter().enumerate() {
            let Operation { methods, pattern } = operation;
            patterns.push(Entry { segments: pattern.segments, subtree: pattern.subtree, number });
            listings.push(Listing { text: text.into(), by, methods });
        }
        let mut folded: Vec<Entry> = patterns.iter().map(Entry::folded).collect();
        Self { listings: listings.into(), strict: tree(&mut patterns), folded: tree(&mut folded) }
    }

    /// Visits each listing that concerns a request: those of the operation that it belongs to (the most
    /// specific one that matches) and those of each `/**` above it.
    pub fn visit<'i>(
        &'i self,
        case: Case,
        method: &[u8],
        path: Segments<'_>,
        visit: impl FnMut(Match, &'i Listing),
    ) {
        let root = match case {
            Case::Strict => &self.strict,
            Case::Folded => &self.folded,
        };
        Walk { listings: &self.listings, method, case, found: false, visit }.descend(root, path);
    }

    /// All listings, in the order of the policy.
    pub fn listings(&self) -> &[Listing] {
        &self.listings
    }
}

/// A place in the tree: what is listed here and what may follow.
#[derive(Debug, Default)]
struct Node {
    /// Sorted by text.
    literals: Box<[(Box<str>, Node)]>,
    /// The more specific first.
    affixes: Box<[Affix]>,
    variable: Option<Box<Node>>,
    /// Listings of the pattern that ends here.
    here: Box<[usize]>,
    /// Listings of the pattern that ends here in `/**`.
    below: Box<[usize]>,
    /// Whether a `/**` is here or further down.
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
    segments: Vec<Segment>,
    subtree: bool,
    number: usize,
}

impl Entry {
    fn folded(&self) -> Self {
        Self {
            segments: self.segments.iter().map(Segment::folded).collect(),
            subtree: self.subtree,
            number: self.number,
        }
    }
}

fn tree(entries: &mut [Entry]) -> Node {
    // Stable: listings of one operation stay in the order of the policy.
    entries.sort_by(|one, other| one.segments.cmp(&other.segments));
    node(entries, 0)
}

/// The node that `entries` share after `depth` segments; the depth is bounded by the longest pattern.
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

struct Walk<'i, 'r, F> {
    listings: &'i [Listing],
    method: &'r [u8],
    case: Case,
    found: bool,
    visit: F,
}

impl<'i, F: FnMut(Match, &'i Listing)> Walk<'i, '_, F> {
    /// Depth first, the more specific child first: the first operation found is the most specific.
    fn descend(&mut self, node: &'i Node, mut path: Segments<'_>) {
        self.report(Match::Subtree, &node.below);
        let Some(segment) = path.next() else {
            if !self.found {
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
        if !self.found || child.leads_to_subtree {
            self.descend(child, path);
        }
    }

    fn literal(&self, node: &'i Node, segment: &str) -> Option<&'i Node> {
        let position = node.literals.binary_search_by(|(text, _)| self.case.compare(text, segment)).ok()?;
        node.literals.get(position).map(|(_, child)| child)
    }

    fn report(&mut self, how: Match, numbers: &[usize]) -> bool {
        let mut any = false;
        for listing in numbers.iter().filter_map(|number| self.listings.get(*number)) {
            if listing.methods.cover(self.method) {
                any = true;
                (self.visit)(how, listing);
            }
        }
        any
    }
}

impl Case {
    /// Orders a literal of the tree and a segment of a path.
    fn compare(self, literal: &str, segment: &str) -> Ordering {
        match self {
            Self::Strict => literal.cmp(segment),
            Self::Folded => literal.bytes().cmp(segment.bytes().map(|byte| byte.to_ascii_lowercase())),
        }
    }

    /// Whether at least one byte stands between `prefix` and `suffix` in `segment`.
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
        // A `%` among the variable's last two bytes: the suffix would begin inside an escape.
        let whole = !rest.iter().rev().take(2).any(|byte| *byte == b'%');
        variable > 0 && whole && same(head, prefix) && same(tail, suffix)
    }
}
