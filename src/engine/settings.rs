//! The plugin configuration: the bundle and how the filter is to act on its decisions.
//!
//! In: Envoy's plugin configuration, as JSON text or as a protobuf Struct.
//! Out: a [`Gateway`], or all that is wrong with the configuration. The answer depends on the bytes alone:
//! were it to differ between threads, Envoy would skip the filter on some.

use serde::{Deserialize, Serialize};

use crate::engine::alerts::Alerts;
use crate::engine::credential::CredentialSource;
use crate::engine::document::{self, Document, given, number};
use crate::engine::envelope::{Envelope, KeyId, PayloadType, PublicKey, Refusal, TrustedKeys, Verified};
use crate::engine::feed::Feed;
use crate::engine::freshness::Seal;
use crate::engine::head::same_header;
use crate::engine::mapping::mappings;
use crate::engine::name::{EnvironmentName, ServiceName};
use crate::engine::path::PathRules;
use crate::engine::policy::Policy;
use crate::engine::problem::{Fault, Place, Problem, Problems, Step};
use crate::engine::revocations::Revocations;
pub use crate::engine::settings::audit::{
    Audit, ChainKey, Chaining, Level, LinesPerSecond, Permits, SampleSize, Sink,
};
use crate::engine::settings::bundle::Bundle;
pub use crate::engine::settings::removed::RemovedHeader;
pub use crate::engine::settings::source::{Hops, SourceRule};
use crate::engine::structure;

mod audit;
pub mod bundle;
mod removed;
mod source;

/// A policy and the settings of the filter that enforces it.
#[derive(Debug, Default)]
pub struct Gateway {
    /// The policy.
    pub policy: Policy,
    /// How the filter acts.
    pub settings: Settings,
}

impl Gateway {
    /// Reads a plugin configuration. A signed bundle stays in the settings, for who keeps it.
    ///
    /// # Errors
    /// All that is wrong with it; places in the bundle are told as in the bundle itself.
    pub fn configure(configuration: &[u8]) -> Result<Self, Problems> {
        check_size(configuration.len())?;
        let mut settings: Settings = match structure::tree(configuration) {
            Some(tree) => document::from_tree(&tree),
            None => document::from_json(configuration),
        }
        .map_err(|problems| problems.below("bundle"))?;
        let bundle = settings.bundle.take();
        if bundle.is_none() && settings.feed.is_none() {
            return Err(missing("bundle"));
        }
        settings.check()?;
        let policy = match bundle {
            // Until something is fetched, there is no usable policy.
            None => Policy::deny_all(),
            Some(Bundle::Signed(text)) => {
                let policy = settings.policy_of_signed(&text)?;
                settings.bundle = Some(Bundle::Signed(text));
                policy
            }
            Some(plain) => settings.policy(plain)?,
        };
        Ok(Self { policy, settings })
    }

    /// The gateway where there is no usable policy: it denies every request.
    pub fn deny_all() -> Self {
        Self { policy: Policy::deny_all(), settings: Settings::default() }
    }
}

