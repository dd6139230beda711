//! What a server's answer says about what was asked for.

use std::fmt;

use crate::engine::fetching::known::Known;

/// An answer that can be used.
#[derive(Debug, Eq, PartialEq)]
pub enum Answer {
    /// What is there already is still so (RFC 9110 §15.4.5).
    Unchanged,
    /// There is something new; its body is read with `read`.
    New {
        /// Its entity tag, to ask by the next time (RFC 9110 §8.8.3).
        etag: Option<String>,
    },
}

/// Why an answer cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BadAnswer {
    /// There is none yet, and that is no failure.
    NoneYet,
    /// It says that nothing changed, and nothing was there that could have.
    Unasked,
    /// It says that what was refused is still there.
    StillRefused,
    /// There was none: no such cluster, no connection, a time-out, a reset; one that is longer than Envoy keeps.
    None,
    /// Its status is neither 200 nor 304.
    Status(String),
    /// It is not JSON by its own account.
    ContentType(String),
    /// It is compressed, though that was not asked for.
    Encoding(String),
    /// Its body has another length than it says.
    Truncated {
        /// `content-length`.
        said: u64,
        /// Bytes that came.
        came: usize,
    },
    /// Its body is longer than what is read.
    TooLong(usize),
}

/// Judges the head of an answer, and how long its body is; `known` has the entity tag that it was asked by.
///
/// The body is not looked at, so an answer that is of no use costs nothing but its head.
///
/// # Errors
/// Why the answer cannot be used; what was there before stays in force.
pub fn answer<'h>(
    head: impl Iterator<Item = (&'h [u8], &'h [u8])>,
    length: usize,
    limit: usize,
    known: &Known,
) -> Result<Answer, BadAnswer> {
    let (mut status, mut etag, mut kind, mut encoding, mut said) = (None, None, None, None, None);
    for (name, value) in head {
        match name {
            b":status" => status = Some(value),
            b"etag" => etag = Some(value),
            b"content-type" => kind = Some(value),
            b"content-encoding" => encoding = Some(value),
            b"content-length" => said = Some(value),
            _ => {}
        }
    }
    match status {
        None => return Err(BadAnswer::None),
        Some(b"304") if known.tag().is_none() => return Err(BadAnswer::Unasked),
        Some(b"304") if known.is_refused() => return Err(BadAnswer::StillRefused),
        Some(b"304") => return Ok(Answer::Unchanged),
        Some(b"200") => {}
        Some(status) => return Err(BadAnswer::Status(shown(status))),
    }
    if !kind.is_some_and(is_json) {
        return Err(BadAnswer::ContentType(shown(kind.unwrap_or(b"none"))));
    }
    if let Some(encoding) = encoding.filter(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err(BadAnswer::Encoding(shown(encoding)));
    }
    if length > limit {
        return Err(BadAnswer::TooLong(length));
    }
    let said = said.and_then(|said| std::str::from_utf8(said).ok()?.parse::<u64>().ok());
    if let Some(said) = said.filter(|said| u64::try_from(length) != Ok(*said)) {
        return Err(BadAnswer::Truncated { said, came: length });
    }
    let is_tag = |tag: &&[u8]| tag.len() <= MAX_ETAG && tag.iter().all(|byte| byte.is_ascii_graphic());
    let etag = etag.filter(is_tag).map(|tag| String::from_utf8_lossy(tag).into_owned());
    Ok(Answer::New { etag })
}

/// `application/json` or `application/….+json` (RFC 6839 §3.1), parameters aside.
fn is_json(kind: &[u8]) -> bool {
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    kind == b"application/json" || (kind.starts_with(b"application/") && kind.ends_with(b"+json"))
}

fn shown(value: &[u8]) -> String {
    value.get(..MAX_SHOWN).unwrap_or(value).escape_ascii().to_string()
}

impl BadAnswer {
    /// The same, where nothing was ever there: that there still is nothing.
    #[must_use]
    pub fn of_the_first(self) -> Self {
        let is_missing = matches!(&self, Self::Status(status) if status == "404");
        if is_missing { Self::NoneYet } else { self }
    }

    /// Whether it says more than the answers before it.
    pub fn is_news(&self) -> bool {
        *self != Self::StillRefused
    }

    /// Whether something failed.
    pub fn is_failure(&self) -> bool {
        *self != Self::NoneYet
    }
}

