//! Freshness: an older signed bundle or list never replaces a newer one.
//!
//! In: the marks that earlier bundles left, the bundle that is to follow them, and the time. Out: whether it may. A
//! bundle that says `supersedes: 9`, signed like the rest of it, may follow every bundle up to revision 9: so an author
//! goes back on purpose, and nobody can use the statement again once a bundle beyond 9 is there. The order is total: of
//! any two bundles only one may follow the other, so nobody plays them against each other. Nothing that a bundle says
//! of itself, its name included, begins another order.
//!
//! A mark belongs to the keys that signed (see [`Marks`](crate::engine::memory::marks::Marks)), and a revision lies at most a day ahead of the clock: so a
//! leaked key does no lasting harm once it is removed from the trusted keys.

use crate::engine::config::problem::{Fault, Place, Problem, Problems};
use crate::engine::policy::compiled::Policy;
use crate::engine::words::time::Time;

impl Policy {
    /// Checks that a bundle which was fetched may take the place of this policy, whatever was before: it is of the same
    /// name, and not older than an unsigned one.
    ///
    /// # Errors
    /// What is in its way.
    pub fn admits(&self, fetched: &Self) -> Result<(), Problems> {
        let (Some(own), Some(name)) = (self.name(), fetched.name()) else { return Ok(()) };
        if own != name {
            let message = format!("the bundle is of policy `{name}`, but the active one is of `{own}`");
            return Err(Problem { place: Place::default().key("name"), fault: Fault::Shape(message) }.into());
        }
        // The mark of a signed bundle says more than its revision.
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

/// Whether the time is over until which a bundle or a list was good.
pub fn is_stale(good_until: Option<Time>, now: Time) -> bool {
    good_until.is_some_and(|end| end <= now)
}
