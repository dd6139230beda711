//! A person's text as messages quote it.

/// A user's text as it is quoted in a message: as written, but for what a terminal or a log would not show.
pub(crate) fn shown(text: &str) -> String {
    let escape = |c: char| match c {
        '\\' | '"' | '\'' => c.to_string(),
        _ => c.escape_debug().to_string(),
    };
    text.chars().map(escape).collect()
}
