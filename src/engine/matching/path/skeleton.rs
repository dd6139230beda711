//! The skeleton of a path: the path as the most lenient upstream may read it. The filter judges this reading too.
//!
//! Some programs trim spaces and dots from names, or read `+` as a space. A skeleton may deny a request or withhold a
//! grant; it never grants anything.

use crate::engine::matching::path::{Segments, folded};

impl Segments<'_> {
    /// Returns the path with each segment trimmed and folded, or `None` if trimming changes nothing.
    pub(crate) fn skeleton(self) -> Option<String> {
        // The common case: without these bytes nothing is trimmed or replaced.
        if !self.has(|byte| b"%+.".contains(&byte)) {
            return None;
        }
        let mut segments = self;
        if !segments.any(|segment| trimmed(segment).len() < segment.len()) {
            return None;
        }
        let mut skeleton = String::new();
        for segment in self {
            skeleton.push('/');
            skeleton.push_str(&folded(trimmed(segment)));
        }
        Some(skeleton)
    }

    /// Whether lower-casing changes any letter of the path.
    pub(crate) fn has_upper_case(self) -> bool {
        self.has(|byte| byte.is_ascii_uppercase())
    }

    fn has(self, is_it: impl Fn(u8) -> bool) -> bool {
        self.0.is_some_and(|path| path.bytes().any(is_it))
    }
}

/// Whether the segment holds only dots and characters that some program reads as a space.
pub(super) fn is_hollow(segment: &str) -> bool {
    // Fast path: most segments start with another character.
    segment.starts_with(['.', '+', '%']) && trimmed(segment).is_empty()
}

/// Returns the segment without surrounding spaces and without dots at its end.
pub(crate) fn trimmed(segment: &str) -> &str {
    let mut rest = segment;
    while let Some(shorter) = SPACES.iter().find_map(|space| rest.strip_prefix(space)) {
        rest = shorter;
    }
    while let Some(shorter) = SPACES.iter().chain(&["."]).find_map(|end| rest.strip_suffix(end)) {
        rest = shorter;
    }
    rest
}

/// A space as spelled in a canonical path, and the characters that some programs read as a space.
const SPACES: [&str; 3] = ["%20", "+", "%2B"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skeleton_omits_trimmed_characters() {
        for (path, skeleton) in [
            ("/v1/admin/keys", None),
            ("/v1/a.b/c+d/e%20f/.well-known", None),
            ("/v1/admin./keys", Some("/v1/admin/keys")),
            ("/v1/%20admin%20/keys", Some("/v1/admin/keys")),
            ("/v1/+admin%2B/keys", Some("/v1/admin/keys")),
            ("/v1/admin.%20./keys/", Some("/v1/admin/keys")),
            ("/v1/caf%C3%89", None),
            ("/v1/caf%C3%89./x", Some("/v1/caf%C3%A9/x")),
        ] {
            assert_eq!(Segments::of(path).skeleton().as_deref(), skeleton, "{path}");
        }
        for hollow in [".", "..", "...", "+", "%20", "..%20", "+..", "%2B%20."] {
            assert!(is_hollow(hollow), "{hollow}");
        }
    }
}
