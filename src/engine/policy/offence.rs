//! Offences: the decisions that a defense counts.

use serde::Serialize;

use crate::engine::config::credentials::Intent;
use crate::engine::config::defense::{Retired, Threshold};
use crate::engine::memory::key::Key;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::decision::{Decision, Subject};
use crate::engine::words::address::Source;
use crate::engine::words::reason::Reason;
use crate::engine::words::time::Span;

/// Something that a token or a source did, and that the policy has something against.
#[derive(Debug)]
pub struct Offence<'p> {
    /// Who is remembered for it.
    pub key: Key,
    /// The token, where it is one; else it is the source.
    pub subject: Option<Subject<'p>>,
    /// What was done.
    pub cause: Cause,
    /// What to do about it.
    pub response: Response,
}

/// Why a token or source is suspended, or why there is an alert: a key of the policy's `defense`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A token asked for what its permissions do not allow.
    Denials,
    /// A source presented what no token has.
    UnknownTokens,
    /// A secret was used that had been rotated away.
    RetiredSecret,
}

/// What to do about an offence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Response {
    /// Count it, and suspend where that is too many.
    Count(Threshold),
    /// Suspend at once.
    Suspend(Span),
    /// Tell of it.
    Alert,
}

impl Policy {
    /// What the policy has against a request that was decided so.
    ///
    /// A deny that is only reported, because a role is in shadow, is none. Nor is a request from the wrong place, at
    /// the wrong time or over the rate limit: a thief must not be able to lock the owner out by these. Nor is what others
    /// can make an honest caller send: a path that only a loose reader takes for another one, what a page put into the
    /// address of an image, or what a browser adds to that by itself.
    pub fn offence<'p>(&self, decision: &Decision<'p>, source: Source<'_>) -> Option<Offence<'p>> {
        let defense = self.defense.as_ref()?;
        if decision.is_permit() || decision.is_shadow() {
            return None;
        }
        // A browser adds such a credential to whatever some page makes it send.
        let by_browser = decision.subject().is_some_and(|subject| subject.intent() == Intent::Browser);
        let token = |cause, response| {
            let subject = *decision.subject()?;
            Some(Offence { key: subject.key(), subject: Some(subject), cause, response })
        };
        match decision.reason() {
            Reason::DeniedOperation | Reason::InsufficientScope if decision.is_loose() || by_browser => None,
            Reason::DeniedOperation | Reason::InsufficientScope => {
                token(Cause::Denials, Response::Count(defense.denials?))
            }
            Reason::RetiredSecret => token(
                Cause::RetiredSecret,
                match defense.retired_secret? {
                    Retired::Suspend if by_browser => Response::Alert,
                    Retired::Alert => Response::Alert,
                    Retired::Suspend => Response::Suspend(Retired::SUSPENSION),
                },
            ),
            Reason::UnknownToken | Reason::AmbiguousToken if !decision.is_guess() => None,
            Reason::UnknownToken | Reason::AmbiguousToken => {
                let response = Response::Count(defense.unknown_tokens?);
                let key = Key::of_source(source)?;
                Some(Offence { key, subject: None, cause: Cause::UnknownTokens, response })
            }
            Reason::MalformedRequest
            | Reason::NoPolicy
            | Reason::Public
            | Reason::Preflight
            | Reason::MissingToken
            | Reason::SuspendedSource
            | Reason::RevokedToken
            | Reason::ExpiredToken
            | Reason::NotYetValid
            | Reason::SuspendedToken
            | Reason::WrongEnvironment
            | Reason::WrongService
            | Reason::SourceNotAllowed
            | Reason::OutsideHours
            | Reason::RateLimited
            | Reason::Permitted => None,
        }
    }
}
