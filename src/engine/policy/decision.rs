//! The decision: what the policy says about one request, and why.
//!
//! `judge` makes it. Enforcement and `explain` run the same algorithm and differ only in the [`Trace`] that they pass.
//! `judge` returns a [`Judged`], and [`Judged::meter`] turns it into a [`Decision`]: a rate limit depends on earlier
//! requests, which only the host knows. Only this module can make a [`Permit`].

use crate::engine::config::credentials::Intent;
use crate::engine::matching::index::LetterCase;
use crate::engine::memory::key::Key;
use crate::engine::policy::compiled::{Grant, Secret, Token};
pub use crate::engine::policy::decision::trace::{Standing, Step, Trace};
use crate::engine::request::rule::Rule;
use crate::engine::words::address::Source;
use crate::engine::words::name::{KindName, PermissionName, RoleName, SecretId, TokenId};
use crate::engine::words::rate::{Quota, RateLimit, Taken};
use crate::engine::words::reason::Reason;
use crate::engine::words::secret::Fingerprint;
use crate::engine::words::time::Time;

mod judge;
mod readings;
mod trace;

/// The time and source of a request.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The host's time.
    pub now: Time,
    /// The source. It may be unknown if no token of the policy depends on it.
    pub source: Source<'a>,
}

/// What the policy says about a request.
#[derive(Debug)]
#[must_use]
pub enum Decision<'p> {
    /// The policy permits the request.
    Permit(Permit<'p>),
    /// The policy denies the request.
    Deny(Deny<'p>),
}

impl<'p> Decision<'p> {
    /// Returns the decision when there is no clock: the lifetime of secrets and bundles cannot be checked.
    #[cold]
    pub fn without_clock() -> Self {
        Self::Deny(Deny::because(Reason::NoPolicy))
    }

    /// Returns the reason.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Permit(permit) => permit.reason(),
            Self::Deny(deny) => deny.reason,
        }
    }

    /// Whether the policy permits the request.
    pub fn is_permit(&self) -> bool {
        matches!(self, Self::Permit(_))
    }

    /// Returns the request's token, if it is known.
    pub fn subject(&self) -> Option<&Subject<'p>> {
        match self {
            Self::Permit(permit) => permit.subject.as_ref(),
            Self::Deny(deny) => deny.subject.as_ref(),
        }
    }

    /// Returns the permission that permits the request, if any.
    pub fn permission(&self) -> Option<&'p PermissionName> {
        match self {
            Self::Permit(permit) => permit.permission,
            Self::Deny(_) => None,
        }
    }

    /// Whether this is a deny only because of how some upstreams may read the request.
    pub fn is_loose(&self) -> bool {
        matches!(self, Self::Deny(Deny { reading: Reading::Loose, .. }))
    }

    /// Whether this is a deny only because of roles in shadow mode. The filter reports it but does not enforce it.
    pub fn is_shadow(&self) -> bool {
        matches!(self, Self::Deny(Deny { shadow: true, .. }))
    }

    /// Whether the request carried a guess: an unknown credential in the form of a secret, not sent by a browser on
    /// behalf of a web page.
    pub fn is_guess(&self) -> bool {
        matches!(self, Self::Deny(Deny { guessed: true, .. }))
    }
}

/// The policy's decision before the token's rate limit is applied.
///
/// The limit cannot be bypassed: only [`Judged::meter`] turns this into a [`Decision`].
#[derive(Debug)]
#[must_use]
pub struct Judged<'p>(Decision<'p>);

impl<'p> Judged<'p> {
    fn new(unmetered: Decision<'p>) -> Self {
        Self(unmetered)
    }

    /// Applies the rate limit and returns the decision. `take` removes one request from the token's bucket. It is
    /// called only if the request would be forwarded and its token has a limit.
    pub fn meter(self, take: impl FnOnce(&TokenId, RateLimit) -> Taken) -> Decision<'p> {
        let Self(decision) = self;
        let is_forwarded = decision.is_permit() || decision.is_shadow();
        let Some(subject) = decision.subject().filter(|_| is_forwarded) else { return decision };
        let Some(limit) = subject.rate_limit() else { return decision };
        match (take(subject.token(), limit), decision) {
            (
                Taken::Refused(quota),
                Decision::Permit(Permit { subject, .. }) | Decision::Deny(Deny { subject, .. }),
            ) => {
                let wait = Some(Wait::Quota(quota));
                Decision::Deny(Deny { subject, wait, ..Deny::because(Reason::RateLimited) })
            }
            (Taken::Granted { quota, .. }, Decision::Permit(permit)) => {
                Decision::Permit(Permit { quota: Some(quota), ..permit })
            }
            (Taken::Granted { .. }, deny @ Decision::Deny(_)) => deny,
        }
    }
}

