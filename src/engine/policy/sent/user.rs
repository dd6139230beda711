//! User information in text from a caller: the part before the `@` of an authority (RFC 3986 §3.2.1).

use std::ops::Range;

/// The position of the last `@` that has text before it.
pub(super) fn last_at(bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|byte| *byte == b'@').filter(|at| *at > 0)
}

/// The user information of each authority in a target. Some program may read an authority at the start of the target,
/// after `//` or after `scheme:/`; some programs read `\` as `/`.
pub(super) fn authorities(target: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut start, mut before): (usize, Option<&[u8]>) = (0, None);
    for (number, segment) in target.split(|byte| matches!(byte, b'/' | b'\\')).enumerate() {
        let begins = match before {
            None => true,
            Some([]) => number >= 2,
            Some(before) => before.ends_with(b":"),
        };
        if begins && let Some(at) = last_at(segment) {
            found.push(start..start.saturating_add(at));
        }
        start = start.saturating_add(segment.len()).saturating_add(1);
        before = Some(segment);
    }
    found
}
