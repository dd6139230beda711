//! A decision's steps in words.
//!
//! In: the steps of `Policy::decide_traced`. Out: one line for each. It cannot disagree with enforcement:
//! it only listens.

use std::fmt;

use crate::engine::config::settings::Mode;
use crate::engine::matching::index::{LetterCase, Match};
use crate::engine::policy::compiled::UseLimits;
use crate::engine::policy::decision::{Standing, Step, Trace};
use crate::engine::words::name::PermissionName;
use crate::engine::words::reason::Reason;

/// The steps of a decision, in their order.
#[derive(Debug, Default)]
pub struct Explanation<'p>(Vec<Step<'p>>);

impl<'p> Explanation<'p> {
    /// The steps.
    pub fn steps(&self) -> impl Iterator<Item = &Step<'p>> {
        self.0.iter()
    }
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
            Self::Astray { listing, permission } => write!(
                f,
                "to an upstream that ignores letter case, or trims names, it is {} instead, which {} lists: not held",
                listing.text,
                lister(*permission)
            ),
            Self::Denied { case, listing, permission, mode } => {
                let case = match case {
                    LetterCase::Strict => "",
                    LetterCase::Folded => ", letters compared without case",
                };
                let denies = match mode {
                    Mode::Enforce => "a role denies",
                    Mode::Shadow => "a role in shadow would deny",
                };
                write!(f, "{denies} {}, which lists {}{case}", lister(*permission), listing.text)
            }
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