/// Proof that the policy permitted a request. The request was counted if its token has a rate limit.
#[derive(Debug)]
pub struct Permit<'p> {
    reason: Reason,
    subject: Option<Subject<'p>>,
    permission: Option<&'p PermissionName>,
    quota: Option<Quota>,
}

impl<'p> Permit<'p> {
    fn by(permission: &'p PermissionName, subject: Subject<'p>) -> Self {
        let (subject, permission) = (Some(subject), Some(permission));
        Self { reason: Reason::Permitted, subject, permission, quota: None }
    }

    fn without_token(reason: Reason) -> Self {
        Self { reason, subject: None, permission: None, quota: None }
    }

    /// Returns the token, or `None` if the request needs no token.
    pub fn subject(&self) -> Option<&Subject<'p>> {
        self.subject.as_ref()
    }

    /// Returns the permission that permits the request, or `None` if it needs no token.
    pub fn permission(&self) -> Option<&'p PermissionName> {
        self.permission
    }

    /// Returns what remains of the token's rate limit after this request.
    pub fn quota(&self) -> Option<Quota> {
        self.quota
    }

    /// Returns the reason.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

/// A denied request, and why.
#[derive(Debug)]
pub struct Deny<'p> {
    /// The reason.
    pub reason: Reason,
    /// The token, if it is known.
    pub subject: Option<Subject<'p>>,
    /// Fingerprint of the presented value, if no token has it.
    pub fingerprint: Option<Fingerprint>,
    /// Whether the presented value was a guess: sent deliberately, in the form of a secret.
    pub guessed: bool,
    /// The rule that a malformed request breaks.
    pub rule: Option<Rule>,
    /// Permissions that would have been enough.
    pub sufficient: Box<[&'p PermissionName]>,
    /// The reading of the request that the reason applies to.
    pub reading: Reading,
    /// Whether roles in shadow mode are the only reason. Then the filter reports the deny and forwards the request.
    pub shadow: bool,
    /// How long the caller must wait, if waiting helps.
    pub wait: Option<Wait>,
}

/// The reading of a request that gives a reason to deny it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reading {
    /// The request as received.
    Strict,
    /// Only without letter case, or as the most lenient upstream may read it. As received, it would be permitted.
    Loose,
}

impl Reading {
    fn of(case: LetterCase) -> Self {
        match case {
            LetterCase::Strict => Self::Strict,
            LetterCase::Folded => Self::Loose,
        }
    }
}

/// How long a caller must wait.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    /// Until the token's rate limit has capacity again.
    Quota(Quota),
    /// This many seconds, until the suspension of the source ends.
    Seconds(i64),
}

impl<'p> Deny<'p> {
    #[cold]
    fn because(reason: Reason) -> Self {
        Self {
            reason,
            subject: None,
            fingerprint: None,
            guessed: false,
            rule: None,
            sufficient: Box::default(),
            reading: Reading::Strict,
            shadow: false,
            wait: None,
        }
    }

    fn of(reason: Reason, subject: Subject<'p>) -> Self {
        Self { subject: Some(subject), ..Self::because(reason) }
    }
}

/// A token, and the secret by which a request presented it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'p> {
    token: &'p Token,
    secret: &'p Secret,
    kind: &'p KindName,
    grant: &'p Grant,
    intent: Intent,
}

impl<'p> Subject<'p> {
    /// Returns the id of the token.
    pub fn token(&self) -> &'p TokenId {
        &self.token.id
    }

    /// Returns the key under which the filter stores the token's state. It changes when the token's secrets change.
    pub(crate) fn key(&self) -> Key {
        Key::of_token(&self.token.id, self.token.digests)
    }

    /// Returns the token's rate limit.
    fn rate_limit(&self) -> Option<RateLimit> {
        self.token.limits.as_ref()?.rate
    }

    /// Returns the id of the secret.
    pub fn secret(&self) -> &'p SecretId {
        &self.secret.id
    }

    /// Returns the kind of the token.
    pub fn kind(&self) -> &'p KindName {
        self.kind
    }

    /// Returns the number of the kind in the policy.
    pub(crate) fn kind_number(&self) -> usize {
        self.token.kind
    }

    /// Returns the roles of the token, with inherited roles.
    pub fn roles(&self) -> &'p [RoleName] {
        &self.grant.roles
    }

    /// Returns whether the secret was presented deliberately.
    pub fn intent(&self) -> Intent {
        self.intent
    }

    /// Whether the secret was rotated out and works only until its overlap ends.
    pub fn retiring(&self) -> bool {
        self.secret.life.rotated
    }
}
