//! The decision: what the policy says about one request, and why.
//!
//! In: a [`RequestHead`] and its [`Circumstances`]. Out: a [`Decision`]. One algorithm serves enforcement and
//! `explain`: they differ in the [`Trace`] that they hand over. It is total and does not allocate on a permit.
//!
//! What a rate limit leaves of a permit depends on the requests before it, which only the host knows:
//! [`Decision::metered`] takes that in.

use crate::engine::address::Source;
use crate::engine::credential::Credential;
use crate::engine::head::RequestHead;
use crate::engine::index::{Case, Lister, Listing, Match, Target};
use crate::engine::name::{AttributeName, KindName, PermissionName, RoleName, SecretId, TokenId};
use crate::engine::path::Segments;
use crate::engine::pattern::is_method;
use crate::engine::policy::{Grant, Limits, PermissionSet, Policy, Secret, Token};
use crate::engine::rate::{Quota, RateLimit, Taken};
use crate::engine::reason::Reason;
use crate::engine::secret::{self, Fingerprint, SecretDigest};
use crate::engine::time::Time;

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

    /// Whether it is a deny that is only reported, because a role in shadow alone is the reason for it.
    pub fn is_tried(&self) -> bool {
        matches!(self, Self::Deny(Deny { tried: true, .. }))
    }

    /// The limit that a request to be forwarded counts towards, if there is one.
    pub fn rate_limit(&self) -> Option<RateLimit> {
        let limits = self.subject()?.token.limits.as_ref()?;
        limits.rate.filter(|_| self.is_permit() || self.is_tried())
    }

    /// What the decision is after the request was counted.
    pub fn metered(self, taken: Taken) -> Self {
        match (self, taken) {
            (Self::Permit(permit), Taken::Granted { quota, .. }) => {
                Self::Permit(Permit { quota: Some(quota), ..permit })
            }
            (Self::Deny(deny), Taken::Granted { .. }) => Self::Deny(deny),
            (
                Self::Permit(Permit { subject, .. }) | Self::Deny(Deny { subject, .. }),
                Taken::Refused(quota),
            ) => Self::Deny(Deny { subject, quota: Some(quota), ..Deny::because(Reason::RateLimited) }),
        }
    }
}

/// Proof that the policy permitted a request: only [`Policy::decide`] makes one.
#[derive(Debug)]
pub struct Permit<'p> {
    reason: Reason,
    subject: Option<Subject<'p>>,
    permission: Option<&'p PermissionName>,
    quota: Option<Quota>,
}

impl<'p> Permit<'p> {
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

    /// The deny that this is as long as the request was not counted, where the token has a limit.
    pub(crate) fn uncounted(&self) -> Option<Deny<'p>> {
        let limits = self.subject.and_then(|subject| subject.token.limits.as_ref());
        let limit = limits.and_then(|limits| limits.rate).filter(|_| self.quota.is_none())?;
        let quota = Some(Quota::unknown(limit));
        Some(Deny { subject: self.subject, quota, ..Deny::because(Reason::RateLimited) })
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
    /// The rule that a malformed request breaks.
    pub rule: Option<&'static str>,
    /// Permissions that would have sufficed.
    pub sufficient: Vec<&'p PermissionName>,
    /// Whether a role in shadow alone is the reason: then it is only reported.
    pub tried: bool,
    /// What is left of the token's rate limit, where that is the reason.
    pub quota: Option<Quota>,
}

impl<'p> Deny<'p> {
    #[cold]
    fn because(reason: Reason) -> Self {
        Self {
            reason,
            subject: None,
            fingerprint: None,
            rule: None,
            sufficient: Vec::new(),
            tried: false,
            quota: None,
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
}

impl<'p> Subject<'p> {
    /// Id of the token.
    pub fn token(&self) -> &'p TokenId {
        &self.token.id
    }

    /// Id of the secret.
    pub fn secret(&self) -> &'p SecretId {
        &self.secret.id
    }

