//! The decision: what the policy says about one request, and why.
//!
//! In: a [`RequestHead`] and the time. Out: a [`Decision`]. One algorithm serves enforcement and `explain`:
//! they differ in the [`Trace`] that they hand over. It is total and does not allocate on a permit.

use crate::engine::head::{Credential, RequestHead};
use crate::engine::index::{Case, Lister, Listing, Match};
use crate::engine::name::{KindName, PermissionName, RoleName, SecretId, TokenId};
use crate::engine::path::CanonicalPath;
use crate::engine::pattern::is_method;
use crate::engine::policy::{Grant, Policy, Secret, Token};
use crate::engine::reason::Reason;
use crate::engine::secret::{self, Fingerprint, SecretDigest};
use crate::engine::time::Time;

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
}

/// Proof that the policy permitted a request: only [`Policy::decide`] makes one.
#[derive(Debug)]
pub struct Permit<'p> {
    subject: Option<Subject<'p>>,
    permission: Option<&'p PermissionName>,
}

impl<'p> Permit<'p> {
    /// The token; none where the operation is public.
    pub fn subject(&self) -> Option<&Subject<'p>> {
        self.subject.as_ref()
    }

    /// The permission by which the request may pass; none where the operation is public.
    pub fn permission(&self) -> Option<&'p PermissionName> {
        self.permission
    }

    /// The reason.
    pub fn reason(&self) -> Reason {
        if self.subject.is_some() { Reason::Permitted } else { Reason::Public }
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
}

impl<'p> Deny<'p> {
    #[cold]
    fn because(reason: Reason) -> Self {
        Self { reason, subject: None, fingerprint: None, rule: None, sufficient: Vec::new() }
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
    /// The path or the method has no reading, or more than one.
    Malformed(&'static str),
    /// The path was read as this.
    Path(String),
    /// No permission lists the operation.
    Unlisted,
    /// The token was found.
    Token(Subject<'p>),
    /// A listing concerns the request.
    Listed { how: Match, listing: &'p Listing, permission: Option<&'p PermissionName>, held: bool },
    /// A role of the token denies the request by this listing.
    Denied { how: Match, case: Case, listing: &'p Listing, permission: Option<&'p PermissionName> },
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
    /// Decides about a request at the time `now`.
    pub fn decide(&self, head: &RequestHead<'_>, now: Time) -> Decision<'_> {
        self.decide_traced(head, now, &mut ())
    }

    /// Decides, and tells the steps.
    pub fn decide_traced<'p>(
        &'p self,
        head: &RequestHead<'_>,
        now: Time,
        trace: &mut impl Trace<'p>,
    ) -> Decision<'p> {
        match self.check(head, now, trace) {
            Ok(permit) => Decision::Permit(permit),
            Err(deny) => Decision::Deny(deny),
        }
    }

    fn check<'p>(
        &'p self,
        head: &RequestHead<'_>,
        now: Time,
        trace: &mut impl Trace<'p>,
    ) -> Result<Permit<'p>, Deny<'p>> {
        let path = readable(head).inspect_err(|deny| {
            if let Some(rule) = deny.rule {
                trace.step(|| Step::Malformed(rule));
            }
        })?;
        trace.step(|| Step::Path(path.as_str().to_owned()));
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(Deny::because(Reason::NoPolicy));
        }
        if self.has_public && self.is_public(head.method, path, trace) {
            return Ok(Permit { subject: None, permission: None });
        }
        let subject = self.authenticate(&head.credential)?;
        trace.step(|| Step::Token(subject));
        if let Some(reason) = state(&subject, now) {
            return Err(Deny::of(reason, subject));
        }
        self.authorize(subject, head.method, path, trace)
    }

    fn is_public<'p>(&'p self, method: &[u8], path: &CanonicalPath<'_>, trace: &mut impl Trace<'p>) -> bool {
        let mut public = false;
        self.index.visit(Case::Strict, method, path.segments(), |how, listing| {
            if listing.by == Lister::Public {
                public = true;
                trace.step(|| Step::Listed { how, listing, permission: None, held: true });
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
        method: &[u8],
        path: &CanonicalPath<'_>,
        trace: &mut impl Trace<'p>,
    ) -> Result<Permit<'p>, Deny<'p>> {
        let Grant { permitted, denied, .. } = subject.grant;
        let mut by = None;
        let mut forbidden = false;
        self.index.visit(Case::Strict, method, path.segments(), |how, listing| {
            let Lister::Permission(number) = listing.by else {
                return;
            };
            let permission = self.permission(number);
            let held = permitted.contains(number);
            trace.step(|| Step::Listed { how, listing, permission, held });
            // The operation's own permission is the one to tell, rather than that of a `/**` above it.
            if held && (by.is_none() || matches!(by, Some((Match::Subtree, _))) && how == Match::Operation) {
                by = permission.map(|permission| (how, permission));
            }
        });
        if !denied.is_empty() {
            for case in [Case::Strict, Case::Folded] {
                self.index.visit(case, method, path.segments(), |how, listing| {
                    if let Lister::Permission(number) = listing.by
                        && denied.contains(number)
                    {
                        forbidden = true;
                        trace.step(|| Step::Denied {
                            how,
                            case,
                            listing,
                            permission: self.permission(number),
                        });
                    }
                });
            }
        }
        match by {
            _ if forbidden => Err(Deny::of(Reason::DeniedOperation, subject)),
            Some((_, permission)) => Ok(Permit { subject: Some(subject), permission: Some(permission) }),
            None => {
                let sufficient = self.sufficient(method, path);
                if sufficient.is_empty() {
                    trace.step(|| Step::Unlisted);
                }
                Err(Deny { sufficient, ..Deny::of(Reason::InsufficientScope, subject) })
            }
        }
    }

    /// The permissions that list the request's operation.
    #[cold]
    fn sufficient(&self, method: &[u8], path: &CanonicalPath<'_>) -> Vec<&PermissionName> {
        let mut names = Vec::new();
        self.index.visit(Case::Strict, method, path.segments(), |_, listing| {
            if let Lister::Permission(number) = listing.by
                && names.len() < MAX_SUFFICIENT
            {
                names.extend(self.permission(number).filter(|name| !names.contains(name)));
            }
        });
        names
    }
}

fn readable<'h, 'a, 'p>(head: &'h RequestHead<'a>) -> Result<&'h CanonicalPath<'a>, Deny<'p>> {
    let malformed = |rule| Deny { rule: Some(rule), ..Deny::because(Reason::MalformedRequest) };
    // RFC 9110 §9.1: a method is case-sensitive; to a framework that reads `delete` as `DELETE` it is not.
    if !is_method(head.method) {
        return Err(malformed("method"));
    }
    head.path.as_ref().map_err(|rule| malformed(rule.code()))
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
