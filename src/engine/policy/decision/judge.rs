//! How a decision is made: ordered checks. The first check that fails gives the reason.
//!
//! In: a [`RequestHead`] and its [`Circumstances`]. Out: a [`Decision`]. It always returns a decision, and does not
//! allocate for a permit.

use crate::engine::config::credentials::Intent;
use crate::engine::config::settings::Mode;
use crate::engine::matching::index::{LetterCase, Lister, Listing, Match, Target};
use crate::engine::matching::path::{CanonicalPath, Segments};
use crate::engine::memory::key::Key;
use crate::engine::memory::suspensions::{Suspended, Suspensions};
use crate::engine::policy::compiled::{Grant, PermissionSet, Policy, Secret, Token, UseLimits};
use crate::engine::policy::decision::readings::Readings;
use crate::engine::policy::decision::{
    Circumstances, Decision, Deny, Judged, Permit, Reading, Standing, Step, Subject, Trace, Wait,
};
use crate::engine::request::credential::Credential;
use crate::engine::request::head::RequestHead;
use crate::engine::words::life::SecretState;
use crate::engine::words::name::PermissionName;
use crate::engine::words::rate::Bucket;
use crate::engine::words::reason::Reason;
use crate::engine::words::secret;
use crate::engine::words::secret::minted::is_miscopied;
use crate::engine::words::secret::{MIN_SECRET_BYTES, SecretDigest};
use crate::engine::words::time::Time;

