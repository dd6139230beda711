//! Text from a caller as an event shows it: printable ASCII, unambiguous, and at most as long as its limit.
//!
//! In: any bytes. Out: text without characters that JSON escapes, so its length in the line is its own length. Bytes
//! that are not printable ASCII, and `"`, `\` and `<`, are written in hex between `<` and `>`: `caf<c3a9>`. A
//! shortened text ends with the number of missing bytes: `/v1/aaa<+1021>`. A hidden part is `<hidden>`. `<` itself is
//! always in hex, so a caller cannot imitate these marks.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Serialize;

use crate::engine::policy::sent::Sent;

/// The text in at most `limit` bytes.
pub(crate) fn text<'a>(sent: &Sent<'a>, limit: usize) -> Cow<'a, str> {
    match std::str::from_utf8(sent.bytes) {
        Ok(text) if is_whole(sent, limit) => Cow::Borrowed(text),
        Ok(_) | Err(_) => Cow::Owned(written(sent, limit)),
    }
}

/// The length of the text in bytes, at most `limit`.
pub(crate) fn width(sent: &Sent<'_>, limit: usize) -> usize {
    if is_whole(sent, limit) { sent.bytes.len() } else { written(sent, limit).len() }
}

fn is_whole(sent: &Sent<'_>, limit: usize) -> bool {
    sent.is_open() && sent.bytes.len() <= limit && sent.bytes.iter().all(|byte| is_plain(*byte))
}

