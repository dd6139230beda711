//! Defense: suspends for a while those who misbehave too often.
//!
//! In: the policy's `defense`, decisions, and the stored state as bytes. Out: the new state, and whom to suspend. The
//! host stores the state and shares it between threads. Other modules may have written it, so every byte string gives
//! *some* state and never a panic.
//!
//! `key` identifies a token or source in the stored state. `window` and `uses` count offences. `slot` is a bounded
//! set of counters. `suspensions` lists those who are suspended now. `offence` is what a decision adds to this state.

use serde::{Deserialize, Serialize};

use crate::engine::words::fields::mappings;
use crate::engine::words::fields::{Number, given};
use crate::engine::words::time::Span;

/// How the policy reacts to tokens and callers that misbehave, as written. Omitted keys are disabled.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(
    remote = "Self",
    deny_unknown_fields,
    expecting = "a mapping with `denials`, `unknown_tokens`, `retired_secret`"
)]
pub struct Defense {
    /// Requests of one token for operations that its permissions do not allow. The filter suspends the token.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub denials: Option<Threshold>,
    /// Unknown tokens from one address. The filter suspends the address.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub unknown_tokens: Option<Threshold>,
    /// What to do if someone uses a rotated-out secret after its overlap.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub retired_secret: Option<Retired>,
}

impl Defense {
    /// The longest suspension of a token; `None` if tokens are never suspended.
    pub(crate) fn longest_of_tokens(&self) -> Option<Span> {
        let retired = self.retired_secret.filter(|retired| *retired == Retired::Suspend);
        self.denials.map(|denials| denials.suspend).max(retired.map(|_| Retired::SUSPENSION))
    }

    /// The longest suspension of a source; `None` if sources are never suspended.
    pub(crate) fn longest_of_sources(&self) -> Option<Span> {
        self.unknown_tokens.map(|unknown| unknown.suspend)
    }
}

/// How many offences lead to a suspension, and how long it lasts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(remote = "Self", deny_unknown_fields, expecting = "a mapping with `limit`, `per`, `suspend`")]
pub struct Threshold {
    /// The number of offences that leads to a suspension. The offence that reaches it still gets its normal error.
    pub limit: Count,
    /// The span in which the filter counts offences.
    pub per: Span,
    /// How long the suspension lasts.
    pub suspend: Span,
}

mappings!(Defense, Threshold);

/// What to do if someone uses a rotated-out secret again.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Retired {
    /// The filter logs an alert.
    Alert,
    /// The filter suspends the whole token, for a day or until its secrets change.
    Suspend,
}

impl Retired {
    /// How long the token is suspended.
    pub const SUSPENSION: Span = Span::DAY;
}

/// The number of offences that leads to a suspension: 1 to 1000.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend("minimum" = 1, "maximum" = MAX_COUNT, "examples" = [20]))
)]
#[serde(try_from = "Number", into = "u64")]
pub struct Count(u16);

impl Count {
    /// The number.
    pub fn number(self) -> usize {
        usize::from(self.0)
    }
}

impl TryFrom<Number> for Count {
    type Error = String;

    fn try_from(Number(number): Number) -> Result<Self, String> {
        match u16::try_from(number) {
            Ok(count @ 1..=MAX_COUNT) => Ok(Self(count)),
            Ok(_) | Err(_) => Err(format!("`{number}` is not a limit: write a number from 1 to {MAX_COUNT}")),
        }
    }
}

impl From<Count> for u64 {
    fn from(count: Count) -> Self {
        count.0.into()
    }
}

/// Maximum `limit`, because the filter stores a time for each offence.
pub(crate) const MAX_COUNT: u16 = 1_000;
/// Maximum span for counting.
pub(crate) const MAX_PER: Span = Span::DAY;
/// Maximum suspension. To stop a token for longer, revoke it.
pub(crate) const MAX_SUSPENSION: Span = Span::DAY.times(30);
