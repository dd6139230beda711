//! The readings of a request: as it is, without letter case, as the loosest of readers would have it, and without the
//! characters that a gateway keeps.
//!
//! A permit takes the first and must stand in all; for a deny any will do.

use crate::engine::matching::index::{LetterCase, Lister, Listing, Match, Target};
use crate::engine::matching::path::{LooseReading, Segments};
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
    /// By what some programs make of kept characters; mostly none.
    loose: &'r [LooseReading],
}

impl<'r> Readings<'r> {
    pub(super) fn of(
        target: Target<'r>,
        folded: Option<&'r str>,
        skeleton: Option<&'r str>,
        loose: &'r [LooseReading],
    ) -> Self {
        let at = |path: Option<&'r str>| path.map(|path| Target { path: Segments::of(path), ..target });
        Self { target, folded: at(folded), loosest: at(skeleton), loose }
    }

    /// All of them; a loose one with what it is by.
    pub(super) fn all(self) -> impl Iterator<Item = (LetterCase, Target<'r>, Option<&'r LooseReading>)> {
        let loose = self.without_kept().map(|(target, reading)| (LetterCase::Folded, target, Some(reading)));
        self.with_kept().map(|(case, target)| (case, target, None)).chain(loose)
    }

    /// Those in which a kept character is what it is.
    pub(super) fn with_kept(self) -> impl Iterator<Item = (LetterCase, Target<'r>)> {
        let folded = [self.folded.or(Some(self.target)), self.loosest].into_iter().flatten();
        std::iter::once((LetterCase::Strict, self.target))
            .chain(folded.map(|target| (LetterCase::Folded, target)))
    }

    /// Those in which some program replaced or removed it.
    fn without_kept(self) -> impl Iterator<Item = (Target<'r>, &'r LooseReading)> {
        self.loose.iter().map(move |reading| (Target { path: reading.segments(), ..self.target }, reading))
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
        let Readings { target, folded, loosest, .. } = readings;
        let differs = self.index.has_case() || target.path.has_upper_case();
        let targets = [folded.or(Some(target).filter(|_| differs)), loosest];
        let found = targets.into_iter().flatten().find_map(|target| {
            let (mut other, mut held) = (None, false);
            self.index.visit(LetterCase::Folded, target, |_, listing| {
                held |= holds(listing, target.path);
                other = other.or(Some(listing));
            });
            other.filter(|_| !held).map(|listing| (target, listing, None))
        });
        let (target, listing, reading) = found.or_else(|| {
            readings.without_kept().find_map(|(target, reading)| {
                let listing = self.named(target, reading, &holds)?;
                Some((target, listing, Some(reading)))
            })
        })?;
        trace.step(|| {
            let path = reading.map(|reading| reading.as_str().to_owned());
            Step::Astray { listing, permission: self.lister(listing), path }
        });
        Some(target)
    }

    /// An operation that names what a program made of kept characters, where nothing that lists the request is held.
    ///
    /// A gateway is set to keep `%2F`, so that `/{package}` has `/@scope%2Fname`. A variable or a `/**` of another
    /// operation that also has `/@scope/name` does not count against that. An operation counts however specific it is:
    /// otherwise a new one, held by others, could hide it.
    fn named<'p, 'r>(
        &'p self,
        target: Target<'r>,
        reading: &LooseReading,
        holds: impl Fn(&Listing, Segments<'r>) -> bool,
    ) -> Option<&'p Listing> {
        let (mut held, mut named) = (false, None);
        self.index.visit(LetterCase::Folded, target, |_, listing| held |= holds(listing, target.path));
        if held {
            return None;
        }
        self.index.visit_all(LetterCase::Folded, target, |how, listing| {
            let ends_here = reading.is_shorter() && how == Match::Operation;
            let counts = ends_here || listing.names_from(reading.changed_from());
            named = named.or(Some(listing).filter(|_| counts));
        });
        named
    }

    fn lister(&self, listing: &Listing) -> Option<&PermissionName> {
        match listing.by {
            Lister::Public => None,
            Lister::Permission(number) => self.permission(number),
        }
    }
}
