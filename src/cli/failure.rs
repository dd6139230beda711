//! Failures: why a command failed, printed as `error:` with an optional place and hint.

use std::fmt;

use crate::cli::excerpt::Excerpt;
use crate::cli::nearest::did_you_mean;
use crate::cli::position::Position;
use crate::engine::config::problem::{Fault, Place, Problem, Problems};

/// A reason why a command failed.
#[derive(Debug)]
pub struct Failure {
    pub(crate) message: String,
    pub(crate) place: Option<String>,
    /// The relevant lines of the file.
    pub(crate) excerpt: Option<Box<Excerpt>>,
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A failure. `message` is lower case, says what is wrong with which thing, and has no full stop.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, excerpt: None, hint: None }
    }

    /// A failure for a problem in a document. `path` is its file, `position` the position in it.
    pub(crate) fn of(problem: &Problem, path: impl fmt::Display, position: Option<Position>) -> Self {
        let Problem { place, fault } = problem;
        let (mut message, mut position) = (fault.to_string(), position);
        if let Fault::Syntax { message: why, line, column } = fault {
            // A file that does not parse has no places, so take the position from the parser.
            (message, position) = (why.clone(), Some(Position { line: *line, column: *column }));
        }
        let near = if let Fault::Shape(message) = fault { near_word(message) } else { None };
        Self { hint: near.or_else(|| fault.hint()), ..Self::new(message) }.at(path, position, place)
    }

    /// The failures for a file that a command cannot use, one for each reason; `what` is as in `a usable bundle`.
    pub(crate) fn unusable(path: impl fmt::Display, what: &str, problems: &Problems) -> Vec<Self> {
        let first = Self::new(format!("{path} is not {what}"));
        let rest = problems.iter().map(|problem| Self::of(problem, &path, None));
        [first].into_iter().chain(rest).collect()
    }

    /// Adds how to fix it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Adds where it is.
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

/// Finds the expected word that was probably meant, if serde reports an unknown field or variant.
fn near_word(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field ").or_else(|| message.strip_prefix("unknown variant "))?;
    let mut words = rest.split('`').skip(1).step_by(2);
    let word = words.next()?;
    did_you_mean(word, words)
}
