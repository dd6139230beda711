//! Path segments: checks that each segment has one reading, and resolves the others if the gateway's rules say so.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::engine::matching::path::{BadPath, skeleton};
use crate::engine::words::fields::mappings;

/// What the filter does with paths that programs could read in different ways, rule by rule.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(
    remote = "Self",
    deny_unknown_fields,
    default,
    expecting = "a mapping with `encoded_slash`, `duplicate_slash`, `dot_segments`, `semicolon`, `percent`, …"
)]
pub struct PathRules {
    /// `%2F`: `normalize` makes it a slash, `keep` a character of its segment.
    pub encoded_slash: SlashRule,
    /// `//`: `normalize` makes it one slash.
    pub duplicate_slash: Rule,
    /// `.` and `..` as segments: `normalize` resolves them (RFC 3986 §5.2.4), but never beyond the root
    /// or from an empty segment.
    pub dot_segments: Rule,
    /// `;` in a segment: `normalize` removes it and what follows in the segment.
    pub semicolon: Rule,
    /// `%25`, a percent sign.
    pub percent: CharacterRule,
    /// Characters that some programs read as ASCII, such as `（`, `²` or `№`.
    pub look_alikes: CharacterRule,
    /// Characters that some programs leave out, such as joiners and marks of direction.
    pub invisible: CharacterRule,
}

mappings!(PathRules);

/// What the filter does with a path that breaks a rule.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The filter rejects the request.
    #[default]
    Reject,
    /// The filter corrects the path, then matches, audits and forwards the corrected path.
    Normalize,
}

/// What the filter does with a path that has `%2F`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SlashRule {
    /// The filter rejects the request.
    #[default]
    Reject,
    /// The filter makes it a slash, then matches, audits and forwards that path.
    Normalize,
    /// The filter matches it as a character of its segment, and forwards it unchanged. A deny sees a slash too.
    Keep,
}

/// What the filter does with a character that names may hold, and that some programs read in another way.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CharacterRule {
    /// The filter rejects the request.
    #[default]
    Reject,
    /// The filter matches and forwards it unchanged. A deny also sees what those programs read.
    Keep,
}

/// Returns the path after it checks or resolves each segment.
pub(super) fn resolve<'p>(path: Cow<'p, str>, rules: &PathRules) -> Result<Cow<'p, str>, BadPath> {
    match check(&path) {
        Ok(()) => Ok(path),
        Err(broken) if *rules == PathRules::default() => Err(broken),
        Err(_) => resolved(&path, rules).map(Cow::Owned),
    }
}

/// Checks that no segment is empty or has a special meaning.
fn check(path: &str) -> Result<(), BadPath> {
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if inner.is_empty() {
        // `/` has no segment; `//` has an empty one.
        return if path == "/" { Ok(()) } else { Err(BadPath::EmptySegment) };
    }
    inner.split('/').try_for_each(|segment| match segment {
        "" => Err(BadPath::EmptySegment),
        _ if skeleton::is_hollow(segment) => Err(BadPath::DotSegment),
        _ if segment.contains(';') => Err(BadPath::Semicolon),
        _ => Ok(()),
    })
}

