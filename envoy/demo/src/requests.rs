//! The requests, and the responses that acme's policy must give.

use serde_json::Value;

use crate::http::Response;

/// A request and its expected response.
pub(crate) struct Request {
    pub(crate) who: Who,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// The caller's address.
    pub(crate) source: &'static str,
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
    /// The reason, in plain words.
    pub(crate) note: &'static str,
}

/// The credential of a request.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Who {
    /// No token.
    Anonymous,
    /// The newest secret of this token.
    Token(&'static str),
    /// The same secret with one character changed.
    Mistyped(&'static str),
    /// The rotated-out secret, which works until its overlap ends.
    Retiring(&'static str),
    /// A secret that has expired.
    Expired(&'static str),
}

impl Who {
    /// The id of the token in the request.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Anonymous => "",
            Self::Token(token) | Self::Mistyped(token) | Self::Retiring(token) | Self::Expired(token) => {
                token
            }
        }
    }
}

/// A request, its response and its audit event.
pub(crate) struct Exchange {
    pub(crate) request: &'static Request,
    pub(crate) response: Response,
    pub(crate) event: Value,
}

impl Exchange {
    /// The reason in the audit event.
    pub(crate) fn reason(&self) -> &str {
        self.event["reason"].as_str().unwrap_or_default()
    }

    /// Whether response, event and upstream are as expected.
    pub(crate) fn is_as_expected(&self) -> bool {
        let upstream = match self.request.reason {
            "permitted" => Some(self.request.who.token()),
            "public" => Some(""),
            _ => None,
        };
        let retiring = matches!(self.request.who, Who::Retiring(_));
        (self.response.status, self.reason()) == (self.request.status, self.request.reason)
            && (self.event["retiring"] == true) == retiring
            && self.token_at_upstream().as_deref() == upstream
    }

    /// The token that the upstream received, empty without one; `None` if the request did not reach it.
    fn token_at_upstream(&self) -> Option<String> {
        self.response.header("x-upstream")?;
        assert_eq!(self.upstream_header("authorization"), "", "the credential reached the upstream");
        Some(self.upstream_header("x-tokenward-token"))
    }

    /// A header that reached the upstream.
    pub(crate) fn upstream_header(&self, name: &str) -> String {
        let echo = self.response.json();
        let headers = echo["headers"].as_array().into_iter().flatten();
        let values = headers.filter(|header| header[0] == name).filter_map(|header| header[1].as_str());
        values.collect::<Vec<_>>().join(",")
    }
}

pub(crate) const REQUESTS: [Request; 20] = {
    use Who::{Anonymous, Expired, Mistyped, Retiring, Token};
    [
        get(Anonymous, "/healthz").gets(200, "public", "the policy lists it under `public`"),
        get(Anonymous, "/v1/metrics/web").gets(401, "missing_token", "everything else needs a token"),
        post(Token("ci-deploy"), DEPLOY).gets(200, "permitted", "its role `deployer` grants it"),
        get(Token("ci-deploy"), "/v1/users/7").gets(403, "insufficient_scope", "no role of it reads users"),
        get(Token("ci-deploy"), "/v1/metrics/../users/7").gets(
            400,
            "malformed_request",
            "two readings of a path",
        ),
        post(Mistyped("ci-deploy"), DEPLOY).gets(401, "unknown_token", "one character changed"),
        post(Token(crate::leak::TOKEN), DEPLOY).gets(200, "permitted", "it leaks further down"),
        get(Token("metrics-reader"), "/v1/metrics/web/latency").gets(200, "permitted", "it reads metrics"),
        put(Token("metrics-reader"), "/v1/config/limits").gets(
            403,
            "insufficient_scope",
            "and writes nothing",
        ),
        patch(Token("admin-dashboard"), "/v1/users/7").at(OFFICE).gets(200, "permitted", "from the office"),
        patch(Token("admin-dashboard"), "/v1/users/7").gets(403, "source_not_allowed", "from elsewhere"),
        get(Token("admin-dashboard"), KEYS).at(OFFICE).gets(
            403,
            "denied_operation",
            "a `deny` beats each grant",
        ),
        get(Token("admin-staging"), "/v1/Integrations/stripe/keys").at(OFFICE).gets(
            403,
            "denied_operation",
            "in any letter case",
        ),
        get(Token("globex-reports"), "/v1/tenants/globex/reports/7").gets(200, "permitted", "its own tenant"),
        get(Token("globex-reports"), "/v1/tenants/initech/reports/7").gets(
            403,
            "insufficient_scope",
            "another tenant",
        ),
        post(Token("billing-staging"), "/v1/invoices/exports").gets(
            403,
            "wrong_environment",
            "a staging token in production",
        ),
        post(Retiring("ci-deploy"), DEPLOY).gets(200, "permitted", "a rotated secret still works a day"),
        get(Token("alice"), "/v1/users/7").gets(200, "permitted", "`GET /v1/users/{id}` is granted"),
        get(Token("alice"), "/v1/users/export").gets(
            403,
            "insufficient_scope",
            "`export` is its own operation",
        ),
        get(Expired("billing-export"), "/v1/invoices").gets(
            401,
            "expired_token",
            "its life of a second is over",
        ),
    ]
};

impl Request {
    const fn of(who: Who, method: &'static str, path: &'static str) -> Self {
        Self { who, method, path, source: HOME, status: 0, reason: "", note: "" }
    }

    const fn at(self, source: &'static str) -> Self {
        Self { source, ..self }
    }

    const fn gets(self, status: u16, reason: &'static str, note: &'static str) -> Self {
        Self { status, reason, note, ..self }
    }
}

const fn get(who: Who, path: &'static str) -> Request {
    Request::of(who, "GET", path)
}

const fn post(who: Who, path: &'static str) -> Request {
    Request::of(who, "POST", path)
}

const fn put(who: Who, path: &'static str) -> Request {
    Request::of(who, "PUT", path)
}

const fn patch(who: Who, path: &'static str) -> Request {
    Request::of(who, "PATCH", path)
}

pub(crate) const DEPLOY: &str = "/v1/services/web/deployments";
pub(crate) const HOME: &str = "198.51.100.7";
const KEYS: &str = "/v1/integrations/stripe/keys";
const OFFICE: &str = "203.0.113.7";
