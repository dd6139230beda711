//! Judges a server's answer to a request of the feed.

use std::fmt;

use crate::engine::config::feed::Feed;
use crate::engine::config::headers::SentHeaders;
use crate::engine::fetching::known::Known;
use crate::engine::fetching::redirect::Redirect;

/// A usable answer.
#[derive(Debug, Eq, PartialEq)]
pub enum Answer {
    /// The current content has not changed (RFC 9110 §15.4.5).
    Unchanged,
    /// The server sent new content. The content type does not matter, because file servers rarely know it; signatures
    /// decide.
    New {
        /// The entity tag of the content, for the next request (RFC 9110 §8.8.3).
        etag: Option<String>,
        /// The content type if it is not JSON: a clue if the content turns out to be unusable.
        label: Option<String>,
    },
}

/// Why an answer is unusable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BadAnswer {
    /// The server does not have the content yet. This is not a failure.
    NoneYet,
    /// The server says that nothing changed, but the request carried no entity tag.
    Unasked,
    /// The server still has the content that the gateway rejected.
    StillRefused,
    /// No answer: the cluster does not exist, there was no connection, a timeout, a reset, or the answer is longer than
    /// Envoy keeps.
    None,
    /// The status is neither 200 nor 304.
    Status {
        /// The status.
        status: String,
        /// Whether the request carried `feed.headers`.
        with_headers: bool,
    },
    /// The server redirects. The filter does not follow, because the authorization would go to another host.
    Redirected {
        /// The status.
        status: String,
        /// The target of the redirect.
        to: Redirect,
    },
    /// The content is compressed, although the request did not allow it.
    Encoding(String),
    /// The length of the body differs from `content-length`.
    Truncated {
        /// `content-length`.
        said: u64,
        /// Bytes received.
        came: usize,
    },
    /// The body is longer than the limit, in bytes.
    TooLong(usize),
}

/// The request that an answer belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The feed that it went to.
    pub feed: &'a Feed,
    /// Path of the request.
    pub path: &'a str,
    /// The entity tag that the request carried.
    pub known: &'a Known,
}

/// Judges an answer by its head and the length of its body.
///
/// The body is not read, so an unusable answer costs only its head.
///
/// # Errors
/// Fails if the answer is unusable. The current content then stays active.
pub fn answer<'h>(
    head: impl Iterator<Item = (&'h [u8], &'h [u8])>,
    length: usize,
    limit: usize,
    Asked { feed, path, known }: Asked<'_>,
) -> Result<Answer, BadAnswer> {
    let shown = |value| shown(value, &feed.headers);
    let (mut status, mut etag, mut kind, mut encoding, mut said) = (None, None, None, None, None);
    let mut location = None;
    for (name, value) in head {
        match name {
            b":status" => status = Some(value),
            b"etag" => etag = Some(value),
            b"content-type" => kind = Some(value),
            b"content-encoding" => encoding = Some(value),
            b"content-length" => said = Some(value),
            b"location" => location = Some(value),
            _ => {}
        }
    }
    match status {
        None => return Err(BadAnswer::None),
        Some(b"304") if known.tag().is_none() => return Err(BadAnswer::Unasked),
        Some(b"304") if known.is_refused() => return Err(BadAnswer::StillRefused),
        Some(b"304") => return Ok(Answer::Unchanged),
        Some(b"200") => {}
        Some(status @ (b"301" | b"302" | b"303" | b"307" | b"308")) => {
            let to = Redirect::of(location, feed, path);
            return Err(BadAnswer::Redirected { status: shown(status), to });
        }
        Some(status) => {
            let with_headers = !feed.headers.is_empty();
            return Err(BadAnswer::Status { status: shown(status), with_headers });
        }
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
    let label = kind.filter(|kind| !is_json(kind)).map(shown);
    Ok(Answer::New { etag, label })
}

/// Whether the type is `application/json` or `application/….+json` (RFC 6839 §3.1), without its parameters.
fn is_json(kind: &[u8]) -> bool {
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    kind == b"application/json" || (kind.starts_with(b"application/") && kind.ends_with(b"+json"))
}

/// Returns text from a server, shortened and escaped. Text that repeats the gateway's own authorization is masked.
fn shown(value: &[u8], headers: &SentHeaders) -> String {
    if headers.are_in(value) {
        return "…".to_owned();
    }
    value.get(..MAX_SHOWN).unwrap_or(value).escape_ascii().to_string()
}

impl BadAnswer {
    /// Returns the reason for content that never existed: its absence is then not a failure.
    #[must_use]
    pub fn of_the_first(self) -> Self {
        let is_missing = matches!(&self, Self::Status { status, .. } if status == "404");
        if is_missing { Self::NoneYet } else { self }
    }

    /// Whether this reason is worth logging in addition to the earlier ones.
    pub fn is_news(&self) -> bool {
        *self != Self::StillRefused
    }

    /// Whether this reason is a failure.
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
            Self::Status { status, with_headers } => {
                write!(f, "status {status}")?;
                advice(status, *with_headers).map_or(Ok(()), |advice| write!(f, ": {advice}"))
            }
            Self::Redirected { status, to } => write!(f, "status {status}: {to}"),
            Self::Encoding(encoding) => write!(
                f,
                "content encoding {encoding}: the filter reads uncompressed files only; publish the file without an \
                 encoding, and turn compression off at the server"
            ),
            Self::Truncated { said, came } => write!(f, "{came} of {said} bytes arrived"),
            Self::TooLong(length) => write!(f, "{length} bytes are more than the filter reads"),
        }
    }
}

