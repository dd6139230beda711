//! Credentials: finds the token that a request presents.
//!
//! In: the sources that a gateway accepts, and a request's headers and query. Out: a [`Credential`], and the headers,
//! cookies and query without it. A request with more than one credential is ambiguous, because programs differ in
//! which one they use.

use std::borrow::Cow;

use crate::engine::config::credentials::{CredentialSource, Intent};
use crate::engine::request::credential::part::part;

pub(crate) mod part;

/// The credential of a request.
pub enum Credential<'a> {
    /// The request has none.
    Missing,
    /// The request has one. Its bytes are not yet checked to be a secret. [`Intent`] says who may have added it.
    Presented(Cow<'a, [u8]>, Intent),
    /// The request has one value with a comma: either a secret with a comma, or several values that a proxy joined
    /// (RFC 9110 §5.3). It counts as a secret only as a whole, and only if a token has it.
    Joined(Cow<'a, [u8]>, Intent),
    /// The request has more than one.
    Ambiguous,
}

/// Never shows the credential.
impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "Missing",
            Self::Presented(..) => "Presented(…)",
            Self::Joined(..) => "Joined(…)",
            Self::Ambiguous => "Ambiguous",
        })
    }
}

/// Finds the credential of one request.
pub(crate) struct Finder<'a, 's> {
    sources: &'s [CredentialSource],
    /// Sources whose header was already read, as bits.
    read: u32,
    pub(crate) credential: Credential<'a>,
}

impl<'a, 's> Finder<'a, 's> {
    pub(crate) fn new(sources: &'s [CredentialSource]) -> Self {
        Self { sources, read: 0, credential: Credential::Missing }
    }

    /// Reads a header; returns whether it has a credential.
    pub(crate) fn header(&mut self, name: &[u8], value: &'a [u8]) -> bool {
        let sources = self.sources;
        let mut ours = (0_u32..).zip(sources).filter_map(|(number, source)| match source {
            CredentialSource::Header { name: known, scheme, part } if known.as_bytes() == name => {
                Some((number, (source, scheme, *part)))
            }
            CredentialSource::Header { .. } | CredentialSource::Query(_) | CredentialSource::Cookie(_) => {
                None
            }
        });
        let Some((first, _)) = ours.clone().next() else { return false };
        // RFC 9110 §5.3 forbids repeating a header that has a single value. Programs differ in which of two they use.
        let bit = 1_u32.checked_shl(first).unwrap_or_default();
        if self.read & bit != 0 || value.contains(&b'\t') {
            self.credential = Credential::Ambiguous;
            return true;
        }
        self.read |= bit;
        let presented = ours.find_map(|(_, (source, scheme, which))| {
            Some((part(value.trim_ascii(), scheme.as_deref(), which)?, source.intent()))
        });
        match (presented, value.contains(&b',')) {
            (Some((secret, intent)), false) => self.present(Credential::Presented(secret, intent)),
            (Some((secret, intent)), true) => self.present(Credential::Joined(secret, intent)),
            (None, true) => self.credential = Credential::Ambiguous,
            (None, false) => return false,
        }
        true
    }

