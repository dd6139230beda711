//! A path has one reading or none: `CanonicalPath::parse` with every set of rules.

use tokenward::engine::matching::path::{CanonicalPath, CharacterRule, PathRules, Rule, SlashRule};
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
            Ok(path) => is_canonical(&path, data, &rules),
            Err(broken) => assert!(!broken.code().is_empty() && !broken.to_string().is_empty()),
        }
    }
    if let Ok(path) = strict {
        let (came_in, _) = split(data);
        assert_eq!(percent_decoded(came_in), percent_decoded(path.as_str().as_bytes()), "it says the same");
    }
}

/// All sixteen sets of rules that keep nothing; then those that keep characters, and put right all else or nothing.
pub(crate) fn all_rules() -> impl Iterator<Item = PathRules> {
    let is_set = |bits: u32, bit: u32| bits >> bit & 1 == 1;
    let rule = move |bits, bit| if is_set(bits, bit) { Rule::Normalize } else { Rule::Reject };
    let kept = move |bits, bit| if is_set(bits, bit) { CharacterRule::Keep } else { CharacterRule::Reject };
    let slash = move |bits, other| if is_set(bits, 0) { other } else { SlashRule::Reject };
    let strict = (0..16).map(move |bits| PathRules {
        encoded_slash: slash(bits, SlashRule::Normalize),
        duplicate_slash: rule(bits, 1),
        dot_segments: rule(bits, 2),
        semicolon: rule(bits, 3),
        ..PathRules::default()
    });
    strict.chain((1..32).map(move |bits| PathRules {
        encoded_slash: slash(bits, SlashRule::Keep),
        duplicate_slash: rule(bits, 4),
        dot_segments: rule(bits, 4),
        semicolon: rule(bits, 4),
        percent: kept(bits, 1),
        look_alikes: kept(bits, 2),
        invisible: kept(bits, 3),
    }))
}

/// The rules by which what these make of a path is read again.
pub(crate) fn without_normalizing(rules: &PathRules) -> PathRules {
    let encoded_slash = match rules.encoded_slash {
        SlashRule::Normalize | SlashRule::Reject => SlashRule::Reject,
        SlashRule::Keep => SlashRule::Keep,
    };
    let (duplicate_slash, dot_segments, semicolon) = (Rule::Reject, Rule::Reject, Rule::Reject);
    PathRules { encoded_slash, duplicate_slash, dot_segments, semicolon, ..*rules }
}

/// Path and query of a request target.
pub(crate) fn split(target: &[u8]) -> (&[u8], &[u8]) {
    target.split_at(target.iter().position(|byte| b"?#".contains(byte)).unwrap_or(target.len()))
}

fn is_canonical(path: &CanonicalPath<'_>, target: &[u8], rules: &PathRules) {
    let text = path.as_str();
    assert!(text.starts_with('/') && !text.contains("//"), "{text}");
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && !b";\\?#\"<>".contains(&byte)), "{text}");
    let segments: Vec<&str> = path.segments().collect();
    assert!(segments.iter().all(|segment| !matches!(*segment, "" | "." | "..")), "{text}");
    let end = if text.len() > 1 && text.ends_with('/') { "/" } else { "" };
    assert_eq!(format!("/{}{end}", segments.join("/")), text);
    has_one_spelling(text, rules);

    let again = CanonicalPath::parse(text.as_bytes(), &without_normalizing(rules)).unwrap();
    assert_eq!((again.as_str(), again.rewritten(None)), (text, None), "twice is once");
    assert_eq!(again.loose(), path.loose());
    for reading in path.loose() {
        let moves = |segment: &str| matches!(segment, "." | ".." | "...");
        assert!(!reading.segments().any(moves), "{text}: {reading:?}");
    }
    assert!(path.loose().len() <= 128 && text.len() <= target.len() * 3);

    assert_eq!(path.query(), split(target).1, "the query stays as it is");
    let forwarded = path.rewritten(None).unwrap_or_else(|| target.to_vec());
    is_forwarded_as_judged(path, &forwarded, path.query(), rules);
    for query in [&b""[..], b"?", b"?q=1&%zz"] {
        is_forwarded_as_judged(path, &path.rewritten(Some(query)).unwrap(), query, rules);
    }
}

/// Checks the forwarded path. Only by rules that keep characters may its hex digits be in another case.
fn is_forwarded_as_judged(path: &CanonicalPath<'_>, forwarded: &[u8], query: &[u8], rules: &PathRules) {
    let sent = forwarded.strip_suffix(query).unwrap();
    let characters = [rules.percent, rules.look_alikes, rules.invisible];
    let same = if rules.encoded_slash == SlashRule::Keep || characters.contains(&CharacterRule::Keep) {
        sent.eq_ignore_ascii_case(path.as_str().as_bytes())
    } else {
        sent == path.as_str().as_bytes()
    };
    assert!(same, "{path:?} is forwarded as {}", sent.escape_ascii());
    assert_eq!(percent_decoded(sent), percent_decoded(path.as_str().as_bytes()));
}

/// Checks that each escape is two upper-case digits, for a byte that must be escaped and that is not ambiguous.
fn has_one_spelling(path: &str, rules: &PathRules) {
    let is_kept = |byte: u8| match byte {
        b'/' => rules.encoded_slash == SlashRule::Keep,
        b'%' => rules.percent == CharacterRule::Keep,
        _ => false,
    };
    for (at, _) in path.match_indices('%') {
        let digits = path.get(at + 1..at + 3).unwrap();
        assert!(!digits.contains(|c: char| !c.is_ascii_digit() && !('A'..='F').contains(&c)), "{path}");
        let byte = u8::from_str_radix(digits, 16).unwrap();
        assert!(
            !byte.is_ascii_control() && (is_kept(byte) || !b"/\\;%".contains(&byte)),
            "{path}: %{digits}"
        );
        assert!(!byte.is_ascii_alphanumeric() && !b"-._~!$&'()*,=:@".contains(&byte), "{path}: %{digits}");
    }
    let decoded = String::from_utf8(percent_decoded(path.as_bytes())).unwrap();
    assert!(is_nfc(&decoded), "{path}");
}