/// Explains a status, and says what to do.
fn advice(status: &str, with_headers: bool) -> Option<&'static str> {
    Some(match (status, with_headers) {
        ("400" | "421", _) => {
            "check `feed.authority`, and use TLS in `feed.cluster` if the server requires it"
        }
        ("401", false) => "the server requires an authorization; set it in `feed.headers`",
        ("401", true) => "the server rejects the authorization in `feed.headers`; check or renew it",
        ("403", false) => {
            "the server refuses access; set an authorization in `feed.headers`, or check the path"
        }
        ("403", true) => {
            "the authorization in `feed.headers` does not permit to read the file; check it and the path"
        }
        ("404" | "410", false) => {
            "there is no such file, or the server hides it; check the path, or set an authorization in `feed.headers`"
        }
        ("404" | "410", true) => {
            "there is no such file, or the authorization in `feed.headers` does not permit to read it; check both"
        }
        ("407", _) => "a proxy requires an authorization; set `proxy-authorization` in `feed.headers`",
        ("429", _) => "the server limits requests; raise `feed.interval`",
        ("503", _) => "the server is not available, or `feed.cluster` has no healthy endpoint",
        ("504", _) => "the server did not answer in time",
        _ => return None,
    })
}

const MAX_ETAG: usize = 256;
const MAX_SHOWN: usize = 64;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::fetching::known::Lasting;
    use crate::engine::words::time::Time;

    fn judged(head: &[(&str, &str)], length: usize) -> Result<Answer, BadAnswer> {
        let head = head.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let mut known = Known::default();
        known.accepted(Some("\"4\"".to_owned()));
        answer(head, length, 100, asked(&feed(json!({})), &known))
    }

    fn feed(headers: Value) -> Feed {
        let key = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        serde_json::from_value(json!({
            "cluster": "bundles", "authority": "files.acme.test", "path": "/b.json", "keys": [key],
            "headers": headers,
        }))
        .unwrap()
    }

    fn asked<'a>(feed: &'a Feed, known: &'a Known) -> Asked<'a> {
        Asked { feed, path: &feed.path, known }
    }

    fn status(status: &str) -> BadAnswer {
        BadAnswer::Status { status: status.to_owned(), with_headers: false }
    }

    fn new(etag: Option<&str>, label: Option<&str>) -> Answer {
        Answer::New { etag: etag.map(str::to_owned), label: label.map(str::to_owned) }
    }

    #[test]
    fn answer_is_new_unchanged_or_unusable() {
        let json = ("content-type", "application/json; charset=utf-8");
        let ok = (":status", "200");
        for (head, length, expected) in [
            (&[][..], 0, Err(BadAnswer::None)),
            (&[(":status", "304")], 0, Ok(Answer::Unchanged)),
            (&[(":status", "503")], 9, Err(status("503"))),
            (&[(":status", "206"), json], 9, Err(status("206"))),
            (&[ok, json], 9, Ok(new(None, None))),
            (&[ok, ("content-type", "Application/DSSE+JSON")], 9, Ok(new(None, None))),
            (&[ok, json, ("etag", "W/\"5\"")], 9, Ok(new(Some("W/\"5\""), None))),
            (&[ok, json, ("etag", "\"a b\"")], 9, Ok(new(None, None))),
            (&[ok, json, ("content-length", "9")], 9, Ok(new(None, None))),
            (&[ok, json, ("content-length", "10")], 9, Err(BadAnswer::Truncated { said: 10, came: 9 })),
            (&[ok, json], 101, Err(BadAnswer::TooLong(101))),
            (&[ok, json, ("content-encoding", "Identity")], 9, Ok(new(None, None))),
            (&[ok, json, ("content-encoding", "gzip")], 9, Err(BadAnswer::Encoding("gzip".to_owned()))),
            (&[ok, ("content-type", "binary/octet-stream")], 9, Ok(new(None, Some("binary/octet-stream")))),
            (&[ok, ("content-type", "text/html\n")], 9, Ok(new(None, Some("text/html\\n")))),
            (&[ok], 9, Ok(new(None, None))),
        ] {
            assert_eq!(judged(head, length), expected, "{head:?}");
        }
    }

    #[test]
    fn unrequested_304_is_unusable() {
        let head: [(&[u8], &[u8]); 1] = [(b":status", b"304")];
        assert_eq!(
            answer(head.into_iter(), 0, 100, asked(&feed(json!({})), &Known::default())),
            Err(BadAnswer::Unasked)
        );
    }

    #[test]
    fn unchanged_rejected_content_is_a_failure() {
        let mut known = Known::default();
        known.refused(Some("\"4\"".to_owned()), Lasting::Yes, Time::EPOCH);
        let head: [(&[u8], &[u8]); 1] = [(b":status", b"304")];
        let bad = answer(head.into_iter(), 0, 100, asked(&feed(json!({})), &known)).unwrap_err();
        assert_eq!(bad, BadAnswer::StillRefused);
        assert!(bad.is_failure() && !bad.is_news());
    }

    #[test]
    fn first_content_may_be_missing_but_not_unreachable() {
        let first = |text: &str| status(text).of_the_first();
        assert_eq!(first("404"), BadAnswer::NoneYet);
        assert!(!first("404").is_failure() && first("403").is_failure() && first("503").is_failure());
    }

    #[test]
    fn status_says_what_to_do() {
        let said = |code: &str, headers: Value| {
            let head: [(&[u8], &[u8]); 1] = [(b":status", code.as_bytes())];
            let (feed, known) = (feed(headers), Known::default());
            answer(head.into_iter(), 0, 100, asked(&feed, &known)).unwrap_err().to_string()
        };
        let authorization = json!({ "authorization": "Bearer a-secret-of-the-gateway" });
        for (status, headers, expected) in [
            ("401", json!({}), "status 401: the server requires an authorization; set it in `feed.headers`"),
            (
                "401",
                authorization,
                "status 401: the server rejects the authorization in `feed.headers`; check or renew it",
            ),
            ("504", json!({}), "status 504: the server did not answer in time"),
            ("500", json!({}), "status 500"),
            (
                "307",
                json!({}),
                "status 307: the server redirects, and the filter does not follow; publish the file where the server \
                 sends it itself",
            ),
        ] {
            assert_eq!(said(status, headers), expected);
        }
    }

    #[test]
    fn repeated_authorization_is_masked() {
        let (feed, known) = (feed(json!({ "private-token": "a-secret-of-the-gateway" })), Known::default());
        let secret: &[u8] = b"x/a-secret-of-the-gateway";
        for (name, status) in
            [(&b":status"[..], secret), (b"content-encoding", b"200"), (b"content-type", b"200")]
        {
            let head = [(&b":status"[..], status), (name, secret)];
            let shown = format!("{:?}", answer(head.into_iter(), 1, 100, asked(&feed, &known)));
            assert!(shown.contains('…') && !shown.contains("a-secret"), "{shown}");
        }
        assert!(!format!("{feed:?}").contains("a-secret"), "{feed:?}");
    }

    #[test]
    fn non_text_bytes_are_escaped() {
        let head: [(&[u8], &[u8]); 2] = [(b":status", b"200"), (b"content-encoding", b"\xFF\x1B[31m")];
        let (feed, known) = (feed(json!({})), Known::default());
        let bad = answer(head.into_iter(), 1, 100, asked(&feed, &known)).unwrap_err();
        assert_eq!(bad, BadAnswer::Encoding("\\xff\\x1b[31m".to_owned()));
    }
}
