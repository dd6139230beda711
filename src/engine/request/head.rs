//! The head of a request, read once, as bytes.
//!
//! In: the request's headers in order. Out: a [`RequestHead`] with everything that a decision, a verdict and an audit
//! event need. Reading never fails or panics: an unreadable part is stored as an error.

use std::borrow::Cow;

use crate::engine::config::credentials::CredentialSource;
use crate::engine::config::settings::{Mode, Preflight, SecondPath, Settings};
use crate::engine::matching::host::{BadHost, Host};
use crate::engine::matching::index::Target;
use crate::engine::matching::path::{BadPath, CanonicalPath};
use crate::engine::matching::pattern::is_method;
use crate::engine::request::credential::{Credential, Finder};
use crate::engine::request::head::connection::Connection;
pub use crate::engine::request::head::forwarded::Forwarded;
pub use crate::engine::request::head::seen::Seen;
use crate::engine::request::rule::Rule;
use crate::engine::words::address::Source;
use crate::engine::words::header::same_header;

mod connection;
mod forwarded;
mod preflight;
mod second;
mod seen;

/// The parts of a request's headers that the filter uses.
pub struct RequestHead<'a> {
    /// `:method`.
    pub method: &'a [u8],
    /// `:authority` as received.
    pub authority: &'a [u8],
    /// The host in `:authority`, parsed.
    pub host: Result<Host<'a>, BadHost>,
    /// Whether the request has both `:authority` and a `host` header that names the same host.
    pub repeats_host: bool,
    /// `:path` as received, for the audit event of an unreadable path.
    pub raw_path: &'a [u8],
    /// `:path`, parsed.
    pub path: Result<CanonicalPath<'a>, BadPath>,
    /// `x-request-id`.
    pub request_id: &'a [u8],
    /// `x-forwarded-for`.
    pub forwarded: Forwarded<'a>,
    /// Whether the caller speaks gRPC.
    pub grpc: bool,
    /// The method that a CORS preflight asks for, if the request is a preflight as browsers send it.
    pub preflight: Option<&'a [u8]>,
    /// The rule that the headers break, if they have more than one reading.
    pub broken_rule: Option<Rule>,
    /// The request's credential.
    pub credential: Credential<'a>,
    /// What the request has in place of a credential, if it has no credential.
    pub seen: Option<Seen>,
    /// How the filter must change the request before it forwards it.
    pub cleaning: Cleaning<'a>,
}

impl RequestHead<'_> {
    /// Returns what the request asks for: method, host and path.
    ///
    /// # Errors
    /// Fails with the first rule that the request breaks, which leaves it with no reading or more than one.
    pub fn target(&self) -> Result<Target<'_>, Rule> {
        // Methods are case-sensitive (RFC 9110 §9.1), but some frameworks read `delete` as `DELETE`.
        if !is_method(self.method) {
            return Err(Rule::Method);
        }
        if let Some(rule) = self.broken_rule {
            return Err(rule);
        }
        let path = self.path.as_ref().map_err(|rule| Rule::Path(*rule))?;
        let host = self.host.as_ref().map_err(|_| Rule::Host)?;
        Ok(Target { method: self.method, host: host.as_str(), path: path.segments() })
    }

    /// Whether the request has a credential to look up.
    pub fn brings_token(&self) -> bool {
        matches!(self.credential, Credential::Presented(..) | Credential::Joined(..))
    }

    /// Returns the source of the request by these settings. `envoy` is the source that Envoy reports.
    pub fn source<'s>(&'s self, envoy: Source<'s>, settings: &Settings) -> Source<'s> {
        self.forwarded.source(envoy, settings.source.map(|rule| rule.trusted_hops))
    }

    /// Adds what follows the head: HTTP/2 needs no header to announce content, and a preflight has no content.
    #[must_use]
    pub fn followed_by(self, rest: Rest) -> Self {
        match rest {
            Rest::Nothing => self,
            Rest::Content => Self { preflight: None, ..self },
        }
    }
}

