//! The head of a request, read once, as bytes.
//!
//! In: the request's headers in their order. Out: a [`RequestHead`] with everything that a decision, a
//! verdict and an audit event need. Nothing here can fail or panic: what cannot be read is kept as such.

use std::borrow::Cow;

use crate::engine::credential::{Credential, CredentialSource, Finder};
use crate::engine::head::connection::Connection;
use crate::engine::host::{BadHost, Host};
use crate::engine::path::{BadPath, CanonicalPath};
use crate::engine::pattern::is_method;
use crate::engine::settings::{Mode, Preflight, Settings};

mod connection;

/// What is read from a request's headers.
pub struct RequestHead<'a> {
    /// `:method`.
    pub method: &'a [u8],
    /// `:authority` as it came in.
    pub authority: &'a [u8],
    /// The host in `:authority`, in its one reading.
    pub host: Result<Host<'a>, BadHost>,
    /// `:path` as it came in; for the audit of a path that has no reading.
    pub target: &'a [u8],
    /// `:path` in its one reading.
    pub path: Result<CanonicalPath<'a>, BadPath>,
    /// `x-request-id`.
    pub request_id: &'a [u8],
    /// Whether the caller speaks gRPC.
    pub grpc: bool,
    /// Whether it is a CORS preflight that needs no token.
    pub preflight: bool,
    /// The rule that its headers break, where they can be read in more than one way.
    pub broken_rule: Option<&'static str>,
    /// The credential that the request brings.
    pub credential: Credential<'a>,
    /// How the request must be changed where it is forwarded.
    pub cleaning: Cleaning<'a>,
}

impl RequestHead<'_> {
    /// Whether the request brings something to look up.
    pub fn brings_token(&self) -> bool {
        matches!(self.credential, Credential::Presented(_))
    }
}

/// How a request must be changed before an upstream may see it.
#[derive(Default)]
pub struct Cleaning<'a> {
    /// Headers of ours, which nobody else may set.
    pub forged: Vec<&'a [u8]>,
    /// Headers by which a backend may see another request.
    pub overrides: Vec<&'a [u8]>,
    /// Headers with the credential.
    pub credentials: Vec<&'a [u8]>,
    /// The `cookie` header without the credential, where it had it; empty for none.
    pub cookie: Option<Vec<u8>>,
    /// The query without the credential, where it had it; with its `?`, or empty.
    pub query: Option<Vec<u8>>,
}

/// Never shows what may hold a credential: the query, the credential.
impl std::fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("RequestHead");
        shown.field("path", &self.path).field("credential", &self.credential).finish_non_exhaustive()
    }
}

impl<'a> RequestHead<'a> {
    /// Reads the headers of a request: names and values, lower-case names as Envoy has them.
    pub fn read(headers: impl Iterator<Item = (&'a [u8], &'a [u8])>, settings: &Settings) -> Self {
        let mut head = Self {
            method: b"",
            authority: b"",
            host: Err(BadHost),
            target: b"",
            path: Err(BadPath::NotAPath),
            request_id: b"",
            grpc: false,
            preflight: false,
            broken_rule: None,
            credential: Credential::Missing,
            cleaning: Cleaning::default(),
        };
        let mut finder = Finder::new(&settings.credentials);
        let mut cors = Cors::default();
        let mut connection = Connection::default();
        let mut cookies = Vec::new();
        let has_cookies =
            settings.credentials.iter().any(|source| matches!(source, CredentialSource::Cookie(_)));
        for (name, value) in headers {
            match name {
                b":method" => head.method = value,
                b":path" => head.target = value,
                b":authority" => head.authority = value,
                b"content-type" => head.grpc = is_grpc(value),
                b"origin" => cors.origin(value),
                b"connection" => connection.options(value),
                b"upgrade" | b":protocol" => connection.upgrade(),
                b"access-control-request-method" => cors.method(value),
                b"cookie" if has_cookies => cookies.push(value),
                _ if finder.header(name, value) => add(&mut head.cleaning.credentials, name),
                _ if settings.identity_headers.contains(name) => head.cleaning.forged.push(name),
                _ if is_override(name) => head.cleaning.overrides.push(name),
                b"x-request-id" => head.request_id = value,
                _ => {}
            }
        }
        head.host = Host::parse(head.authority);
        head.path = CanonicalPath::parse(head.target, &settings.paths);
        head.cleaning.cookie = cookie(&mut finder, &cookies);
        if let Ok(path) = &head.path {
            head.cleaning.query = finder.query(path.query());
        }
        head.credential = finder.credential;
        head.broken_rule = connection.broken_rule(head.method);
        head.preflight =
            settings.cors_preflight == Preflight::Permit && head.method == b"OPTIONS" && cors.is_real();
        head
    }
}

