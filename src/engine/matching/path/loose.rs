//! The loose readings of a path with characters that a gateway keeps (`%2F`, `%25`, look-alikes, invisible characters).
//!
//! In: a canonical path. Out: the paths that a program may read if it does one or more of these, in any order:
//! - decode the path again;
//! - replace look-alikes with ASCII;
//! - remove invisible characters;
//! - treat a kept slash as a separator.
//!
//! A loose reading may deny a request or withhold a grant; it never grants anything. A path with a dot segment in any
//! reading is rejected, because the filter cannot resolve a kept character.

use crate::engine::matching::path::{BadPath, Segments, characters, push, skeleton};

/// A path as read by a program that replaces or removes kept characters; folded, and spelled like a canonical path.
#[derive(Debug, Eq, PartialEq)]
pub struct LooseReading {
    path: Box<str>,
    changed_from: usize,
    is_shorter: bool,
}

impl LooseReading {
    /// Returns the path.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// Returns the segments.
    pub fn segments(&self) -> Segments<'_> {
        Segments::of(&self.path)
    }

    /// Returns the first segment that differs from the strict reading, counted from 0.
    pub fn changed_from(&self) -> usize {
        self.changed_from
    }

    /// Whether this reading has fewer segments than the strict reading.
    pub fn is_shorter(&self) -> bool {
        self.is_shorter
    }
}

/// Returns all loose readings of a canonical path.
#[cold]
pub(super) fn readings(path: &str) -> Result<Box<[LooseReading]>, BadPath> {
    let folded = Segments::of(path).folded();
    let own = Segments::of(folded.as_deref().unwrap_or(path));
    let mut readings = Vec::new();
    for text in texts(text(path)?)?.iter().skip(1) {
        let spelled = spelled(text);
        let segments = Segments::of(&spelled);
        if segments.clone().any(skeleton::is_hollow) {
            return Err(BadPath::DotSegment);
        }
        // A trailing slash is ignored, so an empty last segment needs a second one.
        let end = if segments.last() == Some("") { "/" } else { "" };
        let folded = segments.folded().map(|path| path + end).unwrap_or_else(|| spelled.clone());
        let skeleton = segments.skeleton().map(|path| path + end);
        readings.extend([Some(folded), skeleton].into_iter().flatten().map(|path| reading(path, own)));
    }
    Ok(readings.into())
}

fn reading(path: String, own: Segments<'_>) -> LooseReading {
    let read = Segments::of(&path);
    let same = |(one, other): &(&str, &str)| one.eq_ignore_ascii_case(other);
    let changed_from = own.zip(read).take_while(same).count();
    let is_shorter = read.count() < own.count();
    LooseReading { path: path.into(), changed_from, is_shorter }
}

/// Applies every step to the text and to each result. The text itself comes first.
fn texts(text: String) -> Result<Vec<String>, BadPath> {
    let mut size = text.len();
    let mut texts = vec![text];
    let mut number: usize = 0;
    while let Some(text) = texts.get(number).cloned() {
        for step in STEPS {
            let Some(read) = step(&text)?.filter(|read| !texts.contains(read)) else { continue };
            size = size.saturating_add(read.len());
            if texts.len() >= MAX_READINGS || size > MAX_BYTES {
                return Err(BadPath::TooManyReadings);
            }
            texts.push(read);
        }
        number = number.saturating_add(1);
    }
    Ok(texts)
}

/// One thing that some programs do to a path. Returns `None` if it does not change the text.
type Step = fn(&str) -> Result<Option<String>, BadPath>;