impl fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoneYet => f.write_str("status 404: not published yet"),
            Self::Unasked => f.write_str("status 304 to an unconditional request"),
            Self::StillRefused => f.write_str("status 304: the server still has the refused content"),
            Self::None => {
                f.write_str("no answer: the cluster does not exist, cannot connect or does not answer in time, or the answer exceeds 32 MiB")
            }
            Self::Status(status) => write!(f, "status {status}"),
            Self::ContentType(kind) => write!(f, "content type {kind}, not application/json"),
            Self::Encoding(encoding) => {
                write!(f, "unrequested content encoding {encoding}")
            }
            Self::Truncated { said, came } => write!(f, "{came} of {said} bytes arrived"),
            Self::TooLong(length) => write!(f, "{length} bytes are more than the filter reads"),
        }
    }
}

const MAX_ETAG: usize = 256;
const MAX_SHOWN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fetching::known::Lasting;
    use crate::engine::words::time::Time;

    fn judged(head: &[(&str, &str)], length: usize) -> Result<Answer, BadAnswer> {
        let head = head.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let mut known = Known::default();
        known.accepted(Some("\"4\"".to_owned()));
        answer(head, length, 100, &known)
    }

    #[test]
    fn an_answer_is_new_unchanged_or_of_no_use() {
        let json = ("content-type", "application/json; charset=utf-8");
        let ok = (":status", "200");
        for (head, length, expected) in [
            (&[][..], 0, Err(BadAnswer::None)),
            (&[(":status", "304")], 0, Ok(Answer::Unchanged)),
            (&[(":status", "503")], 9, Err(BadAnswer::Status("503".to_owned()))),
            (&[(":status", "206"), json], 9, Err(BadAnswer::Status("206".to_owned()))),
            (&[ok, json], 9, Ok(Answer::New { etag: None })),
            (&[ok, ("content-type", "Application/DSSE+JSON")], 9, Ok(Answer::New { etag: None })),
            (&[ok, json, ("etag", "W/\"5\"")], 9, Ok(Answer::New { etag: Some("W/\"5\"".to_owned()) })),
            (&[ok, json, ("etag", "\"a b\"")], 9, Ok(Answer::New { etag: None })),
            (&[ok, json, ("content-length", "9")], 9, Ok(Answer::New { etag: None })),
            (&[ok, json, ("content-length", "10")], 9, Err(BadAnswer::Truncated { said: 10, came: 9 })),
            (&[ok, json], 101, Err(BadAnswer::TooLong(101))),
            (&[ok, json, ("content-encoding", "Identity")], 9, Ok(Answer::New { etag: None })),
            (&[ok, json, ("content-encoding", "gzip")], 9, Err(BadAnswer::Encoding("gzip".to_owned()))),
            (&[ok, ("content-type", "text/html")], 9, Err(BadAnswer::ContentType("text/html".to_owned()))),
            (
                &[ok, ("content-type", "text/json\n")],
                9,
                Err(BadAnswer::ContentType("text/json\\n".to_owned())),
            ),
            (&[ok], 9, Err(BadAnswer::ContentType("none".to_owned()))),
        ] {
            assert_eq!(judged(head, length), expected, "{head:?}");
        }
    }

    #[test]
    fn nothing_is_unchanged_to_whom_has_nothing() {
        let head: [(&[u8], &[u8]); 1] = [(b":status", b"304")];
        assert_eq!(answer(head.into_iter(), 0, 100, &Known::default()), Err(BadAnswer::Unasked));
    }

    #[test]
    fn what_was_refused_and_is_still_there_is_a_failure() {
        let mut known = Known::default();
        known.refused(Some("\"4\"".to_owned()), Lasting::Yes, Time::EPOCH);
        let head: [(&[u8], &[u8]); 1] = [(b":status", b"304")];
        let bad = answer(head.into_iter(), 0, 100, &known).unwrap_err();
        assert_eq!(bad, BadAnswer::StillRefused);
        assert!(bad.is_failure() && !bad.is_news());
    }

    #[test]
    fn what_was_never_there_may_be_missing_but_not_out_of_reach() {
        let first = |status: &str| BadAnswer::Status(status.to_owned()).of_the_first();
        assert_eq!(first("404"), BadAnswer::NoneYet);
        assert!(!first("404").is_failure() && first("403").is_failure() && first("503").is_failure());
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_and_shown_escaped() {
        let head: [(&[u8], &[u8]); 2] = [(b":status", b"200"), (b"content-type", b"\xFF\x1B[31m")];
        let bad = answer(head.into_iter(), 1, 100, &Known::default()).unwrap_err();
        assert_eq!(bad.to_string(), "content type \\xff\\x1b[31m, not application/json");
    }
}
