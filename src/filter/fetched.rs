//! Checks whether a gateway may activate fetched content.

use crate::engine::config::envelope::PayloadType;
use crate::engine::config::revocations::Revocations;
use crate::engine::fetching::known::Lasting;
use crate::engine::memory::seal::Seal;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::gateway::Gateway;
use crate::engine::words::time::Time;
use crate::filter::rollback;

/// Fetched content that a gateway may activate: it is signed and valid, belongs to the current policy, and is not older
/// than its predecessor.
pub(super) enum Fetched {
    Bundle(Box<Policy>),
    Revocations(Revocations),
    /// The active bundle, possibly in another envelope.
    Same,
}

/// Why a gateway may not activate the fetched content.
pub(super) struct Refused {
    pub(super) why: String,
    pub(super) lasting: Lasting,
}

impl Refused {
    /// Rejects the content for good, because of its bytes.
    #[cold]
    pub(super) fn for_good(why: impl ToString) -> Self {
        Self { why: why.to_string(), lasting: Lasting::Yes }
    }

    /// Rejects the content for now, because of the active or an earlier version.
    #[cold]
    pub(super) fn for_now(why: impl ToString) -> Self {
        Self { why: why.to_string(), lasting: Lasting::No }
    }

    /// Adds the content type that the server gave, if it is not JSON.
    #[cold]
    pub(super) fn labelled(self, label: Option<String>) -> Self {
        let why = label.map_or(self.why.clone(), |label| format!("{} (content type {label})", self.why));
        Self { why, ..self }
    }
}

impl Fetched {
    /// Opens fetched content for a gateway. `in_force` is the seal of the active bundle if that was fetched too.
    /// Rejected content changes nothing.
    ///
    /// # Errors
    /// Fails if the gateway may not activate the content.
    pub(super) fn open(
        kind: PayloadType,
        gateway @ Gateway { policy, settings, .. }: &Gateway,
        content: &str,
        in_force: Option<&Seal>,
        now: Time,
    ) -> Result<Self, Refused> {
        match kind {
            PayloadType::Bundle => match gateway.fetched(content, in_force).map_err(Refused::for_good)? {
                Ok(fetched) => admitted(fetched, gateway, now).map(Box::new).map(Self::Bundle),
                Err(seal) => {
                    // Another key may have signed it since then.
                    let checked = rollback::check_seal(&seal, settings, now);
                    checked.map_err(|setback| Refused::for_now(setback.message(policy.revision())))?;
                    Ok(Self::Same)
                }
            },
            PayloadType::Revocations => {
                let (list, seal) = gateway.fetched_revocations(content).map_err(Refused::for_good)?;
                // Before there is a policy, the list may belong to another one. The policy checks it when it is
                // activated.
                if policy.name().is_some() {
                    policy.owns(&list).map_err(Refused::for_now)?;
                }
                let checked = rollback::check_list(&list, &seal, settings, now);
                checked.map_err(|setback| Refused::for_now(setback.message(list.revision)))?;
                Ok(Self::Revocations(list))
            }
        }
    }

    /// Returns when a newer version must replace this content, where `policy` is active.
    pub(super) fn good_until(&self, policy: &Policy) -> Option<Time> {
        match self {
            Self::Bundle(fetched) => fetched.good_until(),
            Self::Revocations(list) => list.good_until,
            Self::Same => policy.good_until(),
        }
    }

    /// Whether exactly this content is already active.
    pub(super) fn is_in_force(&self, policy: &Policy, revocations: Option<&Revocations>) -> bool {
        match self {
            Self::Bundle(fetched) => {
                let mark = |policy: &Policy| policy.seal().map(|seal| seal.mark);
                policy.name() == fetched.name() && mark(policy) == mark(fetched)
            }
            Self::Revocations(list) => revocations == Some(list),
            Self::Same => true,
        }
    }
}

/// Opens the signed bundle of an earlier configuration, for a gateway that cannot use its own.
///
/// # Errors
/// Fails if the gateway may not activate this bundle either.
pub(super) fn open_kept(gateway: &Gateway, content: &str, now: Time) -> Result<Policy, Refused> {
    admitted(gateway.signed(content).map_err(Refused::for_good)?, gateway, now)
}

fn admitted(
    fetched: Policy,
    Gateway { policy, settings, .. }: &Gateway,
    now: Time,
) -> Result<Policy, Refused> {
    policy.admits(&fetched).map_err(Refused::for_now)?;
    let checked = rollback::check(&fetched, settings, now);
    checked.map_err(|setback| Refused::for_now(setback.message(fetched.revision())))?;
    Ok(fetched)
}
