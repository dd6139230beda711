//! The alerts section of the plugin configuration.

use serde::{Deserialize, Serialize};

use crate::engine::config::headers::SentHeaders;
use crate::engine::words::fields::mappings;

/// Where the filter sends alerts: a cluster of Envoy's configuration, which knows the addresses and speaks TLS.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(
    remote = "Self",
    deny_unknown_fields,
    expecting = "a mapping with `cluster`, `authority`, `path`, `headers`"
)]
pub struct Alerts {
    /// Name of the cluster in Envoy's configuration.
    pub cluster: Word,
    /// `:authority` of the requests.
    pub authority: Word,
    /// `:path` of the requests.
    pub path: PathAndQuery,
    /// Headers of the requests, such as `authorization`. The values are secrets.
    #[serde(default, skip_serializing_if = "SentHeaders::is_empty")]
    pub headers: SentHeaders,
}

impl Alerts {
    /// Returns the head of a request.
    pub fn request(&self) -> Vec<(&str, &str)> {
        let mut head = vec![
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", self.authority.as_str()),
            (":path", self.path.as_str()),
            ("content-type", "application/json"),
        ];
        self.headers.put_into(&mut head);
        head
    }
}

mappings!(Alerts);

/// A text that can stand in a header: 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = "^[!-~]{1,255}$"))
)]
#[serde(try_from = "String", into = "String")]
pub struct Word(String);

impl Word {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Word {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_visible(&text, MAX_WORD) {
            return Ok(Self(text));
        }
        let shown: String = text.chars().take(80).collect();
        Err(format!(
            "`{}` cannot be part of an address: it has 1 to {MAX_WORD} visible ASCII characters",
            shown.escape_default()
        ))
    }
}

impl From<Word> for String {
    fn from(word: Word) -> Self {
        word.0
    }
}

/// A path with its query, if it has one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = "^/[!-~]{0,2047}$", "examples" = ["/hook"]))
)]
#[serde(try_from = "String", into = "String")]
pub struct PathAndQuery(String);

impl PathAndQuery {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PathAndQuery {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with('/') && is_visible(&text, MAX_PATH) {
            return Ok(Self(text));
        }
        // The query may hold a password, so the message omits the text.
        Err(format!(
            "this is not a path: write it as in `/hook`, in at most {MAX_PATH} visible ASCII characters"
        ))
    }
}

impl From<PathAndQuery> for String {
    fn from(path: PathAndQuery) -> Self {
        path.0
    }
}

fn is_visible(text: &str, limit: usize) -> bool {
    (1..=limit).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

const MAX_WORD: usize = 255;
const MAX_PATH: usize = 2_048;
