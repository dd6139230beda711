//! The steps of a decision, for `explain`.

use crate::engine::config::settings::Mode;
use crate::engine::matching::index::{LetterCase, Listing, Match};
use crate::engine::policy::compiled::UseLimits;
use crate::engine::policy::decision::Subject;
use crate::engine::request::rule::Rule;
use crate::engine::words::name::{AttributeName, PermissionName};
use crate::engine::words::reason::Reason;
use crate::engine::words::time::Time;

/// One step of a decision.
#[expect(missing_docs, reason = "the fields are what the step names")]
#[derive(Debug)]
pub enum Step<'p> {
    /// The path, the host or the method has no reading or more than one.
    Malformed(Rule),
    /// The canonical path of the request.
    Path(String),
    /// The path as some upstreams read it, because it has characters that the gateway keeps.
    Loose(String),
    /// No permission lists the operation.
    Unlisted,
    /// The request's token was found.
    Token(Subject<'p>),
    /// The source or the token is suspended.
    Suspended { until: Time },
    /// The token may not be used in these circumstances, whatever its roles.
    Limited { reason: Reason, limits: &'p UseLimits },
    /// A listing matches the request.
    Listed {
        how: Match,
        listing: &'p Listing,
        permission: Option<&'p PermissionName>,
        standing: Standing<'p>,
    },
    /// Some upstreams read the request as this listing, which is neither public nor held. `path` is what they read if
    /// the gateway keeps characters.
    Astray { listing: &'p Listing, permission: Option<&'p PermissionName>, path: Option<String> },
    /// A role of the token denies the request by this listing, or would if it were not in shadow mode; `path` as above.
    Denied {
        case: LetterCase,
        listing: &'p Listing,
        permission: Option<&'p PermissionName>,
        mode: Mode,
        path: Option<String>,
    },
}

/// How a listing applies to the token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing<'p> {
    /// The operation needs no token.
    Public,
    /// The token holds the permission.
    Held,
    /// The token does not hold the permission.
    NotHeld,
    /// The token holds the permission, but the path does not have this attribute's value.
    Unbound(&'p AttributeName),
}

/// Receives the steps of a decision.
pub trait Trace<'p> {
    /// Receives a step. Only an implementation that records steps calls `step`.
    fn step(&mut self, step: impl FnOnce() -> Step<'p>);
}

/// Ignores the steps. Enforcement uses this.
impl<'p> Trace<'p> for () {
    fn step(&mut self, _: impl FnOnce() -> Step<'p>) {}
}
