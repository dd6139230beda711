//! The plugin configuration as written: the bundle, and how the filter applies decisions.
//!
//! In: a tree, from JSON text or from a protobuf Struct. Out: [`Settings`], or a list of everything that is wrong with
//! them.

use serde::{Deserialize, Serialize};

use crate::engine::config::alerts::Alerts;
use crate::engine::config::bundle::Bundle;
use crate::engine::config::credentials::CredentialSource;
use crate::engine::config::envelope::{KeyId, PublicKey};
use crate::engine::config::feed::Feed;
use crate::engine::config::problem::{Fault, Place, Problem, Problems};
use crate::engine::config::refusal::Refusal;
pub use crate::engine::config::settings::audit::{
    Audit, ChainKey, Chaining, Level, LinesPerSecond, Permits, SampleSize, Sink,
};
pub use crate::engine::config::settings::removed::RemovedHeader;
use crate::engine::config::settings::shipped::Shipped;
pub use crate::engine::config::settings::source::{Hops, SourceRule};
use crate::engine::config::settings::trust::Trust;
use crate::engine::matching::path::PathRules;
use crate::engine::words::fields::mappings;
use crate::engine::words::fields::{given, number};
use crate::engine::words::header::same_header;
use crate::engine::words::header::{MAX_HEADER_NAME, is_header_name};
use crate::engine::words::name::{EnvironmentName, ServiceName};

mod audit;
mod removed;
pub mod shipped;
mod source;
pub mod trust;

/// The plugin configuration as written: how the filter acts on decisions.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(remote = "Self", deny_unknown_fields, default, expecting = "a mapping with `bundle`, `audit`, …")]
pub struct Settings {
    /// The bundle. A file of settings does not have it.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Shipped>,
    /// The keys that may sign the bundle. With keys, the gateway rejects an unsigned bundle.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(length(min = 1, max = MAX_KEYS), extend("uniqueItems" = true))
    )]
    pub keys: Option<Vec<PublicKey>>,
    /// At least this many of the keys must sign the bundle.
    #[serde(deserialize_with = "number")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 1, max = MAX_KEYS)))]
    pub threshold: u64,
    /// Where the gateway fetches its bundle. The one in `bundle` is active until the first arrives.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub feed: Option<Feed>,
    /// Whether the filter enforces its decisions.
    pub mode: Mode,
    /// The environment that this gateway is in.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// The service that this gateway is or protects.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// Where a request may bring its token.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(length(min = 1, max = MAX_CREDENTIALS), extend("uniqueItems" = true))
    )]
    pub credentials: Vec<CredentialSource>,
    /// Whether the upstream gets the credential too.
    pub forward_credential: bool,
    /// Headers that name the caller to the upstream.
    pub identity_headers: IdentityHeaders,
    /// How the gateway finds the caller's address. By default, Envoy's own view decides.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceRule>,
    /// What the filter does with paths that programs could read in different ways.
    pub paths: PathRules,
    /// What the filter does with CORS preflights.
    pub cors_preflight: Preflight,
    /// What the filter does with requests that name a second path in a header.
    pub second_path: SecondPath,
    /// Further headers that the filter removes from requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(length(max = removed::MAX_REMOVED), extend("uniqueItems" = true))
    )]
    pub remove_headers: Vec<RemovedHeader>,
    /// Where audit events go.
    pub audit: Audit,
    /// Where the filter sends alerts.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Alerts>,
}

mappings!(Settings, IdentityHeaders);

impl Default for Settings {
    fn default() -> Self {
        Self {
            bundle: None,
            keys: None,
            threshold: 1,
            feed: None,
            mode: Mode::default(),
            environment: None,
            service: None,
            credentials: vec![CredentialSource::bearer()],
            forward_credential: false,
            identity_headers: IdentityHeaders::default(),
            source: None,
            paths: PathRules::default(),
            cors_preflight: Preflight::default(),
            second_path: SecondPath::default(),
            remove_headers: Vec::new(),
            audit: Audit::default(),
            alerts: None,
        }
    }
}

impl Settings {
    /// Returns the keys that may sign a bundle of this gateway, in its configuration or in its feed.
    pub fn bundle_signers(&self) -> Vec<KeyId> {
        let own = self.keys.iter().flatten();
        own.chain(self.feed.iter().flat_map(|feed| &feed.keys)).map(PublicKey::id).collect()
    }

    /// Returns the keys that may sign a list of revocations.
    pub fn list_signers(&self) -> Vec<KeyId> {
        self.feed.iter().flat_map(|feed| &feed.keys).map(PublicKey::id).collect()
    }

    /// Returns the environment and service of this gateway, as the settings name them.
    pub fn location(&self) -> String {
        let environment = self.environment.as_ref().map(EnvironmentName::as_str).unwrap_or_default();
        let service = self.service.as_ref().map(ServiceName::as_str).unwrap_or_default();
        format!("{environment}/{service}")
    }

