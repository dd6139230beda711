//! The properties that hold for any bytes. Each target is a function that panics if its property fails.
//!
//! `tests/fuzz.rs` checks them for the corpus and for mutations of it, and `make fuzz` for the fuzzer's inputs.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a property fails by panicking"
)]

pub(crate) mod credential;
mod crossing;
pub(crate) mod document;
pub(crate) mod envelope;
mod headers;
pub(crate) mod path;
pub(crate) mod pattern;
pub(crate) mod request;
pub(crate) mod values;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// Checks that a message is one line, whatever text it quotes. In a log, a second line would look like another entry.
fn is_one_line(message: &str) {
    let ends = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    assert!(!message.contains(ends), "{message:?} is more than a line of text");
}

/// Decodes each `%XX`. Other text, including malformed escapes, is unchanged.
fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap());
                at += 3;
            }
            (byte, _, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

/// A canonical path, or a part of one, in lower case. The original letter case does not matter.
fn without_case(path: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        let escaped = if *byte == b'%' { percent_decoded(&rest[..3]) } else { Vec::new() };
        let (byte, after) = match escaped.first() {
            Some(high) if !high.is_ascii() => (*high, &rest[3..]),
            Some(_) | None => (*byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    let small: String = String::from_utf8(bytes).unwrap().nfd().flat_map(char::to_lowercase).collect();
    let capital: String = small.chars().flat_map(char::to_uppercase).collect();
    let mut after_i = false;
    let undotted = capital.chars().flat_map(char::to_lowercase).filter(|letter| {
        after_i = *letter == 'i' || after_i && canonical_combining_class(*letter) > 0;
        !(after_i && *letter == '\u{307}')
    });
    let encode =
        |byte: u8| if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    undotted.nfc().collect::<String>().bytes().map(encode).collect()
}

/// The number of times that `part` occurs in `whole`.
fn count(whole: &[u8], part: &[u8]) -> usize {
    whole.windows(part.len()).filter(|window| *window == part).count()
}
