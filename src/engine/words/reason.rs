//! Reasons why a request is permitted or denied. Each has one stable code, used everywhere.

use serde::{Deserialize, Serialize};

/// The reason of a decision.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The path or the method is malformed or ambiguous.
    MalformedRequest,
    /// The gateway has no usable bundle, or the bundle has expired.
    NoPolicy,
    /// The operation needs no token.
    Public,
    /// A CORS preflight, which needs no token.
    Preflight,
    /// The request has no token.
    MissingToken,
    /// The request has more than one credential.
    AmbiguousToken,
    /// This source sent too many invalid tokens. The filter looks up no token from it until the suspension ends.
    SuspendedSource,
    /// No token has this secret.
    UnknownToken,
    /// The token or the secret was revoked.
    RevokedToken,
    /// The secret was rotated out and its overlap has ended.
    RetiredSecret,
    /// The secret has expired.
    ExpiredToken,
    /// The secret is not valid yet.
    NotYetValid,
    /// The token is suspended after too many offences.
    SuspendedToken,
    /// The token does not work in this environment.
    WrongEnvironment,
    /// The token does not work at this service.
    WrongService,
    /// The token may not be used from this address.
    SourceNotAllowed,
    /// The token may not be used at this time.
    OutsideHours,
    /// A role of the token denies the operation.
    DeniedOperation,
    /// The token has no permission that lists the operation.
    InsufficientScope,
    /// The token has used up its rate limit.
    RateLimited,
    /// The token has a permission for the operation.
    Permitted,
}

impl Reason {
    /// All reasons, in the order of the checks.
    pub const ALL: [Self; 21] = [
        Self::MalformedRequest,
        Self::NoPolicy,
        Self::Public,
        Self::Preflight,
        Self::MissingToken,
        Self::AmbiguousToken,
        Self::SuspendedSource,
        Self::UnknownToken,
        Self::RevokedToken,
        Self::RetiredSecret,
        Self::ExpiredToken,
        Self::NotYetValid,
        Self::SuspendedToken,
        Self::WrongEnvironment,
        Self::WrongService,
        Self::SourceNotAllowed,
        Self::OutsideHours,
        Self::DeniedOperation,
        Self::InsufficientScope,
        Self::RateLimited,
        Self::Permitted,
    ];

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformed_request",
            Self::NoPolicy => "no_policy",
            Self::Public => "public",
            Self::Preflight => "preflight",
            Self::MissingToken => "missing_token",
            Self::AmbiguousToken => "ambiguous_token",
            Self::SuspendedSource => "suspended_source",
            Self::UnknownToken => "unknown_token",
            Self::RevokedToken => "revoked_token",
            Self::RetiredSecret => "retired_secret",
            Self::ExpiredToken => "expired_token",
            Self::NotYetValid => "not_yet_valid",
            Self::SuspendedToken => "suspended_token",
            Self::WrongEnvironment => "wrong_environment",
            Self::WrongService => "wrong_service",
            Self::SourceNotAllowed => "source_not_allowed",
            Self::OutsideHours => "outside_hours",
            Self::DeniedOperation => "denied_operation",
            Self::InsufficientScope => "insufficient_scope",
            Self::RateLimited => "rate_limited",
            Self::Permitted => "permitted",
        }
    }
}

/// The kind of caller that a reason belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Caller {
    /// The caller is unknown: its token is missing or not in the policy, or the request was answered before
    /// the look-up.
    Unknown,
    /// The token exists but does not work here and now. Its holder may have found or stolen it.
    Barred,
    /// The token works.
    Known,
}

impl Reason {
    /// The kind of caller for this reason.
    pub fn caller(self) -> Caller {
        match self {
            Self::MalformedRequest
            | Self::NoPolicy
            | Self::Public
            | Self::Preflight
            | Self::MissingToken
            | Self::AmbiguousToken
            | Self::SuspendedSource
            | Self::UnknownToken => Caller::Unknown,
            Self::RevokedToken
            | Self::RetiredSecret
            | Self::ExpiredToken
            | Self::NotYetValid
            | Self::SuspendedToken
            | Self::WrongEnvironment
            | Self::WrongService
            | Self::SourceNotAllowed
            | Self::OutsideHours
            | Self::RateLimited => Caller::Barred,
            Self::DeniedOperation | Self::InsufficientScope | Self::Permitted => Caller::Known,
        }
    }

    /// The codes of reasons whose requests may be summarized instead of getting a line each.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn counted_codes() -> Vec<&'static str> {
        let counted = Self::ALL.into_iter().filter(|reason| reason.caller() != Caller::Known);
        counted.map(Self::code).collect()
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}
