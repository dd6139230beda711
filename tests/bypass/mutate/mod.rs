//! Mutators: each takes a request towards its goal by one trick.

pub(crate) mod framing;
pub(crate) mod headers;
pub(crate) mod path;
pub(crate) mod unicode;

use crate::generate::Draft;
use crate::random::Random;

/// A trick, by the name under which the report counts it.
pub(crate) struct Mutator {
    pub(crate) name: &'static str,
    pub(crate) apply: fn(&mut Draft, &mut Random),
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Mutator> + Clone {
    path::MUTATORS.iter().chain(&unicode::MUTATORS).chain(&headers::MUTATORS).chain(&framing::MUTATORS)
}
