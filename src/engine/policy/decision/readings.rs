//! The readings of a request: as it is, without letter case, and as the loosest of readers would have it.
//!
//! A permit takes the first and must stand in all; for a deny any will do.

use crate::engine::matching::index::{LetterCase, Lister, Listing, Target};
use crate::engine::matching::path::Segments;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::decision::{Step, Trace};
use crate::engine::words::name::PermissionName;

/// A request in all its readings.
#[derive(Clone, Copy)]
pub(super) struct Readings<'r> {
    /// As it is.
    pub(super) target: Target<'r>,
    /// By its folded path, where it has anything beyond ASCII.
    folded: Option<Target<'r>>,
    /// By its skeleton, where it has one.
    loosest: Option<Target<'r>>,
}

impl<'r> Readings<'r> {
    pub(super) fn of(target: Target<'r>, folded: Option<&'r str>, skeleton: Option<&'r str>) -> Self {
        let at = |path: Option<&'r str>| path.map(|path| Target { path: Segments::of(path), ..target });
        Self { target, folded: at(folded), loosest: at(skeleton) }
    }

    /// All of them.
    pub(super) fn all(self) -> impl Iterator<Item = (LetterCase, Target<'r>)> {
        let folded = [self.folded.or(Some(self.target)), self.loosest].into_iter().flatten();
        std::iter::once((LetterCase::Strict, self.target))
            .chain(folded.map(|target| (LetterCase::Folded, target)))
    }
}

impl Policy {
    /// The first reading without letter case in which nothing that lists the request is held.
    ///
    /// So `/users/EXPORT` is no `/users/{id}` where `/users/export` is an operation of its own: there are upstreams
    /// that see the same in both.
    pub(super) fn astray<'p, 'r>(
        &'p self,
        readings: Readings<'r>,
        holds: impl Fn(&Listing, Segments<'r>) -> bool,
        trace: &mut impl Trace<'p>,
    ) -> Option<Target<'r>> {
        let Readings { target, folded, loosest } = readings;
        let differs = self.index.has_case() || target.path.has_upper_case();
        let targets = [folded.or(Some(target).filter(|_| differs)), loosest];
        targets.into_iter().flatten().find(|target| {
            let (mut other, mut held) = (None, false);
            self.index.visit(LetterCase::Folded, *target, |_, listing| {
                held |= holds(listing, target.path);
                other = other.or(Some(listing));
            });
            let Some(listing) = other.filter(|_| !held) else { return false };
            trace.step(|| Step::Astray { listing, permission: self.lister(listing) });
            true
        })
    }

    fn lister(&self, listing: &Listing) -> Option<&PermissionName> {
        match listing.by {
            Lister::Public => None,
            Lister::Permission(number) => self.permission(number),
        }
    }
}
