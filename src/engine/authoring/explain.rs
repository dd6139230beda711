//! Explains the steps of a decision in words.
//!
//! In: the steps of `Policy::decide_traced`, and the document of the policy. Out: lines with their places in the
//! document. An explanation cannot disagree with enforcement, because it only records the steps.

use std::fmt;

use crate::engine::config::bundle::{Bundle, Token};
use crate::engine::config::problem::Place;
use crate::engine::config::settings::Mode;
use crate::engine::matching::index::{LetterCase, Listing, Match};
use crate::engine::policy::compiled::UseLimits;
use crate::engine::policy::decision::{Standing, Step, Trace};
use crate::engine::words::life::SecretState;
use crate::engine::words::name::{PermissionName, RoleName, SecretId};
use crate::engine::words::reason::Reason;
use crate::engine::words::text::shown;
use crate::engine::words::time::Time;

/// The steps of a decision, in order.
#[derive(Debug, Default)]
pub struct Explanation<'p>(Vec<Step<'p>>);

impl<'p> Explanation<'p> {
    /// The steps.
    pub fn steps(&self) -> impl Iterator<Item = &Step<'p>> {
        self.0.iter()
    }

    /// The steps in words, for a request at `now`.
    pub fn lines(&self, document: &Bundle, now: Time) -> Vec<Line> {
        let mut roles: &[RoleName] = &[];
        let mut lines = Vec::new();
        for step in self.steps() {
            if let Step::Denied { permission: Some(permission), mode, .. } = step {
                lines.extend(deniers(document, roles, permission, *mode).map(|(role, place)| Line {
                    text: denial(&format!("role `{role}`"), step),
                    place: Some(place),
                }));
                continue;
            }
            let place = if let Step::Listed { listing, permission, .. }
            | Step::Astray { listing, permission, .. } = step
            {
                listed(document, listing, *permission)
            } else {
                None
            };
            lines.push(Line { text: step.to_string(), place });
            if let Step::Token(subject) = step {
                roles = subject.roles();
                let token = document.tokens.get(subject.token());
                let life = token.and_then(|token| life(token, subject.secret(), now));
                lines.extend(life.map(|text| Line { text, place: None }));
            }
        }
        lines
    }
}

/// A step in words.
#[derive(Debug)]
pub struct Line {
    /// The words.
    pub text: String,
    /// The entry of the document that the step is about.
    pub place: Option<Place>,
}

/// The roles among `roles` that deny a permission, each with the place of its `deny` entry.
fn deniers<'d>(
    document: &'d Bundle,
    roles: &'d [RoleName],
    permission: &'d PermissionName,
    mode: Mode,
) -> impl Iterator<Item = (&'d RoleName, Place)> {
    let in_shadow = mode == Mode::Shadow;
    roles.iter().filter_map(move |name| {
        let role = document.roles.get(name).filter(|role| role.shadow == in_shadow)?;
        let index = role.deny.iter().position(|denied| denied == permission)?;
        Some((name, Place::default().key("roles").key(name).key("deny").index(index)))
    })
}

/// The entry of the document that became this listing.
fn listed(document: &Bundle, listing: &Listing, permission: Option<&PermissionName>) -> Option<Place> {
    let (operations, place) = match permission {
        Some(name) => (document.permissions.get(name)?, Place::default().key("permissions").key(name)),
        None => (&document.public, Place::default().key("public")),
    };
    let index = operations.iter().position(|operation| *operation.as_str() == *listing.text)?;
    Some(place.index(index))
}

/// When a secret expired, or will expire because it was rotated out. `None` if the secret works normally.
fn life(token: &Token, id: &SecretId, now: Time) -> Option<String> {
    let secret = token.secrets.iter().find(|secret| secret.id == *id)?;
    let revoked = [(token.revoked_at, &token.revoked_reason), (secret.revoked_at, &secret.revoked_reason)];
    if let Some((at, reason)) = revoked.into_iter().find_map(|(at, reason)| Some((at?, reason))) {
        let reason = reason.as_ref().map(|reason| format!("; reason: {}", shown(reason)));
        return Some(format!("secret {id} was revoked at {}{}", moment(at, now), reason.unwrap_or_default()));
    }
    let life = secret.life();
    let (begins, ends) = (life.begins.map(|time| moment(time, now)), life.ends.map(|time| moment(time, now)));
    match life.state(false, now) {
        SecretState::Retired => Some(format!("secret {id} was rotated out, and ended at {}", ends?)),
        SecretState::Retiring => Some(format!("secret {id} was rotated out, and works until {}", ends?)),
        SecretState::Expired => Some(format!("secret {id} expired at {}", ends?)),
        SecretState::NotYetValid => Some(format!("secret {id} works from {}", begins?)),
        SecretState::Active | SecretState::Revoked => None,
    }
}

