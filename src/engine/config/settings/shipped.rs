//! The bundle in a plugin configuration: inline, or a string with a signed envelope.
//!
//! A signed bundle is a string because its bytes must not change, and a protobuf Struct preserves neither key order nor
//! integers.

use std::fmt;

use serde::Serialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::engine::config::bundle::Bundle;

/// The bundle in a configuration.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Shipped {
    /// An unsigned bundle.
    Plain(Box<Bundle>),
    /// A signed bundle: the text of its envelope.
    Signed(String),
}

impl From<Bundle> for Shipped {
    fn from(bundle: Bundle) -> Self {
        Self::Plain(Box::new(bundle))
    }
}

impl<'de> Deserialize<'de> for Shipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BundleVisitor)
    }
}

struct BundleVisitor;

impl<'de> Visitor<'de> for BundleVisitor {
    type Value = Shipped;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bundle, or a string with a signed one")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Shipped, A::Error> {
        Bundle::deserialize(MapAccessDeserializer::new(map)).map(Box::new).map(Shipped::Plain)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Shipped, E> {
        Ok(Shipped::Signed(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Shipped, E> {
        Ok(Shipped::Signed(text))
    }
}
