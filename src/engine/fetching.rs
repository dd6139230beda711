//! How a gateway fetches: when it asks next, by which tag, and what the answer is worth.
//!
//! In: the time and the head of an answer. Out: whether to ask, and whether the answer is of use. Of what came it reads only
//! whether that is text.

pub mod answer;
pub mod body;
pub mod known;
pub mod redirect;
pub mod schedule;
