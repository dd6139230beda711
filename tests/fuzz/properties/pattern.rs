//! Operations: they match as a simple comparison of their segments does, both alone and in an index.

use tokenward::engine::matching::host::{Host, HostPattern};
use tokenward::engine::matching::index::{Index, LetterCase, Lister, Match, Target};
use tokenward::engine::matching::path::{CanonicalPath, PathRules, Segments};
use tokenward::engine::matching::pattern::{Methods, Operation, Segment};

use super::{crossing, is_one_line, without_case};

/// The input is lines: a request's path, then operations.
pub(crate) fn holds(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (path, texts) = text.split_once('\n').unwrap_or(("/", text));
    let (mut operations, mut read): (Vec<Operation>, Vec<&str>) = (Vec::new(), Vec::new());
    for text in texts.split('\n').take(MOST) {
        match Operation::parse(text) {
            Ok(operation) => {
                matches_itself(&operation);
                assert_eq!(Operation::parse(text.trim()).as_ref(), Ok(&operation));
                operations.push(operation);
                read.push(text);
            }
            Err(error) => {
                is_one_line(&error.to_string());
                is_one_line(&error.hint());
            }
        }
    }
    let few = read.len().min(6);
    crossing::holds(&read[..few], &operations[..few]);
    let Ok(path) = CanonicalPath::parse(path.as_bytes(), &PathRules::default()) else { return };
    for operation in &operations {
        let (method, host, _) = instance(operation);
        let target = Target { method, host: &host, path: path.segments() };
        agree(&operations, target);
        agree(std::slice::from_ref(operation), target);
    }
}

/// Checks that the index finds the same operations as the simple comparison.
fn agree(operations: &[Operation], target: Target<'_>) {
    let listed = operations.iter().enumerate();
    let listed = listed.map(|(n, operation)| (n.to_string(), operation.clone(), Lister::Permission(n)));
    let index = Index::build(listed.collect());
    let path: String = target.path.flat_map(|segment| ["/", segment]).collect();
    let small = without_case(if path.is_empty() { "/" } else { &path });
    let small = CanonicalPath::parse(small.as_bytes(), &PathRules::default()).unwrap();
    let folded = Target { path: small.segments(), ..target };
    for (case, target, fold) in [(LetterCase::Strict, target, false), (LetterCase::Folded, folded, true)] {
        let mut found = Vec::new();
        index.visit_all(case, target, |_, listing| {
            let Lister::Permission(number) = listing.by else { panic!("nothing is public") };
            found.push(number);
        });
        found.sort_unstable();
        let matches = |number: &usize| covers(&operations[*number], target, fold);
        let expected: Vec<usize> = (0..operations.len()).filter(matches).collect();
        assert_eq!(found, expected, "{case:?} {target:?} among {operations:?}");

        let mut own = 0;
        index.visit(case, target, |how, _| own += usize::from(how == Match::Operation));
        let exact = expected.iter().any(|number| !operations[*number].pattern.subtree);
        assert_eq!(own > 0, exact, "a request that an operation matches belongs to one");
    }
}

fn matches_itself(operation: &Operation) {
    let (method, host, path) = instance(operation);
    assert!(operation.pattern.segments.len() <= 32);
    let read = CanonicalPath::parse(path.as_bytes(), &PathRules::default());
    let read = read.unwrap_or_else(|rule| panic!("{path} of {operation:?}: {rule}"));
    assert_eq!(read.as_str(), path, "literals are spelled as requests are");
    // The name below a domain may be longer than the host of a request can be.
    if host.len() <= 253 {
        assert_eq!(Host::parse(host.as_bytes()).unwrap().as_str(), host);
    }
    let target = Target { method, host: &host, path: read.segments() };
    assert!(covers(operation, target, false), "{operation:?} covers {target:?}");
    agree(std::slice::from_ref(operation), target);
}

/// A method, a host and a path that the operation covers.
fn instance(operation: &Operation) -> (&[u8], String, String) {
    let method = match &operation.methods {
        Methods::Any => b"GET",
        Methods::Named(names) => names[0].as_bytes(),
    };
    let host = match &operation.host {
        HostPattern::Any => String::new(),
        HostPattern::Exact(host) => host.to_string(),
        HostPattern::Below(domain) => format!("a{domain}"),
    };
    let segments = operation.pattern.segments.iter().map(|segment| match segment {
        Segment::Literal(text) => text.to_string(),
        Segment::Affix { prefix, suffix } => format!("{prefix}q{suffix}"),
        Segment::Variable => "x".to_owned(),
    });
    (method, host, format!("/{}", segments.collect::<Vec<_>>().join("/")))
}

/// The simple comparison.
fn covers(operation: &Operation, target: Target<'_>, fold: bool) -> bool {
    let host = match &operation.host {
        HostPattern::Any => true,
        HostPattern::Exact(host) => **host == *target.host,
        HostPattern::Below(domain) => {
            target.host.strip_suffix(&**domain).is_some_and(|rest| !rest.is_empty())
        }
    };
    let method = match &operation.methods {
        Methods::Any => true,
        Methods::Named(names) => names.iter().any(|name| name.as_bytes() == target.method),
    };
    host && method && covers_path(operation, target.path, fold)
}

fn covers_path(operation: &Operation, path: Segments<'_>, fold: bool) -> bool {
    let (wanted, given) = (&operation.pattern.segments, path.collect::<Vec<_>>());
    let length =
        if operation.pattern.subtree { given.len() >= wanted.len() } else { given.len() == wanted.len() };
    length && wanted.iter().zip(given).all(|(wanted, given)| is_one_of(wanted, given, fold))
}

fn is_one_of(segment: &Segment, given: &str, fold: bool) -> bool {
    let given = characters(given, fold);
    match segment {
        Segment::Literal(text) => given == characters(text, fold),
        Segment::Affix { prefix, suffix } => {
            let (prefix, suffix) = (characters(prefix, fold), characters(suffix, fold));
            given.len() > prefix.len() + suffix.len()
                && given.starts_with(&prefix)
                && given.ends_with(&suffix)
        }
        Segment::Variable => true,
    }
}

/// The bytes of a segment, each in its spelling: `a`, `%20`.
fn characters(segment: &str, fold: bool) -> Vec<String> {
    let text = if fold { without_case(segment) } else { segment.to_owned() };
    let (mut characters, mut rest) = (Vec::new(), text.as_str());
    while !rest.is_empty() {
        let (one, more) = rest.split_at(if rest.starts_with('%') { 3 } else { 1 });
        characters.push(one.to_owned());
        rest = more;
    }
    characters
}

/// Maximum number of operations in an input, because the simple comparison is slow.
const MOST: usize = 8;
