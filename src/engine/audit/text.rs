//! What a caller sent, as text in an event: printable ASCII with one reading, at most as long as its limit.
//!
//! In: any bytes. Out: text in which JSON escapes nothing, so it takes as many bytes in the line as it has. Bytes that
//! are not printable ASCII, and `"`, `\` and `<`, are written in hex between `<` and `>`: `caf<c3a9>`. A text
//! that is cut ends in how many bytes are missing: `/v1/aaa<+1021>`. `<` itself is always in hex, so nothing that a
//! caller sends looks like either.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Serialize;

/// The bytes as text of at most `limit` bytes.
pub(super) fn text(bytes: &[u8], limit: usize) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.len() <= limit && bytes.iter().all(|byte| is_plain(*byte)) => Cow::Borrowed(text),
        Ok(_) | Err(_) => Cow::Owned(written(bytes, limit)),
    }
}

/// How many bytes the text of these bytes takes, where it may take at most `limit`.
pub(super) fn width(bytes: &[u8], limit: usize) -> usize {
    if bytes.len() <= limit && bytes.iter().all(|byte| is_plain(*byte)) {
        return bytes.len();
    }
    written(bytes, limit).len()
}

/// How many bytes each of four texts of these widths may take, so that together they take at most `room`. Only the longest
/// are cut, all to the same length.
pub(super) fn share(mut widths: [usize; 4], room: usize) -> usize {
    widths.sort_unstable();
    let mut left = room;
    for (wider, width) in (1..=widths.len()).rev().zip(widths) {
        let share = left.checked_div(wider).unwrap_or_default();
        if width > share {
            return share;
        }
        left = left.saturating_sub(width);
    }
    usize::MAX
}

