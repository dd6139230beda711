//! Unicode case folding for paths.
//!
//! In: a canonical path or a part of one. Out: the folded text, which is the same for all paths that a case-insensitive
//! upstream treats as equal. Folded text may deny a request or withhold a grant; it never grants anything. ASCII
//! letters keep their case, because callers compare them without case.

use std::borrow::Cow;

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use crate::engine::matching::path::{Segments, push};

impl Segments<'_> {
    /// Returns the folded path, or `None` if the path is all ASCII.
    pub(crate) fn folded(self) -> Option<String> {
        self.0.filter(|path| is_beyond_ascii(path))?;
        let mut path = String::new();
        for segment in self {
            path.push('/');
            path.push_str(&folded(segment));
        }
        Some(path)
    }
}

/// Folds a part of a canonical path.
pub(crate) fn folded(text: &str) -> Cow<'_, str> {
    rewritten(text, fold)
}

/// Converts a part of a path to Unicode NFC.
pub(crate) fn composed(text: &str) -> Cow<'_, str> {
    rewritten(text, |text| text.nfc().collect())
}

/// Decodes the characters beyond ASCII, applies `rewrite` and encodes them again.
fn rewritten(text: &str, rewrite: impl Fn(&str) -> String) -> Cow<'_, str> {
    let decoded = if is_beyond_ascii(text) { decoded(text) } else { None };
    let Some(decoded) = decoded else { return Cow::Borrowed(text) };
    let mut encoded = String::with_capacity(text.len());
    for byte in rewrite(&decoded).bytes() {
        // Escapes of ASCII bytes were not decoded, so their `%` stays.
        if byte.is_ascii() { encoded.push(char::from(byte)) } else { push(&mut encoded, byte, true) }
    }
    Cow::Owned(encoded)
}

/// Folds text by Unicode §3.13, D145 (canonical caseless matching). The result is composed again, because `é` must not
/// match a pattern `e{id}`. `İ` and `ı` become `i`, as programs with Turkish rules read them.
fn fold(text: &str) -> String {
    let letters = text.nfd().default_case_fold().map(|letter| if letter == DOTLESS_I { 'i' } else { letter });
    let mut after_i = false;
    let undotted = letters.filter(|letter| {
        if canonical_combining_class(*letter) == 0 {
            after_i = *letter == 'i';
        }
        !(after_i && *letter == DOT_ABOVE)
    });
    undotted.nfc().collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let escaped = after.split_first_chunk().filter(|(digits, _)| *byte == b'%' && is_high(*digits));
        let escaped = escaped.and_then(|(digits, after)| Some((value(digits)?, after)));
        let (byte, after) = escaped.unwrap_or((*byte, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// Whether the text has a percent-encoded non-ASCII byte.
fn is_beyond_ascii(text: &str) -> bool {
    text.as_bytes().windows(3).any(|three| matches!(three, [b'%', digits @ ..] if is_high(digits)))
}

/// Whether these hex digits encode a non-ASCII byte.
fn is_high(digits: &[u8]) -> bool {
    digits.first().is_some_and(|digit| matches!(digit, b'8' | b'9' | b'A'..=b'F' | b'a'..=b'f'))
}

fn value(digits: &[u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from((high? << 4) | low?).ok()
}

const DOTLESS_I: char = 'ı';
const DOT_ABOVE: char = '\u{307}';

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what programs that ignore case turn a letter into.
    fn habits(letter: char) -> [String; 4] {
        let text = String::from(letter);
        let swapped = text.to_uppercase().to_lowercase();
        [text.to_lowercase(), text.to_uppercase(), swapped, text.nfd().collect()]
    }

    #[test]
    fn every_case_mapping_of_a_letter_folds_alike() {
        for letter in '\u{80}'..=char::MAX {
            // `caseless` has the tables of Unicode 16, so it does not fold newer letters.
            let known = is_known(letter);
            for habit in habits(letter).iter().filter(|_| known) {
                assert_eq!(fold(habit), fold(&letter.to_string()), "{} {habit}", letter.escape_unicode());
            }
        }
    }

    /// Whether Unicode 16 includes the letter.
    fn is_known(letter: char) -> bool {
        let newer = ['\u{A7CE}'..='\u{A7D5}', '\u{16EA0}'..='\u{16ED3}'];
        !newer.iter().any(|range| range.contains(&letter))
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for letter in '\u{80}'..=char::MAX {
            let once = fold(&letter.to_string());
            assert_eq!(fold(&once), once, "{}", letter.escape_unicode());
        }
    }

    #[test]
    fn case_variants_fold_alike() {
        for (one, other) in [
            ("/v1/caf%C3%A9", "/v1/caf%C3%89"),
            ("/stra%C3%9Fe", "/strasse"),
            ("/stra%E1%BA%9Ee", "/strasse"),
            ("/%CF%83%CE%B1%CF%82", "/%CE%A3%CE%91%CE%A3"),
            ("/%C4%B0", "/i"),
            ("/%C4%B1", "/i"),
            ("/i%CC%A3%CC%87", "/%E1%BB%8B"),
            ("/%C7%B0", "/j%CC%8C"),
            ("/%E1%BE%B3", "/%CE%91%CE%99"),
            ("/%EA%AD%B0", "/%E1%8E%A0"),
            ("/%D6%87", "/%D4%B5%D6%82"),
        ] {
            let folded = |path| Segments::of(path).folded().unwrap_or_else(|| str::to_owned(path));
            assert_eq!(folded(one).to_ascii_lowercase(), folded(other).to_ascii_lowercase(), "{one}");
        }
        assert_eq!(Segments::of("/v1/a%20b/C").folded(), None);
        assert_eq!(Segments::of("/%C3%89/a%2Bb%20/X").folded().as_deref(), Some("/%C3%A9/a%2Bb%20/X"));
    }
}
