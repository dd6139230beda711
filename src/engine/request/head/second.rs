//! Headers that name a second path beside the request's own: the source of a copy, the target of a move.
//!
//! In: a header. Out: whether an upstream may act on the resource that its value names. The filter does not check
//! permissions for that resource, so the gateway rejects such requests unless its settings say `second_path:
//! forward`.
//!
//! Vendors use many spellings (`x-amz-copy-source`, `x-ms-rename-source`, `x-qs-move-source`), so the rule looks for
//! words: a verb of copying before a direction. A list holds all other names.

use crate::engine::words::header::same_header;

/// Whether the header names a resource beside the request's own.
pub(super) fn names_second_path(name: &[u8], value: &[u8]) -> bool {
    // Most headers start with another letter.
    let Some(first) = name.first().map(u8::to_ascii_lowercase).filter(|first| FIRST.contains(first)) else {
        return false;
    };
    let listed = || {
        let mut known = NAMES.iter().filter(|(known, _)| same_header(name, known.as_bytes()));
        known.any(|(_, by)| by.is_met(value))
    };
    is_copying(name, first == b'x') || listed()
}

/// Whether the name has a verb of copying before a direction: at its start, or after any vendor's `x-`.
fn is_copying(name: &[u8], anywhere: bool) -> bool {
    let words = name.split(|byte| !byte.is_ascii_alphanumeric());
    let (mut is_first, mut after_verb) = (true, false);
    words.take(if anywhere { usize::MAX } else { 2 }).any(|word| {
        let rest = if anywhere || is_first { after(word) } else { None };
        // Both `copy-source` and `copysource`.
        let names_one = after_verb && is_direction(word) || rest.is_some_and(is_direction);
        (is_first, after_verb) = (false, rest.is_some_and(<[u8]>::is_empty));
        names_one
    })
}

/// The rest of a word after a verb of copying.
fn after(word: &[u8]) -> Option<&[u8]> {
    VERBS.iter().find_map(|verb| {
        let (start, rest) = word.split_at_checked(verb.len())?;
        start.eq_ignore_ascii_case(verb).then_some(rest)
    })
}

fn is_direction(word: &[u8]) -> bool {
    DIRECTIONS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// How a header shows that it names a second path.
#[derive(Clone, Copy)]
enum By {
    /// By its name, whatever the value.
    Name,
    /// By a slash in its value, as in a path or a URL. The name alone is too common.
    Slash,
    /// By a semicolon in its value: the parts of a final upload follow (`final;/files/a /files/b`).
    Parts,
    /// By a tag with a slash before a list of conditions (RFC 4918 §10.4.2). A lock token has no such tag.
    Tag,
}

impl By {
    fn is_met(self, value: &[u8]) -> bool {
        match self {
            Self::Name => true,
            Self::Slash => has_slash(value),
            Self::Parts => value.contains(&b';'),
            Self::Tag => {
                let mut tags = value.split(|byte| *byte == b'<').skip(1);
                tags.any(|rest| rest.split(|byte| *byte == b'>').next().is_some_and(has_slash))
            }
        }
    }
}

fn has_slash(value: &[u8]) -> bool {
    value.iter().any(|byte| b"/\\%".contains(byte))
}

/// The first letters of all such names: `x`, and those of the verbs and of the listed names.
const FIRST: &[u8] = b"xcdfhilmprsu";

const VERBS: [&[u8]; 7] = [b"copy", b"move", b"rename", b"symlink", b"hardlink", b"clone", b"fetch"];

const DIRECTIONS: [&[u8]; 7] = [b"source", b"src", b"from", b"to", b"destination", b"dest", b"target"];

/// Names without such words, and how each shows that it names a second path.
const NAMES: [(&str, By); 16] = [
    // WebDAV (RFC 4918 §10.3), CouchDB and OpenStack Swift.
    ("destination", By::Name),
    ("destination-account", By::Name),
    ("x-destination", By::Name),
    // WebDAV: conditions on other resources.
    ("if", By::Tag),
    // Third-party copies of WLCG, and links of Manta.
    ("source", By::Slash),
    ("location", By::Slash),
    // OpenStack Swift: the parts of an object, the place of old versions, the second place of a container.
    ("x-object-manifest", By::Name),
    ("x-versions-location", By::Name),
    ("x-history-location", By::Name),
    ("x-container-sync-to", By::Name),
    // Azure Files: hard links.
    ("x-ms-file-target-file", By::Name),
    // EMC Atmos: the target of a rename.
    ("x-emc-path", By::Name),
    // Akamai NetStorage: `action=rename&destination=…`.
    ("x-akamai-acs-action", By::Name),
    // Tencent COS: the target of a processed picture.
    ("pic-operations", By::Name),
    // Subversion: the base of a diff.
    ("x-svn-vr-base", By::Name),
    // tus: the uploads to concatenate.
    ("upload-concat", By::Parts),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_letter_check_covers_each_name() {
        let names = NAMES.iter().map(|(name, _)| name.as_bytes()).chain(VERBS);
        for name in names {
            assert!(name.first().is_some_and(|first| FIRST.contains(first)), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn copy_verb_before_direction_names_second_path() {
        for name in [
            "copy-source",
            "Copy_From",
            "x-copy-from-account",
            "x-amz-copy-source-range",
            "x-ms-file-rename-source",
            "x_upyun.move_source",
            "x-hcp-copysource",
            "X-OSS-SYMLINK-TARGET",
            "x-clone-to",
            "x-copy-copy-source",
        ] {
            assert!(names_second_path(name.as_bytes(), b""), "{name}");
        }
        for name in [
            "",
            "x",
            "sec-fetch-dest",
            "sec-copy-source",
            "x-photocopy-source",
            "x-copy",
            "x-source",
            "x-copy-the-source",
            "x-copyright-source",
            "x-amz-metadata-directive",
            "x-forwarded-for",
            "x-copy-sources",
            "from",
            "content-length",
        ] {
            assert!(!names_second_path(name.as_bytes(), b"/a"), "{name}");
        }
    }

    #[test]
    fn common_name_counts_only_with_its_value() {
        for (name, value, names_one) in [
            ("source", "https://globex.test/a", true),
            ("source", "%2Fglobex%2Fa", true),
            ("source", "web", false),
            ("location", "/globex/a", true),
            ("location", "Berlin", false),
            ("upload-concat", "final;a b", true),
            ("upload-concat", "partial", false),
            ("if", "</globex/a> ([\"x\"])", true),
            ("if", "(<urn:uuid:1> [W/\"x\"]) <https://globex.test/a> (Not <DAV:no-lock>)", true),
            ("if", "(<urn:uuid:1> [W/\"a/b\"]) (Not <DAV:no-lock>)", false),
            ("if", "", false),
        ] {
            assert_eq!(names_second_path(name.as_bytes(), value.as_bytes()), names_one, "{name}: {value}");
        }
    }
}
