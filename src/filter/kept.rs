//! Something signed in the host's shared data, for all workers and for a VM that takes another one's place.
//!
//! Whoever takes it checks it again, signature and all: other modules may write there.

use crate::engine::config::settings::Settings;
use crate::filter::host::{self, ANY, Stored};
use crate::filter::shared;

/// What is kept under one name, and when this module last looked at it.
pub(super) struct Kept {
    content: Vec<u8>,
    /// Key of a tag that is written after the content.
    tag: Vec<u8>,
    /// Version of the tag when the content was last looked at.
    seen: Option<u32>,
}

impl Kept {
    /// What is kept under a name for a gateway.
    pub(super) fn new(what: &str, gateway: &Settings) -> Self {
        let tag = shared::key(&format!("{what}/mark"), gateway);
        Self { content: shared::key(what, gateway), tag, seen: None }
    }

    /// The content, where it is another one than when this was last asked.
    pub(super) fn news(&mut self) -> Option<String> {
        let Stored::Value(_, version) = host::shared_data(&self.tag) else { return None };
        if self.seen.replace(version) == Some(version) {
            return None;
        }
        String::from_utf8(self.content()?).ok()
    }

    /// Takes what is there now as looked at.
    pub(super) fn look_past(&mut self) {
        if let Stored::Value(_, version) = host::shared_data(&self.tag) {
            self.seen = Some(version);
        }
    }

    /// Whether there was any content so far.
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

    /// Keeps a content under a tag; whether the host does.
    pub(super) fn put(&self, content: &str, tag: &[u8]) -> bool {
        host::replace_shared_data(&self.content, content.as_bytes(), ANY)
            && host::replace_shared_data(&self.tag, tag, ANY)
    }

    /// Whether what is kept has this tag.
    pub(super) fn has(&self, tag: &[u8]) -> bool {
        matches!(host::shared_data(&self.tag), Stored::Value(bytes, _) if bytes == tag)
    }
}