/// How the filter acts on decisions: the plugin configuration as written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(remote = "Self", deny_unknown_fields, default, expecting = "a mapping with `bundle`, `audit`, …")]
pub struct Settings {
    /// The bundle; a file of settings has none.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Bundle>,
    /// The keys that may sign the bundle; with them an unsigned one is refused.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(length(min = 1, max = MAX_KEYS), extend("uniqueItems" = true))
    )]
    pub keys: Option<Vec<PublicKey>>,
    /// How many of them must have signed it.
    #[serde(deserialize_with = "number")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 1, max = MAX_KEYS)))]
    pub threshold: u64,
    /// Where to fetch bundles from; one in `bundle` serves until the first has come.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub feed: Option<Feed>,
    /// Whether decisions are enforced.
    pub mode: Mode,
    /// The environment that this gateway is in.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// The service that this gateway is, or is before.
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
    /// Headers that tell the upstream who calls.
    pub identity_headers: IdentityHeaders,
    /// How the gateway finds out where a request comes from; without it by what Envoy takes for that.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceRule>,
    /// What becomes of paths that have more than one reading.
    pub paths: PathRules,
    /// What becomes of CORS preflights.
    pub cors_preflight: Preflight,
    /// What becomes of requests that name a second path in a header.
    pub second_path: SecondPath,
    /// More headers that no upstream gets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(length(max = removed::MAX_REMOVED), extend("uniqueItems" = true))
    )]
    pub remove_headers: Vec<RemovedHeader>,
    /// Where audit events go.
    pub audit: Audit,
    /// Where events go that somebody is to be told at once.
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
    /// The policy of a bundle at this gateway, once enough trusted keys have signed it where there are keys.
    ///
    /// # Errors
    /// That the bundle is not trusted, or all that is wrong with it.
    pub fn policy(&self, bundle: Bundle) -> Result<Policy, Problems> {
        match (bundle, self.trusted()?) {
            (Bundle::Plain(document), None) => Policy::compile(self.place(*document)?),
            (Bundle::Signed(text), _) => self.policy_of_signed(&text),
            (Bundle::Plain(_), Some(_)) => Err(refused("bundle", Refusal::Unsigned)),
        }
    }

    /// The policy of a signed bundle at this gateway, once enough trusted keys have signed it.
    ///
    /// # Errors
    /// That the bundle is not trusted, or all that is wrong with it.
    pub fn policy_of_signed(&self, text: &str) -> Result<Policy, Problems> {
        let trusted = self.trusted()?.ok_or_else(|| refused("bundle", Refusal::NoKeys))?;
        self.signed(text, &trusted)
    }

    /// The policy of a bundle that was fetched, once enough keys of the feed have signed it. Where its payload is the one
    /// of the seal in force, that is not read again: then it is a seal of the same mark, by these signers.
    ///
    /// # Errors
    /// That the bundle is not trusted, or all that is wrong with it.
    pub fn fetched(&self, text: &str, in_force: Option<&Seal>) -> Result<Result<Policy, Seal>, Problems> {
        let envelope = bundle_envelope(text)?;
        let verified = envelope.verify(&self.trusted_of_feed()?)?;
        match in_force.filter(|seal| seal.mark.is_of(verified.digest())) {
            Some(seal) => Ok(Err(Seal { signers: verified.signers, ..seal.clone() })),
            None => self.sealed(&verified).map(Ok),
        }
    }

    /// The list of revocations that was fetched, once enough keys of the feed have signed it, and its seal.
    ///
    /// # Errors
    /// That the list is not trusted, or all that is wrong with it.
    pub fn fetched_revocations(&self, text: &str) -> Result<(Revocations, Seal), Problems> {
        Revocations::open(text.as_bytes(), &self.trusted_of_feed()?)
    }

    /// The keys that may sign a bundle of this gateway, in its configuration or in its feed.
    pub fn bundle_signers(&self) -> Vec<KeyId> {
        let own = self.keys.iter().flatten();
        own.chain(self.feed.iter().flat_map(|feed| &feed.keys)).map(PublicKey::id).collect()
    }

    /// The keys that may sign a list of revocations.
    pub fn list_signers(&self) -> Vec<KeyId> {
        self.feed.iter().flat_map(|feed| &feed.keys).map(PublicKey::id).collect()
    }

    /// The place of this gateway, as the settings name it.
    pub fn location(&self) -> String {
        let environment = self.environment.as_ref().map(EnvironmentName::as_str).unwrap_or_default();
        let service = self.service.as_ref().map(ServiceName::as_str).unwrap_or_default();
        format!("{environment}/{service}")
    }

    /// The keys that what is fetched is checked against.
    ///
    /// # Errors
    /// What is wrong with them, or that nothing is fetched.
    pub fn trusted_of_feed(&self) -> Result<TrustedKeys, Problems> {
        let Some(feed) = &self.feed else { return Err(missing("feed")) };
        TrustedKeys::new(feed.keys.clone(), feed.threshold).map_err(|refusal| refused("keys", refusal))
    }

    fn signed(&self, text: &str, trusted: &TrustedKeys) -> Result<Policy, Problems> {
        self.sealed(&bundle_envelope(text)?.verify(trusted)?)
    }

    fn sealed(&self, verified: &Verified<'_>) -> Result<Policy, Problems> {
        let document = self.place(document::from_json(verified.payload)?)?;
        let seal = Seal::of(verified, &document);
        Ok(Policy { seal: Some(seal), ..Policy::compile(document)? })
    }

    /// The keys that a bundle is checked against; none where it need not be signed.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn trusted(&self) -> Result<Option<TrustedKeys>, Problems> {
        let Some(keys) = self.keys.clone() else {
            let refusal = Refusal::ThresholdOfNone { threshold: self.threshold };
            return if self.threshold == 1 { Ok(None) } else { Err(refused("threshold", refusal)) };
        };
        TrustedKeys::new(keys, self.threshold).map(Some).map_err(|refusal| {
            let of_threshold = matches!(refusal, Refusal::Threshold { .. });
            refused(if of_threshold { "threshold" } else { "keys" }, refusal)
        })
    }

    /// The bundle at this gateway: a bundle for another environment or service is refused.
    ///
    /// # Errors
    /// That bundle and gateway name different places.
    pub fn place(&self, mut bundle: Document) -> Result<Document, Problems> {
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

    /// Checks what is wrong with the settings only when they are taken together.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub(crate) fn check(&self) -> Result<(), Problems> {
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
        problems.extend(self.check_credentials());
        problems.extend(removed::check(self));
        problems.extend(self.trusted().err().into_iter().flatten());
        problems.extend(self.feed.as_ref().and_then(check_feed));
        Problems::check(problems)
    }

    fn check_credentials(&self) -> Option<Problem> {
        let sources = &self.credentials;
        let repeated = || {
            sources
                .iter()
                .enumerate()
                .any(|(number, source)| sources.iter().take(number).any(|earlier| earlier == source))
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

fn bundle_envelope(text: &str) -> Result<Envelope, Problems> {
    let in_bundle = |place: Place| if place.steps().is_empty() { place.key("bundle") } else { place };
    Envelope::parse(text.as_bytes(), PayloadType::Bundle).map_err(|problems| problems.map_places(in_bundle))
}

fn check_feed(feed: &Feed) -> Option<Problem> {
    let place = Place::default().key("feed");
    if let Some((key, message)) = feed.fault() {
        return Some(Problem { place: place.key(key), fault: Fault::Shape(message) });
    }
    let refusal = TrustedKeys::new(feed.keys.clone(), feed.threshold).err()?;
    let key = if matches!(refusal, Refusal::Threshold { .. }) { "threshold" } else { "keys" };
    Some(Problem { place: place.key(key), fault: Fault::Signed(refusal) })
}

/// Whether decisions are enforced.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are.
    #[default]
    Enforce,
    /// Everything is forwarded; decisions are only reported.
    Shadow,
}

/// What becomes of a CORS preflight, which a browser sends without credentials.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Preflight {
    /// One as a browser sends it is forwarded, for what the policy has an operation for.
    #[default]
    Permit,
    /// It is a request like any other.
    Authenticate,
}

