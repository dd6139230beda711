//! The gateway: a policy, and the settings of the filter that enforces it.
//!
//! In: Envoy's plugin configuration, as JSON text or as a protobuf Struct; bundles that were fetched. Out: a [`Gateway`],
//! or all that is wrong with the configuration. The answer depends on the bytes alone: were it to differ between threads,
//! Envoy would skip the filter on some.

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
    /// How the filter acts.
    pub settings: Settings,
    /// Who must sign what it takes.
    pub trust: Trust,
}

impl Gateway {
    /// Reads a plugin configuration. A signed bundle stays in the settings, for who keeps it.
    ///
    /// # Errors
    /// All that is wrong with it; places in the bundle are relative to the bundle.
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
            // Until something is fetched, there is no usable policy.
            None => {}
            Some(Shipped::Signed(text)) => {
                gateway.policy = gateway.signed(&text)?;
                gateway.settings.bundle = Some(Shipped::Signed(text));
            }
            Some(Shipped::Plain(bundle)) => gateway.policy = gateway.plain(*bundle)?,
        }
        Ok(gateway)
    }

    /// The gateway where there is no usable policy: it denies every request.
    pub fn deny_all() -> Self {
        Self { policy: Policy::deny_all(), ..Self::default() }
    }

    /// The same gateway with another policy.
    pub fn with(&self, policy: Policy) -> Self {
        Self { policy, settings: self.settings.clone(), trust: self.trust.clone() }
    }

    /// The policy of a plain bundle at this gateway.
    fn plain(&self, bundle: Bundle) -> Result<Policy, Problems> {
        match self.trust.configuration {
            None => Policy::compile(self.settings.place(bundle)?),
            Some(_) => Err(refused("bundle", Refusal::Unsigned)),
        }
    }

    /// The policy of a signed bundle at this gateway, once enough trusted keys have signed it.
    ///
    /// # Errors
    /// That the bundle is not trusted, or all that is wrong with it.
    pub fn signed(&self, text: &str) -> Result<Policy, Problems> {
        let trusted = self.trust.configuration.as_ref();
        let trusted = trusted.ok_or_else(|| refused("bundle", Refusal::NoKeys))?;
        self.sealed(&bundle_envelope(text)?.verify(trusted)?)
    }

    /// The policy of a fetched bundle, once enough keys of the feed have signed it. Where its payload is that of the
    /// active seal, it is not read again: then the answer is a seal of the same mark, by these signers.
    ///
    /// # Errors
    /// That the bundle is not trusted, or all that is wrong with it.
    pub fn fetched(&self, text: &str, active: Option<&Seal>) -> Result<Result<Policy, Seal>, Problems> {
        let envelope = bundle_envelope(text)?;
        let verified = envelope.verify(self.feed_keys()?)?;
        match active.filter(|seal| seal.mark.is_of(verified.digest())) {
            Some(seal) => Ok(Err(Seal { signers: verified.signers, ..seal.clone() })),
            None => self.sealed(&verified).map(Ok),
        }
    }

    /// A fetched list of revocations, once enough keys of the feed have signed it, and its seal.
    ///
    /// # Errors
    /// That the list is not trusted, or all that is wrong with it.
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
