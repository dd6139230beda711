//! All talking to the person: data to stdout, errors, warnings and hints to stderr.
//!
//! The only file that prints. Colours go only to a terminal, and never where `NO_COLOR` is set.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::failure::Failure;

/// Writes data to stdout, as it is.
///
/// A reader that went away is no failure of ours: what it did not want is not written.
pub(super) fn data(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes a value to stdout, as one line of JSON.
pub(super) fn json(value: &impl Serialize) {
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    data(&text);
}

/// Tells a failure.
pub(super) fn failure(failure: &Failure) {
    shown("error", RED, failure);
}

/// Tells something that should be mended.
pub(super) fn warning(warning: &Failure) {
    shown("warning", YELLOW, warning);
}

/// Tells something good to know.
pub(super) fn note(note: &Failure) {
    shown("note", CYAN, note);
}

/// Tells what was done.
pub(super) fn done(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

fn shown(word: &str, colour: &str, shown: &Failure) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{colour}{BOLD}{word}{RESET}: {}", shown.message);
    if let Some(place) = &shown.place {
        let _ = writeln!(stderr, "  {CYAN}-->{RESET} {place}");
    }
    if let Some(hint) = &shown.hint {
        let _ = writeln!(stderr, "{BOLD}hint{RESET}: {hint}");
    }
}

/// ANSI X3.64 sequences; `anstream` takes them out where they are not wanted.
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";
const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";
