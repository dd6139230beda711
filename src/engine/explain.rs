//! A decision's steps, remembered and told in words.
//!
//! In: the steps of `Policy::decide_traced`. Out: one line for each. It cannot disagree with enforcement:
//! it only listens.

use std::fmt;

use crate::engine::decision::{Step, Trace};
use crate::engine::index::{Case, Match};
use crate::engine::name::PermissionName;

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
            Self::Malformed(rule) => write!(f, "the request cannot be read one way only: {rule}"),
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
            Self::Listed { how, listing, permission, held } => {
                let held = match (permission, held) {
                    (None, _) => "needs no token",
                    (Some(_), true) => "held",
                    (Some(_), false) => "not held",
                };
                write!(f, "{} lists {}{}: {held}", lister(*permission), listing.text, concerns(*how))
            }
            Self::Denied { how, case, listing, permission } => {
                let case = match case {
                    Case::Strict => "",
                    Case::Folded => ", letters compared without case",
                };
                write!(
                    f,
                    "a role denies {}, which lists {}{}{case}",
                    lister(*permission),
                    listing.text,
                    concerns(*how)
                )
            }
        }
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
