//! Freshness: a signed bundle does not take the place of a newer one.
//!
//! In: the mark that the newest bundle left, and the bundle that is to follow it. Out: whether it may. A bundle that
//! says `supersedes: 9`, signed like the rest of it, may follow every bundle up to revision 9: so one goes back on
//! purpose, and nobody can use the statement again once a bundle beyond 9 is there. The order is total: of any two
//! bundles only one may follow the other, so nobody plays them against each other. Nothing that a bundle says of
//! itself, its name included, begins another order: at one gateway all bundles follow one another.

use crate::engine::document::Document;
use crate::engine::envelope::{KeyId, Verified};
use crate::engine::policy::Policy;
use crate::engine::problem::{Fault, Place, Problem, Problems};
use crate::engine::revocations::Revocations;

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
        let goes_back = document.supersedes.filter(|revision| *revision >= document.revision);
        Self {
            signers: verified.signers.clone(),
            supersedes: document.supersedes,
            mark: Mark {
                newest: goes_back.unwrap_or(document.revision),
                goes_back: goes_back.is_some(),
                digest: verified.digest(),
            },
        }
    }

    /// The seal of a list of revocations: lists follow one another, whatever bundles do.
    pub fn of_revocations(verified: &Verified<'_>, list: &Revocations) -> Self {
        Self {
            signers: verified.signers.clone(),
            supersedes: None,
            mark: Mark { newest: list.revision, goes_back: false, digest: verified.digest() },
        }
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
            let message = format!("the bundle is of policy `{name}`, and the one in force is of `{own}`");
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

/// How far a succession of bundles has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark {
    /// The highest revision that was there.
    newest: u64,
    /// Whether the last bundle said that it takes that one's place.
    goes_back: bool,
    /// SHA-256 of the last bundle's payload.
    digest: [u8; DIGEST_BYTES],
}

/// Whether a bundle may follow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// It is newer.
    Newer,
    /// It is the last one.
    Same,
    /// It is older, or another one of the same revision.
    Older,
}

impl Mark {
    /// Whether the bundle that leaves `next` may follow the one that left this mark.
    pub fn order(&self, next: &Self) -> Order {
        let rank = |mark: &Self| (mark.newest, mark.goes_back);
        match rank(next).cmp(&rank(self)) {
            std::cmp::Ordering::Greater => Order::Newer,
            std::cmp::Ordering::Equal if next.digest == self.digest => Order::Same,
            std::cmp::Ordering::Equal | std::cmp::Ordering::Less => Order::Older,
        }
    }

    /// Whether it is the mark of a bundle whose payload has this digest.
    pub fn is_of(&self, digest: [u8; DIGEST_BYTES]) -> bool {
        self.digest == digest
    }

    /// The highest revision that was there.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// The least revision that a bundle has to say it supersedes, to follow though its own is lower.
    pub fn to_supersede(&self) -> u64 {
        self.newest.saturating_add(u64::from(self.goes_back))
    }

    /// The mark as the host keeps it.
    pub fn to_bytes(self) -> [u8; MARK_BYTES] {
        let mut bytes = [0; MARK_BYTES];
        let parts =
            self.newest.to_le_bytes().into_iter().chain([u8::from(self.goes_back)]).chain(self.digest);
        bytes.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
        bytes
    }

    /// The mark that the host kept; `None` where it is none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (newest, rest) = bytes.split_first_chunk::<8>()?;
        let (goes_back, digest) = rest.split_first()?;
        let goes_back = match goes_back {
            0 => false,
            1 => true,
            _ => return None,
        };
        let digest = <[u8; DIGEST_BYTES]>::try_from(digest).ok()?;
        Some(Self { newest: u64::from_le_bytes(*newest), goes_back, digest })
    }
}

const DIGEST_BYTES: usize = 32;
const MARK_BYTES: usize = 41;

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(newest: u64, goes_back: bool, content: u8) -> Mark {
        Mark { newest, goes_back, digest: [content; DIGEST_BYTES] }
    }

    #[test]
    fn of_two_bundles_one_may_follow_the_other() {
        let marks = [mark(7, false, 1), mark(9, false, 2), mark(9, true, 3), mark(10, false, 4)];
        for (number, earlier) in marks.iter().enumerate() {
            for (other, later) in marks.iter().enumerate() {
                let expected = match number.cmp(&other) {
                    std::cmp::Ordering::Less => Order::Newer,
                    std::cmp::Ordering::Equal => Order::Same,
                    std::cmp::Ordering::Greater => Order::Older,
                };
                assert_eq!(earlier.order(later), expected, "{earlier:?} {later:?}");
            }
        }
        assert_eq!(mark(7, false, 1).order(&mark(7, false, 2)), Order::Older, "other content, same revision");
    }

    #[test]
    fn what_the_host_keeps_is_read_as_it_was_written() {
        for mark in [mark(0, false, 0), mark(u64::MAX, true, 255)] {
            assert_eq!(Mark::from_bytes(&mark.to_bytes()), Some(mark));
        }
        let mut flag = mark(1, true, 1).to_bytes();
        flag[8] = 2;
        for bad in [&b""[..], &[0; 40], &[0; 42], &flag] {
            assert_eq!(Mark::from_bytes(bad), None);
        }
    }
}
