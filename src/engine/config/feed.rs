//! The feed: where a gateway fetches its bundle from, and what is made of the answers.
//!
//! In: settings, answers of the server, the time. Out: what to ask, and when next. Fetching itself is the filter's.

use serde::{Deserialize, Serialize};

#[cfg(not(target_arch = "wasm32"))]
use crate::engine::config::envelope::MAX_KEYS;
use crate::engine::config::envelope::PublicKey;
use crate::engine::config::headers::SentHeaders;
use crate::engine::words::fields::mappings;
use crate::engine::words::fields::{given, number};
use crate::engine::words::secret::SecretDigest;
use crate::engine::words::time::Span;

/// Where a gateway fetches its bundle from.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(!remote))]
#[serde(
    remote = "Self",
    deny_unknown_fields,
    expecting = "a mapping with `cluster`, `authority`, `path`, `interval`, `keys`, …"
)]
pub struct Feed {
    /// The cluster of Envoy's configuration that the server is in.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1, max = MAX_TEXT)))]
    pub cluster: String,
    /// `:authority` of the requests.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1, max = MAX_TEXT)))]
    pub authority: String,
    /// `:path` of the signed bundle.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = MAX_TEXT), extend("pattern" = "^/")))]
    pub path: String,
    /// `:path` of the signed list of revocations; without it there is none.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = MAX_TEXT), extend("pattern" = "^/")))]
    pub revocations: Option<String>,
    /// How often to ask; 10 seconds without it.
    #[serde(default = "interval")]
    pub interval: Span,
    /// Headers of the requests, such as `authorization` for a private server. The values are secrets.
    #[serde(default, skip_serializing_if = "SentHeaders::is_empty")]
    pub headers: SentHeaders,
    /// The keys that may sign what is fetched: the server need not be trusted.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(length(min = 1, max = MAX_KEYS), extend("uniqueItems" = true))
    )]
    pub keys: Vec<PublicKey>,
    /// How many of them must have signed it; 1 without it.
    #[serde(default = "one", deserialize_with = "number")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 1, max = MAX_KEYS)))]
    pub threshold: u64,
}

mappings!(Feed);

impl Feed {
    /// What is wrong with a field, if anything is: its name and why.
    pub(crate) fn fault(&self) -> Option<(&'static str, String)> {
        let visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let texts = [("cluster", &self.cluster), ("authority", &self.authority), ("path", &self.path)];
        let texts = texts.into_iter().chain(self.revocations.iter().map(|path| ("revocations", path)));
        for (key, text) in texts {
            if !visible(text) || text.len() > MAX_TEXT {
                return Some((key, format!("`{key}` is 1 to {MAX_TEXT} visible ASCII characters")));
            }
            if ["path", "revocations"].contains(&key) && !text.starts_with('/') {
                return Some((key, format!("`{key}` begins with `/`, as in `/acme/bundle.json`")));
            }
        }
        (self.revocations.as_ref() == Some(&self.path))
            .then(|| ("revocations", "bundle and revocations cannot have one path".to_owned()))
    }

    /// Names what is fetched from `path`. Whose keys have signed it is no part of it: that is checked again by whoever
    /// takes it, and a rotation of keys does not lose it.
    pub fn id(&self, path: &str) -> String {
        named([&self.cluster, &self.authority, path].join("\n").as_bytes())
    }

    /// Names what is to be done: another for each other setting and each other gateway, as one of the threads that have
    /// the same to do is to do it for all.
    pub fn duty(&self, gateway: &[u8]) -> String {
        let settings = serde_json::to_vec(self).unwrap_or_default();
        named(&[&settings, gateway].concat())
    }

    /// The head of a request for `path`; `etag` is that of what is there already (RFC 9110 §13.1.2).
    pub fn request<'a>(&'a self, path: &'a str, etag: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
        let mut head = vec![
            (":method", "GET"),
            (":authority", self.authority.as_str()),
            (":path", path),
            (":scheme", "http"),
            ("accept", "application/json, */*;q=0.5"),
            // Without it a server may compress (RFC 9110 §12.5.3).
            ("accept-encoding", "identity"),
            ("user-agent", "tokenward"),
        ];
        head.extend(etag.map(|etag| ("if-none-match", etag)));
        self.headers.put_into(&mut head);
        head
    }
}

fn named(bytes: &[u8]) -> String {
    SecretDigest::of(bytes).to_hex().chars().take(16).collect()
}

fn one() -> u64 {
    1
}

fn interval() -> Span {
    Span::SECOND.times(10)
}

/// Most bytes of what is fetched, some 120,000 tokens: as many as Envoy keeps of an answer to a module's call.
pub const MAX_FETCHED: usize = 32 << 20;
const MAX_TEXT: usize = 1_024;
