//! The callers, what each may do, and what the upstream serves.
//!
//! The policy uses every kind of protection: no grant, a grant next to the target, a `deny` of a literal inside an
//! `{id}`, and a `deny` below a `/**`.

use serde_json::{Value, json};
use tokenward::engine::words::secret::SecretDigest;

/// A caller that sends requests.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Caller {
    /// Without a token.
    Nobody,
    /// With an unknown token.
    Stranger,
    /// May `GET /v1/metrics/**`.
    Viewer,
    /// May `GET /v1/users/{id}` except Müller's; is denied the export.
    Support,
    /// May `GET /files/public/**`.
    Files,
    /// May read invoices at one host; is denied their export at every host.
    Partner,
    /// May `GET /v1/tenants/${tenant}/**`; its tenant is Žižkov.
    Tenant,
    /// May do everything except what it is denied.
    Operator,
}

impl Caller {
    pub(crate) const ALL: [Self; 8] = [
        Self::Nobody,
        Self::Stranger,
        Self::Viewer,
        Self::Support,
        Self::Files,
        Self::Partner,
        Self::Tenant,
        Self::Operator,
    ];

    /// Returns the id of the caller's token in the policy.
    pub(crate) fn token(self) -> Option<&'static str> {
        match self {
            Self::Nobody | Self::Stranger => None,
            Self::Viewer => Some("viewer"),
            Self::Support => Some("support"),
            Self::Files => Some("files"),
            Self::Partner => Some("partner"),
            Self::Tenant => Some("tenant"),
            Self::Operator => Some("operator"),
        }
    }

    /// Returns the secret that the caller presents.
    pub(crate) fn secret(self) -> Option<String> {
        match self {
            Self::Nobody => None,
            Self::Stranger => Some(secret("stranger")),
            Self::Viewer | Self::Support | Self::Files | Self::Partner | Self::Tenant | Self::Operator => {
                self.token().map(secret)
            }
        }
    }

    /// Whether the policy permits the caller to use this handler.
    pub(crate) fn may(self, handler: Handler) -> bool {
        match self {
            Self::Nobody | Self::Stranger => false,
            Self::Viewer => handler == Handler::Metrics,
            Self::Support => handler == Handler::ReadUser,
            Self::Files => handler == Handler::PublicFile,
            Self::Partner => handler == Handler::Invoice,
            Self::Tenant => handler == Handler::OwnTenant,
            Self::Operator => !matches!(
                handler,
                Handler::Admin
                    | Handler::Export
                    | Handler::Orders
                    | Handler::Cafe
                    | Handler::Street
                    | Handler::Mueller
            ),
        }
    }
}

/// A function of the upstream that only authorized callers may use.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Handler {
    Admin,
    Export,
    DeleteUser,
    ReadUser,
    /// One user, whose name has a non-ASCII letter.
    Mueller,
    Cafe,
    Street,
    OwnTenant,
    OtherTenant,
    Metrics,
    Orders,
    PrivateFile,
    PublicFile,
    /// The list of all files, one level above the public ones.
    FileIndex,
    /// At `api.acme.test`.
    Invoice,
    /// The same path at `billing.acme.test`.
    BillingInvoice,
    /// The same path at the catch-all, for a router that compares hosts as text.
    OtherInvoice,
    /// All invoices, at any host.
    InvoiceExport,
    /// A page next to those that everyone may read.
    InternalPage,
}

/// Returns the handler for a request. The lookup is strict; the loose readings come before it.
pub(crate) fn handler(method: &[u8], host: &[u8], path: &[u8]) -> Option<Handler> {
    let reads = matches!(method, b"GET" | b"HEAD");
    let path = std::str::from_utf8(path).ok()?.strip_prefix('/')?;
    let segments: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
    match segments[..] {
        // A framework's CORS layer answers `OPTIONS`, not the handler.
        ["v1", "admin", ..] if method != b"OPTIONS" => Some(Handler::Admin),
        ["v1", "epic", "orders", ..] if method != b"OPTIONS" => Some(Handler::Orders),
        ["v1", "users", "export"] if reads => Some(Handler::Export),
        ["v1", "users", "müller"] if reads => Some(Handler::Mueller),
        ["v1", "café"] if reads => Some(Handler::Cafe),
        // Without letter case, both are the same street.
        ["v1", "straße" | "strasse", ..] if method != b"OPTIONS" => Some(Handler::Street),
        ["v1", "tenants", "Žižkov" | "žižkov", ..] if reads => Some(Handler::OwnTenant),
        ["v1", "tenants", "acme" | "Épinal" | "épinal", ..] if reads => Some(Handler::OtherTenant),
        ["v1", "users", _] if reads => Some(Handler::ReadUser),
        ["v1", "users", _] if method == b"DELETE" => Some(Handler::DeleteUser),
        ["v1", "metrics", ..] if reads => Some(Handler::Metrics),
        ["v1", "invoices", "export"] if reads => Some(Handler::InvoiceExport),
        ["v1", "invoices", ..] if reads && host == b"billing.acme.test" => Some(Handler::BillingInvoice),
        ["v1", "invoices", ..] if reads && matches!(host, b"" | b"api.acme.test") => Some(Handler::Invoice),
        ["v1", "invoices", ..] if reads => Some(Handler::OtherInvoice),
        ["docs", "internal"] if reads => Some(Handler::InternalPage),
        ["files"] if reads => Some(Handler::FileIndex),
        ["files", "private", ..] if reads => Some(Handler::PrivateFile),
        ["files", "public", ..] if reads => Some(Handler::PublicFile),
        _ => None,
    }
}

