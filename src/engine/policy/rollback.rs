//! Rollback protection: an older signed bundle or list never replaces a newer one.
//!
//! In: the marks of earlier bundles, the next bundle, and the time. Out: whether it may follow. A signed bundle that
//! says `supersedes: 9` may follow every bundle up to revision 9. So an author can go back on purpose, and nobody can
//! reuse that statement once a bundle beyond 9 is active. The order is total: of any two bundles only one may follow
//! the other, so an attacker cannot alternate between them. Nothing in a bundle, not even its name, starts a new
//! order.
//!
//! A mark belongs to the keys that signed (see [`Marks`](crate::engine::memory::marks::Marks)), and a revision is at
//! most a day ahead of the clock. So a leaked key does no lasting harm once it is removed from the trusted keys.

use crate::engine::config::problem::{Fault, Place, Problem, Problems};
use crate::engine::policy::compiled::Policy;
use crate::engine::words::time::Time;

impl Policy {
    /// Checks that a fetched bundle may replace this policy: it must have the same name and, after an unsigned
    /// bundle, must not be older.
    ///
    /// # Errors
    /// The reason why it may not.
    pub fn admits(&self, fetched: &Self) -> Result<(), Problems> {
        let (Some(own), Some(name)) = (self.name(), fetched.name()) else { return Ok(()) };
        if own != name {
            let message = format!("the bundle is of policy `{name}`, but the active one is of `{own}`");
            return Err(Problem { place: Place::default().key("name"), fault: Fault::Shape(message) }.into());
        }
        // The mark of a signed bundle also covers superseded revisions.
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

/// Whether `good_until` has passed for a bundle or a list.
pub fn is_stale(good_until: Option<Time>, now: Time) -> bool {
    good_until.is_some_and(|end| end <= now)
}
