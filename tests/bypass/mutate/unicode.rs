//! Mutators for characters that some programs replace or ignore, and for texts that some programs treat as equal.

use unicode_normalization::UnicodeNormalization;

use crate::generate::Draft;
use crate::mutate::Mutator;
use crate::mutate::path::escape;
use crate::random::Random;
use crate::steps::{INVISIBLE, look_alikes};

pub(crate) const MUTATORS: [Mutator; 4] = [
    Mutator { name: "look-alike", apply: look_alike },
    Mutator { name: "invisible", apply: invisible },
    Mutator { name: "letter-case", apply: letter_case },
    Mutator { name: "composition", apply: composition },
];

/// Replaces text with a character that some programs fold to one or two characters of the path.
fn look_alike(draft: &mut Draft, random: &mut Random) {
    let path = draft.path();
    for _ in 0..=random.below(3) {
        let at = random.below(path.len().max(1));
        let rest = path[at..].to_ascii_lowercase();
        let fits: Vec<_> =
            look_alikes().iter().filter(|(text, _)| rest.starts_with(text.as_bytes())).collect();
        if fits.is_empty() {
            continue;
        }
        // Characters that fold to two are rare and more interesting.
        let long: Vec<_> = fits.iter().copied().filter(|(text, _)| text.len() > 1).collect();
        let (text, character) = random.one_of(if long.is_empty() { &fits } else { &long });
        path.splice(at..at + text.len(), encoded(*character, random));
    }
}

fn invisible(draft: &mut Draft, random: &mut Random) {
    let character = encoded(random.one_of(&INVISIBLE), random);
    let path = draft.path();
    let at = 1 + random.below(path.len().max(1));
    let at = at.min(path.len());
    path.splice(at..at, character);
}

/// Changes the case of some letters, by Unicode's full mappings.
fn letter_case(draft: &mut Draft, random: &mut Random) {
    rewrite(draft, random, |letter, random| {
        let text = letter.to_string();
        match (letter, random.below(4)) {
            ('s', 0) => "ſ".to_owned(),
            ('ß', 0) => "ẞ".to_owned(),
            ('i', 0) => random.one_of(&["ı", "İ", "i\u{307}"]).to_string(),
            ('k', 0) => "\u{212A}".to_owned(),
            ('ß', 1) => random.one_of(&["ss", "sS", "Ss"]).to_string(),
            (_, 2) => text.to_lowercase(),
            _ => text.to_uppercase(),
        }
    });
    // In both directions: also for names that the policy spells with two letters.
    if random.once_in(3) {
        let path = draft.path();
        if let Some(at) = path.windows(2).position(|two| two.eq_ignore_ascii_case(b"ss")) {
            path.splice(at..at + 2, encoded(random.one_of(&['ß', 'ẞ']), random));
        }
    }
}

/// Decomposes letters, or adds marks that do not compose with a letter.
fn composition(draft: &mut Draft, random: &mut Random) {
    rewrite(draft, random, |letter, random| match random.below(4) {
        0 => letter.nfkd().collect(),
        1 => format!("{letter}{}", random.one_of(&['\u{301}', '\u{307}', '\u{338}', '\u{345}'])),
        _ => letter.nfd().collect(),
    });
}

/// Rewrites all non-ASCII characters and some ASCII characters.
fn rewrite(draft: &mut Draft, random: &mut Random, write: impl Fn(char, &mut Random) -> String) {
    let path = draft.path();
    let Ok(text) = String::from_utf8(decoded(path)) else { return };
    let mut written = Vec::new();
    for character in text.chars() {
        if character == '/' || character.is_ascii() && !random.once_in(4) {
            written.extend(character.to_string().bytes());
            continue;
        }
        for character in write(character, random).chars() {
            match u8::try_from(character) {
                Ok(byte) if byte.is_ascii() => written.push(byte),
                _ => written.extend(encoded(character, random)),
            }
        }
    }
    *path = written;
}

/// Decodes the percent-encoded non-ASCII bytes.
fn decoded(path: &[u8]) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), path);
    while let Some((byte, after)) = rest.split_first() {
        let escaped = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped.filter(|escaped| *byte == b'%' && !escaped.is_ascii()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    bytes
}

fn encoded(character: char, random: &mut Random) -> Vec<u8> {
    let mut bytes = [0; 4];
    let bytes = character.encode_utf8(&mut bytes).as_bytes();
    if random.once_in(6) {
        return bytes.to_vec();
    }
    bytes.iter().flat_map(|byte| escape(*byte, random)).collect()
}
