//! How a gateway fetches: when it asks next, with which entity tag, and whether it can use the answer.
//!
//! In: the time and the head of an answer. Out: whether to ask, and whether the answer is usable. Of the content, this
//! module checks only that it is text.

pub mod answer;
pub mod body;
pub mod known;
pub mod redirect;
pub mod schedule;