/// A time, and its distance from the request.
fn moment(time: Time, now: Time) -> String {
    let side = if time > now { "after" } else { "before" };
    format!("{}, {} {side} this request", String::from(time), time.distance(now))
}

/// A step that denies, in words; empty for another step.
fn denial(who: &str, step: &Step<'_>) -> String {
    let Step::Denied { case, listing, permission, mode, path } = step else { return String::new() };
    let reading = match (path, case) {
        (Some(path), _) => format!(", read as {path}"),
        (None, LetterCase::Folded) => ", letters compared without case".to_owned(),
        (None, LetterCase::Strict) => String::new(),
    };
    let denies = match mode {
        Mode::Enforce => "denies",
        Mode::Shadow => "in shadow would deny",
    };
    format!("{who} {denies} {}, which lists {}{reading}", lister(*permission), listing.text)
}

impl<'p> Trace<'p> for Explanation<'p> {
    fn step(&mut self, step: impl FnOnce() -> Step<'p>) {
        self.0.push(step());
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(rule) => write!(f, "malformed or ambiguous request: {}", rule.code()),
            Self::Unlisted => f.write_str("no permission lists this method and path"),
            Self::Path(path) => write!(f, "path is read as {path}"),
            Self::Loose(path) => write!(f, "some upstreams read {path}: a deny applies to that too"),
            Self::Token(subject) => {
                let roles: Vec<&str> = subject.roles().iter().map(|role| role.as_str()).collect();
                write!(
                    f,
                    "token {}, secret {}, kind {}, roles {}",
                    subject.token(),
                    subject.secret(),
                    subject.kind(),
                    if roles.is_empty() { "none".to_owned() } else { roles.join(" ") }
                )
            }
            Self::Suspended { until } => write!(f, "suspended by the policy's `defense` until {until}"),
            Self::Limited { reason, limits } => limited(f, *reason, limits),
            Self::Listed { how, listing, permission, standing } => {
                write!(f, "{} lists {}{}: ", lister(*permission), listing.text, concerns(*how))?;
                match standing {
                    Standing::Public => f.write_str("needs no token"),
                    Standing::Held => f.write_str("held"),
                    Standing::NotHeld => f.write_str("not held"),
                    Standing::Unbound(attribute) => {
                        write!(f, "held, but not for this value: it is not the token's `{attribute}`")
                    }
                }
            }
            Self::Astray { listing, permission, path } => {
                let upstream = path.as_ref().map(|path| format!("reads {path}"));
                let upstream = upstream.as_deref().unwrap_or("ignores letter case, or trims names");
                let (operation, permission) = (&listing.text, lister(*permission));
                write!(
                    f,
                    "to an upstream that {upstream}, it is {operation} instead, which {permission} lists: not held"
                )
            }
            Self::Denied { .. } => f.write_str(&denial("a role", self)),
        }
    }
}

fn limited(f: &mut fmt::Formatter<'_>, reason: Reason, limits: &UseLimits) -> fmt::Result {
    fn list(entries: &[impl fmt::Display]) -> String {
        entries.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
    match (reason, &limits.sources, &limits.hours) {
        (Reason::SourceNotAllowed, Some(ranges), _) => {
            write!(f, "the token may be used only from {}", list(ranges))
        }
        (Reason::OutsideHours, _, Some(hours)) => write!(f, "the token may be used only {}", list(hours)),
        (Reason::WrongEnvironment, ..) => {
            f.write_str("the token does not work in this gateway's environment")
        }
        (Reason::WrongService, ..) => f.write_str("the token does not work at this gateway's service"),
        _ => write!(f, "the token may not be used so: {reason}"),
    }
}

fn lister(permission: Option<&PermissionName>) -> &str {
    permission.map_or("public", |permission| permission.as_str())
}

fn concerns(how: Match) -> &'static str {
    match how {
        Match::Operation => " (the operation that the request belongs to)",
        Match::Subtree => " (the request is below it)",
    }
}