/// The trailers that no upstream may see: those that it may merge into a request's headers (RFC 9110 §6.5.1) and that
/// would be forged or mislead it there.
pub fn misleading_trailers<'a>(
    trailers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    settings: &Settings,
) -> Vec<&'a [u8]> {
    let misleads = |name: &[u8]| {
        settings.identity_headers.contains(name) || settings.mode == Mode::Enforce && is_override(name)
    };
    let mut names = Vec::new();
    trailers.filter(|(name, _)| misleads(name)).for_each(|(name, _)| add(&mut names, name));
    names
}

/// What is left of the `cookie` headers, as one, where they bring a credential.
fn cookie<'a>(finder: &mut Finder<'a, '_>, values: &[&'a [u8]]) -> Option<Vec<u8>> {
    let mut found = false;
    let mut rest: Vec<Cow<'_, [u8]>> = Vec::with_capacity(values.len());
    for value in values {
        let left = finder.cookie(value);
        found |= left.is_some();
        rest.push(left.map_or(Cow::Borrowed(value), Cow::Owned));
    }
    rest.retain(|part| !part.is_empty());
    // HTTP/2 may split the header (RFC 9113 §8.2.3): it is joined again.
    found.then(|| rest.join(&b"; "[..]))
}

/// The marks of a CORS preflight (Fetch Standard, §3.3.2 HTTP requests).
#[derive(Default)]
struct Cors<'a> {
    origin: Option<&'a [u8]>,
    method: Option<&'a [u8]>,
    repeated: bool,
}

impl<'a> Cors<'a> {
    fn origin(&mut self, value: &'a [u8]) {
        self.repeated |= self.origin.replace(value).is_some();
    }

    fn method(&mut self, value: &'a [u8]) {
        self.repeated |= self.method.replace(value).is_some();
    }

    fn is_real(&self) -> bool {
        let origin = self.origin.is_some_and(|origin| !origin.is_empty());
        origin && !self.repeated && self.method.is_some_and(is_method)
    }
}

/// Whether Envoy takes a request with this content type for gRPC (source/common/grpc/common.cc).
fn is_grpc(content_type: &[u8]) -> bool {
    content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

fn add<'a>(names: &mut Vec<&'a [u8]>, name: &'a [u8]) {
    if !names.contains(&name) {
        names.push(name);
    }
}

/// Whether a backend may take the value of this header for the request's method, path or host.
fn is_override(name: &[u8]) -> bool {
    let first = name.first().is_some_and(|first| b"fxsp".contains(first));
    first && OVERRIDES.iter().any(|known| same_header(name, known.as_bytes()))
}

/// Whether two header names are the same for some program: CGI and its heirs read whatever is no letter
/// or digit as `_`.
pub(crate) fn same_header(name: &[u8], known: &[u8]) -> bool {
    let fold = |byte: &u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    name.len() == known.len() && name.iter().zip(known).all(|(one, two)| fold(one) == fold(two))
}