/// What follows a request's head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rest {
    /// Nothing: the request ends with its head.
    Nothing,
    /// Content or trailers, possibly empty.
    Content,
}

/// How the filter must change a request before an upstream sees it.
#[derive(Default)]
pub struct Cleaning<'a> {
    /// Headers that only the filter may set.
    pub forged: Vec<&'a [u8]>,
    /// Headers that may make a backend see a different request, and headers that the settings remove.
    pub overrides: Vec<&'a [u8]>,
    /// Headers that hold the credential.
    pub credentials: Vec<&'a [u8]>,
    /// The `cookie` header without the credential, if it held the credential. Empty if nothing remains.
    pub cookie: Option<Vec<u8>>,
    /// The query without the credential, if it held the credential. It starts with `?` or is empty.
    pub query: Option<Vec<u8>>,
}

/// Omits the query and the credential, which may hold secrets.
impl std::fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("RequestHead");
        shown.field("path", &self.path).field("credential", &self.credential).finish_non_exhaustive()
    }
}

impl<'a> RequestHead<'a> {
    /// Reads the headers of a request as names and values. Envoy gives names in lower case.
    pub fn read(headers: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone, settings: &Settings) -> Self {
        let mut head = Self {
            method: b"",
            authority: b"",
            host: Err(BadHost),
            repeats_host: false,
            raw_path: b"",
            path: Err(BadPath::NotAPath),
            request_id: b"",
            forwarded: Forwarded::default(),
            grpc: false,
            preflight: None,
            broken_rule: None,
            credential: Credential::Missing,
            seen: None,
            cleaning: Cleaning::default(),
        };
        let mut finder = Finder::new(&settings.credentials);
        let mut connection = Connection::default();
        let mut cookies = Vec::new();
        let (mut second_path, mut authorities) = (false, 0_usize);
        let has_cookies =
            settings.credentials.iter().any(|source| matches!(source, CredentialSource::Cookie(_)));
        for (name, value) in headers.clone() {
            // This header is read even if it will be removed.
            if name == b"x-forwarded-for" {
                head.forwarded.read(value);
            }
            match name {
                b":method" => head.method = value,
                b":path" => head.raw_path = value,
                b":authority" => {
                    head.authority = value;
                    authorities = authorities.saturating_add(1);
                }
                b"host" => head.repeats_host = true,
                b"content-type" => head.grpc = is_grpc(value),
                b"connection" => connection.options(value),
                b"upgrade" | b":protocol" => connection.upgrade(),
                b"cookie" if has_cookies => cookies.push(value),
                _ if finder.header(name, value) => add(&mut head.cleaning.credentials, name),
                _ if settings.identity_headers.contains(name) => head.cleaning.forged.push(name),
                b"x-request-id" => head.request_id = value,
                _ if settings.rejects(name, value) => second_path = true,
                _ if is_override(name) || settings.removes(name) => head.cleaning.overrides.push(name),
                _ => {}
            }
        }
        head.host = Host::parse(head.authority);
        // A second `:authority` makes a request malformed (RFC 9113 §8.3).
        if authorities > 1 || head.repeats_host && !host_headers_agree(&head.host, headers.clone()) {
            head.host = Err(BadHost);
        }
        head.path = CanonicalPath::parse(head.raw_path, &settings.paths);
        head.bring(finder, &cookies);
        if matches!(head.credential, Credential::Missing) {
            head.seen = Seen::of(headers.clone(), head.query());
        }
        head.broken_rule = connection.broken_rule(head.method).or(second_path.then_some(Rule::SecondPath));
        if head.method == b"OPTIONS" {
            head.preflight = head.preflight(headers, settings);
        }
        head
    }

