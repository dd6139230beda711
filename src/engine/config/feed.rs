//! The feed section: the server that a gateway fetches its bundle from, and the keys that it trusts.
//!
//! In: the settings. Out: request heads and ids. The filter does the fetching.

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
    /// Name of the server's cluster in Envoy's configuration.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1, max = MAX_TEXT)))]
    pub cluster: String,
    /// `:authority` of the requests.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1, max = MAX_TEXT)))]
    pub authority: String,
    /// `:path` of the signed bundle.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = MAX_TEXT), extend("pattern" = "^/")))]
    pub path: String,
    /// `:path` of the signed list of revocations. By default the gateway fetches no list.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(max = MAX_TEXT), extend("pattern" = "^/")))]
    pub revocations: Option<String>,
    /// How often the gateway asks; 10 seconds by default.
    #[serde(default = "interval")]
    pub interval: Span,
    /// Headers of the requests, such as `authorization` for a private server. The values are secrets.
    #[serde(default, skip_serializing_if = "SentHeaders::is_empty")]
    pub headers: SentHeaders,
    /// The keys that may sign the fetched files. So you need not trust the server.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(length(min = 1, max = MAX_KEYS), extend("uniqueItems" = true))
    )]
    pub keys: Vec<PublicKey>,
    /// At least this many of the keys must sign each file; 1 by default.
    #[serde(default = "one", deserialize_with = "number")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 1, max = MAX_KEYS)))]
    pub threshold: u64,
}

mappings!(Feed);

impl Feed {
    /// Returns the name of the first invalid field and the reason, if any field is invalid.
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

    /// Returns the id of the content at `path`. The signing keys are not part of the id: each reader checks the
    /// signatures again, and the content survives a key rotation.
    pub fn id(&self, path: &str) -> String {
        named([&self.cluster, &self.authority, path].join("\n").as_bytes())
    }

    /// Returns the id of this fetching duty. It differs for different settings and gateways, because one of the threads
    /// with the same duty does the work for all of them.
    pub fn duty(&self, gateway: &[u8]) -> String {
        let settings = serde_json::to_vec(self).unwrap_or_default();
        named(&[&settings, gateway].concat())
    }

    /// Returns the head of a request for `path`. `etag` is the tag of the current content (RFC 9110 §13.1.2).
    pub fn request<'a>(&'a self, path: &'a str, etag: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
        let mut head = vec![
            (":method", "GET"),
            (":authority", self.authority.as_str()),
            (":path", path),
            (":scheme", "http"),
            ("accept", "application/json, */*;q=0.5"),
            // Without this header a server may compress the response (RFC 9110 §12.5.3).
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

/// Maximum size of fetched content in bytes, about 120,000 tokens. Envoy keeps at most this much of a response to a
/// module's call.
pub const MAX_FETCHED: usize = 32 << 20;
const MAX_TEXT: usize = 1_024;
