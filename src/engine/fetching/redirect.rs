//! The target of a redirect, in a form that is safe to log: without the query, the user and possible secrets.

use std::fmt;

use crate::engine::config::feed::Feed;
use crate::engine::words::secret::discreet;

/// The target of a server's redirect (RFC 9110 §10.2.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Redirect {
    /// The same URL over TLS.
    ToTls,
    /// Another URL, with possible secrets removed.
    To {
        /// Host and path.
        place: String,
        /// Whether a query or a user was removed.
        is_cut: bool,
    },
    /// The target is unknown or cannot be shown.
    Unknown,
}

/// A parsed URI reference (RFC 3986 §4).
struct Target<'a> {
    is_tls: bool,
    user: Option<&'a str>,
    authority: &'a str,
    path: String,
    query: Option<&'a str>,
}

impl Redirect {
    /// Parses the `location` of an answer to a request for `path`.
    pub(super) fn of(location: Option<&[u8]>, feed: &Feed, path: &str) -> Self {
        let is_clean = |location: &&[u8]| {
            location.len() <= MAX_LOCATION
                && location.iter().all(u8::is_ascii_graphic)
                && !feed.headers.are_in(location)
        };
        let location = location.filter(is_clean).and_then(|location| std::str::from_utf8(location).ok());
        let Some(target) = location.and_then(|location| Target::of(location, feed, path)) else {
            return Self::Unknown;
        };
        if target.is_tls && target.is_at(&feed.authority, path) {
            return Self::ToTls;
        }
        let is_cut = target.query.is_some() || target.user.is_some();
        Self::To { place: shown(target.authority, &target.path), is_cut }
    }
}

impl<'a> Target<'a> {
    fn of(location: &'a str, feed: &'a Feed, asked: &str) -> Option<Self> {
        let location = location.split('#').next().unwrap_or_default();
        let (place, query) = split(location, '?');
        let (scheme, rest) = match place.split_once("//") {
            Some((scheme, rest)) if scheme.is_empty() || scheme.ends_with(':') => (scheme, Some(rest)),
            _ => ("", None),
        };
        let is_tls = scheme.eq_ignore_ascii_case("https:");
        if !is_tls && !scheme.is_empty() && !scheme.eq_ignore_ascii_case("http:") {
            return None;
        }
        let Some(rest) = rest else {
            let path = if place.starts_with('/') { place.to_owned() } else { beside(place, asked)? };
            return Some(Self { is_tls, user: None, authority: &feed.authority, path, query });
        };
        let (authority, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len()))?;
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        Some(Self { is_tls, user, authority, path: path.to_owned(), query })
    }

    fn is_at(&self, authority: &str, path: &str) -> bool {
        let host = |authority: &str| {
            let host = authority.strip_suffix(":443").or_else(|| authority.strip_suffix(":80"));
            host.unwrap_or(authority).to_ascii_lowercase()
        };
        let same_path = (self.path.as_str(), self.query) == split(path, '?');
        same_path && self.user.is_none() && host(self.authority) == host(authority)
    }
}

/// Resolves a relative reference against the path that was requested.
fn beside(place: &str, asked: &str) -> Option<String> {
    let (asked, _) = split(asked, '?');
    let (folder, _) = asked.rsplit_once('/')?;
    (!place.contains(':')).then(|| format!("{folder}/{place}"))
}

fn split(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// Returns host and path, without segments that may be secrets.
fn shown(authority: &str, path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        let is_plain = segment.len() <= MAX_SEGMENT && !segment.contains('=') && discreet(segment) == segment;
        if is_plain { segment } else { "…" }
    });
    let place = format!("{authority}{}", segments.collect::<Vec<_>>().join("/"));
    let mut shown: String = place.chars().take(MAX_PLACE).collect();
    if shown.len() < place.len() {
        shown.push('…');
    }
    shown
}

/// Says what happened and what to do.
impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ToTls => f.write_str("the server redirects to https; use TLS in `feed.cluster`"),
            Self::To { place, is_cut: false } => write!(
                f,
                "the server redirects to `{place}`, and the filter does not follow; set `feed.cluster`, \
                 `feed.authority` and the path to that place"
            ),
            Self::To { place, is_cut: true } => write!(
                f,
                "the server redirects to `{place}` with more that is not shown and may be a signature, and the filter \
                 does not follow; publish the file where the server sends it itself"
            ),
            Self::Unknown => f.write_str(
                "the server redirects, and the filter does not follow; publish the file where the server sends it itself",
            ),
        }
    }
}

/// Maximum length of a `location` that is read.
const MAX_LOCATION: usize = 4_096;
/// Maximum length of a path segment that is shown. Longer segments are rarely names.
const MAX_SEGMENT: usize = 40;
/// Maximum number of characters of a target that are shown.
const MAX_PLACE: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    fn feed() -> Feed {
        let key = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        serde_json::from_value(serde_json::json!({
            "cluster": "bundles", "authority": "files.acme.test", "path": "/a/bundle.json", "keys": [key],
            "headers": { "authorization": "Bearer a-secret-of-the-gateway" },
        }))
        .unwrap()
    }

    #[test]
    fn redirect_shows_place_without_secrets() {
        let to = |place: &str, is_cut| Redirect::To { place: place.to_owned(), is_cut };
        for (location, expected) in [
            ("https://files.acme.test/a/bundle.json", Redirect::ToTls),
            ("https://FILES.acme.test:443/a/bundle.json", Redirect::ToTls),
            ("//cdn.acme.test/b.json#x", to("cdn.acme.test/b.json", false)),
            ("http://files.acme.test/a/bundle.json", to("files.acme.test/a/bundle.json", false)),
            ("/login", to("files.acme.test/login", false)),
            ("other.json", to("files.acme.test/a/other.json", false)),
            ("https://s3.test/b.json?X-Amz-Signature=abc", to("s3.test/b.json", true)),
            ("https://files.acme.test/a/bundle.json?sig=1", to("files.acme.test/a/bundle.json", true)),
            ("https://user:secret@s3.test/b.json", to("s3.test/b.json", true)),
            ("https://cdn.test/hmac=0b0b/b.json", to("cdn.test/…/b.json", false)),
            ("https://cdn.test/0123456789abcdefghij0123/b.json", to("cdn.test/…/b.json", false)),
            ("https://cdn.test/?back=a-secret-of-the-gateway", Redirect::Unknown),
            ("https://cdn.test/a-secret-of-the-gateway/b", Redirect::Unknown),
            ("ftp://cdn.test/b.json", Redirect::Unknown),
            ("mailto:a", Redirect::Unknown),
            ("https://cdn.test/a b", Redirect::Unknown),
        ] {
            let redirect = Redirect::of(Some(location.as_bytes()), &feed(), "/a/bundle.json");
            assert_eq!(redirect, expected, "{location}");
        }
        assert_eq!(Redirect::of(None, &feed(), "/a"), Redirect::Unknown);
    }

    #[test]
    fn long_place_is_cut() {
        let location = format!("https://cdn.test/{}", "abc/".repeat(100));
        let Redirect::To { place, .. } = Redirect::of(Some(location.as_bytes()), &feed(), "/a") else {
            panic!()
        };
        assert_eq!((place.chars().count(), place.ends_with('…')), (MAX_PLACE + 1, true));
        let location = format!("https://cdn.test/{}", "a".repeat(MAX_LOCATION));
        assert_eq!(Redirect::of(Some(location.as_bytes()), &feed(), "/a"), Redirect::Unknown);
    }
}
