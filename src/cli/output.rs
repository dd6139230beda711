//! All output for people: data to stdout; errors, warnings and hints to stderr.
//!
//! This is the only file that prints. Colours go only to a terminal, and never if `NO_COLOR` is set.

use std::io::{self, Write};
use std::sync::OnceLock;

use annotate_snippets::Level;
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::engine::words::text;

/// Writes data to stdout, unchanged. Stores the first error for [`unwritten`] and [`lost`].
pub(super) fn data(text: &str) {
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        let _ = ERROR.set(error);
    }
}

/// Writes a line of data to stdout that may contain a person's text. It stays one line, and contains no commands for
/// a terminal or a CI system.
pub(super) fn line(text: &str) {
    data(&format!("{}\n", one_line(text)));
}

/// Why stdout did not accept all data: it was closed, or writing failed.
pub(super) fn unwritten() -> Option<&'static io::Error> {
    ERROR.get()
}

/// The failure of a command with lost data. A reader that closed its pipe wanted no more data; that is not a failure.
pub(super) fn lost() -> Option<Failure> {
    let error = unwritten().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)?;
    Some(Failure::new(format!("cannot write to standard output: {error}")))
}

/// Writes a value to stdout, as one line of JSON.
pub(super) fn json(value: &impl Serialize) {
    let mut text = text::visible_json(&serde_json::to_string(value).unwrap_or_default());
    text.push('\n');
    data(&text);
}

/// Prints a failure.
pub(super) fn failure(failure: &Failure) {
    shown(Level::ERROR, "error", RED, failure);
}

/// Prints a warning.
pub(super) fn warning(warning: &Failure) {
    shown(Level::WARNING, "warning", YELLOW, warning);
}

/// Prints a note.
pub(super) fn note(note: &Failure) {
    shown(Level::NOTE, "note", CYAN, note);
}

/// Prints the result of an action.
pub(super) fn done(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{}", one_line(text));
}

/// Prints a prompt and leaves the cursor after it.
pub(super) fn prompt(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

fn shown(level: Level<'static>, word: &str, colour: &str, shown: &Failure) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{colour}{BOLD}{word}{RESET}: {}", text::shown(&shown.message));
    if let Some(place) = &shown.place {
        let _ = writeln!(stderr, "  {CYAN}-->{RESET} {}", text::shown(place));
    }
    if let Some(excerpt) = &shown.excerpt {
        let _ = writeln!(stderr, "{}", excerpt.render(level));
    }
    if let Some(hint) = &shown.hint {
        let _ = writeln!(stderr, "{BOLD}hint{RESET}: {}", text::shown(hint));
    }
}

/// The text as one line that GitHub does not read as a command, which would start with `::`.
fn one_line(text: &str) -> String {
    let shown = text::shown(text);
    match shown.trim_start().strip_prefix("::") {
        Some(rest) => format!("\\u{{3a}}:{rest}"),
        None => shown,
    }
}

static ERROR: OnceLock<io::Error> = OnceLock::new();

/// ANSI X3.64 sequences; `anstream` removes them if they are unwanted.
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";
const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";
