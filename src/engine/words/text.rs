//! Safe display of text that a person wrote: in messages, in logs, on a terminal.

/// The text with escapes, such as `\u{1b}`, for characters that a terminal or a log would execute, reorder or
/// hide. It also escapes the `[` of `##[error]`, which CI systems execute anywhere in a line.
///
/// Applying it twice changes nothing more.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '[' if is_command(&shown) => shown.push_str("\\u{5b}"),
            _ if is_hidden(c) => shown.push_str(&escaped(c)),
            _ => shown.push(c),
        }
    }
    shown
}

/// Whether a character is displayed as something else or as nothing: a control or format character such as
/// U+202E, white space other than a space, or a blank, private or unassigned character.
pub(crate) fn is_hidden(c: char) -> bool {
    if matches!(c, '\\' | '"' | '\'' | ' ') || c.is_ascii_graphic() {
        return false;
    }
    // The letter before it prevents an escape for a combining mark.
    BLANK.iter().any(|(first, last)| (*first..=*last).contains(&c))
        || ['a', c].iter().collect::<String>().escape_debug().count() > 2
}

/// Escapes hidden characters in JSON. They can only occur in strings, where JSON allows escapes.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn visible_json(json: &str) -> String {
    let mut units = [0; 2];
    let mut visible = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden(c) {
            visible.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            visible.push(c);
        }
    }
    visible
}

fn escaped(c: char) -> String {
    match c {
        '\n' | '\r' | '\t' | '\0' => c.escape_debug().to_string(),
        _ => c.escape_unicode().to_string(),
    }
}

/// Whether a text ends with the start of a CI command: `##` and lower-case letters.
fn is_command(text: &str) -> bool {
    text.trim_end_matches(|c: char| c.is_ascii_lowercase()).ends_with("##")
}

/// Blank letters and marks (Unicode's Default_Ignorable_Code_Point except format characters), and the empty
/// Braille pattern.
const BLANK: [(char, char); 9] = [
    ('\u{34f}', '\u{34f}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{e0100}', '\u{e01ef}'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_commands_are_escaped() {
        for (text, expected) in [
            ("Zoë's \"C:\\x\" – क्षि e\u{301}", "Zoë's \"C:\\x\" – क्षि e\u{301}"),
            ("a\x1b[31m\nb\t\u{7f}\u{85}", "a\\u{1b}[31m\\nb\\t\\u{7f}\\u{85}"),
            (
                "\u{202e}x\u{2028}\u{200b}\u{feff}\u{3164}\u{fe0f}",
                "\\u{202e}x\\u{2028}\\u{200b}\\u{feff}\\u{3164}\\u{fe0f}",
            ),
            ("##[error]no ##vso[task] # [a]", "##\\u{5b}error]no ##vso\\u{5b}task] # [a]"),
        ] {
            assert_eq!(shown(text), expected);
            assert_eq!(shown(expected), expected);
        }
    }
}
