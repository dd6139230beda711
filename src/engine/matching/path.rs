//! The canonical path: the single spelling of a request's path that the filter matches, audits and forwards.
//!
//! In: the bytes of `:path`. Out: a path in which every segment has exactly one spelling, or the rule that the path
//! breaks. If two programs could read a path differently, this module rejects it, whatever path normalization Envoy
//! applies.
//!
//! Spelling: a character that RFC 3986 §3.3 allows in a segment is written as itself. Every other byte is written as
//! `%` and two upper-case hex digits. `+` and `%2B` stay distinct, because some programs read `+` as a space.

use std::borrow::Cow;
use std::fmt;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::engine::matching::path::characters::LOOK_ALIKES;
pub(crate) use crate::engine::matching::path::fold::{composed, folded};
pub use crate::engine::matching::path::loose::LooseReading;
pub use crate::engine::matching::path::segments::{CharacterRule, PathRules, Rule, SlashRule};
pub(crate) use crate::engine::matching::path::skeleton::trimmed;

mod characters;
mod fold;
mod loose;
mod segments;
mod skeleton;

/// A path with exactly one reading, and its query.
#[derive(Eq, PartialEq)]
pub struct CanonicalPath<'a> {
    path: Cow<'a, str>,
    /// The path as received, if it differs from `path` only in the case of hex digits and the rules kept a character.
    sent: Option<&'a str>,
    query: &'a [u8],
    loose: Box<[LooseReading]>,
}

/// Omits the query, which may hold a credential.
impl fmt::Debug for CanonicalPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CanonicalPath").field(&self.path).finish()
    }
}

impl<'a> CanonicalPath<'a> {
    /// Parses `:path` by the rules of a gateway.
    ///
    /// # Errors
    /// Fails if the path has no reading or more than one; the error is the rule that it breaks.
    pub fn parse(target: &'a [u8], rules: &PathRules) -> Result<Self, BadPath> {
        let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
        let (path, query) = target.split_at_checked(end).ok_or(BadPath::NotAPath)?;
        check_query(query)?;
        let (path, kept) = by_rules(path, rules)?;
        match kept {
            Kept::Nothing => Ok(Self { path, sent: None, query, loose: Box::default() }),
            Kept::Something(sent) => {
                let loose = loose::readings(&path)?;
                // The received path differs from its canonical spelling only in the case of hex digits.
                let sent = sent.filter(|sent| sent.eq_ignore_ascii_case(&path));
                Ok(Self { path, sent, query, loose })
            }
        }
    }

    /// Returns the path without its query.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// Returns the segments. `/` has no segments, and one trailing slash is ignored.
    pub fn segments(&self) -> Segments<'_> {
        Segments::of(&self.path)
    }

    /// Returns the paths that programs see if they replace or remove the characters that the gateway keeps. Empty if
    /// the path has no such characters.
    pub fn loose(&self) -> &[LooseReading] {
        &self.loose
    }

    /// Returns the query with its `?`, or an empty slice.
    pub fn query(&self) -> &'a [u8] {
        self.query
    }

    /// Returns the `:path` to forward, or `None` if it equals the received one. `query` replaces the query.
    pub fn rewritten(&self, query: Option<&[u8]>) -> Option<Vec<u8>> {
        let is_as_sent = self.sent.is_some() || matches!(self.path, Cow::Borrowed(_));
        if is_as_sent && query.is_none() {
            return None;
        }
        let path = self.sent.unwrap_or(&self.path);
        Some([path.as_bytes(), query.unwrap_or(self.query)].concat())
    }
}

/// Why a path has no reading or more than one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BadPath {
    /// The path has no leading slash: it is absent, `*`, or in authority or absolute form.
    NotAPath,
    /// `#`.
    Fragment,
    /// `//`.
    EmptySegment,
    /// `.` or `..` as a segment, percent-encoded or not.
    DotSegment,
    /// `\`, percent-encoded or not.
    Backslash,
    /// `;`, percent-encoded or not.
    Semicolon,
    /// `%2F`.
    EncodedSlash,
    /// `%25`: a program that decodes twice reads a different path.
    EncodedPercent,
    /// A control byte or a space, in the path or the query, or a percent-encoded control byte in the path.
    Control,
    /// A byte at or above 0x80.
    NonAscii,
    /// `%` without two hex digits.
    BadEscape,
    /// Percent-encoded bytes that are not UTF-8.
    NotUtf8,
    /// `%3F` or `%23`: a program that decodes before it splits off the query reads a shorter path.
    EncodedDelimiter,
    /// A percent-encoded character that some programs read as ASCII.
    LookAlike,
    /// A percent-encoded character that some programs ignore.
    Invisible,
    /// Percent-encoded characters that are not in Unicode NFC.
    NotNfc,
    /// The kept characters produce more readings than the filter compares.
    TooManyReadings,
}

