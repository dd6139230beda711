//! The entity tag for the next request, and whether the gateway accepted the content that it belongs to.
//!
//! Content that is rejected for its own bytes is rejected every time. So the gateway sends its tag too, and a server
//! that still has this content answers 304 without sending it. That is not a success. A tag may be wrong (nginx makes
//! it from a size and a second), so the gateway forgets the tag of rejected content after ten minutes and requests the
//! content again.

use crate::engine::words::time::{Span, Time};

/// The tag of the last judged content, if it had one.
#[derive(Clone, Debug, Default)]
pub struct Known(Option<Tag>);

#[derive(Clone, Debug)]
struct Tag {
    text: String,
    /// When the gateway rejected the content, if it did.
    refused: Option<Time>,
}

/// Whether a rejection is final while the settings stay the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lasting {
    /// Final: the bytes themselves are the reason.
    Yes,
    /// Not final: the reason depends on the active content or on the time.
    No,
}

impl Known {
    /// Returns the tag to send at this time.
    pub fn asked(&mut self, now: Time) -> Option<&str> {
        let is_over = |since: Time| !(since..since.plus(REFUSED_FOR)).contains(&now);
        self.0 = self.0.take().filter(|tag| !tag.refused.is_some_and(is_over));
        self.tag()
    }

    /// Returns the tag that was sent.
    pub(super) fn tag(&self) -> Option<&str> {
        self.0.as_ref().map(|tag| tag.text.as_str())
    }

    /// Whether the gateway rejected the content with this tag.
    pub(super) fn is_refused(&self) -> bool {
        self.0.as_ref().is_some_and(|tag| tag.refused.is_some())
    }

    /// Records that the gateway accepted the content with this tag.
    pub fn accepted(&mut self, tag: Option<String>) {
        self.0 = tag.map(|text| Tag { text, refused: None });
    }

    /// Records that the gateway rejected the content with this tag.
    pub fn refused(&mut self, tag: Option<String>, lasting: Lasting, now: Time) {
        let tag = tag.filter(|_| lasting == Lasting::Yes);
        self.0 = tag.map(|text| Tag { text, refused: Some(now) });
    }
}

const REFUSED_FOR: Span = Span::SECOND.times(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn tag() -> Option<String> {
        Some("\"5\"".to_owned())
    }

    #[test]
    fn accepted_tag_is_sent_forever() {
        let mut known = Known::default();
        assert_eq!(known.asked(Time::EPOCH), None);
        known.accepted(tag());
        assert_eq!(known.asked(Time::from_millis(i64::MAX)), Some("\"5\""));
        assert!(!known.is_refused());
        known.accepted(None);
        assert_eq!(known.asked(Time::EPOCH), None);
    }

    #[test]
    fn rejected_tag_is_sent_for_ten_minutes() {
        let at = |seconds: i64| Time::from_millis(seconds * 1_000);
        let mut known = Known::default();
        for (now, expected) in [(100, true), (699, true), (700, false), (99, false)] {
            known.refused(tag(), Lasting::Yes, at(100));
            assert_eq!(known.asked(at(now)).is_some(), expected, "{now}");
            assert_eq!(known.is_refused(), expected);
        }
        known.refused(tag(), Lasting::No, at(100));
        assert_eq!(known.asked(at(100)), None, "what may be taken later is asked for whole");
    }
}