    /// Reads a `cookie` header. If it has a credential, returns the rest of the header (RFC 6265 §5.4).
    pub(crate) fn cookie(&mut self, value: &'a [u8]) -> Option<Vec<u8>> {
        let sources = self.sources;
        let is_ours = |name: &[u8]| {
            sources
                .iter()
                .any(|source| matches!(source, CredentialSource::Cookie(known) if known.as_bytes() == name))
        };
        let mut rest: Vec<&[u8]> = Vec::new();
        let mut found = false;
        for crumb in value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
            match cut(crumb, b'=') {
                (name, Some(secret)) if is_ours(name.trim_ascii()) => {
                    found = true;
                    let secret = Cow::Borrowed(secret.trim_ascii());
                    // A comma may end a cookie (RFC 2109 §4.2.2).
                    self.present(match secret.contains(&b',') {
                        true => Credential::Ambiguous,
                        false => Credential::Presented(secret, Intent::Browser),
                    });
                }
                _ => rest.push(crumb),
            }
        }
        found.then(|| rest.join(&b"; "[..]))
    }

    /// Reads a query, including `?`. If it has a credential, returns the rest of the query.
    pub(crate) fn query(&mut self, query: &'a [u8]) -> Option<Vec<u8>> {
        let sources = self.sources;
        let is_ours = |name: &[u8]| {
            sources
                .iter()
                .any(|source| matches!(source, CredentialSource::Query(known) if known.as_bytes() == name))
        };
        let parameters = query.strip_prefix(b"?")?;
        let mut rest: Vec<&[u8]> = Vec::new();
        let mut found = false;
        for parameter in parameters.split(|byte| *byte == b'&') {
            let (name, secret) = cut(parameter, b'=');
            if is_ours(&decoded(name)) {
                found = true;
                let secret = secret.unwrap_or_default();
                // For some programs a `;` ends a parameter (HTML 4.01, B.2.2).
                self.present(match secret.contains(&b';') {
                    true => Credential::Ambiguous,
                    false => Credential::Presented(decoded(secret), Intent::Page),
                });
            } else {
                rest.push(parameter);
            }
        }
        let left = || if rest.is_empty() { Vec::new() } else { [b"?", &*rest.join(&b'&')].concat() };
        found.then(left)
    }

    fn present(&mut self, found: Credential<'a>) {
        self.credential = match self.credential {
            Credential::Missing => found,
            Credential::Presented(..) | Credential::Joined(..) | Credential::Ambiguous => {
                Credential::Ambiguous
            }
        };
    }
}

/// The bytes before and after the first `at`.
fn cut(bytes: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    let end = bytes.iter().position(|byte| *byte == at).unwrap_or(bytes.len());
    let (before, after) = bytes.split_at_checked(end).unwrap_or((bytes, b""));
    (before, after.split_first().map(|(_, rest)| rest))
}

/// Decodes each `%XX` (RFC 3986 §2.1). Other bytes, including malformed escapes, are unchanged.
pub(crate) fn decoded(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        let escape = (*byte == b'%').then(|| after.split_at_checked(2)).flatten();
        match (escape.and_then(|(digits, _)| byte_of(digits)), escape) {
            (Some(value), Some((_, behind))) => {
                decoded.push(value);
                rest = behind;
            }
            _ => {
                decoded.push(*byte);
                rest = after;
            }
        }
    }
    Cow::Owned(decoded)
}

