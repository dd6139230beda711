//! How the gateway determines the source of a request.

use serde::{Deserialize, Serialize};

use crate::engine::words::fields::Number;
use crate::engine::words::fields::mappings;

/// How the gateway itself reads the caller's address from `x-forwarded-for`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(remote = "Self", deny_unknown_fields, expecting = "a mapping with `trusted_hops`")]
pub struct SourceRule {
    /// Number of proxies before Envoy that append to `x-forwarded-for`, as in Envoy's `xff_num_trusted_hops`: all of
    /// them with `use_remote_address`, otherwise all but the last.
    pub trusted_hops: Hops,
}

mappings!(SourceRule);

/// A number of proxies: 0 to 32.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend("minimum" = 0, "maximum" = MAX_HOPS, "examples" = [1]))
)]
#[serde(try_from = "Number", into = "u64")]
pub struct Hops(u8);

impl Hops {
    /// No proxy: callers connect to Envoy directly.
    pub(crate) const NONE: Self = Self(0);

    /// Returns the number.
    pub fn number(self) -> usize {
        usize::from(self.0)
    }
}

impl TryFrom<Number> for Hops {
    type Error = String;

    fn try_from(Number(number): Number) -> Result<Self, String> {
        let hops = u8::try_from(number).ok().filter(|hops| *hops <= MAX_HOPS);
        hops.map(Self).ok_or_else(|| {
            format!("`{number}` is not a number of proxies: write a number from 0 to {MAX_HOPS}")
        })
    }
}

impl From<Hops> for u64 {
    fn from(hops: Hops) -> Self {
        hops.0.into()
    }
}

/// Maximum number of proxies in front of a gateway.
const MAX_HOPS: u8 = 32;
