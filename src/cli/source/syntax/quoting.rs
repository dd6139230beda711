//! Values that need quotes, and quotes that are not closed.

use crate::cli::excerpt::scalar;
use crate::cli::source::syntax::{Mistake, NO_KEY, Stop, value};

/// A value or key that starts with a character that has a special meaning in YAML.
pub(super) fn indicator(stop: &Stop<'_>) -> Option<Mistake> {
    if stop.says("document end marker before directive") {
        return Some(begins_with(stop, '%', "key"));
    }
    if stop.says("sequence entries are not allowed") {
        let mistake = Mistake::new("a list begins on the line of its key", stop.at);
        let hint = format!("write each item on a line of its own, or {}", put_in_quotes(stop));
        return Some(mistake.hint(hint));
    }
    let knows =
        ["anchor", "unexpected character", "node content", "mapping keys are not", "block scalar", "tag"];
    knows.iter().find(|words| stop.says(words))?;
    let c = stop.char().filter(|c| "*&!%@`?|>,".contains(*c))?;
    if c == ',' {
        return Some(Mistake::new("a value is missing before `,`", stop.at).wide(1));
    }
    let name = stop.rest.trim_start_matches('*').split([' ', ',', ']', '}']).next().unwrap_or_default();
    let is_key = stop.rest.trim_end().ends_with(':') || stop.rest.contains(": ");
    let alias = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if c == '*' && alias && !is_key && stop.says("unknown anchor") {
        let mistake =
            Mistake::new(format!("`*{name}` is an alias, but no value has the anchor `&{name}`"), stop.at);
        return Some(mistake.hint(format!("if it is text, {}", put_in_quotes(stop))));
    }
    Some(begins_with(stop, c, if is_key { "key" } else { "value" }))
}

fn begins_with(stop: &Stop<'_>, c: char, what: &str) -> Mistake {
    let begin = if c == '`' { "a backtick".to_owned() } else { format!("`{c}`") };
    Mistake::new(format!("a {what} that begins with {begin} must be quoted"), stop.at)
        .hint(put_in_quotes(stop))
}

/// A key that is not text, or a value that YAML reads as a mapping with such a key.
pub(super) fn no_key(stop: &Stop<'_>) -> Option<Mistake> {
    if stop.info != NO_KEY {
        return None;
    }
    match stop.char() {
        Some(bracket @ ('{' | '[')) => {
            let text = stop.rest.split(" #").next().unwrap_or(stop.rest).trim_end();
            let mistake =
                Mistake::new(format!("a value that begins with `{bracket}` must be quoted"), stop.at);
            Some(mistake.wide(text.chars().count()).hint(write_quoted(text)))
        }
        _ => Some(Mistake::new(NO_KEY, stop.at).hint(put_in_quotes(stop))),
    }
}

/// The hint to quote the value at which the parser stopped.
fn put_in_quotes(stop: &Stop<'_>) -> String {
    let start = stop.lines.byte(stop.at);
    write_quoted(value(stop.line, start))
}

pub(in crate::cli::source) fn write_quoted(text: &str) -> String {
    if text.chars().count() > MAX_QUOTED {
        "put it in quotes".to_owned()
    } else {
        format!("write `{}`", scalar::quoted(text))
    }
}

/// A value such as `{tenant} reports`: YAML reads a mapping and then fails at the rest.
pub(super) fn begins_with_bracket(stop: &Stop<'_>) -> Option<Mistake> {
    let start = scalar::start(stop.line);
    let rest = stop.line.get(start..)?;
    let open = rest.chars().next().filter(|c| matches!(c, '{' | '['))?;
    let close = rest.find(if open == '{' { '}' } else { ']' })?;
    let after = rest.get(close.saturating_add(1)..)?;
    let behind = stop.lines.byte(stop.at) > start.saturating_add(close);
    let is_text =
        after.starts_with(|c: char| !matches!(c, ',' | ']' | '}' | '#')) && !after.trim().is_empty();
    if !(behind && is_text && !after.trim_start().starts_with(['#', '}', ']', ','])) {
        return None;
    }
    let value = rest.split(" #").next().unwrap_or(rest).trim_end();
    let mistake = Mistake::new(format!("a value that begins with `{open}` must be quoted"), stop.byte(start));
    Some(mistake.wide(value.chars().count()).hint(write_quoted(value)))
}

/// A value that contains `: `.
pub(super) fn colon(stop: &Stop<'_>) -> Option<Mistake> {
    if !stop.says("mapping values are not allowed") {
        return None;
    }
    let start = scalar::start(stop.line);
    let text = stop.line.get(start..)?.split(" #").next()?.trim_end();
    if start > stop.lines.byte(stop.at) {
        return None;
    }
    let mistake = Mistake::new("a value that has `: ` in it must be quoted", stop.byte(start));
    Some(mistake.wide(text.chars().count()).hint(write_quoted(text)))
}

/// A quote that is never closed.
pub(super) fn open_quote(stop: &Stop<'_>) -> Option<Mistake> {
    let quote = stop.char().filter(|c| matches!(c, '"' | '\''))?;
    let never = stop.says("quoted scalar, found unexpected");
    let mistake = || Mistake::new("this quote is never closed", stop.at).wide(1);
    never.then(|| mistake().hint(format!("close it with `{quote}` at the end of the value")))
}

/// Text after a closing quote, or an earlier open quote that makes it look so.
pub(super) fn trailing(stop: &Stop<'_>) -> Option<Mistake> {
    if !stop.says("trailing content after") {
        return None;
    }
    let before = stop.line.get(..stop.lines.byte(stop.at))?;
    let quote = before.trim_end().chars().next_back().filter(|c| matches!(c, '"' | '\''))?;
    let is_odd = |line: &str| line.matches(quote).count() % 2 == 1;
    if is_odd(before) {
        let mut above = (1..stop.at.line).rev();
        let number = above.find(|number| is_odd(stop.lines.line(*number)))?;
        let opened = stop.lines.line(number).rfind(quote)?;
        let mistake =
            Mistake::new("this quote is never closed on its line", stop.lines.position(number, opened));
        return Some(mistake.wide(1).hint(format!("close it with `{quote}` at the end of the value")));
    }
    let mistake = Mistake::new("text stands behind the closing quote", stop.at);
    Some(match quote {
        '\'' => mistake.hint("write `''` for a quote inside the value"),
        _ => mistake.hint("quote the whole value, and write `\\\"` for a quote inside it"),
    })
}

/// A backslash in double quotes before a character that forms no escape.
pub(super) fn escape(stop: &Stop<'_>) -> Option<Mistake> {
    if !stop.says("escape character") && !stop.says("hexadecimal number") {
        return None;
    }
    let mut chars = stop.rest.char_indices();
    while let Some((byte, c)) = chars.next() {
        let Some((_, escaped)) = (if c == '\\' { chars.next() } else { None }) else { continue };
        if !"0abtnvfre \"/\\N_LP\t".contains(escaped) {
            let at = stop.byte(stop.lines.byte(stop.at).saturating_add(byte));
            let mistake = Mistake::new(format!("`\\{escaped}` is not an escape of YAML"), at).wide(2);
            return Some(mistake.hint("write `\\\\` for a backslash, or use single quotes"));
        }
    }
    None
}

/// Maximum length of a value that a hint repeats, in characters.
const MAX_QUOTED: usize = 60;
