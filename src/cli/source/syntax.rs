//! Explains why a text is not valid YAML, in terms of the author's mistake.
//!
//! In: the message and position of the YAML parser. Out: the mistake, which may be on an earlier line. The rules are
//! tried in order. If no rule matches, the parser's own message is used.

use crate::cli::excerpt::lines::Lines;
use crate::cli::excerpt::scalar;
use crate::cli::position::Position;
use crate::cli::source::syntax::brackets::{closes_nothing, in_brackets};
use crate::cli::source::syntax::indentation::{deeper_than_a_value, fits_no_line, tab};
pub(super) use crate::cli::source::syntax::quoting::write_quoted;
use crate::cli::source::syntax::quoting::{
    begins_with_bracket, colon, escape, indicator, no_key, open_quote, trailing,
};

mod brackets;
mod indentation;
mod quoting;

/// The message for a key that is not text: a number, nothing, a list.
pub(super) const NO_KEY: &str = "a key must be text";

/// A mistake in a text.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) at: Position,
    /// Its width in characters; by default the width of the value that starts there.
    pub(super) width: Option<usize>,
    /// The position of the same key earlier in the text.
    pub(super) first: Option<Position>,
}

impl Mistake {
    pub(super) fn new(message: impl Into<String>, at: Position) -> Self {
        Self { message: message.into(), hint: None, at, width: None, first: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub(super) fn wide(self, width: usize) -> Self {
        Self { width: Some(width), ..self }
    }
}

/// Where the YAML parser stopped, and why.
struct Stop<'l> {
    lines: &'l Lines,
    /// The parser's own message.
    info: &'l str,
    at: Position,
    line: &'l str,
    /// The line, starting at the position.
    rest: &'l str,
}

impl Stop<'_> {
    fn says(&self, words: &str) -> bool {
        self.info.contains(words)
    }

    /// The character at the position.
    fn char(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// The position of a byte of the line.
    fn byte(&self, byte: usize) -> Position {
        self.lines.position(self.at.line, byte)
    }

    /// The nearest line above that is not empty, with its number.
    fn above(&self) -> Option<(usize, &str)> {
        let mut numbers = (1..self.at.line).rev();
        numbers
            .find_map(|number| Some((number, self.lines.line(number))).filter(|(_, line)| has_content(line)))
    }
}

/// The mistake behind the message of the YAML parser.
pub(super) fn mistake(lines: &Lines, info: &str, at: Position) -> Mistake {
    let line = lines.line(at.line);
    let rest = line.get(lines.byte(at)..).unwrap_or_default();
    let stop = Stop { lines, info, at, line, rest };
    RULES.iter().find_map(|rule| rule(&stop)).unwrap_or_else(|| unknown(&stop))
}

/// The rules, most precise first.
const RULES: [fn(&Stop<'_>) -> Option<Mistake>; 15] = [
    no_key,
    tab,
    character,
    open_quote,
    trailing,
    escape,
    missing_space,
    begins_with_bracket,
    indicator,
    closes_nothing,
    in_brackets,
    deeper_than_a_value,
    colon,
    comment,
    fits_no_line,
];

fn unknown(stop: &Stop<'_>) -> Mistake {
    Mistake::new(format!("this is not YAML: {}", stop.info), stop.at)
}

/// A character that YAML does not allow, or that editors do not show.
fn character(stop: &Stop<'_>) -> Option<Mistake> {
    if stop.says("byte order mark") {
        let mistake = Mistake::new("a byte order mark (U+FEFF) stands inside the file", stop.at).wide(1);
        return Some(mistake.hint("delete it: editors do not show it"));
    }
    let unprintable = stop.char().filter(|_| stop.says("unprintable"))?;
    let message = format!("YAML does not allow the character U+{:04X}", u32::from(unprintable));
    Some(Mistake::new(message, stop.at).wide(1).hint("delete it: editors do not show it"))
}

/// `key:value` and `-item` without a space: YAML reads them as text and fails only at the next line.
fn missing_space(stop: &Stop<'_>) -> Option<Mistake> {
    let surprised = ["mapping values", "simple key", "expected key", "sequence entries"];
    surprised.iter().find(|words| stop.says(words))?;
    let above = stop.above();
    let candidates = [above, Some((stop.at.line, stop.line))];
    candidates.into_iter().flatten().find_map(|(number, line)| without_space(stop.lines, number, line))
}

/// The mistake in a line that would be a key or an item with a space added.
pub(super) fn without_space(lines: &Lines, number: usize, line: &str) -> Option<Mistake> {
    let text = line.trim_start();
    let begin = line.len().saturating_sub(text.len());
    if text.starts_with('-')
        && text.chars().nth(1).is_some_and(|c| !matches!(c, ' ' | '-' | '.') && !c.is_ascii_digit())
    {
        let item = text.trim_start_matches('-');
        let mistake = Mistake::new("a space is missing after `-`", lines.position(number, begin)).wide(2);
        return Some(mistake.hint(format!("write `- {}`", item.trim_end())));
    }
    let key = text.find(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)))?;
    let (name, rest) = text.split_at_checked(key).filter(|(name, _)| !name.is_empty())?;
    let value =
        rest.strip_prefix(':').filter(|value| !value.is_empty() && !value.starts_with([' ', '/', ':']))?;
    let is_key = !value.contains(": ") && !value.ends_with(':') && !name.contains(' ');
    let mistake = Mistake::new(format!("a space is missing after `{name}:`"), lines.position(number, begin));
    is_key.then(|| {
        mistake.wide(name.len().saturating_add(1)).hint(format!("write `{name}: {}`", shortened(value)))
    })
}

/// A comment directly after a value.
fn comment(stop: &Stop<'_>) -> Option<Mistake> {
    let mistake = || Mistake::new("a space is missing before `#`", stop.at).wide(1);
    (stop.says("comments must be separated")).then(mistake)
}

fn shortened(value: &str) -> &str {
    if value.len() > MAX_VALUE { "…" } else { value }
}

fn has_content(line: &str) -> bool {
    !line.trim_start().is_empty() && !line.trim_start().starts_with('#')
}

/// The number of white-space bytes at the start of a line.
fn indentation(line: &str) -> usize {
    line.len().saturating_sub(line.trim_start().len())
}

/// Maximum length of a value that a hint repeats, in bytes.
const MAX_VALUE: usize = 40;

/// The text of the value that starts at a byte of the line.
fn value(line: &str, start: usize) -> &str {
    let end = start.saturating_add(scalar::width(line, start));
    line.get(start..end).unwrap_or_default()
}