impl BadPath {
    /// Returns the rule as a stable code, for audit events and `explain`.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotAPath => "not_a_path",
            Self::Fragment => "fragment",
            Self::EmptySegment => "duplicate_slash",
            Self::DotSegment => "dot_segment",
            Self::Backslash => "backslash",
            Self::Semicolon => "semicolon",
            Self::EncodedSlash => "encoded_slash",
            Self::EncodedPercent => "encoded_percent",
            Self::Control => "control_byte",
            Self::NonAscii => "non_ascii",
            Self::BadEscape => "bad_escape",
            Self::NotUtf8 => "not_utf8",
            Self::LookAlike => "look_alike",
            Self::EncodedDelimiter => "encoded_delimiter",
            Self::Invisible => "invisible",
            Self::NotNfc => "not_nfc",
            Self::TooManyReadings => "too_many_readings",
        }
    }
}

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAPath => "a path begins with `/`",
            Self::Fragment => "a path has no `#`",
            Self::EmptySegment => "a path has no empty segment (`//`)",
            Self::DotSegment => "a path has no segment of dots and spaces alone, such as `..`",
            Self::Backslash => "a path has no `\\`",
            Self::Semicolon => "a path has no `;`",
            Self::EncodedSlash => "a path has no encoded slash (`%2F`)",
            Self::EncodedPercent => "a path has no encoded percent sign (`%25`)",
            Self::Control => "a path has no control bytes, and a space only as `%20`",
            Self::NonAscii => "bytes from 0x80 on must be percent-encoded",
            Self::BadEscape => "`%` must be followed by two hex digits",
            Self::NotUtf8 => "percent-encoded bytes must be UTF-8",
            Self::LookAlike => "a path has no characters that some programs read as ASCII",
            Self::EncodedDelimiter => "a path has no encoded `?` or `#` (`%3F`, `%23`)",
            Self::Invisible => "a path has no invisible characters",
            Self::NotNfc => "a path must be in Unicode NFC",
            Self::TooManyReadings => "the kept characters of a path give it too many readings",
        })
    }
}

/// Iterates over the segments of a canonical path, from the left.
#[derive(Clone, Copy, Debug)]
pub struct Segments<'a>(Option<&'a str>);

impl<'a> Segments<'a> {
    /// Returns the segments of `path`, which starts with a slash. `/` has none. `//`, which only a loose reading can
    /// be, has one empty segment and a trailing slash.
    pub(crate) fn of(path: &'a str) -> Self {
        let inner = path.strip_prefix('/').unwrap_or(path);
        Self((!inner.is_empty()).then(|| inner.strip_suffix('/').unwrap_or(inner)))
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0?;
        match rest.split_once('/') {
            Some((segment, after)) => {
                self.0 = Some(after);
                Some(segment)
            }
            None => {
                self.0 = None;
                Some(rest)
            }
        }
    }
}

/// Returns `path` in its canonical spelling, borrowed if it already has it.
pub(crate) fn canonical(path: &[u8]) -> Result<Cow<'_, str>, BadPath> {
    by_rules(path, &PathRules::default()).map(|(path, _)| path)
}

/// Whether a path has characters that a gateway must be configured to keep.
enum Kept<'p> {
    Nothing,
    /// The path as received, if it is UTF-8.
    Something(Option<&'p str>),
}

fn by_rules<'p>(path: &'p [u8], rules: &PathRules) -> Result<(Cow<'p, str>, Kept<'p>), BadPath> {
    if path.first() != Some(&b'/') {
        return Err(BadPath::NotAPath);
    }
    let (spelled, kept) = spell(path, rules)?;
    Ok((segments::resolve(spelled, rules)?, kept))
}

/// Spells a text as one segment of a canonical path.
pub(crate) fn segment(text: &str) -> Result<Cow<'_, str>, BadPath> {
    let mut spelled = String::with_capacity(text.len().saturating_add(1));
    spelled.push('/');
    for byte in text.bytes() {
        push(&mut spelled, byte, b"/;+".contains(&byte));
    }
    canonical(spelled.as_bytes())?;
    spelled.remove(0);
    Ok(if spelled == text { Cow::Borrowed(text) } else { Cow::Owned(spelled) })
}

