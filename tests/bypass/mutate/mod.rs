//! Mutators: each applies one trick that may bring a request to its goal.

pub(crate) mod framing;
pub(crate) mod headers;
pub(crate) mod path;
pub(crate) mod unicode;

use crate::generate::Draft;
use crate::random::Random;

/// A trick, with its name in the report.
pub(crate) struct Mutator {
    pub(crate) name: &'static str,
    pub(crate) apply: fn(&mut Draft, &mut Random),
}

/// Iterates over all mutators.
pub(crate) fn all() -> impl Iterator<Item = &'static Mutator> + Clone {
    path::MUTATORS.iter().chain(&unicode::MUTATORS).chain(&headers::MUTATORS).chain(&framing::MUTATORS)
}