const STEPS: [Step; 8] = [
    decode,
    |text| Ok(replaced(text, characters::is_look_alike, fitted)),
    |text| Ok(replaced(text, characters::is_invisible, |text| text.replace(characters::is_invisible, ""))),
    |text| Ok(replaced(text, |character| character == KEPT_SLASH, |text| text.replace(KEPT_SLASH, "/"))),
    |text| Ok(text.split_once(['?', '#']).map(|(path, _)| path.to_owned())),
    |text| Ok(replaced(text, |character| character == ';', without_parameters)),
    |text| Ok(text.contains("//").then(|| merged(text))),
    |text| {
        Ok(text
            .strip_prefix("//")
            .map(|rest| rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/").to_owned()))
    },
];

fn replaced(text: &str, concerns: fn(char) -> bool, replace: impl Fn(&str) -> String) -> Option<String> {
    text.contains(concerns).then(|| replace(text))
}

/// Replaces look-alikes with ASCII. Slashes between segments stay.
fn fitted(text: &str) -> String {
    let fit = |from| characters::fit(from).map(move |read| if read == from { from } else { kept(read) });
    text.chars().flat_map(fit).collect()
}

/// Decodes every `%XX` once, and `%uXXXX` as some servers do. Other text stays.
fn decode(text: &str) -> Result<Option<String>, BadPath> {
    if !text.contains('%') {
        return Ok(None);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.extend(before.bytes());
        rest = after;
        match wide(after).or_else(|| narrow(after)) {
            Some((character, after)) => {
                push_decoded(&mut decoded, character)?;
                rest = after;
            }
            None => decoded.push(b'%'),
        }
    }
    decoded.extend(rest.bytes());
    let decoded = String::from_utf8(decoded).map_err(|_| BadPath::NotUtf8)?;
    if decoded.contains(|character: char| character.is_control() && character != KEPT_SLASH) {
        return Err(BadPath::Control);
    }
    Ok((decoded != text).then_some(decoded))
}

/// The result of decoding one escape.
enum Decoded {
    Byte(u8),
    Character(char),
}

/// Reads `XX` as a byte, and returns it with the rest.
fn narrow(text: &str) -> Option<(Decoded, &str)> {
    let (digits, rest) = text.split_at_checked(2)?;
    let byte = u8::try_from(hex(digits)?).ok()?;
    Some((Decoded::Byte(byte), rest))
}

/// Reads `uXXXX` as a character, and returns it with the rest.
fn wide(text: &str) -> Option<(Decoded, &str)> {
    let (digits, rest) = text.strip_prefix(['u', 'U'])?.split_at_checked(4)?;
    Some((Decoded::Character(char::from_u32(hex(digits)?)?), rest))
}

fn hex(digits: &str) -> Option<u32> {
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

fn push_decoded(decoded: &mut Vec<u8>, character: Decoded) -> Result<(), BadPath> {
    match character {
        Decoded::Byte(byte) if !byte.is_ascii() => decoded.push(byte),
        Decoded::Byte(byte) => return push_decoded(decoded, Decoded::Character(char::from(byte))),
        Decoded::Character(character) if character.is_control() => return Err(BadPath::Control),
        Decoded::Character(character) => {
            decoded.extend(kept(character).encode_utf8(&mut [0; 4]).bytes());
        }
    }
    Ok(())
}

/// Whether the character is a slash, or some servers treat it as one, inside a segment.
fn kept(character: char) -> char {
    if matches!(character, '/' | '\\') { KEPT_SLASH } else { character }
}

fn without_parameters(text: &str) -> String {
    let name = |segment: &str| segment.split_once(';').map_or(segment, |(name, _)| name).to_owned();
    text.split('/').map(name).collect::<Vec<_>>().join("/")
}

fn merged(text: &str) -> String {
    let mut merged = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '/' || !merged.ends_with('/') {
            merged.push(character);
        }
    }
    merged
}

/// Decodes the path, with its kept slashes as [`KEPT_SLASH`].
fn text(path: &str) -> Result<String, BadPath> {
    // A canonical path decodes to text without control characters.
    decode(path).map(|decoded| decoded.unwrap_or_else(|| path.to_owned()))
}

/// Spells the text like a canonical path.
fn spelled(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    for character in text.chars() {
        if character == KEPT_SLASH {
            push(&mut spelled, b'/', true);
            continue;
        }
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            push(&mut spelled, byte, byte == b';');
        }
    }
    spelled
}

/// A slash inside a segment. No path contains this character, because control characters are rejected.
const KEPT_SLASH: char = '\u{1}';

/// Maximum number of readings of one path. A typical name has two to six.
const MAX_READINGS: usize = 64;
/// Maximum size of all readings together, in bytes. It limits the cost of a long path.
const MAX_BYTES: usize = 65_536;
