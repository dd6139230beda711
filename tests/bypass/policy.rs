//! Who calls, what each may do, and what the upstream serves.
//!
//! The policy protects in each of the ways there are: by granting nothing, by a grant beside the target, by a
//! `deny` that takes a literal out of an `{id}`, and by a `deny` below a `/**`.

use serde_json::{Value, json};
use tokenward::engine::words::secret::SecretDigest;

/// Somebody who sends requests.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Caller {
    /// Without a token.
    Nobody,
    /// With a token that no policy knows.
    Stranger,
    /// May `GET /v1/metrics/**`.
    Viewer,
    /// May `GET /v1/users/{id}`, but not Müller's; is denied the export.
    Support,
    /// May `GET /files/public/**`.
    Files,
    /// May read invoices at one host, is denied their export at every host.
    Partner,
    /// May `GET /v1/tenants/${tenant}/**`, and is the tenant Žižkov.
    Tenant,
    /// May do everything, is denied some things.
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

    /// The id of the caller's token in the policy.
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

    /// The secret that the caller presents.
    pub(crate) fn secret(self) -> Option<String> {
        match self {
            Self::Nobody => None,
            Self::Stranger => Some(secret("stranger")),
            Self::Viewer | Self::Support | Self::Files | Self::Partner | Self::Tenant | Self::Operator => {
                self.token().map(secret)
            }
        }
    }

    /// Whether the policy gives the caller what this handler does.
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

/// Something that the upstream does only for those who have the right.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Handler {
    Admin,
    Export,
    DeleteUser,
    ReadUser,
    /// One user, by a name with a letter beyond ASCII.
    Mueller,
    Cafe,
    Street,
    OwnTenant,
    OtherTenant,
    Metrics,
    Orders,
    PrivateFile,
    PublicFile,
    /// The list of all files, just above the public ones.
    FileIndex,
    /// At `api.acme.test`.
    Invoice,
    /// The same path at `billing.acme.test`.
    BillingInvoice,
    /// The same path at the catch-all, for a router that compares hosts as text.
    OtherInvoice,
    /// All invoices, at any host.
    InvoiceExport,
    /// A page beside those that everybody may read.
    InternalPage,
}

/// What the upstream would do, in its own strict terms: the looseness is in how it comes by them.
pub(crate) fn handler(method: &[u8], host: &[u8], path: &[u8]) -> Option<Handler> {
    let reads = matches!(method, b"GET" | b"HEAD");
    let path = std::str::from_utf8(path).ok()?.strip_prefix('/')?;
    let segments: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
    match segments[..] {
        // What answers an `OPTIONS` is the CORS layer of a framework, not the handler.
        ["v1", "admin", ..] if method != b"OPTIONS" => Some(Handler::Admin),
        ["v1", "epic", "orders", ..] if method != b"OPTIONS" => Some(Handler::Orders),
        ["v1", "users", "export"] if reads => Some(Handler::Export),
        ["v1", "users", "müller"] if reads => Some(Handler::Mueller),
        ["v1", "café"] if reads => Some(Handler::Cafe),
        // Without case it is the same street.
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

/// The bundle.
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

/// The bundle with a defense, and with limits to rates; both as wide as they can be, for who is refused by them for long
/// is soon refused all the time.
pub(crate) fn guarded_bundle() -> Value {
    let mut bundle = bundle();
    let watched = json!({ "limit": 1_000, "per": "1s", "suspend": "1s" });
    bundle["defense"] = json!({ "denials": watched, "unknown_tokens": watched, "retired_secret": "alert" });
    bundle["tokens"]["viewer"]["rate_limit"] = json!("1000000/1s");
    bundle["tokens"]["files"]["rate_limit"] = json!("50/1s");
    bundle
}

/// The bundle with a token that was revoked.
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
