//! Reads text or a tree into data. Both give the same message for a mistake, with its place.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer};

use crate::engine::config::problem::{Fault, Place, Problem, Problems, Step};
use crate::engine::words::secret;
use crate::engine::words::text::shown;

/// Reads a value from JSON text.
///
/// # Errors
/// The first mistake in the text or its shape, with its place.
pub fn from_json<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, Problems> {
    // Tracking the place is slow, so only text that failed is read a second time.
    serde_json::from_slice(json).or_else(|error| {
        let problem = json_problem(Place::default(), &error);
        // The error may hold a copy of the whole text.
        drop(error);
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let _: T = with_place(&mut deserializer)?;
        Err(problem)
    })
}

/// Reads a value from a tree that the reader of another format made.
///
/// # Errors
/// The first mistake in the tree's shape, with its place.
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

/// The problem for serde_json's error. A wrong shape has the same message for every format.
fn json_problem(place: Place, error: &serde_json::Error) -> Problems {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let message = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    let (place, message) = match secrets(&place) {
        Some(depth) => (discreet_place(&place, depth), abridged(&discreet(message))),
        None => (place, abridged(message)),
    };
    // serde quotes a key unchanged. A line feed in it would start a new line in the log.
    let message = plain(&shown(&message));
    let fault = if error.is_data() { Fault::Shape(message) } else { Fault::Syntax { message, line, column } };
    Problem { place, fault }.into()
}

/// serde's message about a type, in the terms of the documentation.
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

/// The message without the text that it quotes, which in a secret's entry may be a secret. Text as short as a valid
/// key is kept, so that people can find a typing error.
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

/// The depth of a token's `secrets` in a place, if the place is inside them.
fn secrets(place: &Place) -> Option<usize> {
    place.steps().iter().position(|step| *step == Step::Key("secrets".to_owned()))
}

/// Removes the middle of a long text: serde may quote a whole text of 32 MiB. Text that looks like a secret is
/// shortened first, so that no part of a secret remains at the ends.
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

/// Length of `revoked_reason`, the longest key in a secret's entry. Every secret is longer.
const LONGEST_KEY: usize = 14;
const SHOWN: usize = 4;
/// Maximum length of a text that is quoted in full.
const MAX_TEXT: usize = 1_024;
/// Number of characters quoted from each end of a longer text.
const MAX_PART: usize = 300;
