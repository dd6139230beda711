//! The audit: a line of JSON for each request, and for what the filter itself does.
//!
//! No event holds a secret of the policy, a whole digest or a query, whatever the secret was sent as, and the length of a line is bounded whatever the request was.

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

/// A value as one line of JSON in ASCII: what some reader takes for the end of a line, or a terminal for a
/// command (U+0085, U+2028, U+009B), is escaped like everything beyond ASCII (RFC 8259 §7).
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
/// Most bytes of a line about a request without a known token, with its chain and without what the host puts before it.
pub const MAX_STRANGERS_LINE: usize = 512;
const MAX_HOST: usize = 255;
const MAX_SOURCE: usize = 255;
/// Bytes of most lines with their chain.
const USUAL: usize = 640;
