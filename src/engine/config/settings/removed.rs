//! Headers that a gateway removes from each request, in addition to those that the filter always removes.

use serde::{Deserialize, Serialize};

use crate::engine::config::problem::{Fault, Place, Problem};
use crate::engine::config::settings::Settings;
use crate::engine::words::header::{MAX_HEADER_NAME, is_header_name, same_header};

/// Name of a header that the filter removes in every spelling: `x-scope-orgid`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = PATTERN, "not" = { "enum": KEPT }, "examples" = ["x-scope-orgid"]))
)]
#[serde(try_from = "String", into = "String")]
pub struct RemovedHeader(Box<str>);

impl RemovedHeader {
    /// Whether `header` is this name, or some program may read it as this name.
    pub(crate) fn names(&self, header: &[u8]) -> bool {
        same_header(header, self.0.as_bytes())
    }
}

impl TryFrom<String> for RemovedHeader {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let shown = || name.chars().take(80).collect::<String>().escape_default().to_string();
        if !is_header_name(&name) {
            return Err(format!(
                "`{}` is not the name of a header: write up to {MAX_HEADER_NAME} lower-case letters, digits, `-` and `_`, as \
                 in `x-scope-orgid`",
                shown()
            ));
        }
        if KEPT.iter().any(|kept| same_header(name.as_bytes(), kept.as_bytes())) {
            return Err(format!(
                "`{}` cannot be removed: Envoy or the filter needs it; name a header that only the upstream reads, as \
                 in `x-scope-orgid`",
                shown()
            ));
        }
        Ok(Self(name.into()))
    }
}

impl From<RemovedHeader> for String {
    fn from(header: RemovedHeader) -> Self {
        header.0.into_string()
    }
}

/// Returns the conflicts between `remove_headers` and the other settings.
pub(super) fn check(settings: &Settings) -> Vec<Problem> {
    let headers = &settings.remove_headers;
    let place = Place::default().key("remove_headers");
    if headers.len() > MAX_REMOVED {
        let count = headers.len();
        let message = format!("{count} headers to remove are more than the {MAX_REMOVED} allowed");
        return vec![Problem { place, fault: Fault::Shape(message) }];
    }
    let wrong = headers.iter().enumerate().filter_map(|(number, header)| {
        let message = conflict(settings, number, header)?;
        Some(Problem { place: place.index(number), fault: Fault::Shape(message) })
    });
    wrong.collect()
}

fn conflict(settings: &Settings, number: usize, header: &RemovedHeader) -> Option<String> {
    let RemovedHeader(name) = header;
    if settings.identity_headers.contains(name.as_bytes()) {
        return Some(format!(
            "`{name}` is an identity header: leave it out, the filter itself removes what callers send under this name"
        ));
    }
    if settings.credentials.iter().any(|source| header.names(source.header())) {
        return Some(format!(
            "`{name}` brings a credential: leave it out, `forward_credential` says whether the upstream gets it"
        ));
    }
    let mut earlier = settings.remove_headers.iter().take(number);
    earlier
        .any(|RemovedHeader(known)| header.names(known.as_bytes()))
        .then(|| format!("`{name}` is listed twice: `-` and `_` are the same here"))
}

/// Headers that define the request, or that the filter itself reads. They cannot be removed.
const KEPT: [&str; 11] = [
    "host",
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
    "expect",
    "x-request-id",
];

/// The names that [`is_header_name`] accepts, as a regular expression.
#[cfg(not(target_arch = "wasm32"))]
const PATTERN: &str = "^[a-z0-9_-]{1,64}$";
pub(super) const MAX_REMOVED: usize = 32;
