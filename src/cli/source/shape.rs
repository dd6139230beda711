//! Explains a value of the wrong type in terms of its YAML text.

use crate::cli::excerpt::lines::Lines;
use crate::cli::excerpt::scalar;
use crate::cli::failure::Failure;
use crate::cli::position::Position;
use crate::cli::source::syntax::{without_space, write_quoted};
use crate::engine::config::problem::{Fault, Place, Problem, Step};

/// The failure in terms of the YAML at its position.
pub(super) fn in_yaml(failure: Failure, problem: &Problem, lines: &Lines, at: Position) -> Failure {
    let line = lines.line(at.line);
    let start = lines.byte(at);
    let text = line.get(start..).unwrap_or_default();
    let Fault::Shape(message) = &problem.fault else {
        return if runs_on(lines, at) { failure.hint(ONE_COLUMN) } else { failure };
    };
    if message.starts_with("unknown field `<<`") {
        return failure.hint("write the keys out: merge keys are not supported");
    }
    let Some((expected, found)) =
        message.strip_prefix("expected ").and_then(|rest| rest.rsplit_once(", found "))
    else {
        return failure;
    };
    let value = text.get(..scalar::width(line, start)).unwrap_or_default();
    if found == "nothing" {
        return nothing(failure, line, start);
    }
    if expected == "text" && (found == "a mapping" || found == "a list") {
        return must_be_quoted(failure, line, start, &problem.place);
    }
    if let Some(space) = without_space(lines, at.line, line).filter(|_| found.starts_with("text ")) {
        return Failure { hint: space.hint, ..Failure { message: space.message, ..failure } };
    }
    match (expected, value.to_ascii_lowercase().as_str()) {
        ("`true` or `false`", "yes" | "on" | "y") => failure.hint("write `true`"),
        ("`true` or `false`", "no" | "off" | "n") => failure.hint("write `false`"),
        ("text" | "64 hex digits in quotes", _) if !found.starts_with("text ") => {
            failure.hint(write_quoted(value))
        }
        ("a list", _) if found.starts_with("text ") => failure.hint(format!("write a list: `[{value}]`")),
        _ => failure,
    }
}

/// A key without a value, or with a value that YAML does not see.
fn nothing(failure: Failure, line: &str, start: usize) -> Failure {
    let value = scalar::start(line).max(start.min(line.len()));
    let text = line.get(value..).unwrap_or_default();
    let behind = text.trim_start_matches(|c: char| c == ':' || c.is_whitespace());
    if behind.starts_with('#') {
        return failure.hint(format!("`#` begins a comment: {}", write_quoted(behind.trim_end())));
    }
    if behind.starts_with('&') {
        let message = "a value that begins with `&` must be quoted".to_owned();
        return Failure { message, ..failure }.hint(write_quoted(behind.trim_end()));
    }
    failure.hint("write a value, or remove the key")
}

/// A text that YAML reads as a mapping or a list.
fn must_be_quoted(failure: Failure, line: &str, start: usize, place: &Place) -> Failure {
    let rest = |start: usize| {
        line.get(start..).unwrap_or_default().split(" #").next().unwrap_or_default().trim_end()
    };
    // The position of a mapping below a key is the position of the key.
    let is_item = matches!(place.steps().last(), Some(Step::Index(_)));
    let key = if is_item { Some(0) } else { rest(start).find(": ").map(|colon| colon.saturating_add(2)) };
    let Some(start) = key.map(|key| start.saturating_add(key)) else { return failure };
    let value = line.get(start..start.saturating_add(scalar::width(line, start))).unwrap_or_default();
    let (message, text) = match value.chars().next() {
        // With a colon or without content it is a real mapping.
        Some('{') if value.contains(':') || value == "{}" => return failure,
        Some('{') => ("a value that begins with `{` must be quoted", value),
        Some('[') => return failure,
        Some(_) if is_item && rest(start).ends_with(':') => {
            ("a value that ends with `:` must be quoted", rest(start))
        }
        Some(_) if is_item && rest(start).contains(": ") => {
            ("a value that has `: ` in it must be quoted", rest(start))
        }
        Some(_) | None => return failure,
    };
    Failure { message: message.to_owned(), ..failure }.hint(write_quoted(text))
}

/// Whether the next line looks like another item of the list but is indented deeper, so that YAML reads both as one
/// text.
fn runs_on(lines: &Lines, at: Position) -> bool {
    let item = |line: &str| {
        line.find("- ").filter(|byte| line.get(..*byte).is_some_and(|before| before.trim().is_empty()))
    };
    let Some(next) = at.line.checked_add(1).and_then(|next| item(lines.line(next))) else { return false };
    item(lines.line(at.line)).is_some_and(|this| next > this)
}

const ONE_COLUMN: &str = "begin the items of a list in one column: the line below continues this one";
