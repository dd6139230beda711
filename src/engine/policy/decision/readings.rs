//! The readings of a request: strict, without letter case, as the most lenient upstream reads it, and without the
//! characters that the gateway keeps.
//!
//! A permit comes from the strict reading and must hold in all readings. A deny in any reading is enough.

use crate::engine::matching::index::{LetterCase, Lister, Listing, Match, Target};
use crate::engine::matching::path::{LooseReading, Segments};
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::decision::{Step, Trace};
use crate::engine::words::name::PermissionName;

/// A request in all its readings.
#[derive(Clone, Copy)]
pub(super) struct Readings<'r> {
    /// The strict reading.
    pub(super) target: Target<'r>,
    /// With the folded path, if the path has a non-ASCII character.
    folded: Option<Target<'r>>,
    /// With the skeleton of the path, if it has one.
    loosest: Option<Target<'r>>,
    /// With the kept characters replaced or removed. Usually empty.
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

    /// Iterates over all readings; each loose reading comes with its [`LooseReading`].
    pub(super) fn all(self) -> impl Iterator<Item = (LetterCase, Target<'r>, Option<&'r LooseReading>)> {
        let loose = self.without_kept().map(|(target, reading)| (LetterCase::Folded, target, Some(reading)));
        self.with_kept().map(|(case, target)| (case, target, None)).chain(loose)
    }

    /// Iterates over the readings that keep the kept characters.
    pub(super) fn with_kept(self) -> impl Iterator<Item = (LetterCase, Target<'r>)> {
        let folded = [self.folded.or(Some(self.target)), self.loosest].into_iter().flatten();
        std::iter::once((LetterCase::Strict, self.target))
            .chain(folded.map(|target| (LetterCase::Folded, target)))
    }

    /// Iterates over the readings in which some program replaced or removed kept characters.
    fn without_kept(self) -> impl Iterator<Item = (Target<'r>, &'r LooseReading)> {
        self.loose.iter().map(move |reading| (Target { path: reading.segments(), ..self.target }, reading))
    }
}

impl Policy {
    /// Returns the first case-insensitive or loose reading that matches only listings which the caller does not hold.
    ///
    /// Example: `/users/EXPORT` does not match `/users/{id}` if `/users/export` is an operation of its own, because
    /// some upstreams treat both paths as the same.
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

    /// Returns an operation that names the text in place of kept characters, if the caller holds no listing that
    /// matches this reading.
    ///
    /// Example: a gateway keeps `%2F`, so `/{package}` matches `/@scope%2Fname`. An operation that matches
    /// `/@scope/name` only by a variable or a `/**` does not count. The specificity of an operation does not matter:
    /// otherwise a new operation of other callers could hide it.
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
