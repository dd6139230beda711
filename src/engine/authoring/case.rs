//! Policy tests: a request and the decision that the policy should give, as data.
//!
//! In: a `*.test.yaml` beside a policy. Out: the policy's actual decision, and every difference. The same cases run
//! here and, as real requests, through the filter in Envoy.
//!
//! A registry holds no secrets, so the bundle is *rekeyed*: made-up secrets replace all digests. A case names its
//! caller: a token of the registry, a token that only the case describes, or a secret as presented.

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::engine::authoring::case::observed::{Observed, Prepared};
pub use crate::engine::authoring::case::rehearsal::{Rehearsal, Site};
pub use crate::engine::authoring::case::rekeyed::BadCase;
use crate::engine::config::bundle::Token;
use crate::engine::config::credentials::CredentialSource;
use crate::engine::words::entries::Entries;
use crate::engine::words::fields::given;
use crate::engine::words::name::{EnvironmentName, PermissionName, ServiceName};
use crate::engine::words::reason::Reason;
use crate::engine::words::time::Time;

mod observed;
mod presented;
mod rehearsal;
mod rekeyed;

/// One case: a request and the expected decision.
#[derive(Debug, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The promise that the case checks.
    pub name: String,
    /// The request.
    pub request: Request,
    /// The expected outcome.
    pub expect: Expect,
}

/// The request of a case.
#[derive(Debug, Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend("allOf" = [
        { "not": { "required": ["token", "secret"] } },
        { "not": { "required": ["token", "as"] } },
        { "not": { "required": ["as", "secret"] } }
    ]))
)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `:method`.
    pub method: String,
    /// `:path`, including the query.
    pub path: String,
    /// `:authority`.
    #[serde(default, deserialize_with = "given")]
    pub host: Option<String>,
    /// The token that sends the request. `ci-deploy` is tested for its permissions, whatever the state of its
    /// secrets. With `at` it sends its last secret in the state at that time; `ci-deploy/2` sends that secret.
    #[serde(default, deserialize_with = "given")]
    pub token: Option<String>,
    /// A token that the case describes, instead of `token`: its kind, roles, scope, attributes and limits.
    #[serde(default, rename = "as", deserialize_with = "given")]
    pub assumed: Option<Token>,
    /// A secret as presented, instead of `token`.
    #[serde(default, deserialize_with = "given")]
    pub secret: Option<String>,
    /// Where the request sends its secret; by default the gateway's first credential source.
    #[serde(default, deserialize_with = "given")]
    pub via: Option<CredentialSource>,
    /// The source address of the request.
    #[serde(default, deserialize_with = "given")]
    pub source: Option<String>,
    /// The gateway's environment, instead of the one in its settings.
    #[serde(default, deserialize_with = "given")]
    pub environment: Option<EnvironmentName>,
    /// The gateway's service, instead of the one in its settings.
    #[serde(default, deserialize_with = "given")]
    pub service: Option<ServiceName>,
    /// How often the same request was made just before; 0 by default.
    #[serde(default)]
    pub earlier: u32,
    /// The time of the request; by default the time at which the token's last secret was created.
    #[serde(default, deserialize_with = "given")]
    pub at: Option<Time>,
    /// Additional headers. Use a list for a repeated header.
    #[serde(default)]
    pub headers: Entries<String, Values>,
}

/// The values of a header.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected text or a list of texts")]
pub enum Values {
    /// One value.
    One(String),
    /// Several headers with this name.
    Many(Vec<String>),
}

/// The expected outcome of a case.
#[derive(Debug, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Permit or deny.
    pub decision: Outcome,
    /// The reason.
    pub reason: Reason,
    /// The permission that permits the request.
    #[serde(default, deserialize_with = "given")]
    pub permission: Option<PermissionName>,
    /// The status of the response; 200 if the request is forwarded.
    #[serde(default, deserialize_with = "given")]
    pub status: Option<u32>,
    /// The host, with its port, that the upstream receives.
    #[serde(default, deserialize_with = "given")]
    pub host: Option<String>,
}

/// Permit or deny.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The request is permitted.
    Permit,
    /// The request is denied.
    Deny,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
        })
    }
}