/// Each begins with one of the letters that `is_override` looks for.
const OVERRIDES: [&str; 37] = [
    // RFC 7239: it may name a host. What it says of the caller is in `x-forwarded-for`.
    "forwarded",
    "path-info",
    "script-name",
    "x-cf-forwarded-url",
    "x-envoy-original-dst-host",
    "x-envoy-original-host",
    "x-envoy-original-path",
    "x-forwarded-context",
    "x-forwarded-host",
    "x-forwarded-method",
    "x-forwarded-path",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-forwarded-uri",
    "x-forwarded-url",
    "x-host",
    "x-http-destinationurl",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-override-url",
    "x-original-host",
    "x-original-method",
    "x-original-path",
    "x-original-uri",
    "x-original-url",
    "x-proxy-url",
    "x-proxycontextpath",
    "x-real-url",
    "x-replaced-path",
    "x-request-uri",
    "x-rewrite-path",
    "x-rewrite-url",
    "x-script-name",
    "x-sveltekit-pathname",
    "x-waws-unencoded-url",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(headers: &'a [(&'a str, &'a [u8])]) -> RequestHead<'a> {
        RequestHead::read(headers.iter().map(|(name, value)| (name.as_bytes(), *value)), &Settings::default())
    }

    #[test]
    fn a_preflight_has_an_origin_and_one_method_that_it_asks_for() {
        let origin = ("origin", &b"https://app.test"[..]);
        let asks = ("access-control-request-method", &b"PUT"[..]);
        for (method, headers, preflight) in [
            (&b"OPTIONS"[..], &[origin, asks][..], true),
            (b"OPTIONS", &[origin], false),
            (b"OPTIONS", &[asks], false),
            (b"OPTIONS", &[origin, asks, asks], false),
            (b"OPTIONS", &[origin, origin, asks], false),
            (b"OPTIONS", &[("origin", b""), asks], false),
            (b"OPTIONS", &[origin, ("access-control-request-method", b"")], false),
            (b"PUT", &[origin, asks], false),
        ] {
            let headers = [&[(":method", method)], headers].concat();
            assert_eq!(read(&headers).preflight, preflight, "{headers:?}");
        }
    }

    #[test]
    fn what_is_left_of_a_cookie_is_one_header() {
        let settings =
            Settings { credentials: vec![CredentialSource::Cookie("token".into())], ..Settings::default() };
        for (cookies, left) in [
            (&["a=1", "token=x", "b=2"][..], Some("a=1; b=2")),
            (&["a=1", "b=2"], None),
            (&["token=x; a=1", "b=2"], Some("a=1; b=2")),
            (&["token=x", "b=2"], Some("b=2")),
            (&["token=x"], Some("")),
        ] {
            let headers = cookies.iter().map(|value| (&b"cookie"[..], value.as_bytes()));
            let head = RequestHead::read(headers, &settings);
            assert_eq!(head.cleaning.cookie.as_deref(), left.map(str::as_bytes), "{cookies:?}");
        }
    }

    #[test]
    fn trailers_that_mislead_are_to_be_removed_and_in_shadow_those_that_are_forged() {
        let trailers = ["x-tokenward-token", "grpc-status", "x_original_url", "x-tokenward-token"];
        for (mode, removed) in [
            (Mode::Enforce, &["x-tokenward-token", "x_original_url"][..]),
            (Mode::Shadow, &["x-tokenward-token"]),
        ] {
            let settings = Settings { mode, ..Settings::default() };
            let trailers = trailers.iter().map(|name| (name.as_bytes(), &b"1"[..]));
            let removed: Vec<&[u8]> = removed.iter().map(|name| name.as_bytes()).collect();
            assert_eq!(misleading_trailers(trailers, &settings), removed);
        }
    }

    #[test]
    fn headers_that_mislead_a_backend_are_to_be_removed_however_spelled() {
        let headers = [
            ("x-tokenward-token", &b"admin"[..]),
            ("x_tokenward-identity", b"kind=admin"),
            ("x-http-method-override", b"DELETE"),
            ("x_original_url", b"/admin"),
            ("x.tokenward.token", b"admin"),
            ("script_name", b"/public"),
            ("path-info", b"/admin"),
            ("x_forwarded_host", b"billing.acme.test"),
            ("x-cf-forwarded-url", b"https://billing.acme.test"),
            ("x-sveltekit-pathname", b"/admin"),
            ("x-envoy-original-dst-host", b"10.0.0.1:80"),
            ("forwarded", b"for=203.0.113.7;Host=billing.acme.test"),
            ("x-unrelated", b"\xff"),
        ];
        let cleaning = read(&headers).cleaning;
        let told = [cleaning.forged, cleaning.overrides].concat();
        let names = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(
            told,
            names(&[
                "x-tokenward-token",
                "x_tokenward-identity",
                "x.tokenward.token",
                "x-http-method-override",
                "x_original_url",
                "script_name",
                "path-info",
                "x_forwarded_host",
                "x-cf-forwarded-url",
                "x-sveltekit-pathname",
                "x-envoy-original-dst-host",
                "forwarded",
            ])
        );
    }
}
