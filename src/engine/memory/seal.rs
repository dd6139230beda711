//! The seal of a signed bundle or list: who signed it, and the mark that it leaves.

use crate::engine::config::bundle::Bundle;
use crate::engine::config::envelope::{KeyId, Verified};
use crate::engine::config::revocations::Revocations;
use crate::engine::memory::mark::Mark;

/// What is known of a policy's signed bundle beside what it says.
#[derive(Clone, Debug)]
pub struct Seal {
    /// Who signed it.
    pub signers: Vec<KeyId>,
    /// Up to which revision it takes the place of others, where it says so.
    pub supersedes: Option<u64>,
    /// The mark that it leaves.
    pub mark: Mark,
}

impl Seal {
    /// The seal of a bundle; `document` is what its payload says.
    pub fn of(verified: &Verified<'_>, bundle: &Bundle) -> Self {
        Self::new(verified, bundle.revision, bundle.supersedes)
    }

    /// The seal of a list of revocations: lists follow one another, whatever bundles do.
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
