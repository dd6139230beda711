//! Attributes of tokens, which are compared with the `${name}` segments of patterns.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::engine::matching::path;
use crate::engine::matching::path::BadPath;
use crate::engine::words::text::shown;

/// The value of a token's attribute: text that can be a segment of a path.
///
/// Programs that trim or normalize names read the same value. Only programs that ignore letter case may read
/// another one.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend(
        "pattern" = regex(),
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

    /// The value in the spelling of canonical paths.
    pub(crate) fn segment(&self) -> Cow<'_, str> {
        path::segment(&self.0).unwrap_or(Cow::Borrowed(""))
    }

    /// The value as the most lenient upstream reads it: lower case, with `+` as a space.
    pub(crate) fn skeleton(&self) -> String {
        path::folded(&self.segment()).to_ascii_lowercase().replace("%2b", "%20")
    }
}

impl TryFrom<String> for AttributeValue {
    type Error = BadAttribute;

    fn try_from(value: String) -> Result<Self, BadAttribute> {
        let bad = |why| BadAttribute { value: value.chars().take(64).collect(), why };
        if value.is_empty() || value.len() > MAX_BYTES {
            return Err(bad(Why::Length));
        }
        let segment = path::segment(&value).map_err(|rule| {
            let composed = || value.nfc().take(64).collect();
            bad(if rule == BadPath::NotNfc { Why::NotNfc(composed()) } else { Why::Path(rule) })
        })?;
        if path::trimmed(&segment).len() < segment.len() {
            let rest = value.trim_start_matches(SPACES).trim_end_matches(ENDS);
            return Err(bad(Why::Trimmed(rest.chars().take(64).collect())));
        }
        Ok(Self(value.into()))
    }
}

impl From<AttributeValue> for String {
    fn from(value: AttributeValue) -> Self {
        value.0.into()
    }
}

/// The error for text that cannot be the value of an attribute.
#[derive(Debug, Eq, PartialEq)]
pub struct BadAttribute {
    value: String,
    why: Why,
}

/// Why a text is not a valid value.
#[derive(Debug, Eq, PartialEq)]
enum Why {
    /// It is empty or too long.
    Length,
    /// It breaks a rule for paths.
    Path(BadPath),
    /// It is not in Unicode NFC; the variant holds the NFC form.
    NotNfc(String),
    /// Programs that trim names would read this instead.
    Trimmed(String),
}

impl std::error::Error for BadAttribute {}

impl fmt::Display for BadAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not an attribute's value: ", self.value.escape_default())?;
        match &self.why {
            Why::Path(BadPath::EncodedSlash) => f.write_str("it is one segment of a path, which has no `/`"),
            Why::Path(BadPath::EncodedPercent) => f.write_str("it is a segment of a path, which has no `%`"),
            Why::Path(rule) => write!(f, "it is a segment of a path, and {rule}"),
            Why::NotNfc(composed) => {
                write!(f, "it is not in Unicode NFC; write it as `{}`", shown(composed))
            }
            Why::Trimmed(rest) => {
                f.write_str("some programs trim spaces, `+` and dots from the ends of a name ")?;
                write!(f, "and read `{}`; use that or another value", shown(rest))
            }
            Why::Length => write!(f, "it has 1 to {MAX_BYTES} bytes"),
        }
    }
}

/// The JSON Schema pattern for values: it accepts everything that the parser accepts.
#[cfg(not(target_arch = "wasm32"))]
fn regex() -> String {
    let look_alikes: String = path::LOOK_ALIKES.iter().map(|c| format!(r"\u{:04X}", u32::from(*c))).collect();
    let no = format!(r"\u0000-\u001F\u007F-\u009F/%;\\{look_alikes}");
    format!(r"^(?![ +])[^{no}]*[^{no} +.]$")
}

/// Characters that some programs trim from both ends of a name.
const SPACES: [char; 2] = [' ', '+'];
const ENDS: [char; 3] = [' ', '+', '.'];
const MAX_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_has_the_spelling_of_path_segments() {
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

    #[test]
    fn ambiguous_value_is_rejected() {
        for (value, other) in [
            ("acme.", "`acme`"),
            ("acme .", "`acme`"),
            (" acme", "`acme`"),
            ("acme ", "`acme`"),
            ("acme+", "`acme`"),
            ("+acme", "`acme`"),
            ("a b+. .", "`a b`"),
            ("cafe\u{301}", "`café`"),
            ("\u{212B}", "`Å`"),
        ] {
            let shown = AttributeValue::try_from(value.to_owned()).unwrap_err().to_string();
            assert!(shown.contains(other), "{shown}");
        }
        for value in ["acme\u{200B}", "ac\u{A0}me", "\u{FF41}cme", "acme\u{85}", "...", "\u{212A}"] {
            assert!(AttributeValue::try_from(value.to_owned()).is_err(), "{}", value.escape_unicode());
        }
        for value in [".well-known", "a+b", "a b", "ACME", "café", "\u{131}lgaz"] {
            assert!(AttributeValue::try_from(value.to_owned()).is_ok(), "{value}");
        }
    }

    #[test]
    fn values_equal_to_an_upstream_share_one_skeleton() {
        let skeleton = |value: &str| AttributeValue::try_from(value.to_owned()).unwrap().skeleton();
        for (one, other) in [
            ("ACME", "acme"),
            ("stra\u{DF}e", "STRASSE"),
            ("caf\u{E9}", "CAF\u{C9}"),
            ("a+b", "A b"),
            ("\u{130}x", "ix"),
        ] {
            assert_eq!(skeleton(one), skeleton(other));
        }
        assert_ne!(skeleton("café"), skeleton("cafe"));
    }
}
