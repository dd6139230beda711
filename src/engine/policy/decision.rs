//! The decision: what the policy says about one request, and why.
//!
//! `judge` makes it, by one algorithm for enforcement and `explain`: they differ in the [`Trace`] that they hand
//! over. It gives a [`Judged`], and [`Judged::meter`] a [`Decision`]: what a rate limit leaves of a permit depends on
//! the requests before it, which only the host knows. Nothing else can make a [`Permit`].

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

/// When and from where a request comes.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The host's time.
    pub now: Time,
    /// The source; it may be unknown where no token of the policy depends on it.
    pub source: Source<'a>,
}

/// What the policy says about a request.
#[derive(Debug)]
#[must_use]
pub enum Decision<'p> {
    /// The request may pass.
    Permit(Permit<'p>),
    /// The request may not pass.
    Deny(Deny<'p>),
}

impl<'p> Decision<'p> {
    /// The decision where there is no clock: no life of a secret or bundle can be judged.
    #[cold]
    pub fn without_clock() -> Self {
        Self::Deny(Deny::because(Reason::NoPolicy))
    }

    /// The reason.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Permit(permit) => permit.reason(),
            Self::Deny(deny) => deny.reason,
        }
    }

    /// Whether the request may pass.
    pub fn is_permit(&self) -> bool {
        matches!(self, Self::Permit(_))
    }

    /// The token that the request brought, where it is known.
    pub fn subject(&self) -> Option<&Subject<'p>> {
        match self {
            Self::Permit(permit) => permit.subject.as_ref(),
            Self::Deny(deny) => deny.subject.as_ref(),
        }
    }

    /// The permission by which the request may pass.
    pub fn permission(&self) -> Option<&'p PermissionName> {
        match self {
            Self::Permit(permit) => permit.permission,
            Self::Deny(_) => None,
        }
    }

    /// Whether it is a deny that the request as it stands is not the reason for, only what some upstream may make of it.
    pub fn is_loose(&self) -> bool {
        matches!(self, Self::Deny(Deny { reading: Reading::Loose, .. }))
    }

    /// Whether it is a deny for which only roles in shadow are the reason: it is reported, not enforced.
    pub fn is_shadow(&self) -> bool {
        matches!(self, Self::Deny(Deny { shadow: true, .. }))
    }

    /// Whether what the request brought, and nobody has, was a guess: it has the form of a secret, and no page made a
    /// browser send it.
    pub fn is_guess(&self) -> bool {
        matches!(self, Self::Deny(Deny { guessed: true, .. }))
    }
}

/// What the policy says about a request before its token's rate limit is asked.
///
/// There is no way past the limit: only [`Judged::meter`] makes a [`Decision`] of it.
#[derive(Debug)]
#[must_use]
pub struct Judged<'p>(Decision<'p>);

impl<'p> Judged<'p> {
    fn new(unmetered: Decision<'p>) -> Self {
        Self(unmetered)
    }

    /// The decision. `take` takes the request out of its token's bucket; it is only called where the request would be
    /// forwarded, and its token has a limit.
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

/// Proof that the policy permitted a request, and that it was counted where its token has a rate limit.
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

    /// The token; none where the request needs none.
    pub fn subject(&self) -> Option<&Subject<'p>> {
        self.subject.as_ref()
    }

    /// The permission by which the request may pass; none where it needs no token.
    pub fn permission(&self) -> Option<&'p PermissionName> {
        self.permission
    }

    /// What is left of the token's rate limit, once the request was counted.
    pub fn quota(&self) -> Option<Quota> {
        self.quota
    }

    /// The reason.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

/// Why a request may not pass.
#[derive(Debug)]
pub struct Deny<'p> {
    /// The reason.
    pub reason: Reason,
    /// The token, where it is known.
    pub subject: Option<Subject<'p>>,
    /// Of what was presented, where no token has it.
    pub fingerprint: Option<Fingerprint>,
    /// Whether that was a guess: deliberately sent, in the form of a secret.
    pub guessed: bool,
    /// The rule that a malformed request breaks.
    pub rule: Option<Rule>,
    /// Permissions that would have sufficed.
    pub sufficient: Box<[&'p PermissionName]>,
    /// In which reading of the request there is a reason.
    pub reading: Reading,
    /// Whether only roles in shadow are the reason: then the filter reports the deny and forwards the request.
    pub shadow: bool,
    /// For how long the caller is to wait, where that is the reason.
    pub wait: Option<Wait>,
}

/// In which reading of a request there is a reason to deny it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reading {
    /// As it stands.
    Strict,
    /// Only without letter case, or as the loosest upstream may read it: as it stands it would be permitted.
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

/// For how long a caller is to wait.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    /// Until there is something left of the token's rate limit.
    Quota(Quota),
    /// So many seconds, until the source is no longer suspended.
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

/// A token that was presented by one of its secrets.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'p> {
    token: &'p Token,
    secret: &'p Secret,
    kind: &'p KindName,
    grant: &'p Grant,
    intent: Intent,
}

impl<'p> Subject<'p> {
    /// Id of the token.
    pub fn token(&self) -> &'p TokenId {
        &self.token.id
    }

    /// Under which key the token is remembered; another one when its secrets change.
    pub(crate) fn key(&self) -> Key {
        Key::of_token(&self.token.id, self.token.digests)
    }

    /// The token's rate limit.
    fn rate_limit(&self) -> Option<RateLimit> {
        self.token.limits.as_ref()?.rate
    }

    /// Id of the secret.
    pub fn secret(&self) -> &'p SecretId {
        &self.secret.id
    }

    /// Kind of the token.
    pub fn kind(&self) -> &'p KindName {
        self.kind
    }

    /// Number of the kind in the policy.
    pub(crate) fn kind_number(&self) -> usize {
        self.token.kind
    }

    /// Roles of the token, inherited ones included.
    pub fn roles(&self) -> &'p [RoleName] {
        &self.grant.roles
    }

    /// Whether the secret was presented deliberately.
    pub fn intent(&self) -> Intent {
        self.intent
    }

    /// Whether the secret has been rotated away and works only for its overlap.
    pub fn retiring(&self) -> bool {
        self.secret.life.rotated
    }
}
