//! Why a command could not do what it was asked: told as `error:` with an optional place and hint.

use std::fmt;

use crate::cli::source::Position;
use crate::engine::problem::Problem;

/// Something that kept a command from its work.
#[derive(Debug)]
pub struct Failure {
    pub(crate) message: String,
    pub(crate) place: Option<String>,
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A failure; `message` is lower-case, says what is wrong with which thing, and has no full stop.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, hint: None }
    }

    /// What is wrong with a document, told by somebody who does not know its text.
    pub fn of(problem: &Problem) -> Self {
        Self { message: problem.fault.to_string(), place: None, hint: problem.fault.hint() }
    }

    /// The failure with what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The failure with where it is.
    #[must_use]
    pub fn at(self, path: impl fmt::Display, position: Option<Position>, place: impl fmt::Display) -> Self {
        let place = match position {
            Some(Position { line, column }) => format!("{path}:{line}:{column} ({place})"),
            None => format!("{path} ({place})"),
        };
        Self { place: Some(place), ..self }
    }
}
