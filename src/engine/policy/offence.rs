//! Offences: the decisions that the defense counts.

use serde::Serialize;

use crate::engine::config::credentials::Intent;
use crate::engine::config::defense::{Retired, Threshold};
use crate::engine::memory::key::Key;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::decision::{Decision, Subject};
use crate::engine::words::address::Source;
use crate::engine::words::reason::Reason;
use crate::engine::words::time::Span;

/// An action of a token or a source against which the policy defends.
#[derive(Debug)]
pub struct Offence<'p> {
    /// The key under which the offence is counted.
    pub key: Key,
    /// The token, or `None` if the offender is the source.
    pub subject: Option<Subject<'p>>,
    /// The offence.
    pub cause: Cause,
    /// How to react.
    pub response: Response,
}

/// The reason of a suspension or alert: a key of the policy's `defense`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A token requested operations that its permissions do not allow.
    Denials,
    /// A source sent unknown tokens.
    UnknownTokens,
    /// A caller used a rotated-out secret.
    RetiredSecret,
}

/// How to react to an offence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Response {
    /// Count it, and suspend when the limit is reached.
    Count(Threshold),
    /// Suspend at once.
    Suspend(Span),
    /// Raise an alert.
    Alert,
}

impl Policy {
    /// The offence in a request with this decision, if any.
    ///
    /// A deny in shadow mode does not count. Requests from the wrong place, at the wrong time or over the rate limit
    /// do not count either: with those a thief could lock the owner out. Nor do requests that others can make an
    /// honest caller send: a path that only a lenient reader takes for another one, a credential that a page put into
    /// the address of an image, or one that a browser adds by itself.
    pub fn offence<'p>(&self, decision: &Decision<'p>, source: Source<'_>) -> Option<Offence<'p>> {
        let defense = self.defense.as_ref()?;
        if decision.is_permit() || decision.is_shadow() {
            return None;
        }
        // A browser adds such a credential to every request that a page makes it send.
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
