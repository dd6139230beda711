//! The skeleton of a path: what is left of it for the loosest of readers, by which a request is judged too.
//!
//! Some programs trim spaces and dots from names, read `+` as a space, or take `ı` and `İ` for an `i` without case.
//! A skeleton may be denied, and take a grant away; it never grants anything.

use crate::engine::path::Segments;

impl Segments<'_> {
    /// The path with each segment trimmed, where that makes a difference.
    pub(crate) fn skeleton(self) -> Option<String> {
        // Without these nothing is trimmed or replaced: the common case.
        if !self.has(|byte| b"%+.".contains(&byte)) {
            return None;
        }
        let has_i = |segment: &str| segment.contains(DOTLESS) || segment.contains(DOTTED);
        let changes = |segment: &str| trimmed(segment).len() < segment.len() || has_i(segment);
        let mut segments = self;
        if !segments.any(changes) {
            return None;
        }
        let mut skeleton = String::new();
        for segment in self {
            skeleton.push('/');
            skeleton.push_str(&trimmed(segment).replace(DOTLESS, "i").replace(DOTTED, "i"));
        }
        Some(skeleton)
    }

    /// Whether there is a letter that is another one in lower case.
    pub(crate) fn has_upper_case(self) -> bool {
        self.has(|byte| byte.is_ascii_uppercase())
    }

    fn has(self, is_it: impl Fn(u8) -> bool) -> bool {
        self.0.is_some_and(|path| path.bytes().any(is_it))
    }
}

/// Whether the segment has nothing in it but dots and what is read as a space.
pub(super) fn is_hollow(segment: &str) -> bool {
    // Most segments begin with something else.
    segment.starts_with(['.', '+', '%']) && trimmed(segment).is_empty()
}

/// The segment without spaces around it and dots at its end.
fn trimmed(segment: &str) -> &str {
    let mut rest = segment;
    while let Some(shorter) = SPACES.iter().find_map(|space| rest.strip_prefix(space)) {
        rest = shorter;
    }
    while let Some(shorter) = SPACES.iter().chain(&["."]).find_map(|end| rest.strip_suffix(end)) {
        rest = shorter;
    }
    rest
}

/// A space as it is spelled in a canonical path, and what is read as one.
const SPACES: [&str; 3] = ["%20", "+", "%2B"];
/// `ı` and `İ`.
const DOTLESS: &str = "%C4%B1";
const DOTTED: &str = "%C4%B0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skeleton_is_without_what_some_program_takes_off() {
        for (path, skeleton) in [
            ("/v1/admin/keys", None),
            ("/v1/a.b/c+d/e%20f/.well-known", None),
            ("/v1/admin./keys", Some("/v1/admin/keys")),
            ("/v1/%20admin%20/keys", Some("/v1/admin/keys")),
            ("/v1/+admin%2B/keys", Some("/v1/admin/keys")),
            ("/v1/admin.%20./keys/", Some("/v1/admin/keys")),
            ("/v1/adm%C4%B1n", Some("/v1/admin")),
            ("/v1/ADM%C4%B0N", Some("/v1/ADMiN")),
        ] {
            assert_eq!(Segments::of(path).skeleton().as_deref(), skeleton, "{path}");
        }
        for hollow in [".", "..", "...", "+", "%20", "..%20", "+..", "%2B%20."] {
            assert!(is_hollow(hollow), "{hollow}");
        }
    }
}
