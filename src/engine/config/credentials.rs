//! The sources of credentials that a gateway accepts, as its settings write them.

use serde::{Deserialize, Serialize};

use crate::engine::config::credentials::written::Written;

mod written;

/// A part of a request that may contain the token.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(try_from = "Written", into = "Written")]
pub enum CredentialSource {
    /// A header that holds a scheme and the token (RFC 9110 §11.4), or only the token.
    Header {
        /// Name of the header, in lower case.
        name: Box<str>,
        /// The scheme, compared case-insensitively.
        scheme: Option<Box<str>>,
        /// The part of the header that is the secret.
        part: Part,
    },
    /// A query parameter (RFC 6750 §2.3).
    Query(Box<str>),
    /// A cookie (RFC 6265 §4.2).
    Cookie(Box<str>),
}

/// The part of a header's value that is the secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// The whole value after the scheme.
    Whole,
    /// The text after the first `|` if an id precedes it, otherwise the whole value. This is how Laravel Sanctum
    /// hashes a token.
    AfterBar,
    /// The user of RFC 7617; the password is ignored.
    User,
    /// The password of RFC 7617; the user is ignored.
    Password,
}

/// Whether a caller presents a credential deliberately.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Intent {
    /// The caller chose to send it. A page cannot make another site's visitors send it without a CORS preflight.
    Deliberate,
    /// A page of any site may have made a visitor's browser send it, but the page must know the value.
    Page,
    /// A page of any site may have made a visitor's browser send a value that the browser stores for this site.
    Browser,
}

impl CredentialSource {
    /// `Authorization: Bearer …` (RFC 6750 §2.1).
    pub fn bearer() -> Self {
        Self::Header { name: "authorization".into(), scheme: Some("Bearer".into()), part: Part::Whole }
    }

    /// How deliberately a caller sends a credential at this source.
    ///
    /// A page can put a query into the address of an image. Browsers send some headers without a preflight: those
    /// that the browser sets, and those that the Fetch Standard lets a page set (§2.2.2, CORS-safelisted
    /// request-header). Browsers add cookies on their own. They answer challenges with credentials that the user
    /// typed earlier, or with those before the `@` of a link.
    pub(crate) fn intent(&self) -> Intent {
        let is_prompted = |scheme: &str| PROMPTED.iter().any(|known| scheme.eq_ignore_ascii_case(known));
        match self {
            Self::Query(_) => Intent::Page,
            Self::Cookie(_) => Intent::Browser,
            Self::Header { name, scheme: Some(scheme), .. }
                if **name == *"authorization" && is_prompted(scheme) =>
            {
                Intent::Browser
            }
            Self::Header { name, .. } => {
                let is_browsers =
                    BROWSERS.contains(&&**name) || BROWSERS_OWN.iter().any(|prefix| name.starts_with(prefix));
                if is_browsers { Intent::Page } else { Intent::Deliberate }
            }
        }
    }

    /// Whether both sources read the same credential.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Header { name, scheme, .. }, Self::Header { name: other_name, scheme: other, .. }) => {
                let same = match (scheme, other) {
                    (Some(scheme), Some(other)) => scheme.eq_ignore_ascii_case(other),
                    (None, None) => true,
                    (Some(_), None) | (None, Some(_)) => false,
                };
                name == other_name && same
            }
            (Self::Query(name), Self::Query(other)) | (Self::Cookie(name), Self::Cookie(other)) => {
                name == other
            }
            (Self::Header { .. } | Self::Query(_) | Self::Cookie(_), _) => false,
        }
    }

    /// The scheme for a challenge to the caller (RFC 9110 §11.6.1).
    ///
    /// Challenges for `Digest`, `Negotiate` and `NTLM` need more parameters, and these schemes do not send a secret.
    pub(crate) fn challenge(&self) -> Option<&str> {
        match self {
            Self::Header { name, scheme: Some(scheme), .. } if **name == *"authorization" => {
                let is_other = |known: &&str| !known.eq_ignore_ascii_case(BASIC);
                let mut others = PROMPTED.iter().filter(|known| is_other(known));
                let is_asked = !others.any(|known| known.eq_ignore_ascii_case(scheme));
                is_asked.then_some(scheme)
            }
            Self::Header { .. } | Self::Query(_) | Self::Cookie(_) => None,
        }
    }

    /// The header that this source reads.
    pub(crate) fn header(&self) -> &[u8] {
        match self {
            Self::Header { name, .. } => name.as_bytes(),
            Self::Cookie(_) => b"cookie",
            Self::Query(_) => b":path",
        }
    }
}

/// Headers that a browser sends across sites without a CORS preflight. A page may fill some (Fetch Standard, §2.2.2),
/// and a server may have set others (`last-event-id`, `if-none-match`); the browser sets most of them itself.
const BROWSERS: [&str; 46] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "available-dictionary",
    "cache-control",
    "content-encoding",
    "content-language",
    "content-type",
    "cookie",
    "cookie2",
    "date",
    "device-memory",
    "dictionary-id",
    "dnt",
    "downlink",
    "dpr",
    "ect",
    "expect",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "last-event-id",
    "origin",
    "ping-from",
    "ping-to",
    "pragma",
    "priority",
    "purpose",
    "range",
    "referer",
    "rtt",
    "save-data",
    "service-worker",
    "service-worker-navigation-preload",
    "te",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "viewport-width",
    "width",
    "x-requested-with",
];
/// Prefixes of further headers that browsers set. A page may fill `sec-websocket-protocol`.
const BROWSERS_OWN: [&str; 4] = ["access-control-", "attribution-reporting-", "proxy-", "sec-"];
/// Schemes for which browsers answer a challenge.
const PROMPTED: [&str; 4] = [BASIC, "digest", "negotiate", "ntlm"];
/// The scheme of RFC 7617, compared case-insensitively.
const BASIC: &str = "basic";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_headers_with_preflight_are_deliberate() {
        let header =
            |name: &str| CredentialSource::Header { name: name.into(), scheme: None, part: Part::Whole };
        let scheme = |name: &str, scheme: &str| CredentialSource::Header {
            name: name.into(),
            scheme: Some(scheme.into()),
            part: Part::Whole,
        };
        for deliberate in [
            CredentialSource::bearer(),
            scheme("authorization", "Token"),
            header("authorization"),
            header("x-api-key"),
            scheme("x-api-key", "Basic"),
            header("private-token"),
            header("section"),
        ] {
            assert_eq!(deliberate.intent(), Intent::Deliberate, "{deliberate:?}");
        }
        for browser in [
            CredentialSource::Cookie("token".into()),
            scheme("authorization", "BASIC"),
            scheme("authorization", "digest"),
        ] {
            assert_eq!(browser.intent(), Intent::Browser, "{browser:?}");
        }
        for page in [
            CredentialSource::Query("access_token".into()),
            header("accept-language"),
            header("content-language"),
            header("range"),
            header("last-event-id"),
            header("sec-websocket-protocol"),
            header("access-control-request-headers"),
            header("user-agent"),
            header("referer"),
            header("proxy-authorization"),
        ] {
            assert_eq!(page.intent(), Intent::Page, "{page:?}");
        }
    }
}
