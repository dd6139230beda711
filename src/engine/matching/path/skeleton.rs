//! The skeleton of a path: what is left of it for the loosest of readers, by which a request is judged too.
//!
//! Some programs trim spaces and dots from names, or read `+` as a space. A skeleton may be denied, and take a grant
//! away; it never grants anything.

use crate::engine::matching::path::{Segments, folded};

impl Segments<'_> {
    /// The path with each segment trimmed and folded; `None` if trimming changes nothing.
    pub(crate) fn skeleton(self) -> Option<String> {
        // Without these nothing is trimmed or replaced: the common case.
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

/// A space as it is spelled in a canonical path, and what is read as one.
const SPACES: [&str; 3] = ["%20", "+", "%2B"];

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
