//! The plugin configuration: the bundle and how the filter is to act on its decisions.
//!
//! In: Envoy's plugin configuration, as JSON text or as a protobuf Struct.
//! Out: a [`Gateway`], or all that is wrong with the configuration. The answer depends on the bytes alone:
//! were it to differ between threads, Envoy would skip the filter on some.

use serde::{Deserialize, Serialize};

use crate::engine::document::{self, Document};
use crate::engine::head::same_header;
use crate::engine::mapping::mappings;
use crate::engine::policy::Policy;
use crate::engine::problem::{Fault, Place, Problem, Problems, Step};
use crate::engine::structure;

/// A policy and the settings of the filter that enforces it.
#[derive(Debug, Default)]
pub struct Gateway {
    /// The policy.
    pub policy: Policy,
    /// How the filter acts.
    pub settings: Settings,
}

impl Gateway {
    /// Reads a plugin configuration.
    ///
    /// # Errors
    /// All that is wrong with it; places in the bundle are told as in the bundle itself.
    pub fn configure(configuration: &[u8]) -> Result<Self, Problems> {
        let configuration: PluginConfiguration = match structure::tree(configuration) {
            Some(tree) => document::from_tree(&tree),
            None => document::from_json(configuration),
        }
        .map_err(|problems| problems.below("bundle"))?;
        let PluginConfiguration { bundle, forward_credential, identity_headers, audit } = configuration;
        let settings = Settings { forward_credential, identity_headers, audit };
        settings.check()?;
        Ok(Self { policy: Policy::compile(bundle)?, settings })
    }

    /// The gateway where there is no usable policy: it denies every request.
    pub fn deny_all() -> Self {
        Self { policy: Policy::deny_all(), settings: Settings::default() }
    }
}

/// The plugin configuration as written.
#[derive(Debug, Deserialize, Serialize)]
#[serde(remote = "Self", deny_unknown_fields, expecting = "a mapping with `bundle`, `audit`, …")]
pub struct PluginConfiguration {
    /// The bundle.
    pub bundle: Document,
    /// Whether the upstream gets the credential too.
    #[serde(default)]
    pub forward_credential: bool,
    /// Headers that tell the upstream who calls.
    #[serde(default)]
    pub identity_headers: IdentityHeaders,
    /// Where audit events go.
    #[serde(default)]
    pub audit: Audit,
}

mappings!(PluginConfiguration, IdentityHeaders, Audit);

/// How the filter acts on decisions.
#[derive(Debug, Default)]
pub struct Settings {
    /// Whether the upstream gets the credential too.
    pub forward_credential: bool,
    /// Headers that tell the upstream who calls.
    pub identity_headers: IdentityHeaders,
    /// Where audit events go.
    pub audit: Audit,
}

impl Settings {
    fn check(&self) -> Result<(), Problems> {
        let IdentityHeaders { token, identity } = &self.identity_headers;
        let place = Place::default().key("identity_headers");
        let mut problems = Vec::new();
        for (key, name) in [("token", token), ("identity", identity)] {
            if !is_header_name(name) {
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
        Problems::check(problems)
    }
}

/// Names of the headers that tell the upstream who calls.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(remote = "Self", deny_unknown_fields, default, expecting = "a mapping with `token`, `identity`")]
pub struct IdentityHeaders {
    /// Header with the token's id.
    pub token: String,
    /// Header with kind, roles and permission (RFC 9651 dictionary).
    pub identity: String,
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self { token: "x-tokenward-token".to_owned(), identity: "x-tokenward-identity".to_owned() }
    }
}

impl IdentityHeaders {
    /// Whether `name` is one of them, or some program may take it for one.
    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        same_header(name, self.token.as_bytes()) || same_header(name, self.identity.as_bytes())
    }
}

/// Where audit events go.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(remote = "Self", deny_unknown_fields, default, expecting = "a mapping with `sinks`, `level`")]
pub struct Audit {
    /// The sinks; none turns auditing off.
    pub sinks: Vec<Sink>,
    /// Level of the lines in the host's log.
    pub level: Level,
}

impl Default for Audit {
    fn default() -> Self {
        Self { sinks: vec![Sink::Log], level: Level::Info }
    }
}

/// A place that audit events go to.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sink {
    /// The host's log.
    Log,
}

/// Level of a line in the host's log.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Shown by Envoy's default.
    Info,
    /// Shown by Istio's default too.
    Warn,
    /// An error.
    Error,
    /// Shown at every setting but `off`.
    Critical,
}

impl Problems {
    /// Tells places below `key` as if they were the document's own.
    fn below(self, key: &str) -> Self {
        self.map_places(|place| match place.steps() {
            [Step::Key(first), rest @ ..] if first == key && !rest.is_empty() => {
                rest.iter().cloned().collect()
            }
            _ => place,
        })
    }
}

fn is_header_name(name: &str) -> bool {
    name.strip_prefix("x-").is_some_and(|rest| {
        !rest.is_empty()
            && name.len() <= MAX_HEADER_NAME
            && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    })
}

const MAX_HEADER_NAME: usize = 64;
