//! Operations that match the same requests: those that cross, and those that a `/**` covers.

use std::ops::ControlFlow;

use crate::engine::authoring::lint::listed::Listed;
use crate::engine::authoring::lint::tree::{Reach, Tree};
use crate::engine::authoring::lint::{Code, Finding};
use crate::engine::config::problem::Place;
use crate::engine::matching::host::HostPattern;
use crate::engine::matching::pattern::{Methods, Operation, Segment};

/// All findings about the operations of a document.
pub(super) fn findings(operations: &[Listed<'_>]) -> Vec<Finding> {
    let operations: Vec<Named<'_>> = operations
        .iter()
        .map(|Listed { text, operation, place, .. }| Named { text, operation, place, key: key(operation) })
        .collect();
    let mut tree = Tree::default();
    for (number, named) in operations.iter().enumerate() {
        tree.insert(&named.key, number);
    }
    let mut findings = crossing(&operations, &tree);
    findings.extend(covering(&operations, &tree));
    findings
}

struct Named<'l> {
    text: &'l str,
    operation: &'l Operation,
    place: &'l Place,
    /// The position of the operation in the tree: the host, then the path.
    key: Vec<Segment>,
}

/// The key of an operation. Hosts are compared like segments.
fn key(operation: &Operation) -> Vec<Segment> {
    let host = match &operation.host {
        HostPattern::Exact(host) => Segment::Literal(host.clone()),
        HostPattern::Below(domain) => Segment::Affix { prefix: "".into(), suffix: domain.clone() },
        HostPattern::Any => Segment::Variable,
    };
    std::iter::once(host).chain(operation.pattern.segments.iter().cloned()).collect()
}

fn crossing(operations: &[Named<'_>], tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (position, two) in operations.iter().enumerate() {
        let earlier =
            select(operations, tree, two, Reach::Same, MAX_SHOWN.saturating_add(1), |number, one| {
                number < position && cross(one.operation, two.operation)
            });
        let shown = earlier.iter().take(MAX_SHOWN).map(|(number, one)| {
            (
                *number,
                format!("`{}` and `{}` cross: each is more specific in one segment", one.text, two.text),
            )
        });
        let more = earlier.get(MAX_SHOWN);
        let more = more.map(|(number, _)| (*number, format!("`{}` crosses more operations", two.text)));
        findings.extend(shown.chain(more).map(|(number, message)| {
            (number, Finding::new(Code::CrossingPatterns, two.place.clone(), message))
        }));
    }
    // A stable sort: by the first operation of a pair, then by the second.
    findings.sort_by_key(|(number, _)| *number);
    findings.into_iter().map(|(_, finding)| finding).collect()
}

fn cross(one: &Operation, two: &Operation) -> bool {
    let (a, b) = (&one.pattern, &two.pattern);
    let pairs = || a.segments.iter().zip(&b.segments);
    // The host is compared before the first segment.
    let more = one.host < two.host || pairs().any(|(one, two)| one < two);
    let less = one.host > two.host || pairs().any(|(one, two)| one > two);
    !a.subtree && !b.subtree && overlap(&one.methods, &two.methods) && more && less
}

fn covering(operations: &[Named<'_>], tree: &Tree) -> Vec<Finding> {
    let subtrees = operations.iter().filter(|named| named.operation.pattern.subtree);
    let findings = subtrees.filter_map(|subtree| {
        let covered = select(operations, tree, subtree, Reach::Below, MAX_COUNTED, |_, other| {
            subtree.operation != other.operation
                && overlap(&subtree.operation.methods, &other.operation.methods)
        });
        let (shown, more) = covered.split_at_checked(MAX_SHOWN).unwrap_or((&covered, &[]));
        let list = shown.iter().map(|(_, other)| format!("`{}`", other.text)).collect::<Vec<_>>().join(", ");
        let more = match more.len() {
            0 => String::new(),
            _ if covered.len() == MAX_COUNTED => " and many more".to_owned(),
            count => format!(" and {count} more"),
        };
        (!covered.is_empty()).then(|| {
            Finding::new(
                Code::SubtreeCovers,
                subtree.place.clone(),
                format!("`{}` covers {list}{more}", subtree.text),
            )
        })
    });
    findings.collect()
}

/// At most `limit` operations that match some request that `of` matches, in document order.
fn select<'n, 'd>(
    operations: &'n [Named<'d>],
    tree: &Tree,
    of: &Named<'_>,
    reach: Reach,
    limit: usize,
    wanted: impl Fn(usize, &Named<'_>) -> bool,
) -> Vec<(usize, &'n Named<'d>)> {
    let mut selected = Vec::new();
    let _ = tree.overlapping(&of.key, reach, &mut |number| {
        selected
            .extend(operations.get(number).filter(|other| wanted(number, other)).map(|one| (number, one)));
        if selected.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    selected.sort_by_key(|(number, _)| *number);
    selected
}

fn overlap(one: &Methods, two: &Methods) -> bool {
    match (one, two) {
        (Methods::Any, _) | (_, Methods::Any) => true,
        (Methods::Named(one), Methods::Named(two)) => one.iter().any(|name| two.contains(name)),
    }
}

/// Maximum number of operations named in one finding, and of findings about one crossing operation.
const MAX_SHOWN: usize = 5;
/// Maximum number of operations to look for below one `/**`.
const MAX_COUNTED: usize = 100;
