//! The gateway: a policy, and the settings of the filter that enforces it.
//!
//! In: Envoy's plugin configuration, as JSON text or as a protobuf Struct; bundles that were fetched. Out: a [`Gateway`],
//! or all that is wrong with the configuration. The answer depends on the bytes alone: were it to differ between threads,
//! Envoy would skip the filter on some.

use crate::engine::config::document;
use crate::engine::config::document::MAX_BYTES;
use crate::engine::config::envelope::{Envelope, PayloadType, TrustedKeys, Verified};
use crate::engine::config::problem::{Fault, Place, Problem, Problems, Step};
use crate::engine::config::protobuf;
use crate::engine::config::refusal::Refusal;
use crate::engine::config::revocations::Revocations;
use crate::engine::config::settings::bundle::Bundle;
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
}

impl Gateway {
    /// Reads a plugin configuration. A signed bundle stays in the settings, for who keeps it.
    ///
    /// # Errors
    /// All that is wrong with it; places in the bundle are relative to the bundle.
    pub fn configure(configuration: &[u8]) -> Result<Self, Problems> {
        check_size(configuration.len())?;
        let mut settings: Settings = match protobuf::tree(configuration) {
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

    fn signed(&self, text: &str, trusted: &TrustedKeys) -> Result<Policy, Problems> {
        self.sealed(&bundle_envelope(text)?.verify(trusted)?)
    }

    fn sealed(&self, verified: &Verified<'_>) -> Result<Policy, Problems> {
        let document = self.place(document::from_json(verified.payload)?)?;
        let seal = Seal::of(verified, &document);
        Ok(Policy { seal: Some(seal), ..Policy::compile(document)? })
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
