//! The findings of `lint` about crossing and covering operations equal those of a comparison of all pairs.

use serde_json::json;
use tokenward::engine::authoring::lint::{Code, findings};
use tokenward::engine::config::bundle::{Bundle, from_tree};
use tokenward::engine::matching::pattern::{Methods, Operation, Segment};

/// Checks the findings of a document with these operations.
pub(super) fn holds(texts: &[&str], operations: &[Operation]) {
    let document = json!({ "version": 1, "name": "a", "permissions": { "p": texts } });
    let document: Bundle = from_tree(&document).unwrap();
    let findings = findings(&document);
    let told = |code: Code| {
        let findings = findings.iter().filter(move |finding| finding.code == code);
        findings.map(|finding| (finding.place.to_string(), finding.message.clone())).collect::<Vec<_>>()
    };
    let place = |number: usize| format!("permissions.p[{number}]");
    let (mut crossing, mut covering) = (Vec::new(), Vec::new());
    for (a, one) in operations.iter().enumerate() {
        for (b, two) in operations.iter().enumerate().skip(a + 1).filter(|(_, two)| cross(one, two)) {
            let message =
                format!("`{}` and `{}` cross: each is more specific in one segment", texts[a], texts[b]);
            crossing.push((place(b), message));
            assert!(cross(two, one));
        }
        let below = operations.iter().zip(texts).filter(|(other, _)| covers(one, other));
        let below: Vec<String> = below.map(|(_, text)| format!("`{text}`")).collect();
        if !below.is_empty() {
            covering.push((place(a), format!("`{}` covers {}", texts[a], below.join(", "))));
        }
    }
    assert_eq!(told(Code::CrossingPatterns), crossing);
    assert_eq!(told(Code::SubtreeCovers), covering);
}

fn cross(one: &Operation, two: &Operation) -> bool {
    let (a, b) = (&one.pattern, &two.pattern);
    let pairs = || a.segments.iter().zip(&b.segments);
    let together = a.segments.len() == b.segments.len()
        && !(a.subtree || b.subtree)
        && share(one, two)
        && pairs().all(|(one, two)| overlap(one, two));
    let less = one.host < two.host || pairs().any(|(one, two)| one < two);
    together && less && (one.host > two.host || pairs().any(|(one, two)| one > two))
}

fn covers(above: &Operation, other: &Operation) -> bool {
    let (a, b) = (&above.pattern, &other.pattern);
    a.subtree
        && above != other
        && a.segments.len() <= b.segments.len()
        && share(above, other)
        && a.segments.iter().zip(&b.segments).all(|(one, two)| overlap(one, two))
}

fn share(one: &Operation, two: &Operation) -> bool {
    let methods = match (&one.methods, &two.methods) {
        (Methods::Any, _) | (_, Methods::Any) => true,
        (Methods::Named(one), Methods::Named(two)) => one.iter().any(|name| two.contains(name)),
    };
    methods && one.host.overlaps(&two.host)
}

fn overlap(one: &Segment, two: &Segment) -> bool {
    match (one, two) {
        (Segment::Variable, _) | (_, Segment::Variable) => true,
        (Segment::Literal(one), Segment::Literal(two)) => one == two,
        (Segment::Literal(text), Segment::Affix { prefix, suffix })
        | (Segment::Affix { prefix, suffix }, Segment::Literal(text)) => {
            text.len() > prefix.len() + suffix.len()
                && text.starts_with(&**prefix)
                && text.ends_with(&**suffix)
        }
        (Segment::Affix { prefix: p1, suffix: s1 }, Segment::Affix { prefix: p2, suffix: s2 }) => {
            (p1.starts_with(&**p2) || p2.starts_with(&**p1)) && (s1.ends_with(&**s2) || s2.ends_with(&**s1))
        }
    }
}
