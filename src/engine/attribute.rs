//! Attributes of tokens, which a pattern's `${name}` segments are compared with.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::engine::path::{self, BadPath};

/// The value of a token's attribute: a text that can be a segment of a path.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend(
        "pattern" = crate::engine::schema::attribute_value(),
        "maxLength" = MAX_BYTES,
        "examples" = ["acme"]
    ))
)]
#[serde(try_from = "String", into = "String")]
pub struct AttributeValue(Box<str>);

impl AttributeValue {
    /// The value as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value as it is spelled in a canonical path.
    pub(crate) fn segment(&self) -> Cow<'_, str> {
        path::segment(&self.0).unwrap_or(Cow::Borrowed(""))
    }
}

impl TryFrom<String> for AttributeValue {
    type Error = BadAttribute;

    fn try_from(value: String) -> Result<Self, BadAttribute> {
        let bad = |why| BadAttribute { value: value.chars().take(64).collect(), why };
        if value.is_empty() || value.len() > MAX_BYTES {
            return Err(bad(None));
        }
        path::segment(&value).map_err(|rule| bad(Some(rule)))?;
        Ok(Self(value.into()))
    }
}

impl From<AttributeValue> for String {
    fn from(value: AttributeValue) -> Self {
        value.0.into()
    }
}

/// A text that cannot be the value of an attribute.
#[derive(Debug, Eq, PartialEq)]
pub struct BadAttribute {
    value: String,
    /// The rule for paths that it breaks; none where its length is wrong.
    why: Option<BadPath>,
}

impl std::error::Error for BadAttribute {}

impl fmt::Display for BadAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not an attribute's value: ", self.value.escape_default())?;
        match self.why {
            Some(BadPath::EncodedSlash) => f.write_str("it is one segment of a path, which has no `/`"),
            Some(BadPath::EncodedPercent) => f.write_str("it is a segment of a path, which has no `%`"),
            Some(rule) => write!(f, "it is a segment of a path, and {rule}"),
            None => write!(f, "it has 1 to {MAX_BYTES} bytes"),
        }
    }
}

const MAX_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_spelled_as_a_segment_of_a_request_path_is() {
        for (value, segment) in [
            ("acme", "acme"),
            ("a b", "a%20b"),
            ("café", "caf%C3%A9"),
            ("a+b", "a%2Bb"),
            ("a@b.test", "a@b.test"),
        ] {
            assert_eq!(AttributeValue::try_from(value.to_owned()).unwrap().segment(), segment);
        }
        for value in ["", ".", "..", "a/b", "a;b", "a%b", "a\\b", "a\u{7}", "a\u{FF0F}b", &"x".repeat(129)] {
            assert!(AttributeValue::try_from(value.to_owned()).is_err(), "{value}");
        }
    }
}
