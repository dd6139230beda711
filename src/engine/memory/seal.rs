//! The seal of a signed bundle or list: its signers and its mark.

use crate::engine::config::bundle::Bundle;
use crate::engine::config::envelope::{KeyId, Verified};
use crate::engine::config::revocations::Revocations;
use crate::engine::memory::mark::Mark;

/// What is known about a policy's signed bundle apart from its content.
#[derive(Clone, Debug)]
pub struct Seal {
    /// The keys that signed it.
    pub signers: Vec<KeyId>,
    /// The revision up to which it supersedes others, if set.
    pub supersedes: Option<u64>,
    /// The mark that it leaves.
    pub mark: Mark,
}

impl Seal {
    /// The seal of a verified bundle.
    pub fn of(verified: &Verified<'_>, bundle: &Bundle) -> Self {
        Self::new(verified, bundle.revision, bundle.supersedes)
    }

    /// The seal of a revocation list. Lists follow one another, independently of bundles.
    pub fn of_revocations(verified: &Verified<'_>, list: &Revocations) -> Self {
        Self::new(verified, list.revision, list.supersedes)
    }

    fn new(verified: &Verified<'_>, revision: u64, supersedes: Option<u64>) -> Self {
        let goes_back = supersedes.filter(|newest| *newest >= revision);
        let mark = Mark {
            newest: goes_back.unwrap_or(revision),
            goes_back: goes_back.is_some(),
            digest: verified.digest(),
        };
        Self { signers: verified.signers.clone(), supersedes, mark }
    }
}
