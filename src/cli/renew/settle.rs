//! Updates the registry after the deliveries: it records the outcome of each new secret.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::dry_run::Writing;
use crate::cli::failure::Failure;
use crate::cli::lock::Held;
use crate::cli::registry::RegistryFile;
use crate::cli::renew::renewal::{Outcome, Renewal, replaced};
use crate::cli::retiring::Grace;
use crate::engine::config::bundle::{Secret, Token};
use crate::engine::words::time::{Span, Time};

/// How replaced secrets end.
#[derive(Clone, Copy)]
pub(super) struct Settlement {
    pub(super) now: Time,
    pub(super) grace: Grace,
    /// Secrets that end within this span were due.
    pub(super) expiring: Span,
}

/// Whether the registry changed, so that the gateways need the change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Settled {
    Changed,
    Unchanged,
}

impl Settlement {
    /// Writes the outcome of each new secret into the current registry.
    ///
    /// # Errors
    /// Fails if the registry cannot be locked, read or written. It then stays unchanged.
    pub(super) fn write(self, folder: &Path, renewals: &mut [Renewal]) -> Result<Settled, Vec<Failure>> {
        let file = RegistryFile::open_existing(folder, Held::Fail)?;
        let mut registry = file.registry().clone();
        let renewals = renewals.iter_mut().map(|renewal| (renewal.token.to_string(), renewal));
        let mut renewals: BTreeMap<String, &mut Renewal> = renewals.collect();
        for (id, token) in &mut registry.tokens.0 {
            if let Some(renewal) = renewals.remove(id.as_str()) {
                self.settle(renewal, token);
            }
        }
        if registry == *file.registry() {
            return Ok(Settled::Unchanged);
        }
        file.edit(registry)?.write(Writing::Real)?;
        Ok(Settled::Changed)
    }

    fn settle(self, renewal: &mut Renewal, token: &mut Token) {
        let Some(position) = token.secrets.iter().position(|secret| renewal.is_own(secret)) else { return };
        let replaced = replaced(token, position, self.now.plus(self.expiring), self.now);
        match &mut renewal.outcome {
            Outcome::Renewed(retired) => {
                let secrets = token.secrets.iter_mut().enumerate();
                let old = secrets.filter(|(position, _)| replaced.contains(position));
                retired.extend(old.map(|(_, secret)| self.grace.retire(secret, self.now)));
                token.secrets.iter_mut().for_each(|secret| secret.undelivered = false);
            }
            Outcome::Unused(_) => {
                token.secrets.retain(|secret| !renewal.is_own(secret) || secret.revoked_at.is_some())
            }
            Outcome::Undelivered(_) => {
                own(token, position, |secret| self.take_back(secret));
                // One such entry is enough to trace a leak, however often the delivery fails.
                token.secrets.retain(|secret| renewal.is_own(secret) || !was_taken_back(secret));
            }
            Outcome::Minted | Outcome::Unclear(_) => {}
        }
    }

    /// Revokes a secret that a command received, unless it is already revoked.
    fn take_back(self, secret: &mut Secret) {
        secret.undelivered = false;
        if secret.revoked_at.is_none() {
            (secret.revoked_at, secret.revoked_reason) = (Some(self.now), Some(REASON.to_owned()));
        }
    }
}

fn own(token: &mut Token, position: usize, change: impl Fn(&mut Secret)) {
    token.secrets.get_mut(position).into_iter().for_each(change);
}

fn was_taken_back(secret: &Secret) -> bool {
    secret.revoked_at.is_some() && secret.revoked_reason.as_deref() == Some(REASON)
}

const REASON: &str = "renew: the delivery failed";