    /// Stores the credential after the cookies and the query were searched too.
    fn bring(&mut self, mut finder: Finder<'a, '_>, cookies: &[&'a [u8]]) {
        self.cleaning.cookie = cookie(&mut finder, cookies);
        if let Ok(path) = &self.path {
            self.cleaning.query = finder.query(path.query());
        }
        self.credential = finder.credential;
    }

    /// Returns the query, or an empty slice if the path cannot be read.
    fn query(&self) -> &[u8] {
        self.path.as_ref().map(CanonicalPath::query).unwrap_or_default()
    }

    /// Returns the method that the request asks for as a preflight.
    #[cold]
    fn preflight(
        &self,
        headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        settings: &Settings,
    ) -> Option<&'a [u8]> {
        let query = self.path.as_ref().ok()?.query();
        let is_bare = matches!(self.credential, Credential::Missing) && !preflight::names_method(query);
        let may_be = settings.cors_preflight == Preflight::Permit && is_bare;
        may_be.then(|| preflight::asked(headers, &settings.credentials)).flatten()
    }
}

impl Settings {
    /// Whether the filter rejects a request with this header because it names a second path.
    fn rejects(&self, name: &[u8], value: &[u8]) -> bool {
        self.second_path == SecondPath::Reject && second::names_second_path(name, value)
    }

    /// Whether the gateway removes the header, or some program may read it as a removed one.
    fn removes(&self, name: &[u8]) -> bool {
        self.remove_headers.iter().any(|known| known.names(name))
    }
}

/// Whether each `host` header names the host and port of `:authority`.
///
/// Envoy uses `host` as `:authority` or drops it. If a program forwards both, its upstream may use either (RFC 9113
/// §8.3.1).
#[cold]
fn host_headers_agree<'a>(
    host: &Result<Host<'a>, BadHost>,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> bool {
    headers.filter(|(name, _)| *name == b"host").all(|(_, value)| Host::parse(value) == *host)
}

/// Returns the trailers that no upstream may see: a program may merge trailers into a request's headers (RFC 9110
/// §6.5.1), and there these would be forged or misleading.
pub fn misleading_trailers<'a>(
    trailers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    settings: &Settings,
) -> Vec<&'a [u8]> {
    let misleads = |(name, value): &(&[u8], &[u8])| {
        let misleads = || is_override(name) || settings.rejects(name, value) || settings.removes(name);
        settings.identity_headers.contains(name) || settings.mode == Mode::Enforce && misleads()
    };
    let mut names = Vec::new();
    trailers.filter(misleads).for_each(|(name, _)| add(&mut names, name));
    names
}

/// Returns the rest of the `cookie` headers as one header, if they hold a credential.
fn cookie<'a>(finder: &mut Finder<'a, '_>, values: &[&'a [u8]]) -> Option<Vec<u8>> {
    let mut found = false;
    let mut rest: Vec<Cow<'_, [u8]>> = Vec::with_capacity(values.len());
    for value in values {
        let left = finder.cookie(value);
        found |= left.is_some();
        rest.push(left.map_or(Cow::Borrowed(value), Cow::Owned));
    }
    rest.retain(|part| !part.is_empty());
    // HTTP/2 may split the header (RFC 9113 §8.2.3), so it is joined again.
    found.then(|| rest.join(&b"; "[..]))
}

/// Whether Envoy treats a request with this content type as gRPC (source/common/grpc/common.cc).
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

/// Whether a backend may use this header as the request's method, path or host.
fn is_override(name: &[u8]) -> bool {
    let first = name.first().is_some_and(|first| b"fxsp".contains(first));
    first && OVERRIDES.iter().any(|known| same_header(name, known.as_bytes()))
}

