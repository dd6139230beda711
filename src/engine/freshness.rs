//! Freshness: an older signed bundle or list never replaces a newer one.
//!
//! In: the marks that earlier bundles left, the bundle that is to follow them, and the time. Out: whether it may. A
//! bundle that says `supersedes: 9`, signed like the rest of it, may follow every bundle up to revision 9: so an author
//! goes back on purpose, and nobody can use the statement again once a bundle beyond 9 is there. The order is total: of
//! any two bundles only one may follow the other, so nobody plays them against each other. Nothing that a bundle says
//! of itself, its name included, begins another order.
//!
//! A mark belongs to the keys that signed (see [`Marks`]), and a revision lies at most a day ahead of the clock: so a
//! leaked key does no lasting harm once it is removed from the trusted keys.

use crate::engine::document::Document;
use crate::engine::envelope::{KeyId, Verified};
pub use crate::engine::freshness::mark::{Mark, Order};
pub use crate::engine::freshness::marks::{Marks, Setback};
use crate::engine::policy::Policy;
use crate::engine::problem::{Fault, Place, Problem, Problems};
use crate::engine::revocations::Revocations;
use crate::engine::time::{Span, Time};

mod mark;
mod marks;

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
    pub fn of(verified: &Verified<'_>, document: &Document) -> Self {
        Self::new(verified, document.revision, document.supersedes)
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

impl Policy {
    /// Checks that a bundle which was fetched may take the place of this policy, whatever was before: it is of the same
    /// name, and not older than one that nobody signed.
    ///
    /// # Errors
    /// What is in its way.
    pub fn admits(&self, fetched: &Self) -> Result<(), Problems> {
        let (Some(own), Some(name)) = (self.name(), fetched.name()) else { return Ok(()) };
        if own != name {
            let message = format!("the bundle is of policy `{name}`, but the active one is of `{own}`");
            return Err(Problem { place: Place::default().key("name"), fault: Fault::Shape(message) }.into());
        }
        // Of one that is signed, its mark tells.
        let newest = fetched.seal().map_or(fetched.revision(), |seal| seal.mark.newest());
        if self.seal().is_none() && newest < self.revision() {
            let message = format!(
                "the bundle's revision {} is older than revision {}, which is in the configuration",
                fetched.revision(),
                self.revision()
            );
            return Err(
                Problem { place: Place::default().key("revision"), fault: Fault::Shape(message) }.into()
            );
        }
        Ok(())
    }
}

/// The highest revision that is taken at a time: a revision is milliseconds since 1970, and a clock may be wrong by a day.
pub fn highest_revision(now: Time) -> u64 {
    u64::try_from(now.plus(Span::DAY).millis()).unwrap_or(0)
}

/// Whether the time is over until which a bundle or a list was good.
pub fn is_stale(good_until: Option<Time>, now: Time) -> bool {
    good_until.is_some_and(|end| end <= now)
}