/// Returns the bundle.
pub(crate) fn bundle() -> Value {
    let tokens = Caller::ALL.iter().filter_map(|caller| caller.token());
    let entry = |name: &str| {
        let digest = SecretDigest::of(secret(name).as_bytes()).to_hex();
        json!({ "kind": "service", "roles": [name], "secrets": [{ "id": "1", "sha256": digest }] })
    };
    let mut bundle = json!({
        "version": 1,
        "name": "bypass",
        "revision": 1,
        "public": ["GET /healthz", "GET /docs/{page}"],
        "permissions": {
            "internal": ["GET /docs/internal"],
            "metrics": ["GET /v1/metrics/**"],
            "users": ["GET /v1/users/{id}"],
            "export": ["GET /v1/users/export"],
            "orders": ["* /v1/epic/orders/**"],
            "admin": ["* /v1/admin/**"],
            "files": ["GET /files/public/**"],
            "invoices": ["GET api.acme.test/v1/invoices/**", "GET api.acme.test/v1/invoices/export"],
            "invoice-export": ["GET /v1/invoices/export"],
            "mueller": ["GET /v1/users/m%C3%BCller"],
            "cafe": ["GET /v1/caf%C3%A9"],
            "street": ["* /v1/stra%C3%9Fe/**"],
            "tenants": ["GET /v1/tenants/${tenant}/**"],
            "everything": ["* /**"],
        },
        "roles": {
            "viewer": { "permissions": ["metrics"] },
            "support": { "permissions": ["users"], "deny": ["export"] },
            "files": { "permissions": ["files"] },
            "partner": { "permissions": ["invoices"], "deny": ["invoice-export"] },
            "tenant": { "permissions": ["tenants"] },
            "operator": {
                "permissions": ["everything"],
                "deny": ["admin", "export", "orders", "mueller", "cafe", "street"],
            },
        },
        "kinds": { "service": {} },
        "tokens": tokens.map(|name| (name.to_owned(), entry(name))).collect::<serde_json::Map<_, _>>(),
    });
    bundle["tokens"]["tenant"]["attributes"] = json!({ "tenant": "Žižkov" });
    bundle
}

/// Returns the bundle with a defense and rate limits. Both are as wide as possible: a caller that they reject for long
/// would soon be rejected all the time.
pub(crate) fn guarded_bundle() -> Value {
    let mut bundle = bundle();
    let watched = json!({ "limit": 1_000, "per": "1s", "suspend": "1s" });
    bundle["defense"] = json!({ "denials": watched, "unknown_tokens": watched, "retired_secret": "alert" });
    bundle["tokens"]["viewer"]["rate_limit"] = json!("1000000/1s");
    bundle["tokens"]["files"]["rate_limit"] = json!("50/1s");
    bundle
}

/// Returns the bundle with a revoked token.
pub(crate) fn flooded_bundle() -> Value {
    let mut bundle = bundle();
    let digest = SecretDigest::of(secret("revoked").as_bytes()).to_hex();
    let mut revoked = bundle["tokens"]["viewer"].clone();
    revoked["revoked_at"] = json!("2026-01-01T00:00:00Z");
    revoked["secrets"] = json!([{ "id": "1", "sha256": digest }]);
    bundle["tokens"]["revoked"] = revoked;
    bundle
}

pub(crate) fn secret(name: &str) -> String {
    format!("test_svc_{name}_0123456789")
}