fn spell<'p>(path: &'p [u8], rules: &PathRules) -> Result<(Cow<'p, str>, Kept<'p>), BadPath> {
    // The common case: every byte is written as itself, so nothing changes.
    if path.iter().all(|byte| stands_for_itself(*byte) || *byte == b'/') {
        let path = std::str::from_utf8(path).map_err(|_| BadPath::NonAscii)?;
        return Ok((Cow::Borrowed(path), Kept::Nothing));
    }
    let mut spelled = String::with_capacity(path.len().saturating_mul(3));
    let mut decoded = Vec::with_capacity(path.len());
    let mut keeps = false;
    let mut bytes = path.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let byte = escaped(&mut bytes)?;
                let is_kept = check_escaped(byte, rules)? == Checked::Kept;
                push(&mut spelled, byte, is_kept || byte == b'+');
                decoded.push(byte);
                keeps |= is_kept;
            }
            _ => {
                check_raw(byte, rules)?;
                push(&mut spelled, byte, false);
                decoded.push(byte);
            }
        }
    }
    keeps |= check_characters(&decoded, rules)? == Checked::Kept;
    let sent = std::str::from_utf8(path).ok();
    let kept = if keeps { Kept::Something(sent) } else { Kept::Nothing };
    // The checks may change nothing. Then the path stays borrowed and is forwarded as received.
    let spelled = match sent.filter(|same| *same == spelled) {
        Some(same) => Cow::Borrowed(same),
        None => Cow::Owned(spelled),
    };
    Ok((spelled, kept))
}

fn push(spelled: &mut String, byte: u8, encode: bool) {
    if !encode && (stands_for_itself(byte) || b"/;".contains(&byte)) {
        spelled.push(char::from(byte));
        return;
    }
    spelled.push('%');
    for nibble in [byte >> 4, byte & 0x0F] {
        spelled.extend(char::from_digit(u32::from(nibble), 16).map(|digit| digit.to_ascii_uppercase()));
    }
}

/// Whether the byte is a `pchar` of RFC 3986 §3.3 other than `;` and `%`.
fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&')
        || matches!(byte, b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

fn escaped(bytes: &mut impl Iterator<Item = u8>) -> Result<u8, BadPath> {
    let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
    let high = digit().ok_or(BadPath::BadEscape)?;
    let low = digit().ok_or(BadPath::BadEscape)?;
    u8::try_from((high << 4) | low).map_err(|_| BadPath::BadEscape)
}

/// The result of a character check that did not reject the character.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Checked {
    Ordinary,
    /// The gateway must be configured to keep this character.
    Kept,
}

fn check_escaped(byte: u8, rules: &PathRules) -> Result<Checked, BadPath> {
    match byte {
        b'/' => match rules.encoded_slash {
            SlashRule::Keep => Ok(Checked::Kept),
            SlashRule::Normalize => Ok(Checked::Ordinary),
            SlashRule::Reject => Err(BadPath::EncodedSlash),
        },
        b'%' if rules.percent == CharacterRule::Keep => Ok(Checked::Kept),
        b'%' => Err(BadPath::EncodedPercent),
        b'\\' => Err(BadPath::Backslash),
        b';' => Err(BadPath::Semicolon),
        b'?' | b'#' => Err(BadPath::EncodedDelimiter),
        0..=0x1F | 0x7F => Err(BadPath::Control),
        _ => Ok(Checked::Ordinary),
    }
}

fn check_raw(byte: u8, rules: &PathRules) -> Result<(), BadPath> {
    match byte {
        b'\\' => Err(BadPath::Backslash),
        b';' if rules.semicolon == Rule::Normalize => Ok(()),
        b';' => Err(BadPath::Semicolon),
        0..=b' ' | 0x7F => Err(BadPath::Control),
        0x80.. => Err(BadPath::NonAscii),
        _ => Ok(()),
    }
}

/// Rejects bytes at which some programs end the query.
fn check_query(query: &[u8]) -> Result<(), BadPath> {
    query.iter().try_for_each(|byte| match byte {
        b'#' => Err(BadPath::Fragment),
        0..=b' ' | 0x7F => Err(BadPath::Control),
        _ => Ok(()),
    })
}

