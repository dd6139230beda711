//! Headers that a gateway adds to its own requests, such as the authorization for a private server.
//!
//! In: a mapping of names to values. Out: [`SentHeaders`]. The values are secrets, so `Debug` and messages omit them.

use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

use crate::engine::words::header::{MAX_HEADER_NAME, is_header_name, same_header};

/// Request headers, in the order of the configuration. `Debug` shows only their names.
#[derive(Clone, Default, PartialEq)]
pub struct SentHeaders(Vec<(HeaderName, HeaderText)>);

/// Name of a header: up to 64 lower-case letters, digits, `-` and `_`. Names that the filter or Envoy sets are invalid.
#[derive(Clone, Eq, PartialEq)]
struct HeaderName(String);

/// Value of a header. It is a secret.
#[derive(Clone, Eq, PartialEq)]
struct HeaderText(String);

impl SentHeaders {
    /// Whether there are no headers.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over names and values. The values are secrets: use them only in a request.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(HeaderName(name), HeaderText(text))| (name.as_str(), text.as_str()))
    }

    /// Adds the headers to the head of a request. They replace headers of the same name.
    pub(crate) fn put_into<'a>(&'a self, head: &mut Vec<(&'a str, &'a str)>) {
        head.retain(|(name, _)| self.iter().all(|(known, _)| known != *name));
        head.extend(self.iter());
    }

    /// Checks the name of another header.
    fn admit(&self, name: String) -> Result<HeaderName, String> {
        if self.0.len() == MAX_HEADERS {
            return Err(format!("these are more headers than the {MAX_HEADERS} allowed"));
        }
        let name = HeaderName::try_from(name)?;
        let HeaderName(text) = &name;
        if self.iter().any(|(known, _)| same_header(known.as_bytes(), text.as_bytes())) {
            return Err(format!("header `{text}` is listed twice"));
        }
        Ok(name)
    }

    /// Whether text from a server repeats a value, or the part of a value after a scheme such as `Bearer`.
    pub(crate) fn are_in(&self, text: &[u8]) -> bool {
        let secrets = self.iter().flat_map(|(_, value)| value.split(' '));
        let long = secrets.filter(|word| word.len() >= SHORTEST_SECRET);
        long.map(str::as_bytes).any(|word| text.windows(word.len()).any(|part| part == word))
    }
}

impl fmt::Debug for SentHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// Serializes the full values, for the configuration that Envoy gets.
impl Serialize for SentHeaders {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for SentHeaders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeadersVisitor)
    }
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = SentHeaders;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of names of headers to their values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SentHeaders, A::Error> {
        let mut headers = SentHeaders::default();
        let mut fault = None;
        while let Some(name) = map.next_key::<String>()? {
            match headers.admit(name) {
                Ok(name) => headers.0.push((name, map.next_value()?)),
                Err(why) => {
                    map.next_value::<IgnoredAny>()?;
                    fault = fault.or(Some(why));
                }
            }
        }
        // Report this only at the end. Earlier, the error would show the name, which may be a misplaced secret.
        fault.map_or(Ok(headers), |why| Err(A::Error::custom(why)))
    }

    // serde's own messages show the value.
    fn visit_str<E: Error>(self, _: &str) -> Result<SentHeaders, E> {
        Err(E::invalid_type(Unexpected::Other("text"), &self))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<SentHeaders, E> {
        Err(E::invalid_type(Unexpected::Other("number"), &self))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<SentHeaders, E> {
        self.visit_i64(0)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<SentHeaders, E> {
        self.visit_i64(0)
    }
}

impl TryFrom<String> for HeaderName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if !is_header_name(&name) {
            // The message omits the name, because it may be a misplaced value.
            return Err(format!(
                "this is not the name of a header: write up to {MAX_HEADER_NAME} lower-case letters, digits, `-` and `_`, \
                 as in `authorization`"
            ));
        }
        let is_set = SET.iter().any(|known| same_header(name.as_bytes(), known.as_bytes()));
        if is_set || is_of_envoy(&name) {
            return Err(format!(
                "`{name}` cannot be set: the filter or Envoy sets it, or it changes the answer"
            ));
        }
        Ok(Self(name))
    }
}

fn is_of_envoy(name: &str) -> bool {
    name.get(..ENVOY.len()).is_some_and(|start| same_header(start.as_bytes(), ENVOY.as_bytes()))
}

impl<'de> Deserialize<'de> for HeaderText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = HeaderText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a header in quotes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<HeaderText, E> {
        let visible = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if visible && (1..=MAX_TEXT).contains(&text.len()) && text.trim() == text {
            return Ok(HeaderText(text.to_owned()));
        }
        Err(E::custom(format_args!(
            "the value of a header has 1 to {MAX_TEXT} visible ASCII characters, with spaces between them only"
        )))
    }

    // serde's own messages show the value.
    fn visit_i64<E: Error>(self, _: i64) -> Result<HeaderText, E> {
        Err(E::invalid_type(Unexpected::Other("number"), &self))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<HeaderText, E> {
        self.visit_i64(0)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<HeaderText, E> {
        self.visit_i64(0)
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<HeaderText, A::Error> {
        Err(A::Error::invalid_type(Unexpected::Map, &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<HeaderText, A::Error> {
        Err(A::Error::invalid_type(Unexpected::Seq, &self))
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl schemars::JsonSchema for SentHeaders {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SentHeaders".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Headers that the gateway adds to its own requests. The values are secrets.",
            "type": "object",
            "maxProperties": MAX_HEADERS,
            "propertyNames": {
                "pattern": "^[a-z0-9_-]{1,64}$",
                "not": { "anyOf": [{ "enum": SET }, { "pattern": format!("^{ENVOY}") }] },
            },
            "additionalProperties": {
                "type": "string", "maxLength": MAX_TEXT, "pattern": "^[!-~]([ -~]*[!-~])?$",
            },
        })
    }
}

/// Headers that the filter or Envoy sets, and headers that make a server return something other than the whole stored
/// file.
const SET: [&str; 20] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Prefix of the headers that control Envoy.
const ENVOY: &str = "x-envoy-";
const MAX_HEADERS: usize = 16;
const MAX_TEXT: usize = 4_096;
/// A word at least this long does not appear in a server's text by chance.
const SHORTEST_SECRET: usize = 8;
