//! Values in a line of YAML: where a value starts and ends, and its text.

/// The length in bytes of the value that starts at byte `start`; at least one character, unless the line ends there.
pub(in crate::cli) fn width(line: &str, start: usize) -> usize {
    let (before, rest) = line.split_at_checked(start).unwrap_or((line, ""));
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(quote) = quote {
        return closing(rest, quote).unwrap_or(rest.len());
    }
    let in_brackets = open_brackets(before);
    let mut depth = usize::from(rest.starts_with(['[', '{']));
    for (byte, c) in rest.char_indices().skip(1) {
        let after = rest.get(byte..).unwrap_or_default();
        let ends = match c {
            ':' => after.len() == 1 || after.starts_with(": "),
            '#' => rest.get(..byte).is_some_and(|before| before.ends_with(' ')),
            '[' | '{' => {
                depth = depth.saturating_add(1);
                false
            }
            ']' | '}' if depth > 0 => {
                depth = depth.saturating_sub(1);
                false
            }
            ',' | ']' | '}' => in_brackets && depth == 0,
            _ => false,
        };
        if ends && (c != ':' || !rest.starts_with(['[', '{'])) {
            return rest.get(..byte).unwrap_or_default().trim_end().len();
        }
    }
    rest.trim_end().len()
}

/// The byte at which the value of a line starts: after its indentation, `- ` and `key: `.
pub(in crate::cli) fn start(line: &str) -> usize {
    let mut start = line.len().saturating_sub(line.trim_start().len());
    let rest = |start: usize| line.get(start..).unwrap_or_default();
    while rest(start).starts_with("- ") {
        let item = rest(start).trim_start_matches('-');
        start = line.len().saturating_sub(item.trim_start().len());
    }
    if rest(start).starts_with(['"', '\'', '[', '{']) {
        return start;
    }
    match rest(start).split_once(": ") {
        Some((_, value)) => line.len().saturating_sub(value.trim_start().len()),
        None => start,
    }
}

/// The text in double quotes, as YAML and JSON read it.
pub(in crate::cli) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

/// The length up to and including the closing quote. The text starts with the opening one.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    let mut rest = text.char_indices().skip(1).peekable();
    while let Some((byte, c)) = rest.next() {
        // In single quotes, two quotes stand for one.
        if c == '\'' && quote == c && rest.next_if(|(_, next)| *next == quote).is_some() {
            continue;
        }
        if c == quote && !escaped {
            return byte.checked_add(1);
        }
        escaped = quote == '"' && c == '\\' && !escaped;
    }
    None
}

/// Whether a bracket is open at the end of the text.
fn open_brackets(text: &str) -> bool {
    let count = |brackets: [char; 2]| text.matches(brackets).count();
    count(['[', '{']) > count([']', '}'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_ends_where_yaml_ends_it() {
        for (line, value) in [
            ("- GET /a/{id}:cancel # why", "GET /a/{id}:cancel"),
            ("  reader: { deny: [a, b] } # why", "{ deny: [a, b] }"),
            ("- {tenant} x", "{tenant} x"),
            ("  reader: \"a # \\\" b\" # why", "\"a # \\\" b\""),
            ("  - - 'it''", "'it''"),
            ("reader:", "reader"),
            ("- {tenant}: GET /x", "{tenant}: GET /x"),
        ] {
            let start = start(line);
            assert_eq!(line.get(start..start + width(line, start)), Some(value), "{line}");
        }
        let line = "roles: { a: {}, b: { c: [] } }";
        assert_eq!((width(line, line.find("{}").unwrap()), width(line, line.find("{ c").unwrap())), (2, 9));
        let line = "roles: { r: { permissions: [a b, c] } }";
        let at = |text| line.find(text).unwrap();
        assert_eq!((width(line, at("a b")), width(line, at("r:")), width(line, at("c]"))), (3, 1, 1));
    }
}
