//! Signed content in the host's shared data, for all workers and for a VM that replaces another one.
//!
//! Readers verify it again, including the signature, because other modules may write there.

use crate::engine::config::settings::Settings;
use crate::filter::host::{self, ANY, Stored};
use crate::filter::shared;

/// The content under one key, and when this module last read it.
pub(super) struct Kept {
    content: Vec<u8>,
    /// Key of a tag that is written after the content.
    tag: Vec<u8>,
    /// Version of the tag when the content was last read.
    seen: Option<u32>,
}

impl Kept {
    /// The content under a name for a gateway.
    pub(super) fn new(what: &str, gateway: &Settings) -> Self {
        let tag = shared::key(&format!("{what}/mark"), gateway);
        Self { content: shared::key(what, gateway), tag, seen: None }
    }

    /// The content, if it has changed since the last call.
    pub(super) fn news(&mut self) -> Option<String> {
        let Stored::Value(_, version) = host::shared_data(&self.tag) else { return None };
        if self.seen.replace(version) == Some(version) {
            return None;
        }
        String::from_utf8(self.content()?).ok()
    }

    /// Marks the current content as read.
    pub(super) fn look_past(&mut self) {
        if let Stored::Value(_, version) = host::shared_data(&self.tag) {
            self.seen = Some(version);
        }
    }

    /// Whether this module has read any content.
    pub(super) fn was_seen(&self) -> bool {
        self.seen.is_some()
    }

    /// The content.
    pub(super) fn content(&self) -> Option<Vec<u8>> {
        match host::shared_data(&self.content) {
            Stored::Value(bytes, _) => Some(bytes),
            Stored::Nothing | Stored::Failed => None,
        }
    }

    /// Stores content with a tag; returns whether the host stored it.
    pub(super) fn put(&self, content: &str, tag: &[u8]) -> bool {
        host::replace_shared_data(&self.content, content.as_bytes(), ANY)
            && host::replace_shared_data(&self.tag, tag, ANY)
    }

    /// Whether the stored content has this tag.
    pub(super) fn has(&self, tag: &[u8]) -> bool {
        matches!(host::shared_data(&self.tag), Stored::Value(bytes, _) if bytes == tag)
    }
}
