//! The steps of a decision, for `explain`.

use crate::engine::config::settings::Mode;
use crate::engine::matching::index::{LetterCase, Listing, Match};
use crate::engine::policy::compiled::UseLimits;
use crate::engine::policy::decision::Subject;
use crate::engine::request::rule::Rule;
use crate::engine::words::name::{AttributeName, PermissionName};
use crate::engine::words::reason::Reason;
use crate::engine::words::time::Time;

/// Something that a decision came by.
#[expect(missing_docs, reason = "the fields are what the step names")]
#[derive(Debug)]
pub enum Step<'p> {
    /// The path, the host or the method has no reading, or more than one.
    Malformed(Rule),
    /// The path was read as this.
    Path(String),
    /// Some upstreams read the path as this, because it has characters that the gateway keeps.
    Loose(String),
    /// No permission lists the operation.
    Unlisted,
    /// The token was found.
    Token(Subject<'p>),
    /// The source or the token is suspended.
    Suspended { until: Time },
    /// The token may not be used so, whatever its roles.
    Limited { reason: Reason, limits: &'p UseLimits },
    /// A listing concerns the request.
    Listed {
        how: Match,
        listing: &'p Listing,
        permission: Option<&'p PermissionName>,
        standing: Standing<'p>,
    },
    /// What is listed for all or held is not this listing, which the request is to some upstreams; `path` is what they
    /// read where the gateway keeps characters.
    Astray { listing: &'p Listing, permission: Option<&'p PermissionName>, path: Option<String> },
    /// A role of the token denies the request by this listing, or would if it were not in shadow; `path` as above.
    Denied {
        case: LetterCase,
        listing: &'p Listing,
        permission: Option<&'p PermissionName>,
        mode: Mode,
        path: Option<String>,
    },
}

/// How the token stands to a listing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing<'p> {
    /// It needs no token.
    Public,
    /// The token holds the permission.
    Held,
    /// The token does not hold the permission.
    NotHeld,
    /// The token holds it, but has not this attribute's value in the path.
    Unbound(&'p AttributeName),
}

/// Receives the steps of a decision.
pub trait Trace<'p> {
    /// Takes a step; `step` is only made for those who want it.
    fn step(&mut self, step: impl FnOnce() -> Step<'p>);
}

/// Enforcement: ignores the steps.
impl<'p> Trace<'p> for () {
    fn step(&mut self, _: impl FnOnce() -> Step<'p>) {}
}
