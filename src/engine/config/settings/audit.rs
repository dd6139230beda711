//! The audit settings: which events are logged, where, and how their lines are chained.

use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::engine::words::fields::mappings;

/// Where audit events go, and how.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(
    remote = "Self",
    deny_unknown_fields,
    default,
    expecting = "a mapping with `sinks`, `permits`, `strangers`, `level`, `chain`"
)]
pub struct Audit {
    /// The sinks. An empty list disables the audit.
    pub sinks: Vec<Sink>,
    /// Which permits the filter writes. It always writes denies; beyond `strangers` it counts them.
    pub permits: Permits,
    /// At most this many lines per second and worker about requests without a known token, and as many about tokens
    /// that do not work. The filter counts the others and writes one `summary` per second; 0 counts all of them.
    pub strangers: LinesPerSecond,
    /// Level of the lines in the host's log.
    pub level: Level,
    /// How the filter chains the lines.
    pub chain: Chaining,
}

mappings!(Audit);

impl Default for Audit {
    fn default() -> Self {
        Self {
            sinks: vec![Sink::Log],
            permits: Permits::default(),
            strangers: LinesPerSecond::default(),
            level: Level::Info,
            chain: Chaining::default(),
        }
    }
}

/// A place that audit events go to.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Sink {
    /// The host's log.
    Log,
    /// Filter state `wasm.tokenward` of the request, for the host's access loggers.
    FilterState,
}

/// Which permits the filter writes, before `strangers` counts them. It always writes denies, also in shadow, and uses
/// of a retiring secret.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Permits {
    /// The filter writes every permit.
    #[default]
    All,
    /// The filter writes no permit.
    None,
    /// The filter writes one in this many permits.
    OneIn(SampleSize),
}

/// The filter writes one in this many permits: 1 to 1,000,000.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(with = "u32", extend("minimum" = 1, "maximum" = MAX_SAMPLE))
)]
#[serde(try_from = "u64", into = "u32")]
pub struct SampleSize(u32);

impl TryFrom<u64> for SampleSize {
    type Error = String;

    fn try_from(size: u64) -> Result<Self, String> {
        let fits = u32::try_from(size).ok().filter(|size| (1..=MAX_SAMPLE).contains(size));
        fits.map(Self).ok_or_else(|| format!("`{size}` is not a number from 1 to {MAX_SAMPLE}"))
    }
}

impl From<SampleSize> for u32 {
    fn from(SampleSize(size): SampleSize) -> Self {
        size
    }
}

/// A number of lines a second: 0 to 1,000,000.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(with = "u32", extend("maximum" = MAX_LINES))
)]
#[serde(try_from = "u64", into = "u32")]
pub struct LinesPerSecond(u32);

impl Default for LinesPerSecond {
    fn default() -> Self {
        Self(200)
    }
}

impl TryFrom<u64> for LinesPerSecond {
    type Error = String;

    fn try_from(lines: u64) -> Result<Self, String> {
        let fits = u32::try_from(lines).ok().filter(|lines| *lines <= MAX_LINES);
        fits.map(Self).ok_or_else(|| format!("`{lines}` is not a number from 0 to {MAX_LINES}"))
    }
}

impl From<LinesPerSecond> for u32 {
    fn from(LinesPerSecond(lines): LinesPerSecond) -> Self {
        lines
    }
}

/// Level of a line in the host's log.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Envoy shows this level by default.
    Info,
    /// Istio shows this level by default too.
    Warn,
    /// An error.
    Error,
    /// Every log level but `off` shows this one.
    Critical,
}

/// How the filter chains the lines of one VM. A chain reveals missing and changed lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Chaining {
    /// A hash without a key: anyone can compute it.
    #[default]
    Sha256,
    /// No chain.
    Off,
    /// A hash with a key: only holders of the key can compute it.
    HmacSha256(ChainKey),
}

// Written by hand: serde's messages show unknown values, and such a value may be a misplaced key.
impl<'de> Deserialize<'de> for Chaining {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChainingVisitor)
    }
}

struct ChainingVisitor;

impl<'de> Visitor<'de> for ChainingVisitor {
    type Value = Chaining;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CHAININGS)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Chaining, E> {
        match text {
            "sha256" => Ok(Chaining::Sha256),
            "off" => Ok(Chaining::Off),
            _ => Err(E::custom(format_args!("this text is not one of {CHAININGS}"))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Chaining, A::Error> {
        let other = || A::Error::custom(format_args!("this mapping is not one of {CHAININGS}"));
        let name: String = map.next_key()?.ok_or_else(other)?;
        if name != "hmac_sha256" {
            return Err(other());
        }
        let key = map.next_value()?;
        match map.next_key::<String>()? {
            None => Ok(Chaining::HmacSha256(key)),
            Some(_) => Err(other()),
        }
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Chaining, E> {
        Err(E::custom(format_args!("a number is not one of {CHAININGS}")))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Chaining, E> {
        self.visit_u64(0)
    }
}

/// A key of HMAC-SHA-256: a secret. `Debug` does not show it, and no message does.
#[derive(Clone, PartialEq)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(with = "String", extend("pattern" = "^[0-9A-Fa-f]{64}$"))
)]
pub struct ChainKey([u8; 32]);

impl ChainKey {
    /// Parses a key from 64 hex digits.
    pub fn parse(hex: &str) -> Option<Self> {
        let mut key = [0; 32];
        hex::decode_to_slice(hex, &mut key).ok()?;
        Some(Self(key))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainKey(…)")
    }
}

/// Serializes the full key, for the configuration that Envoy gets.
impl Serialize for ChainKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for ChainKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = ChainKey;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("64 hex digits in quotes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ChainKey, E> {
        ChainKey::parse(text)
            .ok_or_else(|| E::custom("a key has 64 hex digits, as `openssl rand -hex 32` writes them"))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<ChainKey, E> {
        Err(E::custom("a key is 64 hex digits in quotes"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<ChainKey, E> {
        self.visit_u64(0)
    }
}

const CHAININGS: &str = "`sha256`, `off` and `{\"hmac_sha256\": \"<64 hex digits>\"}`";
const MAX_SAMPLE: u32 = 1_000_000;
const MAX_LINES: u32 = 1_000_000;
