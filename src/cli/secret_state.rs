//! The state of a secret at a given time, in the order of the checks of a decision.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

use crate::engine::config::bundle::{Secret, Token};
use crate::engine::words::life::SecretState;
use crate::engine::words::time::Time;

/// The state of a secret, or of a token without secrets.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// It works
    Active,
    /// It was rotated out, and works until the overlap ends
    Retiring,
    /// It does not work yet
    NotYetValid,
    /// It was rotated out, and the overlap has ended
    Retired,
    /// It has expired
    Expired,
    /// It or its whole token was revoked
    Revoked,
    /// The token has no secret
    NoSecret,
}

impl State {
    /// The state of a secret of `token`.
    pub(super) fn of(token: &Token, secret: &Secret, now: Time) -> Self {
        match secret.life().state(token.revoked_at.is_some() || secret.revoked_at.is_some(), now) {
            SecretState::Active => Self::Active,
            SecretState::Retiring => Self::Retiring,
            SecretState::NotYetValid => Self::NotYetValid,
            SecretState::Retired => Self::Retired,
            SecretState::Expired => Self::Expired,
            SecretState::Revoked => Self::Revoked,
        }
    }

    /// The state of a token without secrets.
    pub(super) fn without_secret(token: &Token) -> Self {
        if token.revoked_at.is_some() { Self::Revoked } else { Self::NoSecret }
    }
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