    /// Kind of the token.
    pub fn kind(&self) -> &'p KindName {
        self.kind
    }

    /// Roles of the token, inherited ones included.
    pub fn roles(&self) -> &'p [RoleName] {
        &self.grant.roles
    }

    /// Whether the secret has been rotated away and works only for its overlap.
    pub fn retiring(&self) -> bool {
        self.secret.retired
    }
}

/// Something that a decision came by.
#[expect(missing_docs, reason = "the fields are what the step names")]
#[derive(Debug)]
pub enum Step<'p> {
    /// The path, the host or the method has no reading, or more than one.
    Malformed(&'static str),
    /// The path was read as this.
    Path(String),
    /// No permission lists the operation.
    Unlisted,
    /// The token was found.
    Token(Subject<'p>),
    /// The token may not be used so, whatever its roles.
    Limited { reason: Reason, limits: &'p Limits },
    /// A listing concerns the request.
    Listed {
        how: Match,
        listing: &'p Listing,
        permission: Option<&'p PermissionName>,
        standing: Standing<'p>,
    },
    /// A role of the token denies the request by this listing, or would if it were not in shadow.
    Denied {
        how: Match,
        case: Case,
        listing: &'p Listing,
        permission: Option<&'p PermissionName>,
        shadow: bool,
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

/// Somebody who is told the steps of a decision.
pub trait Trace<'p> {
    /// Takes a step; `step` is only made for those who want it.
    fn step(&mut self, step: impl FnOnce() -> Step<'p>);
}

/// Nobody: enforcement.
impl<'p> Trace<'p> for () {
    fn step(&mut self, _: impl FnOnce() -> Step<'p>) {}
}

impl Policy {
    /// Decides about a request.
    pub fn decide(&self, head: &RequestHead<'_>, circumstances: Circumstances<'_>) -> Decision<'_> {
        self.decide_traced(head, circumstances, &mut ())
    }

    /// Decides, and tells the steps.
    pub fn decide_traced<'p>(
        &'p self,
        head: &RequestHead<'_>,
        circumstances: Circumstances<'_>,
        trace: &mut impl Trace<'p>,
    ) -> Decision<'p> {
        match self.check(head, circumstances, trace) {
            Ok(permit) => Decision::Permit(permit),
            Err(deny) => Decision::Deny(deny),
        }
    }

    fn check<'p>(
        &'p self,
        head: &RequestHead<'_>,
        circumstances: Circumstances<'_>,
        trace: &mut impl Trace<'p>,
    ) -> Result<Permit<'p>, Deny<'p>> {
        let target = readable(head).inspect_err(|deny| {
            if let Some(rule) = deny.rule {
                trace.step(|| Step::Malformed(rule));
            }
        })?;
        if let Ok(path) = &head.path {
            trace.step(|| Step::Path(path.as_str().to_owned()));
        }
        if self.expires_at.is_some_and(|end| end <= circumstances.now) {
            return Err(Deny::because(Reason::NoPolicy));
        }
        if self.has_public && self.is_public(target, trace) {
            return Ok(Permit::without_token(Reason::Public));
        }
        if head.preflight {
            return Ok(Permit::without_token(Reason::Preflight));
        }
        let subject = self.authenticate(&head.credential)?;
        trace.step(|| Step::Token(subject));
        if let Some(reason) = state(&subject, circumstances.now) {
            return Err(Deny::of(reason, subject));
        }
        if let Some(limits) = &subject.token.limits
            && let Some(reason) = limits.broken(circumstances)
        {
            trace.step(|| Step::Limited { reason, limits });
            return Err(Deny::of(reason, subject));
        }
        self.authorize(subject, target, trace)
    }

    fn is_public<'p>(&'p self, target: Target<'_>, trace: &mut impl Trace<'p>) -> bool {
        let mut public = false;
        self.index.visit(Case::Strict, target, |how, listing| {
            if listing.by == Lister::Public {
                public = true;
                trace.step(|| Step::Listed { how, listing, permission: None, standing: Standing::Public });
            }
        });
        public
    }

    fn authenticate(&self, credential: &Credential<'_>) -> Result<Subject<'_>, Deny<'_>> {
        let presented = match credential {
            Credential::Missing => return Err(Deny::because(Reason::MissingToken)),
            Credential::Ambiguous => return Err(Deny::because(Reason::AmbiguousToken)),
            Credential::Presented(presented) => presented,
        };
        let unknown = |digest: SecretDigest| Deny {
            fingerprint: Some(digest.fingerprint()),
            ..Deny::because(Reason::UnknownToken)
        };
        let Some(secret) = secret::Secret::parse(presented) else {
            return Err(unknown(SecretDigest::of(presented)));
        };
        let digest = secret.digest();
        self.find(digest)
            .and_then(|(token, secret)| self.subject(token, secret))
            .ok_or_else(|| unknown(digest))
    }

    fn subject<'p>(&'p self, token: &'p Token, secret: &'p Secret) -> Option<Subject<'p>> {
        Some(Subject {
            token,
            secret,
            kind: self.kinds.get(token.kind)?,
            grant: self.grants.get(token.grant)?,
        })
    }

    fn authorize<'p>(
        &'p self,
        subject: Subject<'p>,
        target: Target<'_>,
        trace: &mut impl Trace<'p>,
    ) -> Result<Permit<'p>, Deny<'p>> {
        let Grant { denied, tried, on_trial, .. } = subject.grant;
        let granted = self.granted(subject, target, trace);
        let yielding = match granted {
            Some(Granted { how: Match::Operation, listing, .. }) => Yielding::Operation(Some(listing)),
            Some(Granted { .. }) => Yielding::All,
            // What is forwarded all the same is forwarded as if by a `/**`.
            None if *on_trial => Yielding::All,
            None => Yielding::Operation(None),
        };
        let mut forbids = |set: &PermissionSet, shadow| {
            !set.is_empty() && self.forbids(set, shadow, yielding, target, trace)
        };
        if forbids(denied, false) {
            return Err(Deny::of(Reason::DeniedOperation, subject));
        }
        let would_forbid = forbids(tried, true);
        match granted {
            Some(Granted { permission, .. }) if !would_forbid => Ok(Permit {
                reason: Reason::Permitted,
                subject: Some(subject),
                permission: Some(permission),
                quota: None,
            }),
            Some(_) => Err(Deny { tried: true, ..Deny::of(Reason::DeniedOperation, subject) }),
            None if *on_trial && would_forbid => {
                Err(Deny { tried: true, ..Deny::of(Reason::DeniedOperation, subject) })
            }
            None => {
                let sufficient = self.sufficient(target);
                if sufficient.is_empty() {
                    trace.step(|| Step::Unlisted);
                }
                Err(Deny { sufficient, tried: *on_trial, ..Deny::of(Reason::InsufficientScope, subject) })
            }
        }
    }

    /// The permission of the token that lists the request's operation, or a `/**` above it.
    fn granted<'p>(
        &'p self,
        subject: Subject<'p>,
        target: Target<'_>,
        trace: &mut impl Trace<'p>,
    ) -> Option<Granted<'p>> {
        let mut by: Option<Granted<'p>> = None;
        self.index.visit(Case::Strict, target, |how, listing| {
            let Lister::Permission(number) = listing.by else {
                return;
            };
            let permission = self.permission(number);
            let standing = match listing.unmet(target.path, |name| subject.token.attribute(name)) {
                _ if !subject.grant.permitted.contains(number) => Standing::NotHeld,
                Some(attribute) => Standing::Unbound(attribute),
                None => Standing::Held,
            };
            trace.step(|| Step::Listed { how, listing, permission, standing });
            // The operation's own permission is the one to tell, rather than that of a `/**` above it.
            let better = by.as_ref().is_none_or(|by| by.how == Match::Subtree && how == Match::Operation);
            if standing == Standing::Held && better {
                by = permission.map(|permission| Granted { how, listing, permission });
            }
        });
        by
    }

    /// Whether one of the permissions in `set` takes the request away from what was `granted`.
    ///
    /// A grant of an operation gives way to a deny of any that matches and is not less specific, and of a `/**`
    /// above it; a grant of a `/**` gives way to a deny of any operation that matches. So naming a new operation never opens what a
    /// deny of its neighbour had closed. A `${name}` in a deny stands for every value. A deny is judged by the
    /// path as it is, without letter case, and by what the loosest reader would make of it.
    fn forbids<'p>(
        &'p self,
        set: &PermissionSet,
        shadow: bool,
        yielding: Yielding<'p>,
        target: Target<'_>,
        trace: &mut impl Trace<'p>,
    ) -> bool {
        let (own, all) = match yielding {
            Yielding::Operation(own) => (own, false),
            Yielding::All => (None, true),
        };
        let skeleton = target.path.skeleton();
        let loosest = skeleton.as_deref().map(|path| Target { path: Segments::of(path), ..target });
        let readings = [(Case::Strict, Some(target)), (Case::Folded, Some(target)), (Case::Folded, loosest)];
        let mut forbidden = false;
        for (case, target) in readings.into_iter().filter_map(|(case, target)| Some((case, target?))) {
            self.index.visit_all(case, target, own, |how, listing| {
                let Lister::Permission(number) = listing.by else { return };
                if set.contains(number) && (all || how != Match::Overruled) {
                    forbidden = true;
                    let permission = self.permission(number);
                    trace.step(|| Step::Denied { how, case, listing, permission, shadow });
                }
            });
        }
        forbidden
    }

    /// The permissions that list the request's operation.
    #[cold]
    fn sufficient(&self, target: Target<'_>) -> Vec<&PermissionName> {
        let mut names = Vec::new();
        self.index.visit(Case::Strict, target, |_, listing| {
            if let Lister::Permission(number) = listing.by
                && names.len() < MAX_SUFFICIENT
            {
                names.extend(self.permission(number).filter(|name| !names.contains(name)));
            }
        });
        names
    }
}