    /// Returns the bundle with this gateway's environment and service.
    ///
    /// # Errors
    /// Fails if the bundle and the gateway name different environments or services.
    pub fn place(&self, mut bundle: Bundle) -> Result<Bundle, Problems> {
        let mut problems = Vec::new();
        let mut agree = |key: &str, gateway: Option<&str>, bundle: Option<&str>| {
            if let (Some(gateway), Some(bundle)) = (gateway, bundle)
                && gateway != bundle
            {
                let fault = Fault::Shape(format!(
                    "the bundle is for {key} `{bundle}`, but the gateway's is `{gateway}`"
                ));
                problems.push(Problem { place: Place::default().key(key), fault });
            }
        };
        agree(
            "environment",
            self.environment.as_ref().map(EnvironmentName::as_str),
            bundle.environment.as_ref().map(EnvironmentName::as_str),
        );
        agree(
            "service",
            self.service.as_ref().map(ServiceName::as_str),
            bundle.service.as_ref().map(ServiceName::as_str),
        );
        Problems::check(problems)?;
        bundle.environment = self.environment.clone().or(bundle.environment);
        bundle.service = self.service.clone().or(bundle.service);
        Ok(bundle)
    }

    /// Checks the settings as a whole, and returns the keys that the gateway trusts.
    ///
    /// # Errors
    /// Fails with a list of everything that is wrong with the settings.
    pub(crate) fn check(&self) -> Result<Trust, Problems> {
        let IdentityHeaders { token, identity } = &self.identity_headers;
        let place = Place::default().key("identity_headers");
        let mut problems = Vec::new();
        for (key, name) in [("token", token), ("identity", identity)] {
            if !is_identity_header(name) {
                let shown: String = name.chars().take(80).collect();
                let message = format!(
                    "`{}` cannot be an identity header: it begins with `x-` and has lower-case letters, digits and `-`",
                    shown.escape_default()
                );
                problems.push(Problem { place: place.key(key), fault: Fault::Shape(message) });
            }
        }
        if token == identity {
            let message = format!("`{token}` cannot be both the token's and the identity's header");
            problems.push(Problem { place, fault: Fault::Shape(message) });
        }
        problems.extend(self.check_credentials());
        problems.extend(removed::check(self));
        problems.extend(self.feed.as_ref().and_then(check_feed));
        let trust = Trust::of(self).unwrap_or_else(|more| {
            problems.extend(more);
            Trust::default()
        });
        Problems::check(problems)?;
        Ok(trust)
    }

    fn check_credentials(&self) -> Option<Problem> {
        let sources = &self.credentials;
        let repeated = || {
            sources
                .iter()
                .enumerate()
                .any(|(number, source)| sources.iter().take(number).any(|earlier| earlier.is_at(source)))
        };
        let headers = &self.identity_headers;
        let message = match sources.len() {
            0 => "there is no place in which a request may bring its token".to_owned(),
            count if count > MAX_CREDENTIALS => {
                format!("{count} credential sources are more than the {MAX_CREDENTIALS} allowed")
            }
            _ if repeated() => "a credential source is listed twice".to_owned(),
            _ if sources.iter().any(|source| headers.contains(source.header())) => {
                "an identity header cannot bring a credential".to_owned()
            }
            _ => return None,
        };
        Some(Problem { place: Place::default().key("credentials"), fault: Fault::Shape(message) })
    }
}

fn check_feed(feed: &Feed) -> Option<Problem> {
    let (key, message) = feed.fault()?;
    Some(Problem { place: Place::default().key("feed").key(key), fault: Fault::Shape(message) })
}

/// Whether the filter enforces its decisions.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The filter enforces its decisions.
    #[default]
    Enforce,
    /// The filter forwards everything and only reports its decisions.
    Shadow,
}

impl Mode {
    /// Returns the mode as settings, events and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
        }
    }
}

/// What the filter does with a CORS preflight, which a browser sends without credentials.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Preflight {
    /// The filter forwards a preflight as a browser sends it, if the policy has such an operation.
    #[default]
    Permit,
    /// A preflight needs a token like any other request.
    Authenticate,
}

/// What the filter does with a request that names a second path in a header, such as `destination` or `x-amz-copy-source`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SecondPath {
    /// The filter rejects the request as malformed, because it does not judge that path.
    #[default]
    Reject,
    /// The filter judges only the request's own path. The upstream must judge the second one.
    Forward,
}

/// Names of the headers that name the caller to the upstream.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(remote = "Self", deny_unknown_fields, default, expecting = "a mapping with `token`, `identity`")]
pub struct IdentityHeaders {
    /// Header with the token's id.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("pattern" = "^x-[a-z0-9-]{1,62}$")))]
    pub token: String,
    /// Header with kind, roles and permission (RFC 9651 dictionary).
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("pattern" = "^x-[a-z0-9-]{1,62}$")))]
    pub identity: String,
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self { token: "x-tokenward-token".to_owned(), identity: "x-tokenward-identity".to_owned() }
    }
}

impl IdentityHeaders {
    /// Whether `name` is one of these headers, or some program may read it as one.
    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        same_header(name, self.token.as_bytes()) || same_header(name, self.identity.as_bytes())
    }
}

pub(crate) fn refused(key: &str, refusal: Refusal) -> Problems {
    Problem { place: Place::default().key(key), fault: Fault::Signed(refusal) }.into()
}

pub(crate) fn missing(key: &str) -> Problems {
    let fault = Fault::Shape(format!("missing field `{key}`"));
    Problem { place: Place::default(), fault }.into()
}

fn is_identity_header(name: &str) -> bool {
    name.strip_prefix("x-").is_some_and(is_header_name)
        && name.len() <= MAX_HEADER_NAME
        && !name.contains('_')
}

#[cfg(not(target_arch = "wasm32"))]
const MAX_KEYS: usize = crate::engine::config::envelope::MAX_KEYS;
const MAX_CREDENTIALS: usize = 16;
