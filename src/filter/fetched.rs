//! What was fetched, and whether it may be put in force at a gateway.

use crate::engine::envelope::PayloadType;
use crate::engine::feed::Lasting;
use crate::engine::freshness::Mark;
use crate::engine::policy::Policy;
use crate::engine::revocations::Revocations;
use crate::engine::settings::Gateway;
use crate::filter::freshness;

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
}

impl Fetched {
    /// Opens what was fetched for a gateway, where `in_force` is the mark of a bundle that was fetched too. What is
    /// refused leaves no mark.
    ///
    /// # Errors
    /// Why it may not be put in force.
    pub(super) fn open(
        kind: PayloadType,
        Gateway { policy, settings }: &Gateway,
        content: &str,
        in_force: Option<&Mark>,
    ) -> Result<Self, Refused> {
        match kind {
            PayloadType::Bundle => {
                let fetched = settings.fetched(content, in_force).map_err(Refused::for_good)?;
                let Some(fetched) = fetched else { return Ok(Self::Same) };
                policy.admits(&fetched).map_err(Refused::for_now)?;
                freshness::check(&fetched, settings)
                    .map_err(|newer| Refused::for_now(goes_back(fetched.revision(), newer)))?;
                Ok(Self::Bundle(Box::new(fetched)))
            }
            PayloadType::Revocations => {
                let (list, seal) = settings.fetched_revocations(content).map_err(Refused::for_good)?;
                // Before there is a policy a list may be anybody's: the policy looks when it comes.
                if policy.name().is_some() {
                    policy.owns(&list).map_err(Refused::for_now)?;
                }
                freshness::check_list(&list, &seal, settings)
                    .map_err(|newer| Refused::for_now(goes_back(list.revision, newer)))?;
                Ok(Self::Revocations(list))
            }
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

#[cold]
fn goes_back(revision: u64, newer: Option<Mark>) -> String {
    match newer {
        Some(newer) if newer.newest() == revision => {
            format!("another one of revision {revision} was here before: one of the two has to be built anew")
        }
        Some(newer) => {
            format!("revision {revision} is older than revision {}, which was here before", newer.newest())
        }
        None => "the host does not say which revision was here before".to_owned(),
    }
}
