//! The audit: a line of JSON for each request and for each action of the filter itself.
//!
//! No event contains a secret of the policy, a whole digest or a query, however the caller sent the secret. The
//! length of a line is bounded for every request.

use std::fmt::Write as _;

use serde::Serialize;

use crate::engine::policy::sent::text::text;
pub use crate::engine::report::audit::decision::AuditEvent;
pub use crate::engine::report::audit::defense::{DefenseEvent, Scene};
pub use crate::engine::report::audit::feed::FeedEvent;
pub use crate::engine::report::audit::frame::{Line, Version};
pub use crate::engine::report::audit::notices::{ClosedEvent, ConfiguredEvent};
pub use crate::engine::report::audit::refused::RefusedEvent;
#[cfg(not(target_arch = "wasm32"))]
pub use crate::engine::report::audit::schema::Event;
pub use crate::engine::report::audit::stale::StaleEvent;
pub use crate::engine::report::audit::strangers::{Counted, Strangers};
pub use crate::engine::report::audit::summary::{CountedEvent, SummaryEvent};

mod decision;
mod defense;
mod feed;
mod frame;
mod notices;
mod refused;
#[cfg(not(target_arch = "wasm32"))]
mod schema;
mod stale;
mod strangers;
mod summary;

/// Formats a value as one line of ASCII JSON. Characters beyond ASCII are escaped (RFC 8259 §7): some readers take
/// U+2028 for a line end, and terminals execute U+009B.
pub(crate) fn line(value: &impl Serialize) -> String {
    let mut json = Vec::with_capacity(USUAL);
    let json = match serde_json::to_writer(&mut json, value) {
        // INVARIANT: serde_json writes UTF-8.
        Ok(()) => String::from_utf8(json).unwrap_or_default(),
        Err(_) => String::new(),
    };
    if json.is_ascii() && !json.as_bytes().contains(&DELETE) {
        return json;
    }
    let plain = |byte: u8| byte.is_ascii() && byte != DELETE;
    let mut line = String::with_capacity(json.len().saturating_mul(2));
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if plain(byte) => line.push(char::from(byte)),
            Ok(_) | Err(_) => {
                let _ = write!(line, "\\u{unit:04x}");
            }
        }
    }
    line
}

const DELETE: u8 = 0x7F;
/// Maximum length in bytes of a line about a request without a known token, including its chain but not the host's
/// prefix.
pub const MAX_STRANGERS_LINE: usize = 512;
const MAX_HOST: usize = 255;
const MAX_SOURCE: usize = 255;
/// Length of most lines in bytes, including their chain.
const USUAL: usize = 640;
