//! Mistakes in bracketed lists and mappings: not closed, a missing comma, or closed twice.

use crate::cli::position::Position;
use crate::cli::source::syntax::quoting::write_quoted;
use crate::cli::source::syntax::{Mistake, Stop, value};

/// An open bracket in the text.
#[derive(Clone, Copy)]
struct Open {
    bracket: char,
    at: Position,
}

/// A closing bracket without an opening one.
pub(super) fn closes_nothing(stop: &Stop<'_>) -> Option<Mistake> {
    let bracket = stop.char().filter(|c| matches!(c, ']' | '}'))?;
    let mistake = || Mistake::new(format!("`{bracket}` closes nothing"), stop.at).wide(1);
    stop.says("misplaced bracket").then(|| mistake().hint("remove it, or open it before"))
}

/// Text that is not allowed between brackets.
pub(super) fn in_brackets(stop: &Stop<'_>) -> Option<Mistake> {
    let knows = ["flow", "indicator", "invalid indentation", "expected ',' or", "single-line"];
    knows.iter().find(|words| stop.says(words))?;
    let open = innermost(stop)?;
    let close = if open.bracket == '[' { ']' } else { '}' };
    let never = |hint: String| {
        Some(Mistake::new(format!("`{}` is never closed", open.bracket), open.at).wide(1).hint(hint))
    };
    match stop.char() {
        Some(other @ (']' | '}')) if other != close => never(format!("write `{close}` before `{other}`")),
        None => never(format!("close it with `{close}`")),
        Some(_) if stop.at.line > open.at.line && !is_closed(stop, open) => {
            never(format!("close it with `{close}`"))
        }
        Some(':') => Some(colon(stop)),
        Some(_) => Some(no_comma(stop.at)),
    }
}

fn no_comma(at: Position) -> Mistake {
    Mistake::new("a comma is missing before this", at).hint("write `,` between two entries")
}

/// A value between brackets that contains `: `.
fn colon(stop: &Stop<'_>) -> Mistake {
    let byte = stop.lines.byte(stop.at);
    let before = stop.line.get(..byte).unwrap_or_default();
    let start = before.rfind(": ").map_or(0, |colon| colon.saturating_add(2));
    let start = before.rfind([',', '{', '[']).map_or(start, |bracket| start.max(bracket.saturating_add(1)));
    let start = start.saturating_add(super::indentation(stop.line.get(start..).unwrap_or_default()));
    let rest = byte.saturating_add(1);
    let end = rest.saturating_add(value(stop.line, rest).trim_end().len());
    let text = stop.line.get(start..end).unwrap_or_default();
    if let Some(quote) = [" \"", " '"].iter().find_map(|quote| text.find(quote)) {
        let at = start.saturating_add(quote).saturating_add(1);
        return no_comma(stop.byte(at));
    }
    let mistake = Mistake::new("a value that has `: ` in it must be quoted", stop.byte(start));
    mistake.wide(text.chars().count()).hint(write_quoted(text))
}

/// The innermost open bracket where the parser stopped.
fn innermost(stop: &Stop<'_>) -> Option<Open> {
    let mut open = Vec::new();
    for number in 1..=stop.at.line {
        let line = stop.lines.line(number);
        let end = if number == stop.at.line { stop.lines.byte(stop.at) } else { line.len() };
        for (byte, bracket) in brackets(line.get(..end).unwrap_or_default()) {
            match bracket {
                '[' | '{' => open.push(Open { bracket, at: stop.lines.position(number, byte) }),
                _ => drop(open.pop()),
            }
        }
    }
    open.pop()
}

/// Whether a later line closes the bracket.
fn is_closed(stop: &Stop<'_>, open: Open) -> bool {
    let mut depth = 0_usize;
    for number in open.at.line..=stop.lines.count() {
        let line = stop.lines.line(number);
        let start = if number == open.at.line { stop.lines.byte(open.at) } else { 0 };
        for (_, bracket) in brackets(line.get(start..).unwrap_or_default()) {
            depth = match bracket {
                '[' | '{' => depth.saturating_add(1),
                _ => depth.saturating_sub(1),
            };
            if depth == 0 {
                return true;
            }
        }
    }
    false
}

/// The brackets of a line outside of quotes, comments and texts such as `/users/{id}`.
fn brackets(line: &str) -> Vec<(usize, char)> {
    let (mut found, mut in_text, mut quote, mut before) = (Vec::new(), 0_usize, None, ' ');
    for (byte, c) in line.char_indices() {
        let begins = " [{,:".contains(before);
        match (quote, c) {
            (Some(open), _) => quote = quote.filter(|_| c != open),
            (None, '"' | '\'') if begins => quote = Some(c),
            (None, '#') if before == ' ' => break,
            (None, '[' | '{') if !begins => in_text = in_text.saturating_add(1),
            (None, ']' | '}') if in_text > 0 => in_text = in_text.saturating_sub(1),
            (None, '[' | '{' | ']' | '}') => found.push((byte, c)),
            (None, _) => {}
        }
        before = c;
    }
    found
}
