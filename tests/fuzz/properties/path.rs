//! A path has one reading or none: `CanonicalPath::parse` with every set of rules.

use tokenward::engine::matching::path::{CanonicalPath, PathRules, Rule};
use unicode_normalization::is_nfc;

use super::percent_decoded;

/// The input is a request's `:path`.
pub(crate) fn holds(data: &[u8]) {
    let strict = CanonicalPath::parse(data, &PathRules::default());
    for rules in all_rules() {
        let read = CanonicalPath::parse(data, &rules);
        if strict.is_ok() {
            assert_eq!(read, strict, "what no rule refuses is the same by all: {rules:?}");
        }
        match read {
            Ok(path) => is_canonical(&path, data),
            Err(broken) => assert!(!broken.code().is_empty() && !broken.to_string().is_empty()),
        }
    }
    if let Ok(path) = strict {
        let (came_in, _) = split(data);
        assert_eq!(percent_decoded(came_in), percent_decoded(path.as_str().as_bytes()), "it says the same");
    }
}

/// All sixteen sets of rules.
pub(crate) fn all_rules() -> impl Iterator<Item = PathRules> {
    let rule = |bits: u32, bit: u32| if bits >> bit & 1 == 1 { Rule::Normalize } else { Rule::Reject };
    (0..16).map(move |bits| PathRules {
        encoded_slash: rule(bits, 0),
        duplicate_slash: rule(bits, 1),
        dot_segments: rule(bits, 2),
        semicolon: rule(bits, 3),
    })
}

/// Path and query of a request target.
pub(crate) fn split(target: &[u8]) -> (&[u8], &[u8]) {
    target.split_at(target.iter().position(|byte| b"?#".contains(byte)).unwrap_or(target.len()))
}

fn is_canonical(path: &CanonicalPath<'_>, target: &[u8]) {
    let text = path.as_str();
    assert!(text.starts_with('/') && !text.contains("//"), "{text}");
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && !b";\\?#\"<>".contains(&byte)), "{text}");
    let segments: Vec<&str> = path.segments().collect();
    assert!(segments.iter().all(|segment| !matches!(*segment, "" | "." | "..")), "{text}");
    let end = if text.len() > 1 && text.ends_with('/') { "/" } else { "" };
    assert_eq!(format!("/{}{end}", segments.join("/")), text);
    has_one_spelling(text);

    let again = CanonicalPath::parse(text.as_bytes(), &PathRules::default()).unwrap();
    assert_eq!((again.as_str(), again.rewritten(None)), (text, None), "twice is once");

    assert_eq!(path.query(), split(target).1, "the query stays as it is");
    let forwarded = path.rewritten(None).unwrap_or_else(|| target.to_vec());
    assert_eq!(forwarded, [text.as_bytes(), path.query()].concat());
    for query in [&b""[..], b"?", b"?q=1&%zz"] {
        assert_eq!(path.rewritten(Some(query)).unwrap(), [text.as_bytes(), query].concat());
    }
}

/// Checks that each escape is two upper-case digits, for a byte that must be escaped and that is not ambiguous.
fn has_one_spelling(path: &str) {
    for (at, _) in path.match_indices('%') {
        let digits = path.get(at + 1..at + 3).unwrap();
        assert!(!digits.contains(|c: char| !c.is_ascii_digit() && !('A'..='F').contains(&c)), "{path}");
        let byte = u8::from_str_radix(digits, 16).unwrap();
        assert!(!byte.is_ascii_control() && !b"/\\;%".contains(&byte), "{path}: %{digits}");
        assert!(!byte.is_ascii_alphanumeric() && !b"-._~!$&'()*,=:@".contains(&byte), "{path}: %{digits}");
    }
    let decoded = String::from_utf8(percent_decoded(path.as_bytes())).unwrap();
    assert!(is_nfc(&decoded), "{path}");
}
