//! The gateway: a policy, and the settings of the filter that enforces it.
//!
//! In: Envoy's plugin configuration, as JSON text or as a protobuf Struct, and fetched bundles. Out: a [`Gateway`],
//! or every problem of the configuration. The result depends only on the bytes. If it differed between threads, Envoy
//! would skip the filter on some of them.

use crate::engine::config::bundle;
use crate::engine::config::bundle::{Bundle, MAX_BYTES};
use crate::engine::config::envelope::{Envelope, PayloadType, TrustedKeys, Verified};
use crate::engine::config::problem::{Fault, Place, Problem, Problems, Step};
use crate::engine::config::protobuf;
use crate::engine::config::refusal::Refusal;
use crate::engine::config::revocations::Revocations;
use crate::engine::config::settings::shipped::Shipped;
use crate::engine::config::settings::trust::Trust;
use crate::engine::config::settings::{Settings, missing, refused};
use crate::engine::memory::seal::Seal;
use crate::engine::policy::compiled::Policy;

/// A policy and the settings of the filter that enforces it.
#[derive(Debug, Default)]
pub struct Gateway {
    /// The policy.
    pub policy: Policy,
    /// The settings of the filter.
    pub settings: Settings,
    /// The keys that must sign its bundles.
    pub trust: Trust,
}

impl Gateway {
    /// Reads a plugin configuration. A signed bundle stays in the settings for the caller.
    ///
    /// # Errors
    /// All problems of the configuration. Places in the bundle are relative to the bundle.
    pub fn configure(configuration: &[u8]) -> Result<Self, Problems> {
        check_size(configuration.len())?;
        let mut settings: Settings = match protobuf::tree(configuration) {
            Some(tree) => bundle::from_tree(&tree),
            None => bundle::from_json(configuration),
        }
        .map_err(|problems| problems.below("bundle"))?;
        let bundle = settings.bundle.take();
        if bundle.is_none() && settings.feed.is_none() {
            return Err(missing("bundle"));
        }
        let trust = settings.check()?;
        let mut gateway = Self { policy: Policy::deny_all(), settings, trust };
        match bundle {
            // Without a fetched bundle there is no usable policy.
            None => {}
            Some(Shipped::Signed(text)) => {
                gateway.policy = gateway.signed(&text)?;
                gateway.settings.bundle = Some(Shipped::Signed(text));
            }
            Some(Shipped::Plain(bundle)) => gateway.policy = gateway.plain(*bundle)?,
        }
        Ok(gateway)
    }

    /// The gateway to use without a usable policy: it denies every request.
    pub fn deny_all() -> Self {
        Self { policy: Policy::deny_all(), ..Self::default() }
    }

    /// The same gateway with another policy.
    pub fn with(&self, policy: Policy) -> Self {
        Self { policy, settings: self.settings.clone(), trust: self.trust.clone() }
    }

    /// Compiles an unsigned bundle for this gateway.
    fn plain(&self, bundle: Bundle) -> Result<Policy, Problems> {
        match self.trust.configuration {
            None => Policy::compile(self.settings.place(bundle)?),
            Some(_) => Err(refused("bundle", Refusal::Unsigned)),
        }
    }

    /// Compiles a signed bundle for this gateway, once enough trusted keys have signed it.
    ///
    /// # Errors
    /// Fails if the bundle is not trusted, or with all problems of the bundle.
    pub fn signed(&self, text: &str) -> Result<Policy, Problems> {
        let trusted = self.trust.configuration.as_ref();
        let trusted = trusted.ok_or_else(|| refused("bundle", Refusal::NoKeys))?;
        self.sealed(&bundle_envelope(text)?.verify(trusted)?)
    }

    /// Compiles a fetched bundle, once enough keys of the feed have signed it. If its payload is that of the active
    /// seal, it is not read again, and the result is a seal with the same mark and the new signers.
    ///
    /// # Errors
    /// Fails if the bundle is not trusted, or with all problems of the bundle.
    pub fn fetched(&self, text: &str, active: Option<&Seal>) -> Result<Result<Policy, Seal>, Problems> {
        let envelope = bundle_envelope(text)?;
        let verified = envelope.verify(self.feed_keys()?)?;
        match active.filter(|seal| seal.mark.is_of(verified.digest())) {
            Some(seal) => Ok(Err(Seal { signers: verified.signers, ..seal.clone() })),
            None => self.sealed(&verified).map(Ok),
        }
    }

    /// Reads a fetched revocation list and its seal, once enough keys of the feed have signed it.
    ///
    /// # Errors
    /// Fails if the list is not trusted, or with all problems of the list.
    pub fn fetched_revocations(&self, text: &str) -> Result<(Revocations, Seal), Problems> {
        Revocations::open(text.as_bytes(), self.feed_keys()?)
    }

    fn feed_keys(&self) -> Result<&TrustedKeys, Problems> {
        self.trust.feed.as_ref().ok_or_else(|| missing("feed"))
    }

    fn sealed(&self, verified: &Verified<'_>) -> Result<Policy, Problems> {
        let bundle = self.settings.place(bundle::from_json(verified.payload)?)?;
        let seal = Seal::of(verified, &bundle);
        Ok(Policy { seal: Some(seal), ..Policy::compile(bundle)? })
    }
}

fn bundle_envelope(text: &str) -> Result<Envelope, Problems> {
    let in_bundle = |place: Place| if place.steps().is_empty() { place.key("bundle") } else { place };
    Envelope::parse(text.as_bytes(), PayloadType::Bundle).map_err(|problems| problems.map_places(in_bundle))
}

impl Problems {
    /// Reports the places below `key` as places of the document itself.
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
