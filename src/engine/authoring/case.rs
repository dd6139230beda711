//! Policy tests: a request and the decision that is expected of the policy, as data.
//!
//! In: a `*.test.yaml` beside a policy. Out: what the policy really decides, and where that differs. The
//! same cases run here and, by the same headers, through the filter in Envoy.
//!
//! A registry holds no secrets, so the bundle is *rekeyed*: every digest is replaced by that of a made-up secret. A
//! case says who asks: a token of the registry, a token that need not exist, or a secret as presented.

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

/// One case: a request and what is expected.
#[derive(Debug, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The promise that the case keeps.
    pub name: String,
    /// The request.
    pub request: Request,
    /// What is expected.
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
    /// `:path`, query included.
    pub path: String,
    /// `:authority`.
    #[serde(default, deserialize_with = "given")]
    pub host: Option<String>,
    /// The token that asks. `ci-deploy` is judged by what the token may do, whatever became of its secrets. With `at`
    /// it brings its last secret as it is then; `ci-deploy/2` brings that secret of it.
    #[serde(default, deserialize_with = "given")]
    pub token: Option<String>,
    /// A token that need not exist, instead of `token`: its kind, roles, scope, attributes and limits.
    #[serde(default, rename = "as", deserialize_with = "given")]
    pub assumed: Option<Token>,
    /// A secret as presented, instead of `token`.
    #[serde(default, deserialize_with = "given")]
    pub secret: Option<String>,
    /// Where the request brings its secret; without it in the first place where the gateway looks.
    #[serde(default, deserialize_with = "given")]
    pub via: Option<CredentialSource>,
    /// The address that the request comes from.
    #[serde(default, deserialize_with = "given")]
    pub source: Option<String>,
    /// The gateway's environment, instead of that of its settings.
    #[serde(default, deserialize_with = "given")]
    pub environment: Option<EnvironmentName>,
    /// The gateway's service, instead of that of its settings.
    #[serde(default, deserialize_with = "given")]
    pub service: Option<ServiceName>,
    /// How often the same request was made just before; 0 without it.
    #[serde(default)]
    pub earlier: u32,
    /// The time; without it the moment in which the token's last secret was created.
    #[serde(default, deserialize_with = "given")]
    pub at: Option<Time>,
    /// More headers; a list for one that is repeated.
    #[serde(default)]
    pub headers: Entries<String, Values>,
}

/// The values of a header.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected text or a list of texts")]
pub enum Values {
    /// One.
    One(String),
    /// Several headers of this name.
    Many(Vec<String>),
}

/// What is expected of a case.
#[derive(Debug, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Permit or deny.
    pub decision: Outcome,
    /// The reason.
    pub reason: Reason,
    /// The permission by which the request is permitted.
    #[serde(default, deserialize_with = "given")]
    pub permission: Option<PermissionName>,
    /// The status that the caller gets; 200 where the request is forwarded.
    #[serde(default, deserialize_with = "given")]
    pub status: Option<u32>,
    /// The host that the upstream gets, with its port.
    #[serde(default, deserialize_with = "given")]
    pub host: Option<String>,
}

/// Permit or deny.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The request may pass.
    Permit,
    /// The request may not pass.
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
