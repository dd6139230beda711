//! The use limits of a token: where, when and how often it may be used, whatever its roles.

use crate::engine::config::bundle::{Bundle, Token};
use crate::engine::config::problem::Fault;
use crate::engine::policy::compile::{Check, root};
use crate::engine::policy::compiled::UseLimits;
use crate::engine::words::name::TokenId;
use crate::engine::words::reason::Reason;

/// The token's limits, if it has any.
pub(super) fn of(id: &TokenId, token: &Token, bundle: &Bundle, check: &mut Check) -> Option<Box<UseLimits>> {
    let place = |key| root("tokens").key(id).key(key);
    let counts = [
        ("attributes", token.attributes.len()),
        ("allowed_sources", token.allowed_sources.as_ref().map_or(0, Vec::len)),
        ("allowed_hours", token.allowed_hours.as_ref().map_or(0, Vec::len)),
    ];
    for (what, count) in counts.into_iter().filter(|(_, count)| *count > MAX_ENTRIES) {
        check.fault(place(what), Fault::TooMany { what, count, limit: MAX_ENTRIES });
    }
    let attributes = token.attributes.iter().map(|(name, value)| (name.clone(), value.segment().into()));
    let limits = UseLimits {
        misplaced: misplaced(token, bundle),
        attributes: attributes.collect(),
        sources: token.allowed_sources.as_ref().map(|ranges| ranges.as_slice().into()),
        hours: token.allowed_hours.as_ref().map(|hours| hours.as_slice().into()),
        rate: token.rate_limit,
    };
    (limits != UseLimits::default()).then(|| Box::new(limits))
}

/// Why the token does not work at the place of this bundle; `None` if it does. If the bundle names no place, a token
/// that is bound to a place does not work.
fn misplaced(token: &Token, bundle: &Bundle) -> Option<Reason> {
    let (environment, service) = (bundle.environment.as_ref(), bundle.service.as_ref());
    let elsewhere = token.environments.as_ref();
    if elsewhere.is_some_and(|names| !environment.is_some_and(|environment| names.contains(environment))) {
        return Some(Reason::WrongEnvironment);
    }
    let elsewhere = token.services.as_ref();
    elsewhere
        .is_some_and(|names| !service.is_some_and(|service| names.contains(service)))
        .then_some(Reason::WrongService)
}

/// Maximum number of entries in a list that is searched for each request.
const MAX_ENTRIES: usize = 256;
