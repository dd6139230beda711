//! Reads secrets from standard input, where they appear in no process list and no shell history.
//!
//! At a terminal it shows a prompt and hides the typed text.

use std::io::{self, IsTerminal, Read};

use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::silence::Silence;
use crate::engine::request::credential::part::after_bar;
use crate::engine::words::secret::{MAX_SECRET_BYTES, MIN_SECRET_BYTES, Secret, SecretDigest};

/// A line of standard input that is not empty.
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: usize,
    /// The digests that a registry may have for the secret; empty if the line is not a secret.
    pub(super) digests: Vec<SecretDigest>,
}

/// Reads the only secret on standard input, unchanged; `command` shows how to pass one.
///
/// # Errors
/// Fails if standard input cannot be read or is not one secret. It is never shown.
pub(super) fn secret(command: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut input = read("type or paste the secret, which is not shown; then press Enter: ", Until::Enter)?;
    let lines = input.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
    if lines > 1 {
        let several = Failure::new(format!("standard input has {lines} lines with text"));
        return Err(several.hint("pass one secret at a time"));
    }
    let end = input.trim_ascii_end().len();
    input.truncate(end);
    if Secret::parse(&input).is_some() { Ok(input) } else { Err(no_secret(command)) }
}

/// Reads the lines of standard input, with a pasted secret on each.
///
/// # Errors
/// Fails if standard input cannot be read or has no secret.
pub(super) fn lines(command: &str) -> Result<Vec<Line>, Failure> {
    let prompt = "paste the secrets, one a line, which are not shown; press Enter, then press Ctrl-D:\n";
    let lines = parsed(&read(prompt, Until::End)?);
    if lines.iter().all(|line| line.digests.is_empty()) { Err(no_secret(command)) } else { Ok(lines) }
}

/// Reads all of standard input, as a file of secrets.
///
/// # Errors
/// Fails if standard input cannot be read or is too large.
pub(super) fn file() -> Result<Zeroizing<Vec<u8>>, Failure> {
    read("paste lines `id secret`, which are not shown; press Enter, then press Ctrl-D:\n", Until::End)
}

/// Shows a prompt for text that is not secret, if standard input is a terminal.
pub(super) fn prompt(prompt: &str) {
    if io::stdin().is_terminal() {
        output::prompt(prompt);
    }
}

/// The characters and lengths of a secret, for a hint.
pub(super) fn form() -> String {
    format!(
        "a secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} letters, digits and signs of ASCII, but no blanks, double \
         quotes and backslashes"
    )
}

/// When input at a terminal ends.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Until {
    Enter,
    End,
}

fn read(prompt: &str, until: Until) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let input = if io::stdin().is_terminal() { typed(prompt, until)? } else { piped()? };
    if input.len() > MAX_BYTES {
        return Err(Failure::new(format!("standard input has more than the {MAX_BYTES} bytes allowed")));
    }
    Ok(input)
}

fn piped() -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut input = Zeroizing::new(Vec::new());
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    io::stdin().take(limit).read_to_end(&mut input).map_err(|error| unreadable(&error))?;
    Ok(input)
}

/// Reads typed text from the terminal; each read gives one line.
fn typed(prompt: &str, until: Until) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let silence = Silence::begin()?;
    output::prompt(prompt);
    let (mut input, mut line) = (Zeroizing::new(Vec::new()), Zeroizing::new([0; LONGEST_LINE]));
    loop {
        let length = io::stdin().read(line.as_mut_slice()).map_err(|error| unreadable(&error))?;
        input.extend_from_slice(line.get(..length).unwrap_or_default());
        if silence.is_broken(&input) {
            return Err(Failure::new("interrupted: nothing was done"));
        }
        if length == 0 || until == Until::Enter || input.len() > MAX_BYTES {
            return Ok(input);
        }
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(format!("cannot read standard input: {error}"))
}

fn parsed(input: &[u8]) -> Vec<Line> {
    let lines = (1..).zip(input.split(|byte| *byte == b'\n'));
    let lines = lines.filter(|(_, text)| !text.trim_ascii().is_empty());
    lines.map(|(number, text)| Line { number, digests: digests(text) }).collect()
}

/// The digests of a line as it is, and of the secret in it, with or without quotes, header name and scheme. A gateway
/// may read only the text after a `|`.
fn digests(line: &[u8]) -> Vec<SecretDigest> {
    let value = without_word(bare(line), b"authorization:");
    let pasted = bare(SCHEMES.iter().fold(bare(value), |value, scheme| without_word(value, scheme)));
    let spelled = [line.trim_ascii(), pasted, after_bar(pasted)];
    spelled.into_iter().filter_map(Secret::parse).map(Secret::digest).collect()
}

/// The text without surrounding spaces and quotes.
fn bare(text: &[u8]) -> &[u8] {
    let is_edge = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`".contains(byte);
    let start = text.iter().position(|byte| !is_edge(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_edge(byte)).map_or(start, |last| last.saturating_add(1));
    text.get(start..end).unwrap_or_default()
}

/// The text after a leading word, in any letter case.
fn without_word<'t>(text: &'t [u8], word: &[u8]) -> &'t [u8] {
    match text.split_at_checked(word.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(word) => rest,
        Some(_) | None => text,
    }
}

fn no_secret(command: &str) -> Failure {
    Failure::new("standard input is not a secret")
        .hint(format!("{}; pass it with `printf %s \"$SECRET\" | {command}`", form()))
}

/// The schemes of the `authorization` header with which secrets are sent.
const SCHEMES: [&[u8]; 2] = [b"bearer ", b"token "];
/// Maximum size of standard input, in bytes.
const MAX_BYTES: usize = 1 << 24;
/// More than the maximum line length of a terminal (N_TTY in Linux).
const LONGEST_LINE: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_found_in_pasted_text() {
        let is_found =
            |text: &str| digests(text.as_bytes()).contains(&SecretDigest::of(b"an-old-secret-of-ours"));
        for text in [
            "an-old-secret-of-ours",
            "  an-old-secret-of-ours\r",
            "Bearer an-old-secret-of-ours",
            "token an-old-secret-of-ours",
            "authorization: Bearer an-old-secret-of-ours",
            "Authorization:\tToken an-old-secret-of-ours",
            "'Authorization: bearer  an-old-secret-of-ours'",
            "\"an-old-secret-of-ours\"",
            "authorization: \"Bearer 'an-old-secret-of-ours'\"",
            "Bearer 7|an-old-secret-of-ours",
        ] {
            assert!(is_found(text), "{text}");
        }
        for text in ["", "Bearer", "Basic an-old-secret-of-ours", "Bearer an-old-secret-of-ours x", "hunter2"]
        {
            assert!(digests(text.as_bytes()).is_empty(), "{text}");
        }
    }
}