/// The byte for two hex digits. `+1` is invalid, although `from_str_radix` accepts it.
pub(crate) fn byte_of(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0_u8, |byte, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        u8::try_from(u32::from(byte).checked_shl(4)? | digit).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Vec<CredentialSource> {
        serde_json::from_str(
            r#"[{"header": "authorization", "scheme": "Bearer"}, {"header": "authorization", "scheme": "Token"},
                {"header": "x-api-key"}, {"query": "access_token"}, {"cookie": "token"}]"#,
        )
        .unwrap()
    }

    fn shown(credential: &Credential<'_>) -> String {
        match credential {
            Credential::Presented(secret, _) => secret.escape_ascii().to_string(),
            Credential::Joined(secret, _) => format!("joined {}", secret.escape_ascii()),
            Credential::Missing => "missing".to_owned(),
            Credential::Ambiguous => "ambiguous".to_owned(),
        }
    }

    #[test]
    fn a_credential_comes_in_a_header() {
        for (headers, credential) in [
            (&[("authorization", "Bearer abc")][..], "abc"),
            (&[("authorization", "bearer abc")], "abc"),
            (&[("authorization", "BEARER   abc ")], "abc"),
            (&[("authorization", "Token abc")], "abc"),
            (&[("authorization", "Bearer")], ""),
            (&[("authorization", "Bearer a b")], "a b"),
            (&[("authorization", "Bearerabc")], "missing"),
            (&[("authorization", "Basic abc")], "missing"),
            (&[("authorization", "")], "missing"),
            (&[("x-api-key", " abc ")], "abc"),
            (&[("x-api-key", "")], ""),
            (&[("x-api-key", "a,b")], "joined a,b"),
            (&[("x-api-key", "a,b"), ("x-api-key", "a,b")], "ambiguous"),
            (&[("x-api-key", "a,b"), ("authorization", "Bearer a")], "ambiguous"),
            (&[("authorization", "Bearer a"), ("x-api-key", "a,b")], "ambiguous"),
            (&[("authorization", "Basic a,b")], "ambiguous"),
            (&[("x-api-key", "a"), ("x-api-key", "a")], "ambiguous"),
            (&[("authorization", "Basic abc"), ("x-api-key", "abc")], "abc"),
            (&[("authorization", "Bearer abc"), ("x-api-key", "abc")], "ambiguous"),
            (&[("authorization", "Bearer a,Bearer b")], "joined a,Bearer b"),
            (&[("authorization", "Bearer\ta")], "ambiguous"),
            (&[("authorization", "Bearer a"), ("authorization", "Bearer a")], "ambiguous"),
            (&[("authorization", "Bearer a"), ("authorization", "Basic a")], "ambiguous"),
            (&[("authorization", "Basic a"), ("authorization", "Bearer a")], "ambiguous"),
            (&[("authorization", ""), ("authorization", "Bearer a")], "ambiguous"),
        ] {
            let sources = sources();
            let mut finder = Finder::new(&sources);
            for (name, value) in headers {
                finder.header(name.as_bytes(), value.as_bytes());
            }
            assert_eq!(shown(&finder.credential), credential, "{headers:?}");
        }
    }

    #[test]
    fn cookie_credential_is_removed() {
        for (cookie, credential, rest) in [
            ("token=abc", "abc", Some("")),
            ("a=1; token=abc; b=2", "abc", Some("a=1; b=2")),
            ("a=1;token = abc ;b=2", "abc", Some("a=1; b=2")),
            ("token=a=b==", "a=b==", Some("")),
            ("token=", "", Some("")),
            ("token", "missing", None),
            ("Token=abc; xtoken=abc", "missing", None),
            ("token=abc; token=abc", "ambiguous", Some("")),
            ("token=7|a:b%7C", "7|a:b%7C", Some("")),
            ("token=abc,token=abc", "ambiguous", Some("")),
        ] {
            let sources = sources();
            let mut finder = Finder::new(&sources);
            let left = finder.cookie(cookie.as_bytes());
            assert_eq!(left.as_deref(), rest.map(str::as_bytes), "{cookie}");
            assert_eq!(shown(&finder.credential), credential, "{cookie}");
        }
    }

    #[test]
    fn query_credential_is_removed() {
        for (query, credential, rest) in [
            ("?access_token=abc", "abc", Some("")),
            ("?a=1&access_token=abc&b=2", "abc", Some("?a=1&b=2")),
            ("?access%5ftoken=a%2Bb+c%zz", "a+b+c%zz", Some("")),
            ("?access_token=a%+1%4", "a%+1%4", Some("")),
            ("?access_token=7%7Ca", "7|a", Some("")),
            ("?access_token=7%257Ca", "7%7Ca", Some("")),
            ("?access_token=7|a,b", "7|a,b", Some("")),
            ("?access_token=a%3Bb", "a;b", Some("")),
            ("?access_token=a;b", "ambiguous", Some("")),
            ("?access_token", "", Some("")),
            ("?a=access_token=abc", "missing", None),
            ("?Access_token=abc", "missing", None),
            ("?access_token=a&access%5Ftoken=b&c", "ambiguous", Some("?c")),
            ("", "missing", None),
        ] {
            let sources = sources();
            let mut finder = Finder::new(&sources);
            let left = finder.query(query.as_bytes());
            assert_eq!(left.as_deref(), rest.map(str::as_bytes), "{query}");
            assert_eq!(shown(&finder.credential), credential, "{query}");
        }
    }

    #[test]
    fn invalid_source_is_rejected() {
        for source in [
            "{}",
            r#"{"header": "Authorization"}"#,
            r#"{"header": ":path"}"#,
            r#"{"header": "cookie"}"#,
            r#"{"header": "x-api-key", "scheme": "Api Key"}"#,
            r#"{"header": "x-api-key", "query": "key"}"#,
            r#"{"query": "key", "scheme": "Bearer"}"#,
            r#"{"query": "a b"}"#,
            r#"{"cookie": "a=b"}"#,
            r#"["authorization"]"#,
            r#"{"header": "authorization", "scheme": "Bearer", "part": "password"}"#,
            r#"{"header": "authorization", "scheme": "Basic", "part": "after_bar"}"#,
            r#"{"header": "x-api-key", "part": "user"}"#,
            r#"{"header": "x-api-key", "part": "whole"}"#,
            r#"{"query": "key", "part": "after_bar"}"#,
        ] {
            assert!(serde_json::from_str::<CredentialSource>(source).is_err(), "{source}");
        }
    }
}
