//! What a secret is good for at a time, in the order in which decisions look at it.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

use crate::engine::config::document::{Secret, Token};
use crate::engine::words::time::Time;

/// What a secret, or a token without one, is good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// It works
    Active,
    /// It was rotated away, and works until the overlap ends
    Retiring,
    /// It works later
    NotYetValid,
    /// It was rotated away, and the overlap is over
    Retired,
    /// Its life is over
    Expired,
    /// It, or its whole token, was revoked
    Revoked,
    /// The token has no secret
    NoSecret,
}

impl State {
    /// The state of a secret of `token`.
    pub(super) fn of(token: &Token, secret: &Secret, now: Time) -> Self {
        let over = secret.expires_at.is_some_and(|end| end <= now);
        if token.revoked_at.is_some() || secret.revoked_at.is_some() {
            return Self::Revoked;
        }
        match (secret.retired_at.is_some(), over) {
            (true, true) => Self::Retired,
            (false, true) => Self::Expired,
            (_, false) if start(secret).is_some_and(|start| now < start) => Self::NotYetValid,
            (true, false) => Self::Retiring,
            (false, false) => Self::Active,
        }
    }

    /// The state of a token that has no secret.
    pub(super) fn without_secret(token: &Token) -> Self {
        if token.revoked_at.is_some() { Self::Revoked } else { Self::NoSecret }
    }
}

/// When a secret begins to work.
pub(super) fn start(secret: &Secret) -> Option<Time> {
    secret.not_before.max(secret.created_at)
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::NotYetValid => "not-yet-valid",
            Self::Retired => "retired",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::NoSecret => "no-secret",
        })
    }
}
