//! Text or a tree into data: where that fails, the place and a message that is the same for both.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer};

use crate::engine::config::problem::{Fault, Place, Problem, Problems, Step};
use crate::engine::words::secret;
use crate::engine::words::text::shown;

/// Reads a value from JSON text.
///
/// # Errors
/// The first thing that is wrong with the text or its shape, with its place.
pub fn from_json<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, Problems> {
    // Tracking the place costs: only a text that cannot be read is read a second time for it.
    serde_json::from_slice(json).or_else(|error| {
        let problem = json_problem(Place::default(), &error);
        // It may quote as much as there is of the text.
        drop(error);
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let _: T = with_place(&mut deserializer)?;
        Err(problem)
    })
}

/// Reads a value from a tree that a reader of another format made.
///
/// # Errors
/// The first thing that is wrong with the tree's shape, with its place.
pub fn from_tree<'de, T: Deserialize<'de>>(tree: &'de serde_json::Value) -> Result<T, Problems> {
    with_place(tree)
}

fn with_place<'de, T, D>(deserializer: D) -> Result<T, Problems>
where
    T: Deserialize<'de>,
    D: Deserializer<'de, Error = serde_json::Error>,
{
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let place = error.path().iter().filter_map(step).collect();
        json_problem(place, error.inner())
    })
}

fn step(segment: &serde_path_to_error::Segment) -> Option<Step> {
    match segment {
        serde_path_to_error::Segment::Seq { index } => Some(Step::Index(*index)),
        serde_path_to_error::Segment::Map { key } => Some(Step::Key(abridged(key))),
        serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => None,
    }
}

/// The problem behind serde_json's error; a wrong shape reads the same whatever text it came from.
fn json_problem(place: Place, error: &serde_json::Error) -> Problems {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let message = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    let (place, message) = match secrets(&place) {
        Some(depth) => (discreet_place(&place, depth), abridged(&discreet(message))),
        None => (place, abridged(message)),
    };
    // serde quotes a key as it is: one with a line feed would be a line of its own in a log.
    let message = plain(&shown(&message));
    let fault = if error.is_data() { Fault::Shape(message) } else { Fault::Syntax { message, line, column } };
    Problem { place, fault }.into()
}

/// serde's message about a type, in the words of the documentation.
fn plain(message: &str) -> String {
    let Some((found, expected)) =
        message.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected "))
    else {
        return message.to_owned();
    };
    let expected = match expected {
        "a string" => "text",
        "a sequence" => "a list",
        "a map" => "a mapping",
        "a boolean" => "`true` or `false`",
        other => other,
    };
    let found = match found.split_once(' ').unwrap_or((found, "")) {
        ("null" | "unit", _) => "nothing".to_owned(),
        ("sequence", _) => "a list".to_owned(),
        ("map", _) => "a mapping".to_owned(),
        ("string", "") => "text".to_owned(),
        ("string", text) => format!("text {text}"),
        ("integer", number) => format!("the number {number}"),
        ("floating", number) => format!("the number {}", number.trim_start_matches("point ")),
        ("boolean", flag) => flag.to_owned(),
        _ => found.to_owned(),
    };
    format!("expected {expected}, found {found}")
}

/// The message without the text that it quotes: where a secret's entry belongs that may be a secret. What is as
/// short as a key of ours is shown, so that a slip of the pen can be found.
fn discreet(message: &str) -> Cow<'_, str> {
    let quoted = message.strip_prefix("invalid type: string \"");
    if let Some((_, expected)) = quoted.and_then(|rest| rest.rsplit_once("\", expected ")) {
        return format!("invalid type: string, expected {expected}").into();
    }
    let mut parts = message.splitn(3, '`');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(before @ ("" | "unknown field ")), Some(quoted), Some(after)) if quoted.len() > LONGEST_KEY => {
            format!("{before}`{}`{after}", cut(quoted)).into()
        }
        _ => message.into(),
    }
}

fn discreet_place(place: &Place, depth: usize) -> Place {
    let steps = place.steps().iter().enumerate().map(|(position, step)| match step {
        Step::Key(key) if position > depth && key.len() > LONGEST_KEY => Step::Key(cut(key)),
        Step::Key(_) | Step::Index(_) => step.clone(),
    });
    steps.collect()
}

/// How deep in a place a token's `secrets` are, if it is in them.
fn secrets(place: &Place) -> Option<usize> {
    place.steps().iter().position(|step| *step == Step::Key("secrets".to_owned()))
}

/// The text without its middle where it is long: serde quotes what it does not know, which may be all of a text of 32
/// MiB. What looks like a secret is cut short first, so that no part of one is left at an end.
fn abridged(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let part = |part: Option<&[u8]>| secret::discreet(&String::from_utf8_lossy(part.unwrap_or_default()));
    let begin = part(text.as_bytes().get(..MAX_TEXT));
    let end = part(text.as_bytes().get(text.len().saturating_sub(MAX_TEXT)..));
    let last = end.chars().count().saturating_sub(MAX_PART);
    begin.chars().take(MAX_PART).chain(" … ".chars()).chain(end.chars().skip(last)).collect()
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN).chain(['…']).collect()
}

/// Length of `revoked_reason`, the longest key of a secret's entry; the shortest secret is longer.
const LONGEST_KEY: usize = 14;
const SHOWN: usize = 4;
/// Longest text that is quoted as it is.
const MAX_TEXT: usize = 1_024;
/// Characters of the beginning, and of the end, that are quoted of a longer one.
const MAX_PART: usize = 300;