/// Divides `room` bytes between four texts of these widths. Only the longest texts are cut, all to the same length.
pub(crate) fn share(mut widths: [usize; 4], room: usize) -> usize {
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

/// The length of a value as JSON, in bytes.
pub(crate) fn json_width(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

fn written(sent: &Sent<'_>, limit: usize) -> String {
    let Some(shown) = shown(sent, limit) else { return String::new() };
    let mut text = String::with_capacity(limit.min(sent.bytes.len().saturating_mul(2)));
    let mut in_hex = false;
    for unit in units(sent).take_while(|unit| unit.end <= shown) {
        let hex = unit.byte.filter(|byte| !is_plain(*byte));
        match (hex.is_some(), in_hex) {
            (false, true) => text.push('>'),
            (true, false) => text.push('<'),
            (true, true) | (false, false) => {}
        }
        in_hex = hex.is_some();
        match (hex, unit.byte) {
            (Some(byte), _) => {
                let _ = write!(text, "{byte:02x}");
            }
            (None, Some(byte)) => text.push(char::from(byte)),
            (None, None) => text.push_str(HIDDEN),
        }
    }
    if in_hex {
        text.push('>');
    }
    let missing = sent.bytes.len().saturating_sub(shown);
    if missing > 0 {
        let _ = write!(text, "<+{missing}>");
    }
    text
}

/// How many of the bytes a text of at most `limit` bytes shows or hides; `None` if not even the mark of a cut fits.
fn shown(sent: &Sent<'_>, limit: usize) -> Option<usize> {
    let bytes = sent.bytes;
    let mut shown = (mark(bytes.len()) <= limit).then_some(0);
    let (mut width, mut in_hex) = (0_usize, false);
    for Unit { byte, end } in units(sent) {
        let hex = byte.is_some_and(|byte| !is_plain(byte));
        // The `<` and `>` around the hex are counted at its start.
        let more = match (byte, hex, in_hex) {
            (None, ..) => HIDDEN.len(),
            (Some(_), false, _) => 1,
            (Some(_), true, true) => 2,
            (Some(_), true, false) => 4,
        };
        in_hex = hex;
        width = width.saturating_add(more);
        if width > limit {
            break;
        }
        if width.saturating_add(mark(bytes.len().saturating_sub(end))) <= limit && !divides(bytes, end) {
            shown = Some(end);
        }
    }
    shown
}

/// One byte of a text, or a hidden part.
struct Unit {
    /// `None` for a hidden part.
    byte: Option<u8>,
    /// Its end in the text.
    end: usize,
}

fn units(sent: &Sent<'_>) -> impl Iterator<Item = Unit> {
    let mut hidden = sent.hidden.iter().peekable();
    let mut at = 0_usize;
    std::iter::from_fn(move || {
        if let Some(stretch) = hidden.next_if(|stretch| stretch.start <= at) {
            at = stretch.end;
            return Some(Unit { byte: None, end: at });
        }
        let byte = sent.bytes.get(at).copied()?;
        at = at.saturating_add(1);
        Some(Unit { byte: Some(byte), end: at })
    })
}

/// The length of the mark of a cut for this number of missing bytes.
fn mark(missing: usize) -> usize {
    missing.checked_ilog10().and_then(|log| usize::try_from(log).ok()).map_or(0, |log| log.saturating_add(4))
}

/// Whether a cut before byte `at` would split a percent-encoded byte or a UTF-8 character.
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

/// Whether the bytes are a single non-ASCII character.
fn is_character(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| *first >= 0xC2)
        && std::str::from_utf8(bytes).is_ok_and(|text| text.chars().nth(1).is_none())
}

/// The placeholder for a hidden part.
const HIDDEN: &str = "<hidden>";

/// Whether a byte is shown unchanged.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'<')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(bytes: &[u8]) -> Sent<'_> {
        Sent { bytes, hidden: Vec::new() }
    }

    #[test]
    fn hidden_part_has_a_mark() {
        let sent = Sent { bytes: b"/v1/secret/\xffsecret<", hidden: vec![4..10, 12..18] };
        assert_eq!(text(&sent, 99), "/v1/<hidden>/<ff><hidden><3c>");
        // It is hidden as a whole, or cut off before it starts.
        for limit in 0..40 {
            let shown = text(&sent, limit);
            assert!(shown.len() <= limit && !shown.contains("secret"), "{limit}: {shown}");
            assert_eq!(width(&sent, limit), shown.len());
        }
        assert_eq!(text(&sent, 17), "/v1/<hidden>/<+8>");
    }

    #[test]
    fn shown_text_is_unambiguous() {
        for (bytes, shown) in [
            (&b"/v1/items;a>b"[..], "/v1/items;a>b"),
            (b"", ""),
            ("caf\u{e9}/x".as_bytes(), "caf<c3a9>/x"),
            (b"\xff\xfea\x00", "<fffe>a<00>"),
            (b"<ff>", "<3c>ff>"),
            (b"a\"\\b\x7f", "a<225c>b<7f>"),
            (b"<+7>", "<3c>+7>"),
        ] {
            assert_eq!(text(&open(bytes), 99), shown);
        }
    }

    #[test]
    fn cut_text_says_how_much_is_missing() {
        for (bytes, limit, shown) in [
            (&b"abcdefghij"[..], 10, "abcdefghij"),
            (b"abcdefghijk", 10, "abcdef<+5>"),
            // A cut never splits the digits of a byte or drops the end of the hex.
            (b"ab\xff\xff\xff\xff\xff", 12, "ab<ffff><+3>"),
            (b"ab\xff\xff\xff\xff\xff", 11, "ab<ff><+4>"),
            (b"ab\xff\xff\xff\xff\xff", 14, "ab<ffffffffff>"),
            // A cut never splits the caller's escapes or a character.
            (b"/%2F%2F%2F%2F", 12, "/%2F%2F<+6>"),
            (b"/%2F%2F%2F%2", 11, "/%2F%2F<+5>"),
            (b"/%zz%zz%zz%zz", 12, "/%zz%zz%<+5>"),
            ("a\u{e9}\u{e9}\u{e9}".as_bytes(), 13, "a<c3a9><+4>"),
            ("a\u{1f512}\u{1f512}".as_bytes(), 17, "a<f09f9492><+4>"),
            (b"a\xa9\xa9\xa9\xa9\xa9", 11, "a<a9a9><+3>"),
            (b"\xff\xff\xff", 4, "<+3>"),
            (b"\xff\xff\xff", 3, ""),
        ] {
            assert_eq!(text(&open(bytes), limit), shown, "{limit}");
        }
    }

    #[test]
    fn text_keeps_its_limit_and_width() {
        for length in 0..200 {
            for bytes in [vec![b'a'; length], vec![0xff; length], b"\xffa".repeat(length)] {
                for limit in 0..120 {
                    let shown = text(&open(&bytes), limit);
                    assert!(shown.len() <= limit, "{limit}: {shown}");
                    assert_eq!(width(&open(&bytes), limit), shown.len());
                }
            }
        }
    }

    #[test]
    fn longest_texts_are_cut_to_share_space() {
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
