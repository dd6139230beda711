//! Lines that start at the wrong column.

use crate::cli::source::syntax::{Mistake, Stop, has_content, indentation};

/// A tab in the indentation of a line.
pub(super) fn tab(stop: &Stop<'_>) -> Option<Mistake> {
    let space = stop.line.get(..indentation(stop.line))?;
    let tab = space.find('\t').filter(|_| stop.says("tab") || stop.says("indentation"))?;
    let mistake = Mistake::new("a tab indents this line: YAML allows only spaces", stop.byte(tab)).wide(1);
    Some(mistake.hint("replace the tab with spaces"))
}

/// A line below `key: value` that is indented as if it belonged to the key.
pub(super) fn deeper_than_a_value(stop: &Stop<'_>) -> Option<Mistake> {
    if !stop.says("mapping values are not allowed") {
        return None;
    }
    let (number, above) = stop.above()?;
    let depth = indentation(stop.line);
    let first_colon = stop.line.find(':')? == stop.lines.byte(stop.at);
    if !first_colon || depth <= indentation(above) {
        return None;
    }
    let text = stop.line.trim();
    let mistake = Mistake::new(
        format!("this line is indented deeper than line {number}, which has a value already"),
        stop.byte(depth),
    );
    let hint = format!("indent it as far as line {number}, or take the value from there");
    Some(mistake.wide(text.chars().count()).hint(hint))
}

/// A line that starts at a column at which no line above starts.
pub(super) fn fits_no_line(stop: &Stop<'_>) -> Option<Mistake> {
    let knows =
        ["expected key", "'-' indicator", "document start", "document-start", "indentation", "simple key"];
    knows.iter().find(|words| stop.says(words))?;
    if !has_content(stop.line) {
        return None;
    }
    let depth = indentation(stop.line);
    let at = stop.byte(depth);
    let width = stop.line.trim().chars().count();
    let item = stop.line.trim_start().starts_with("- ");
    let list =
        item && stop.above().is_some_and(|(_, above)| indentation(above) > depth || above.ends_with(':'));
    let what = if list { "this item" } else { "this line" };
    let mistake = Mistake::new(format!("{what} is indented like no line above it that it could follow"), at);
    Some(mistake.wide(width).hint("begin it in the same column as the lines that it belongs to"))
}
