//! What was fetched, and whether it may be put in force at a gateway.

use crate::engine::config::envelope::PayloadType;
use crate::engine::config::revocations::Revocations;
use crate::engine::fetching::known::Lasting;
use crate::engine::memory::seal::Seal;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::gateway::Gateway;
use crate::engine::words::time::Time;
use crate::filter::rollback;

/// What was fetched, and may be put in force: it is signed, good, of the policy that is there, and not older than
/// what was before it.
pub(super) enum Fetched {
    Bundle(Box<Policy>),
    Revocations(Revocations),
    /// The bundle that is in force, in whatever envelope.
    Same,
}

/// Why what was fetched may not be put in force.
pub(super) struct Refused {
    pub(super) why: String,
    pub(super) lasting: Lasting,
}

impl Refused {
    /// For its bytes alone, whatever comes.
    #[cold]
    pub(super) fn for_good(why: impl ToString) -> Self {
        Self { why: why.to_string(), lasting: Lasting::Yes }
    }

    /// For what is in force now, or has been.
    #[cold]
    pub(super) fn for_now(why: impl ToString) -> Self {
        Self { why: why.to_string(), lasting: Lasting::No }
    }

    /// With the content type that the server gave it, if that is not JSON.
    #[cold]
    pub(super) fn labelled(self, label: Option<String>) -> Self {
        let why = label.map_or(self.why.clone(), |label| format!("{} (content type {label})", self.why));
        Self { why, ..self }
    }
}

impl Fetched {
    /// Opens what was fetched for a gateway, where `in_force` is the seal of a bundle that was fetched too. What is
    /// refused leaves no mark.
    ///
    /// # Errors
    /// Why it may not be put in force.
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
                    // Another key may have signed it since.
                    let checked = rollback::check_seal(&seal, settings, now);
                    checked.map_err(|setback| Refused::for_now(setback.message(policy.revision())))?;
                    Ok(Self::Same)
                }
            },
            PayloadType::Revocations => {
                let (list, seal) = gateway.fetched_revocations(content).map_err(Refused::for_good)?;
                // Before there is a policy a list may be anybody's: the policy looks when it comes.
                if policy.name().is_some() {
                    policy.owns(&list).map_err(Refused::for_now)?;
                }
                let checked = rollback::check_list(&list, &seal, settings, now);
                checked.map_err(|setback| Refused::for_now(setback.message(list.revision)))?;
                Ok(Self::Revocations(list))
            }
        }
    }

    /// By when it must be replaced by a newer one, where `policy` is in force.
    pub(super) fn good_until(&self, policy: &Policy) -> Option<Time> {
        match self {
            Self::Bundle(fetched) => fetched.good_until(),
            Self::Revocations(list) => list.good_until,
            Self::Same => policy.good_until(),
        }
    }

    /// Whether this very thing is in force already.
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

/// Opens the signed bundle of an earlier configuration, for a gateway whose own is not taken.
///
/// # Errors
/// Why it may not be put in force either.
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
