//! The life of a secret: when it starts to work, and why it stops.

use crate::engine::words::reason::Reason;
use crate::engine::words::time::{Span, Time};

/// When a secret works, unless it is revoked.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// The secret is rejected until [`Life::LEEWAY`] before this time.
    pub begins: Option<Time>,
    /// The secret is rejected from this time on.
    pub ends: Option<Time>,
    /// Whether `rotate` replaced the secret. It then works only until the overlap ends.
    pub rotated: bool,
}

impl Life {
    /// How early before `begins` a secret already works: the clock that wrote the time may be ahead of the
    /// gateway's clock.
    pub const LEEWAY: Span = Span::SKEW;

    /// The state of a secret with this life.
    pub fn state(self, revoked: bool, now: Time) -> SecretState {
        if revoked {
            return SecretState::Revoked;
        }
        let over = self.ends.is_some_and(|end| end <= now);
        match (self.rotated, over) {
            (true, true) => SecretState::Retired,
            (false, true) => SecretState::Expired,
            (_, false) if self.begins.is_some_and(|start| now.plus(Self::LEEWAY) < start) => {
                SecretState::NotYetValid
            }
            (true, false) => SecretState::Retiring,
            (false, false) => SecretState::Active,
        }
    }
}

/// The state of a secret at a given time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SecretState {
    /// The secret works.
    Active,
    /// The secret was rotated out and works until the overlap ends.
    Retiring,
    /// The secret does not work yet.
    NotYetValid,
    /// The secret was rotated out and the overlap has ended.
    Retired,
    /// The secret has expired.
    Expired,
    /// The secret or its whole token was revoked.
    Revoked,
}

impl SecretState {
    /// The reason to deny a request with such a secret; `None` if the secret works.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Active | Self::Retiring => None,
            Self::NotYetValid => Some(Reason::NotYetValid),
            Self::Retired => Some(Reason::RetiredSecret),
            Self::Expired => Some(Reason::ExpiredToken),
            Self::Revoked => Some(Reason::RevokedToken),
        }
    }
}