fn check_characters(decoded: &[u8], rules: &PathRules) -> Result<Checked, BadPath> {
    characters::check(std::str::from_utf8(decoded).map_err(|_| BadPath::NotUtf8)?, rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_has_one_spelling() {
        for (path, spelled) in [
            ("/", "/"),
            ("/v1/metrics", "/v1/metrics"),
            ("/v1/metrics/", "/v1/metrics/"),
            ("/%61dmin", "/admin"),
            ("/a%2db%5f%7E", "/a-b_~"),
            ("/orders/7%3acancel", "/orders/7:cancel"),
            ("/users/a%40b.test", "/users/a@b.test"),
            ("/a%2b+", "/a%2B+"),
            ("/a%20b", "/a%20b"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/[x]|{y}", "/%5Bx%5D%7C%7By%7D"),
        ] {
            let canonical = CanonicalPath::parse(path.as_bytes(), &PathRules::default()).unwrap();
            assert_eq!(canonical.as_str(), spelled);
            assert_eq!(canonical.rewritten(None).is_none(), path == spelled, "{path}");
            assert_eq!(
                CanonicalPath::parse(spelled.as_bytes(), &PathRules::default()).unwrap().as_str(),
                spelled,
                "twice"
            );
        }
    }

    #[test]
    fn path_with_two_readings_is_rejected() {
        for (target, rule) in [
            (&b""[..], BadPath::NotAPath),
            (b"*", BadPath::NotAPath),
            (b"v1", BadPath::NotAPath),
            (b"api.test:443", BadPath::NotAPath),
            (b"http://api.test/", BadPath::NotAPath),
            (b"?a", BadPath::NotAPath),
            (b"/a#b", BadPath::Fragment),
            (b"/a?b#c", BadPath::Fragment),
            (b"//", BadPath::EmptySegment),
            (b"//a", BadPath::EmptySegment),
            (b"/a//b", BadPath::EmptySegment),
            (b"/a//", BadPath::EmptySegment),
            (b"/a/./b", BadPath::DotSegment),
            (b"/a/..", BadPath::DotSegment),
            (b"/a/.../b", BadPath::DotSegment),
            (b"/a/..%20/b", BadPath::DotSegment),
            (b"/a/%20/b", BadPath::DotSegment),
            (b"/a/+/b", BadPath::DotSegment),
            (b"/a%3Fb", BadPath::EncodedDelimiter),
            (b"/a%23", BadPath::EncodedDelimiter),
            (b"/a%E2%80%8Bb", BadPath::Invisible),
            (b"/%EF%BD%81dmin", BadPath::LookAlike),
            (b"/a/%EF%B8%B0/b", BadPath::LookAlike),
            (b"/..%C2%A5b", BadPath::LookAlike),
            (b"/cafe%CC%81", BadPath::NotNfc),
            (b"/%E2%84%AB", BadPath::NotNfc),
            (b"/=%CC%B8", BadPath::NotNfc),
            (b"/x%CC%81%CC%A3", BadPath::NotNfc),
            (b"/a/.%2e/b", BadPath::DotSegment),
            (b"/a/%2E/", BadPath::DotSegment),
            (b"/a\\b", BadPath::Backslash),
            (b"/a%5cb", BadPath::Backslash),
            (b"/a;x=1", BadPath::Semicolon),
            (b"/a%3Bx", BadPath::Semicolon),
            (b"/a%2Fb", BadPath::EncodedSlash),
            (b"/a%252fb", BadPath::EncodedPercent),
            (b"/a%00", BadPath::Control),
            (b"/a b", BadPath::Control),
            (b"/a\tb", BadPath::Control),
            (b"/a?b c", BadPath::Control),
            (b"/a?b\x00", BadPath::Control),
            (b"/a?b=1\tHTTP/1.1", BadPath::Control),
            (b"/a?\x7f", BadPath::Control),
            (b"/a%C2%85", BadPath::Control),
            (b"/a\xff", BadPath::NonAscii),
            (b"/caf\xc3\xa9", BadPath::NonAscii),
            (b"/a%", BadPath::BadEscape),
            (b"/a%4", BadPath::BadEscape),
            (b"/a%zz", BadPath::BadEscape),
            (b"/a%+1", BadPath::BadEscape),
            (b"/a%ff", BadPath::NotUtf8),
            (b"/a%c0%af", BadPath::NotUtf8),
            (b"/a%EF%BC%8Fb", BadPath::LookAlike),
            (b"/%EF%BC%8E%EF%BC%8E/b", BadPath::LookAlike),
        ] {
            assert_eq!(
                CanonicalPath::parse(target, &PathRules::default()),
                Err(rule),
                "{}",
                target.escape_ascii()
            );
        }
    }

    #[test]
    fn query_is_split_from_path_and_forwarded() {
        let plain = CanonicalPath::parse(b"/a?x=%zz&y=//..;\xff", &PathRules::default()).unwrap();
        assert_eq!((plain.as_str(), plain.rewritten(None)), ("/a", None));
        let encoded = CanonicalPath::parse(b"/%61?x=%zz", &PathRules::default()).unwrap();
        assert_eq!((encoded.as_str(), encoded.rewritten(None)), ("/a", Some(b"/a?x=%zz".to_vec())));
    }

    #[test]
    fn trailing_slash_adds_no_segment() {
        for (path, segments) in [("/", &[][..]), ("/a", &["a"]), ("/a/", &["a"]), ("/a/b", &["a", "b"])] {
            assert_eq!(
                CanonicalPath::parse(path.as_bytes(), &PathRules::default())
                    .unwrap()
                    .segments()
                    .collect::<Vec<_>>(),
                segments
            );
        }
    }
}