/// What becomes of a request that names a second path in a header, such as `destination` or `x-amz-copy-source`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SecondPath {
    /// It is rejected as malformed: nobody judges that path.
    #[default]
    Reject,
    /// It is judged by its own path alone; the upstream has to judge the second.
    Forward,
}

/// Names of the headers that tell the upstream who calls.
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
    /// Whether `name` is one of them, or some program may take it for one.
    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        same_header(name, self.token.as_bytes()) || same_header(name, self.identity.as_bytes())
    }
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

fn check_size(size: usize) -> Result<(), Problems> {
    let fault = Fault::TooMany { what: "bytes", count: size, limit: MAX_BYTES };
    if size > MAX_BYTES { Err(Problem { place: Place::default(), fault }.into()) } else { Ok(()) }
}

fn refused(key: &str, refusal: Refusal) -> Problems {
    Problem { place: Place::default().key(key), fault: Fault::Signed(refusal) }.into()
}

fn missing(key: &str) -> Problems {
    let fault = Fault::Shape(format!("missing field `{key}`"));
    Problem { place: Place::default(), fault }.into()
}

fn is_header_name(name: &str) -> bool {
    name.strip_prefix("x-").is_some_and(|rest| {
        !rest.is_empty()
            && name.len() <= MAX_HEADER_NAME
            && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    })
}

/// Largest document that is read: some 400,000 tokens. A VM of 1 GiB has room for two of that size, one in force and one
/// that is read to take its place; with too little Envoy would go on without the filter.
pub const MAX_BYTES: usize = 64 << 20;
#[cfg(not(target_arch = "wasm32"))]
const MAX_KEYS: usize = crate::engine::envelope::MAX_KEYS;
const MAX_HEADER_NAME: usize = 64;
const MAX_CREDENTIALS: usize = 16;
