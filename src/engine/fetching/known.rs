//! The entity tag by which to ask, and what became of the answer that it came with.
//!
//! What was refused for its own bytes is refused again whenever it comes: so it is asked for by its tag too, and a server
//! that still has it says so without sending it, 304. That is no success. A tag may be wrong (nginx makes it of a size
//! and a second), so a refused one is forgotten after ten minutes, and the whole is asked for again.

use crate::engine::words::time::{Span, Time};

/// The tag of the last answer that had one and was judged for good.
#[derive(Clone, Debug, Default)]
pub struct Known(Option<Tag>);

#[derive(Clone, Debug)]
struct Tag {
    text: String,
    /// When the answer was refused, if it was.
    refused: Option<Time>,
}

/// Whether what was refused is refused for as long as these settings are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lasting {
    /// Its bytes alone are the reason.
    Yes,
    /// It may be taken later: the reason is in what is in force, or in the time.
    No,
}

impl Known {
    /// The tag to ask by now.
    pub fn asked(&mut self, now: Time) -> Option<&str> {
        let is_over = |since: Time| !(since..since.plus(REFUSED_FOR)).contains(&now);
        self.0 = self.0.take().filter(|tag| !tag.refused.is_some_and(is_over));
        self.tag()
    }

    /// The tag that was asked by.
    pub(super) fn tag(&self) -> Option<&str> {
        self.0.as_ref().map(|tag| tag.text.as_str())
    }

    /// Whether what has this tag was refused.
    pub(super) fn is_refused(&self) -> bool {
        self.0.as_ref().is_some_and(|tag| tag.refused.is_some())
    }

    /// Takes in that an answer with this tag is of use.
    pub fn accepted(&mut self, tag: Option<String>) {
        self.0 = tag.map(|text| Tag { text, refused: None });
    }

    /// Takes in that an answer with this tag is refused.
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
    fn an_accepted_answer_is_asked_by_its_tag_without_end() {
        let mut known = Known::default();
        assert_eq!(known.asked(Time::EPOCH), None);
        known.accepted(tag());
        assert_eq!(known.asked(Time::from_millis(i64::MAX)), Some("\"5\""));
        assert!(!known.is_refused());
        known.accepted(None);
        assert_eq!(known.asked(Time::EPOCH), None);
    }

    #[test]
    fn a_refused_answer_is_asked_by_its_tag_for_ten_minutes() {
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