/// How many bytes a value takes as JSON.
pub(super) fn json_width(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

fn written(bytes: &[u8], limit: usize) -> String {
    let Some(shown) = shown(bytes, limit) else { return String::new() };
    let mut text = String::with_capacity(limit.min(bytes.len().saturating_mul(2)));
    let mut in_hex = false;
    for byte in bytes.get(..shown).unwrap_or_default() {
        match (is_plain(*byte), in_hex) {
            (true, true) => text.push('>'),
            (false, false) => text.push('<'),
            (true, false) | (false, true) => {}
        }
        in_hex = !is_plain(*byte);
        if in_hex {
            let _ = write!(text, "{byte:02x}");
        } else {
            text.push(char::from(*byte));
        }
    }
    if in_hex {
        text.push('>');
    }
    let missing = bytes.len().saturating_sub(shown);
    if missing > 0 {
        let _ = write!(text, "<+{missing}>");
    }
    text
}

/// How many of the bytes a text of at most `limit` bytes shows; `None` if even the mark of a cut is too long.
fn shown(bytes: &[u8], limit: usize) -> Option<usize> {
    let mut shown = (mark(bytes.len()) <= limit).then_some(0);
    let (mut width, mut in_hex) = (0_usize, false);
    for (number, byte) in (1..).zip(bytes) {
        // `<` and `>` around the hex are counted when it begins.
        let more = match (is_plain(*byte), in_hex) {
            (true, _) => 1,
            (false, true) => 2,
            (false, false) => 4,
        };
        in_hex = !is_plain(*byte);
        width = width.saturating_add(more);
        if width > limit {
            break;
        }
        if width.saturating_add(mark(bytes.len().saturating_sub(number))) <= limit && !divides(bytes, number)
        {
            shown = Some(number);
        }
    }
    shown
}

/// How many bytes the mark of a cut takes when so many bytes are missing.
fn mark(missing: usize) -> usize {
    missing.checked_ilog10().and_then(|log| usize::try_from(log).ok()).map_or(0, |log| log.saturating_add(4))
}

/// Whether a cut before byte `at` divides a percent-encoded byte or a character in UTF-8.
fn divides(bytes: &[u8], at: usize) -> bool {
    let around = |back: usize, length: usize| {
        let start = at.checked_sub(back)?;
        bytes.get(start..start.saturating_add(length))
    };
    let escape = |back| matches!(around(back, 3), Some([b'%', high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    let character = |(back, length)| around(back, length).is_some_and(is_character);
    [1, 2].into_iter().any(escape)
        || [(1, 2), (1, 3), (2, 3), (1, 4), (2, 4), (3, 4)].into_iter().any(character)
}

/// Whether the bytes are one character beyond ASCII.
fn is_character(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| *first >= 0xC2)
        && std::str::from_utf8(bytes).is_ok_and(|text| text.chars().nth(1).is_none())
}

/// Whether a byte stands for itself.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'<')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_one_reading() {
        for (bytes, told) in [
            (&b"/v1/items;a>b"[..], "/v1/items;a>b"),
            (b"", ""),
            ("caf\u{e9}/x".as_bytes(), "caf<c3a9>/x"),
            (b"\xff\xfea\x00", "<fffe>a<00>"),
            (b"<ff>", "<3c>ff>"),
            (b"a\"\\b\x7f", "a<225c>b<7f>"),
            (b"<+7>", "<3c>+7>"),
        ] {
            assert_eq!(text(bytes, 99), told);
        }
    }

    #[test]
    fn cut_text_says_how_much_is_missing() {
        for (bytes, limit, told) in [
            (&b"abcdefghij"[..], 10, "abcdefghij"),
            (b"abcdefghijk", 10, "abcdef<+5>"),
            // Nothing is cut within a byte's digits, or without the end of the hex.
            (b"ab\xff\xff\xff\xff\xff", 12, "ab<ffff><+3>"),
            (b"ab\xff\xff\xff\xff\xff", 11, "ab<ff><+4>"),
            (b"ab\xff\xff\xff\xff\xff", 14, "ab<ffffffffff>"),
            // Nor within an escape of the caller's, or a character.
            (b"/%2F%2F%2F%2F", 12, "/%2F%2F<+6>"),
            (b"/%2F%2F%2F%2", 11, "/%2F%2F<+5>"),
            (b"/%zz%zz%zz%zz", 12, "/%zz%zz%<+5>"),
            ("a\u{e9}\u{e9}\u{e9}".as_bytes(), 13, "a<c3a9><+4>"),
            ("a\u{1f512}\u{1f512}".as_bytes(), 17, "a<f09f9492><+4>"),
            (b"a\xa9\xa9\xa9\xa9\xa9", 11, "a<a9a9><+3>"),
            (b"\xff\xff\xff", 4, "<+3>"),
            (b"\xff\xff\xff", 3, ""),
        ] {
            assert_eq!(text(bytes, limit), told, "{limit}");
        }
    }

    #[test]
    fn text_keeps_to_its_limit_and_tells_its_width() {
        for length in 0..200 {
            for bytes in [vec![b'a'; length], vec![0xff; length], b"\xffa".repeat(length)] {
                for limit in 0..120 {
                    let told = text(&bytes, limit);
                    assert!(told.len() <= limit, "{limit}: {told}");
                    assert_eq!(width(&bytes, limit), told.len());
                }
            }
        }
    }

    #[test]
    fn room_is_shared_and_the_longest_are_cut() {
        for (widths, room, shared) in [
            ([3, 36, 13, 40], 92, usize::MAX),
            ([3, 36, 13, 41], 92, 40),
            ([32, 128, 255, 1_024], 100, 25),
            ([3, 36, 255, 1_024], 101, 32),
            ([3, 36, 255, 1_024], 139, 50),
            ([0, 0, 0, 9], 0, 0),
            ([0; 4], 0, usize::MAX),
        ] {
            assert_eq!(share(widths, room), shared, "{widths:?}");
            let taken: usize = widths.iter().map(|width| (*width).min(shared)).sum();
            assert!(taken <= room);
        }
    }
}
