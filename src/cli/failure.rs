//! Why a command could not do what it was asked: told as `error:` with an optional place and hint.

use std::fmt;

use crate::cli::excerpt::Excerpt;
use crate::cli::nearest::did_you_mean;
use crate::cli::position::Position;
use crate::engine::config::problem::{Fault, Place, Problem, Problems};

/// Something that kept a command from its work.
#[derive(Debug)]
pub struct Failure {
    pub(crate) message: String,
    pub(crate) place: Option<String>,
    /// The lines of the file that it is about.
    pub(crate) excerpt: Option<Box<Excerpt>>,
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A failure; `message` is lower-case, says what is wrong with which thing, and has no full stop.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, excerpt: None, hint: None }
    }

    /// What is wrong with a document; `path` is its file, `position` where the problem's place is in it.
    pub(crate) fn of(problem: &Problem, path: impl fmt::Display, position: Option<Position>) -> Self {
        let Problem { place, fault } = problem;
        let (mut message, mut position) = (fault.to_string(), position);
        if let Fault::Syntax { message: why, line, column } = fault {
            // The position is the reader's own: where there is no document there is no place in it.
            (message, position) = (why.clone(), Some(Position { line: *line, column: *column }));
        }
        let near = if let Fault::Shape(message) = fault { near_word(message) } else { None };
        Self { hint: near.or_else(|| fault.hint()), ..Self::new(message) }.at(path, position, place)
    }

    /// That a file is not what a command needs, and each reason; `what` is as in `a usable bundle`.
    pub(crate) fn unusable(path: impl fmt::Display, what: &str, problems: &Problems) -> Vec<Self> {
        let first = Self::new(format!("{path} is not {what}"));
        let rest = problems.iter().map(|problem| Self::of(problem, &path, None));
        [first].into_iter().chain(rest).collect()
    }

    /// The failure with what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The failure with where it is.
    #[must_use]
    pub(crate) fn at(self, path: impl fmt::Display, position: Option<Position>, place: &Place) -> Self {
        let mut at = path.to_string();
        if let Some(Position { line, column }) = position {
            at.push_str(&format!(":{line}:{column}"));
        }
        if !place.steps().is_empty() {
            at.push_str(&format!(" ({place})"));
        }
        Self { place: Some(at), ..self }
    }
}

/// Which of the expected words was meant, where serde names an unknown field or variant.
fn near_word(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field ").or_else(|| message.strip_prefix("unknown variant "))?;
    let mut words = rest.split('`').skip(1).step_by(2);
    let word = words.next()?;
    did_you_mean(word, words)
}