fn resolved(path: &str, rules: &PathRules) -> Result<String, BadPath> {
    let allowed = |rule, broken| if rule == Rule::Normalize { Ok(()) } else { Err(broken) };
    let mut segments: Vec<&str> = Vec::new();
    let mut trailing = false;
    let mut parts = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(part) = parts.next() {
        let segment = match part.split_once(';') {
            Some((segment, _)) => allowed(rules.semicolon, BadPath::Semicolon).map(|()| segment)?,
            None => part,
        };
        trailing = matches!(segment, "" | "." | "..");
        match segment {
            // The text after the last slash is not a segment.
            "" if parts.peek().is_none() => {}
            "" => {
                allowed(rules.duplicate_slash, BadPath::EmptySegment)?;
                segments.push(segment);
            }
            "." => allowed(rules.dot_segments, BadPath::DotSegment)?,
            ".." => {
                allowed(rules.dot_segments, BadPath::DotSegment)?;
                // Above the root some programs stay at the root; others leave it. From an empty segment (`/a//..`) RFC
                // 3986 goes up to `/a/`; programs that merge slashes go up to `/`.
                segments.pop().filter(|above| !above.is_empty()).ok_or(BadPath::DotSegment)?;
            }
            _ if skeleton::is_hollow(segment) => return Err(BadPath::DotSegment),
            _ => segments.push(segment),
        }
    }
    segments.retain(|segment| !segment.is_empty());
    let end = if trailing && !segments.is_empty() { "/" } else { "" };
    Ok(format!("/{}{end}", segments.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: PathRules = PathRules {
        encoded_slash: SlashRule::Normalize,
        duplicate_slash: Rule::Normalize,
        dot_segments: Rule::Normalize,
        semicolon: Rule::Normalize,
        percent: CharacterRule::Reject,
        look_alikes: CharacterRule::Reject,
        invisible: CharacterRule::Reject,
    };

    fn parse(target: &str, rules: &PathRules) -> Result<String, BadPath> {
        super::super::CanonicalPath::parse(target.as_bytes(), rules).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn normalized_paths_follow_rfc_3986() {
        for (target, path) in [
            ("/a/b", "/a/b"),
            ("/a//b", "/a/b"),
            ("//", "/"),
            ("//a", "/a"),
            ("/a//", "/a/"),
            ("/a/./b", "/a/b"),
            ("/a/b/../c", "/a/c"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/%2e%2E/b", "/b"),
            ("/a%2Fb", "/a/b"),
            ("/a%2f..%2fb", "/b"),
            ("/a%2f%2fb", "/a/b"),
            ("/a;x=1/b;y", "/a/b"),
            ("/a/..;x/b", "/b"),
            ("/a/;x/b", "/a/b"),
            ("/a//b/../c", "/a/c"),
            ("//a/..", "/"),
            ("/a;/", "/a/"),
            ("/a/b/c/./../../g", "/a/g"),
        ] {
            assert_eq!(parse(target, &ALL).as_deref(), Ok(path), "{target}");
            assert_eq!(parse(path, &PathRules::default()).as_deref(), Ok(path), "{path} is canonical");
        }
    }

    #[test]
    fn relaxing_one_rule_relaxes_no_other() {
        let only = |rule: fn(&mut PathRules) -> &mut Rule| {
            let mut rules = PathRules::default();
            *rule(&mut rules) = Rule::Normalize;
            rules
        };
        let slashes = only(|rules| &mut rules.duplicate_slash);
        let dots = only(|rules| &mut rules.dot_segments);
        let encoded = PathRules { encoded_slash: SlashRule::Normalize, ..PathRules::default() };
        let semicolons = only(|rules| &mut rules.semicolon);
        for (rules, target, broken) in [
            (slashes, "/a//../b", BadPath::DotSegment),
            (slashes, "/a;x", BadPath::Semicolon),
            (slashes, "/a%2fb", BadPath::EncodedSlash),
            (dots, "/a//b", BadPath::EmptySegment),
            (dots, "/a/..;/b", BadPath::Semicolon),
            (dots, "/..", BadPath::DotSegment),
            (dots, "/a/../../b", BadPath::DotSegment),
            (encoded, "/a%2f%2fb", BadPath::EmptySegment),
            (encoded, "/a%2f..%2fb", BadPath::DotSegment),
            (encoded, "/a%5cb", BadPath::Backslash),
            (encoded, "/a%252fb", BadPath::EncodedPercent),
            (semicolons, "/a/..;/b", BadPath::DotSegment),
            (semicolons, "/a/;/b", BadPath::EmptySegment),
            (semicolons, "/a%3bb", BadPath::Semicolon),
            (ALL, "/a\\b", BadPath::Backslash),
            (ALL, "/..", BadPath::DotSegment),
            (ALL, "/a//../b", BadPath::DotSegment),
            (ALL, "/a//b/../../c", BadPath::DotSegment),
            (ALL, "/a%2f%2f..", BadPath::DotSegment),
            (ALL, "/a/;x/../b", BadPath::DotSegment),
        ] {
            assert_eq!(parse(target, &rules), Err(broken), "{target} by {rules:?}");
        }
    }
}