/// Each name starts with one of the letters that `is_override` checks.
const OVERRIDES: [&str; 39] = [
    // It may name a host (RFC 7239). Its caller's address is also in `x-forwarded-for`.
    "forwarded",
    "path-info",
    "script-name",
    // Rack::Sendfile trusts these (CVE-2025-61780).
    "x-accel-mapping",
    "x-sendfile-type",
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
    use crate::engine::config::settings::RemovedHeader;

    use super::*;

    fn read<'a>(headers: &'a [(&'a str, &'a [u8])]) -> RequestHead<'a> {
        RequestHead::read(headers.iter().map(|(name, value)| (name.as_bytes(), *value)), &Settings::default())
    }

    fn removed(names: &[&str]) -> Vec<RemovedHeader> {
        names.iter().map(|name| (*name).to_owned().try_into().unwrap()).collect()
    }

    #[test]
    fn host_header_must_match_the_authority() {
        for (authority, hosts, agree) in [
            ("api.acme.test", &["api.acme.test"][..], true),
            ("api.acme.test", &["API.acme.test."], true),
            ("api.acme.test:80", &["api.acme.test:80", "Api.acme.test:80"], true),
            ("api.acme.test:80", &["api.acme.test"], false),
            ("api.acme.test", &["api.acme.test:"], false),
            ("api.acme.test", &["billing.acme.test"], false),
            ("api.acme.test", &["api.acme.test", "billing.acme.test"], false),
            ("api.acme.test", &[""], false),
            ("", &["api.acme.test"], false),
            ("api.acme.test:", &["api.acme.test:"], false),
        ] {
            let hosts = hosts.iter().map(|host| ("host", host.as_bytes()));
            let headers: Vec<(&str, &[u8])> =
                [(":authority", authority.as_bytes())].into_iter().chain(hosts).collect();
            assert_eq!(read(&headers).host.is_ok(), agree, "{headers:?}");
        }
    }

    #[test]
    fn a_second_authority_is_malformed() {
        let headers = [(":authority", &b"api.acme.test"[..]), (":authority", b"api.acme.test")];
        assert_eq!(read(&headers).host, Err(BadHost));
    }

    #[test]
    fn a_preflight_ends_with_its_head() {
        let headers = [
            (":method", &b"OPTIONS"[..]),
            (":path", b"/v1/items"),
            ("origin", b"https://app.test"),
            ("access-control-request-method", b"PUT"),
        ];
        let preflight = |rest| read(&headers).followed_by(rest).preflight;
        assert_eq!(preflight(Rest::Nothing), Some(&b"PUT"[..]));
        assert_eq!(preflight(Rest::Content), None);
    }

    #[test]
    fn removed_headers_are_removed_in_any_spelling() {
        let remove_headers = removed(&["x-scope-orgid", "cookie"]);
        let settings = Settings { remove_headers, ..Settings::default() };
        let headers = [&b"x_scope_orgid"[..], b"X-Scope-OrgID", b"x-scope", b"cookie", b"destination"];
        let head = RequestHead::read(headers.iter().map(|name| (*name, &b"a"[..])), &settings);
        assert_eq!(head.cleaning.overrides, [headers[0], headers[1], headers[3]]);
        assert_eq!(head.broken_rule, Some(Rule::SecondPath));
    }

    #[test]
    fn remaining_cookies_become_one_header() {
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
    fn mode_decides_which_trailers_are_removed() {
        let trailers = [
            "x-tokenward-token",
            "grpc-status",
            "x_original_url",
            "x-tokenward-token",
            "destination",
            "x_scope_orgid",
        ];
        for (mode, second_path, taken) in [
            (
                Mode::Enforce,
                SecondPath::Reject,
                &["x-tokenward-token", "x_original_url", "destination", "x_scope_orgid"][..],
            ),
            (Mode::Enforce, SecondPath::Forward, &["x-tokenward-token", "x_original_url", "x_scope_orgid"]),
            (Mode::Shadow, SecondPath::Reject, &["x-tokenward-token"]),
        ] {
            let remove_headers = removed(&["x-scope-orgid"]);
            let settings = Settings { mode, second_path, remove_headers, ..Settings::default() };
            let trailers = trailers.iter().map(|name| (name.as_bytes(), &b"1"[..]));
            let taken: Vec<&[u8]> = taken.iter().map(|name| name.as_bytes()).collect();
            assert_eq!(misleading_trailers(trailers, &settings), taken);
        }
    }

    #[test]
    fn misleading_headers_are_removed_in_any_spelling() {
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
        let shown = [cleaning.forged, cleaning.overrides].concat();
        let names = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(
            shown,
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
