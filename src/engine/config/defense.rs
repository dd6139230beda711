//! Defense: who misbehaves too often is suspended for a while.
//!
//! In: the policy's `defense`, decisions, and what is remembered of those before, as bytes. Out: what to remember
//! instead, and whom to suspend. Where that is kept, and how threads share it, is the host's matter. What is kept
//! may have been written by others: whatever the bytes are, they come to *some* memory, and never to a panic.
//!
//! `key` is under which name somebody is remembered, `window` and `uses` are what is counted, `slot` is a bounded
//! number of these, `suspensions` are those who are suspended now, `offence` is what a decision adds to all that.

use serde::{Deserialize, Serialize};

use crate::engine::words::fields::mappings;
use crate::engine::words::fields::{Number, given};
use crate::engine::words::time::Span;

/// What the policy does about tokens and callers that misbehave, as written; nothing about what it leaves out.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(
    remote = "Self",
    deny_unknown_fields,
    expecting = "a mapping with `denials`, `unknown_tokens`, `retired_secret`"
)]
pub struct Defense {
    /// Of one token: requests that its permissions do not allow. The token is suspended.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub denials: Option<Threshold>,
    /// From one address: tokens that nobody has. The address is suspended.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub unknown_tokens: Option<Threshold>,
    /// A secret that was rotated away is used after its overlap.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub retired_secret: Option<Retired>,
}

impl Defense {
    /// The longest suspension of a token; none where tokens are never suspended.
    pub(crate) fn longest_of_tokens(&self) -> Option<Span> {
        let retired = self.retired_secret.filter(|retired| *retired == Retired::Suspend);
        self.denials.map(|denials| denials.suspend).max(retired.map(|_| Retired::SUSPENSION))
    }

    /// The longest suspension of a source; none where sources are never suspended.
    pub(crate) fn longest_of_sources(&self) -> Option<Span> {
        self.unknown_tokens.map(|unknown| unknown.suspend)
    }
}

/// How many are too many, and for how long they suspend.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(remote = "Self", deny_unknown_fields, expecting = "a mapping with `limit`, `per`, `suspend`")]
pub struct Threshold {
    /// So many suspend: the last of them does.
    pub limit: Count,
    /// In any span as long as this.
    pub per: Span,
    /// For so long.
    pub suspend: Span,
}

mappings!(Defense, Threshold);

/// What is done when a secret that was rotated away is used again.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Retired {
    /// The filter logs an alert.
    Alert,
    /// The whole token is suspended, until it has other secrets or a day is over.
    Suspend,
}

impl Retired {
    /// For how long a token is suspended for it.
    pub const SUSPENSION: Span = Span::DAY;
}

/// How many suspend: 1 to 1000.
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

/// As many moments are remembered of one who is counted.
pub(crate) const MAX_COUNT: u16 = 1_000;
/// Longest span in which is counted.
pub(crate) const MAX_PER: Span = Span::DAY;
/// Longest suspension: what is to last is revoked.
pub(crate) const MAX_SUSPENSION: Span = Span::DAY.times(30);
