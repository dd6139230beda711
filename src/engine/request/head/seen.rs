//! Finds what a request without a credential may have meant as one.
//!
//! In: a request's headers and query. Out: a [`Seen`], a name from a fixed list, without any bytes of the request. It
//! shows the operator whether a caller has no key, or sends its key in the wrong place.

use serde::Serialize;

use crate::engine::request::credential::decoded;

/// Where a request may have a credential that the gateway does not accept there.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(with = "String", extend("enum" = Seen::all()))
)]
#[serde(transparent)]
pub struct Seen(&'static str);

impl Seen {
    /// The name.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// The first candidate in a request: `authorization` before other headers, headers before query and cookie.
    #[cold]
    pub(super) fn of<'a>(
        headers: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
        query: &[u8],
    ) -> Option<Self> {
        let authorization = headers.clone().find(|(name, _)| *name == b"authorization");
        if let Some((_, value)) = authorization {
            return Some(Self(scheme(value.trim_ascii())));
        }
        let by_header = headers.clone().find_map(|(name, _)| find(&HEADERS, name));
        let parameters = query.strip_prefix(b"?").unwrap_or(query).split(|byte| *byte == b'&');
        let by_query = || parameters.map(name).find_map(|name| find(&QUERY, &decoded(name)));
        let cookies = headers.filter(|(name, _)| *name == b"cookie");
        let crumbs = cookies.flat_map(|(_, value)| value.split(|byte| *byte == b';'));
        let by_cookie = || crumbs.map(name).find_map(|name| find(&COOKIES, name.trim_ascii()));
        by_header.or_else(by_query).or_else(by_cookie).map(Self)
    }

    /// All names.
    #[cfg(not(target_arch = "wasm32"))]
    fn all() -> Vec<&'static str> {
        let schemes = SCHEMES.iter().chain(&[EMPTY, OTHER_SCHEME, NO_SCHEME]);
        schemes.chain(&HEADERS).chain(&QUERY).chain(&COOKIES).copied().collect()
    }
}

/// Classifies an `authorization` header by its start.
fn scheme(value: &[u8]) -> &'static str {
    let mut words = value.split(|byte| *byte == b' ');
    let first = words.next().unwrap_or_default();
    let known = SCHEMES.iter().find(|seen| first.eq_ignore_ascii_case(name_of(seen)));
    match known {
        Some(seen) => seen,
        None if value.is_empty() => EMPTY,
        None if words.next().is_some() => OTHER_SCHEME,
        None => NO_SCHEME,
    }
}

/// Finds the name in a sorted list.
fn find(list: &'static [&'static str], name: &[u8]) -> Option<&'static str> {
    let at = list.binary_search_by(|seen| name_of(seen).cmp(name)).ok()?;
    list.get(at).copied()
}

/// The part after the `/`.
fn name_of(seen: &str) -> &[u8] {
    seen.split_once('/').map_or(seen, |(_, name)| name).as_bytes()
}

/// The name of a parameter or a cookie.
fn name(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').next().unwrap_or_default()
}

const EMPTY: &str = "authorization/empty";
/// A single word without a scheme: the credential itself.
const NO_SCHEME: &str = "authorization/no_scheme";
const OTHER_SCHEME: &str = "authorization/other_scheme";

const SCHEMES: [&str; 16] = [
    "authorization/api-key",
    "authorization/apikey",
    "authorization/aws4-hmac-sha256",
    "authorization/basic",
    "authorization/bearer",
    "authorization/bot",
    "authorization/digest",
    "authorization/dpop",
    "authorization/gnap",
    "authorization/hawk",
    "authorization/hmac",
    "authorization/jwt",
    "authorization/key",
    "authorization/negotiate",
    "authorization/ntlm",
    "authorization/token",
];

const HEADERS: [&str; 24] = [
    "header/api-key",
    "header/api-token",
    "header/apikey",
    "header/auth-token",
    "header/deploy-token",
    "header/job-token",
    "header/ocp-apim-subscription-key",
    "header/private-token",
    "header/proxy-authorization",
    "header/token",
    "header/x-access-token",
    "header/x-amz-security-token",
    "header/x-api-key",
    "header/x-api-token",
    "header/x-apikey",
    "header/x-auth-key",
    "header/x-auth-token",
    "header/x-authorization",
    "header/x-functions-key",
    "header/x-goog-api-key",
    "header/x-key",
    "header/x-rapidapi-key",
    "header/x-token",
    "header/x-vault-token",
];

const QUERY: [&str; 10] = [
    "query/access_token",
    "query/api-key",
    "query/apiKey",
    "query/api_key",
    "query/api_token",
    "query/apikey",
    "query/auth_token",
    "query/key",
    "query/subscription-key",
    "query/token",
];

const COOKIES: [&str; 5] =
    ["cookie/access_token", "cookie/api_key", "cookie/auth_token", "cookie/jwt", "cookie/token"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_name_of_the_list_is_seen() {
        for (headers, query, seen) in [
            (&[][..], "", None),
            (&[("authorization", "")], "", Some("authorization/empty")),
            (&[("authorization", "bAsIc YTpi")], "", Some("authorization/basic")),
            (&[("authorization", "Token")], "", Some("authorization/token")),
            (&[("authorization", "Acme-Key abc")], "", Some("authorization/other_scheme")),
            (&[("authorization", "acme_svc_0123456789")], "", Some("authorization/no_scheme")),
            (&[("authorization", "Basic\tYTpi")], "", Some("authorization/no_scheme")),
            (&[("x-api-key", "a"), ("authorization", "Basic YTpi")], "", Some("authorization/basic")),
            (&[("cookie", "token=a"), ("x-api-key", "a")], "?key=a", Some("header/x-api-key")),
            (&[("cookie", "token=a")], "?a=1&api%5Fkey=a", Some("query/api_key")),
            (&[("cookie", "a=1; jwt=b"), ("x-other", "a")], "?keys=a", Some("cookie/jwt")),
            (&[("x-api-keys", "a"), ("cookie", "tokens=token")], "?a=key=b", None),
        ] {
            let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            assert_eq!(Seen::of(headers, query.as_bytes()).map(Seen::as_str), seen, "{query}");
        }
    }

    #[test]
    fn names_are_short_and_unique() {
        assert!(Seen::all().iter().all(|seen| seen.len() <= 32));
        assert!(HEADERS.is_sorted() && QUERY.is_sorted() && COOKIES.is_sorted());
        let mut all = Seen::all();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
