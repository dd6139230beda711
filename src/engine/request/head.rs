//! The head of a request, read once, as bytes.
//!
//! In: the request's headers in their order. Out: a [`RequestHead`] with everything that a decision, a
//! verdict and an audit event need. Nothing here can fail or panic: what cannot be read is kept as such.

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

/// What is read from a request's headers.
pub struct RequestHead<'a> {
    /// `:method`.
    pub method: &'a [u8],
    /// `:authority` as it came in.
    pub authority: &'a [u8],
    /// The host in `:authority`, in its one reading.
    pub host: Result<Host<'a>, BadHost>,
    /// Whether a `host` header stands beside `:authority`, and names the same host.
    pub repeats_host: bool,
    /// `:path` as it came in; for the audit of a path that has no reading.
    pub raw_path: &'a [u8],
    /// `:path` in its one reading.
    pub path: Result<CanonicalPath<'a>, BadPath>,
    /// `x-request-id`.
    pub request_id: &'a [u8],
    /// `x-forwarded-for`.
    pub forwarded: Forwarded<'a>,
    /// Whether the caller speaks gRPC.
    pub grpc: bool,
    /// The method that it asks for, if it is a CORS preflight as a browser sends it.
    pub preflight: Option<&'a [u8]>,
    /// The rule that its headers break, where they can be read in more than one way.
    pub broken_rule: Option<Rule>,
    /// The credential that the request brings.
    pub credential: Credential<'a>,
    /// What it brings instead of a credential, where it brings none.
    pub seen: Option<Seen>,
    /// How the request must be changed where it is forwarded.
    pub cleaning: Cleaning<'a>,
}

impl RequestHead<'_> {
    /// What the request asks for: method, host and path.
    ///
    /// # Errors
    /// The first rule that the request breaks: then it has no reading, or more than one.
    pub fn target(&self) -> Result<Target<'_>, Rule> {
        // RFC 9110 §9.1: a method is case-sensitive; to a framework that reads `delete` as `DELETE` it is not.
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

    /// Whether the request brings something to look up.
    pub fn brings_token(&self) -> bool {
        matches!(self.credential, Credential::Presented(..) | Credential::Joined(..))
    }

    /// Where the request comes from, by these settings; `envoy` is what Envoy takes for it.
    pub fn source<'s>(&'s self, envoy: Source<'s>, settings: &Settings) -> Source<'s> {
        self.forwarded.source(envoy, settings.source.map(|rule| rule.trusted_hops))
    }

    /// The head of a request that goes on so: HTTP/2 needs no header to announce content, and a preflight has none.
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
    /// Content or trailers, though they may turn out to be empty.
    Content,
}

/// How a request must be changed before an upstream may see it.
#[derive(Default)]
pub struct Cleaning<'a> {
    /// Headers of ours, which nobody else may set.
    pub forged: Vec<&'a [u8]>,
    /// Headers by which a backend may see another request, and those that the settings remove.
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
            // It is read also where it is to be removed.
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
        // RFC 9113 §8.3: a second `:authority` makes a request malformed.
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

    /// Keeps the credential, once it was looked for in cookies and query too.
    fn bring(&mut self, mut finder: Finder<'a, '_>, cookies: &[&'a [u8]]) {
        self.cleaning.cookie = cookie(&mut finder, cookies);
        if let Ok(path) = &self.path {
            self.cleaning.query = finder.query(path.query());
        }
        self.credential = finder.credential;
    }

    /// The query; empty where the path cannot be read.
    fn query(&self) -> &[u8] {
        self.path.as_ref().map(CanonicalPath::query).unwrap_or_default()
    }

    /// The method that the request asks for as a preflight.
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
    /// Whether a request with this header is rejected, as one that names a second path.
    fn rejects(&self, name: &[u8], value: &[u8]) -> bool {
        self.second_path == SecondPath::Reject && second::names_second_path(name, value)
    }

    /// Whether the header is one of those that the gateway removes, or some program may take it for one.
    fn removes(&self, name: &[u8]) -> bool {
        self.remove_headers.iter().any(|known| known.names(name))
    }
}

/// Whether each `host` header names the host of `:authority`, at the same port.
///
/// Envoy takes `host` for `:authority` itself or drops it; where a program hands both over, its upstream may believe
/// either (RFC 9113 §8.3.1).
#[cold]
fn host_headers_agree<'a>(
    host: &Result<Host<'a>, BadHost>,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> bool {
    headers.filter(|(name, _)| *name == b"host").all(|(_, value)| Host::parse(value) == *host)
}

/// The trailers that no upstream may see: those that it may merge into a request's headers (RFC 9110 §6.5.1) and that
/// would be forged or mislead it there.
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

/// Each begins with one of the letters that `is_override` looks for.
const OVERRIDES: [&str; 39] = [
    // RFC 7239: it may name a host. What it says of the caller is in `x-forwarded-for`.
    "forwarded",
    "path-info",
    "script-name",
    // CVE-2025-61780: Rack::Sendfile believes them.
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
    fn a_host_header_names_the_same_host_as_the_authority() {
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
    fn what_the_settings_remove_is_removed_however_spelled() {
        let remove_headers = removed(&["x-scope-orgid", "cookie"]);
        let settings = Settings { remove_headers, ..Settings::default() };
        let headers = [&b"x_scope_orgid"[..], b"X-Scope-OrgID", b"x-scope", b"cookie", b"destination"];
        let head = RequestHead::read(headers.iter().map(|name| (*name, &b"a"[..])), &settings);
        assert_eq!(head.cleaning.overrides, [headers[0], headers[1], headers[3]]);
        assert_eq!(head.broken_rule, Some(Rule::SecondPath));
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