impl Policy {
    /// Decides a request as if its token had made no other request.
    pub fn decide(&self, head: &RequestHead<'_>, circumstances: Circumstances<'_>) -> Decision<'_> {
        self.decide_traced(head, circumstances, &mut ())
    }

    /// Decides a request, and reports each step to `trace`.
    pub fn decide_traced<'p>(
        &'p self,
        head: &RequestHead<'_>,
        circumstances: Circumstances<'_>,
        trace: &mut impl Trace<'p>,
    ) -> Decision<'p> {
        let judged = self.judge(head, circumstances, Suspensions::NONE, trace);
        judged.meter(|_, limit| limit.take(Bucket::FULL, circumstances.now))
    }

    /// Judges a request with these suspensions, without its token's rate limit.
    pub fn judge<'p>(
        &'p self,
        head: &RequestHead<'_>,
        circumstances: Circumstances<'_>,
        suspensions: &Suspensions,
        trace: &mut impl Trace<'p>,
    ) -> Judged<'p> {
        Judged::new(match self.check(head, circumstances, suspensions, trace) {
            Ok(permit) => Decision::Permit(permit),
            Err(deny) => Decision::Deny(deny),
        })
    }

    fn check<'p>(
        &'p self,
        head: &RequestHead<'_>,
        circumstances: Circumstances<'_>,
        suspensions: &Suspensions,
        trace: &mut impl Trace<'p>,
    ) -> Result<Permit<'p>, Deny<'p>> {
        let target = head.target().map_err(|rule| {
            trace.step(|| Step::Malformed(rule));
            Deny { rule: Some(rule), ..Deny::because(Reason::MalformedRequest) }
        })?;
        if let Ok(path) = &head.path {
            trace.step(|| Step::Path(path.as_str().to_owned()));
            for reading in path.loose() {
                trace.step(|| Step::Loose(reading.as_str().to_owned()));
            }
        }
        if self.expires_at.is_some_and(|end| end <= circumstances.now) {
            return Err(Deny::because(Reason::NoPolicy));
        }
        let (folded, skeleton) = (target.path.folded(), target.path.skeleton());
        let loose = head.path.as_ref().map(CanonicalPath::loose).unwrap_or_default();
        let readings = Readings::of(target, folded.as_deref(), skeleton.as_deref(), loose);
        let public = self.public(readings.target, trace);
        if public.is_some() && self.stays_public(readings, trace) {
            return Ok(Permit::without_token(Reason::Public));
        }
        if head.preflight.is_some_and(|method| self.has_operation(method, readings)) {
            return Ok(Permit::without_token(Reason::Preflight));
        }
        // This check comes before the look-up. Otherwise a suspended guesser could still learn that a guess is right.
        if head.brings_token()
            && let Some(until) = self.suspended_source(circumstances, &suspensions.sources)
        {
            trace.step(|| Step::Suspended { until });
            let wait = Some(Wait::Seconds(until.seconds_after(circumstances.now)));
            return Err(Deny { wait, ..Deny::because(Reason::SuspendedSource) });
        }
        let subject = self.authenticate(&head.credential)?;
        trace.step(|| Step::Token(subject));
        if let Some(reason) = subject.state(circumstances.now).reason() {
            return Err(Deny::of(reason, subject));
        }
        if let Some(until) = self.suspended_token(&subject, circumstances.now, &suspensions.tokens) {
            trace.step(|| Step::Suspended { until });
            return Err(Deny::of(Reason::SuspendedToken, subject));
        }
        if let Some(limits) = &subject.token.limits
            && let Some(reason) = limits.broken(circumstances)
        {
            trace.step(|| Step::Limited { reason, limits });
            return Err(Deny::of(reason, subject));
        }
        self.authorize(subject, readings, public, trace)
    }

    /// Returns when the suspension of the source ends, if it is suspended.
    fn suspended_source(&self, circumstances: Circumstances<'_>, sources: &Suspended) -> Option<Time> {
        let longest = self.defense.as_ref()?.longest_of_sources().filter(|_| !sources.is_empty())?;
        sources.until(Key::of_source(circumstances.source)?, circumstances.now, longest)
    }

    /// Returns when the suspension of the token ends, if it is suspended.
    fn suspended_token(&self, subject: &Subject<'_>, now: Time, tokens: &Suspended) -> Option<Time> {
        let longest = self.defense.as_ref()?.longest_of_tokens().filter(|_| !tokens.is_empty())?;
        tokens.until(subject.key(), now, longest)
    }

    /// Returns the public operation that matches the request in the strict reading, if any.
    fn public<'p>(&'p self, target: Target<'_>, trace: &mut impl Trace<'p>) -> Option<&'p Listing> {
        let mut public = None;
        if self.has_public {
            self.index.visit(LetterCase::Strict, target, |how, listing| {
                if listing.by == Lister::Public {
                    public = Some(listing);
                    let standing = Standing::Public;
                    trace.step(|| Step::Listed { how, listing, permission: None, standing });
                }
            });
        }
        public
    }

    /// Whether a request that is public in the strict reading is public in every reading.
    fn stays_public<'p>(&'p self, readings: Readings<'_>, trace: &mut impl Trace<'p>) -> bool {
        let is_public = |listing: &Listing, _: Segments<'_>| listing.by == Lister::Public;
        self.astray(readings, is_public, trace).is_none()
    }

    /// Whether the policy has an operation with this method for the request's path. An operation must list it in every
    /// reading that keeps the kept characters.
    fn has_operation(&self, method: &[u8], readings: Readings<'_>) -> bool {
        readings.with_kept().all(|(case, target)| {
            let mut found = false;
            self.index.visit(case, Target { method, ..target }, |_, _| found = true);
            found
        })
    }

    fn authenticate(&self, credential: &Credential<'_>) -> Result<Subject<'_>, Deny<'_>> {
        let (presented, intent) = match credential {
            Credential::Missing => return Err(Deny::because(Reason::MissingToken)),
            Credential::Ambiguous => return Err(Deny::because(Reason::AmbiguousToken)),
            Credential::Presented(presented, intent) | Credential::Joined(presented, intent) => {
                (presented, *intent)
            }
        };
        let is_joined = matches!(credential, Credential::Joined(..));
        let unknown = |digest: SecretDigest, guessed| match is_joined {
            // An unknown value may consist of several: Envoy itself joins two `authorization` headers.
            true => Deny { guessed, ..Deny::because(Reason::AmbiguousToken) },
            false => Deny {
                fingerprint: Some(digest.fingerprint()),
                guessed,
                ..Deny::because(Reason::UnknownToken)
            },
        };
        let Some(secret) = secret::Secret::parse(presented) else {
            return Err(unknown(SecretDigest::of(presented), false));
        };
        let digest = secret.digest();
        let is_honest = || {
            is_template(presented)
                || is_joined && may_be_secrets(presented)
                || is_miscopied(presented, self.token_prefix())
        };
        let guessed = || intent == Intent::Deliberate && !is_honest();
        self.find(digest)
            .and_then(|(token, secret)| self.subject(token, secret, intent))
            .ok_or_else(|| unknown(digest, guessed()))
    }

    fn subject<'p>(&'p self, token: &'p Token, secret: &'p Secret, intent: Intent) -> Option<Subject<'p>> {
        Some(Subject {
            token,
            secret,
            kind: self.kinds.get(token.kind)?,
            grant: self.grants.get(token.grant)?,
            intent,
        })
    }

    fn authorize<'p>(
        &'p self,
        subject: Subject<'p>,
        readings: Readings<'_>,
        public: Option<&'p Listing>,
        trace: &mut impl Trace<'p>,
    ) -> Result<Permit<'p>, Deny<'p>> {
        let Grant { denied, shadow_denied, in_shadow, .. } = subject.grant;
        let found = self.granted(subject, readings.target, trace);
        let may = |listing: &Listing, path: Segments<'_>| subject.may(LetterCase::Folded, listing, path);
        let astray = found.and_then(|_| self.astray(readings, may, trace));
        let grant = found.filter(|_| astray.is_none());
        let deny = self.forbids(denied, Mode::Enforce, readings, trace);
        let shadow_deny = self.forbids(shadow_denied, Mode::Shadow, readings, trace);
        // Whether the deny applies to the strict reading, or only to another one.
        let reading = |denied| match (public, found) {
            (Some(_), _) => Reading::Loose,
            (None, Some(_)) => denied,
            (None, None) => Reading::Strict,
        };
        let denied = Deny::of(Reason::DeniedOperation, subject);
        // Columns: a role denies · a role grants · a role in shadow mode denies · all roles are in shadow mode.
        match (deny, grant, shadow_deny, in_shadow) {
            (Some(denied_in), _, _, _) => Err(Deny { reading: reading(denied_in), ..denied }),
            (None, Some(grant), None, _) => Ok(Permit::by(grant.permission, subject)),
            (None, Some(_), Some(_), _) | (None, None, Some(_), true) => Err(Deny { shadow: true, ..denied }),
            (None, None, None, true) | (None, None, _, false) => {
                let sufficient = self.lacking(astray, readings, trace);
                let reading = reading(Reading::Loose);
                let lacking = Deny::of(Reason::InsufficientScope, subject);
                Err(Deny { sufficient, reading, shadow: *in_shadow, ..lacking })
            }
        }
    }

    /// Returns the permissions that the token lacks. Each one would be enough.
    #[cold]
    fn lacking<'p>(
        &'p self,
        astray: Option<Target<'_>>,
        readings: Readings<'_>,
        trace: &mut impl Trace<'p>,
    ) -> Box<[&'p PermissionName]> {
        let sufficient = match astray {
            Some(target) => self.sufficient(LetterCase::Folded, target),
            None => self.sufficient(LetterCase::Strict, readings.target),
        };
        if sufficient.is_empty() {
            trace.step(|| Step::Unlisted);
        }
        sufficient
    }

    /// Returns the token's permission that lists the request's operation, or a `/**` above it.
    fn granted<'p>(
        &'p self,
        subject: Subject<'p>,
        target: Target<'_>,
        trace: &mut impl Trace<'p>,
    ) -> Option<Granted<'p>> {
        let mut by: Option<Granted<'p>> = None;
        self.index.visit(LetterCase::Strict, target, |how, listing| {
            let Lister::Permission(number) = listing.by else {
                return;
            };
            let permission = self.permission(number);
            let standing =
                match listing.unmet(LetterCase::Strict, target.path, |name| subject.token.attribute(name)) {
                    _ if !subject.grant.permitted.contains(number) => Standing::NotHeld,
                    Some(attribute) => Standing::Unbound(attribute),
                    None => Standing::Held,
                };
            trace.step(|| Step::Listed { how, listing, permission, standing });
            // Report the operation's own permission rather than that of a `/**` above it.
            let better = by.as_ref().is_none_or(|by| by.how == Match::Subtree && how == Match::Operation);
            if standing == Standing::Held && better {
                by = permission.map(|permission| Granted { how, permission });
            }
        });
        by
    }

    /// Whether an operation of a permission in `set` matches the request, in the strict reading or only in another one.
    /// The specificity of a grant does not matter.
    ///
    /// In a deny, every form of variable matches every value, including `${name}`.
    fn forbids<'p>(
        &'p self,
        set: &PermissionSet,
        mode: Mode,
        readings: Readings<'_>,
        trace: &mut impl Trace<'p>,
    ) -> Option<Reading> {
        let mut forbidden = None;
        if set.is_empty() {
            return forbidden;
        }
        for (case, target, loose) in readings.all() {
            self.index.visit_all(case, target, |_, listing| {
                let Lister::Permission(number) = listing.by else { return };
                if set.contains(number) {
                    forbidden = forbidden.or(Some(Reading::of(case)));
                    let permission = self.permission(number);
                    let path = || loose.map(|reading| reading.as_str().to_owned());
                    trace.step(|| Step::Denied { case, listing, permission, mode, path: path() });
                }
            });
        }
        forbidden
    }

    /// Returns the permissions that list the request's operation.
    #[cold]
    fn sufficient(&self, case: LetterCase, target: Target<'_>) -> Box<[&PermissionName]> {
        let mut names = Vec::new();
        self.index.visit(case, target, |_, listing| {
            if let Lister::Permission(number) = listing.by
                && names.len() < MAX_SUFFICIENT
            {
                names.extend(self.permission(number).filter(|name| !names.contains(name)));
            }
        });
        names.into()
    }
}