/// A permission of the token that lists the request, and how.
#[derive(Clone, Copy)]
struct Granted<'p> {
    how: Match,
    listing: &'p Listing,
    permission: &'p PermissionName,
}

/// What a request's grant gives way to.
#[derive(Clone, Copy)]
enum Yielding<'p> {
    /// Denies of operations not less specific than this listing's, or of the most specific one, and of a `/**`.
    Operation(Option<&'p Listing>),
    /// Every deny that matches.
    All,
}

fn readable<'h, 'p>(head: &'h RequestHead<'_>) -> Result<Target<'h>, Deny<'p>> {
    let malformed = |rule| Deny { rule: Some(rule), ..Deny::because(Reason::MalformedRequest) };
    // RFC 9110 §9.1: a method is case-sensitive; to a framework that reads `delete` as `DELETE` it is not.
    if !is_method(head.method) {
        return Err(malformed("method"));
    }
    let path = head.path.as_ref().map_err(|rule| malformed(rule.code()))?;
    let host = head.host.as_ref().map_err(|_| malformed("host"))?;
    Ok(Target { method: head.method, host: host.as_str(), path: path.segments() })
}

impl Limits {
    /// Why the token may not be used under these circumstances, if it may not.
    fn broken(&self, circumstances: Circumstances<'_>) -> Option<Reason> {
        let Circumstances { now, source } = circumstances;
        if self.misplaced.is_some() {
            return self.misplaced;
        }
        if let Some(ranges) = &self.sources {
            let address = source.ip();
            if !address.is_some_and(|address| ranges.iter().any(|range| range.contains(address))) {
                return Some(Reason::SourceNotAllowed);
            }
        }
        let hours = self.hours.as_ref();
        hours
            .is_some_and(|hours| !hours.iter().any(|hours| hours.contain(now)))
            .then_some(Reason::OutsideHours)
    }
}

/// Why the secret does not work at `now`, if it does not.
fn state(subject: &Subject<'_>, now: Time) -> Option<Reason> {
    let Subject { token, secret, .. } = subject;
    let over = secret.expires_at.is_some_and(|end| end <= now);
    if token.revoked || secret.revoked {
        return Some(Reason::RevokedToken);
    }
    if over {
        return Some(if secret.retired { Reason::RetiredSecret } else { Reason::ExpiredToken });
    }
    secret.not_before.is_some_and(|start| now < start).then_some(Reason::NotYetValid)
}

/// Most permissions named in a challenge.
const MAX_SUFFICIENT: usize = 16;