/// Whether the value looks like an unfilled placeholder for a secret: `${TOKEN}`, `<token>`, `[token]`, `%TOKEN%`.
fn is_template(presented: &[u8]) -> bool {
    presented.iter().any(|byte| b"$%<>[]{}".contains(byte))
}

/// Whether each comma-separated value may be a secret. A proxy may have joined repeated headers.
fn may_be_secrets(joined: &[u8]) -> bool {
    joined.split(|byte| *byte == b',').all(|value| value.len() >= MIN_SECRET_BYTES)
}

/// A permission of the token that lists the request, and how it matches.
#[derive(Clone, Copy)]
struct Granted<'p> {
    how: Match,
    permission: &'p PermissionName,
}

impl Subject<'_> {
    fn state(&self, now: Time) -> SecretState {
        self.secret.life.state(self.token.revoked.is() || self.secret.revoked.is(), now)
    }

    /// Whether the listing is public, or the token holds it and its attributes match the path in this reading.
    fn may(&self, case: LetterCase, listing: &Listing, path: Segments<'_>) -> bool {
        match listing.by {
            Lister::Public => true,
            Lister::Permission(number) => {
                self.grant.permitted.contains(number)
                    && listing.unmet(case, path, |name| self.token.attribute(name)).is_none()
            }
        }
    }
}

impl UseLimits {
    /// Returns why the token may not be used in these circumstances, if so.
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

/// Maximum number of permissions in a challenge.
const MAX_SUFFICIENT: usize = 16;
